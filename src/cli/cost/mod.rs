//! `homing check --cost`: what a topology costs a month by product, which quota of the Free plan ends when, and what the plan must be.

mod load;
mod show;
mod tariff;
#[cfg(test)]
mod tests;
mod usage;

use load::Load;
pub(super) use load::Observed;
use tariff::{Price, SUBSCRIPTION, TARIFF};
pub(super) use usage::Setup;
use usage::Usage;

use super::error::CliError;
use homing_core::config::Topology;

/// Seconds of a day: quotas begin anew at midnight UTC.
const DAY: f64 = 86_400.0;
/// Days of a month.
const DAYS: f64 = 30.0;

/// What is to be reckoned.
#[derive(clap::Args)]
#[group(id = "cost options")]
pub(super) struct CostArgs {
    /// Estimate the monthly bill on Cloudflare by product, when each quota of the Free plan ends, and which plan is needed.
    /// docs/cost.md explains the method and names the sources of the prices.
    #[arg(long)]
    cost: bool,
    /// The requests per second, averaged over the day. The default comes from the access log, if its lines have times.
    #[arg(long, value_name = "NUMBER", requires = "cost")]
    requests_per_second: Option<f64>,
    /// The isolates that are busy at once, in all data centres together. The default is 50.
    #[arg(long, value_name = "NUMBER", requires = "cost", value_parser = clap::value_parser!(u32).range(1..))]
    isolates: Option<u32>,
    /// Other figures for the bill if the access log does not give them, such as
    /// writes=10%,lookups=5%,problems=1%,new-subjects=1000. The output shows what was assumed.
    #[arg(long, value_name = "SHARES", requires = "cost")]
    load: Option<String>,
    /// Compare with this plan. The exit status is 1 if one of its quotas ends before the day does.
    #[arg(long, value_name = "PLAN", requires = "cost", value_parser = ["free"])]
    plan: Option<String>,
}

/// What the topology in that file costs a month at so many requests a second, in dollars, if all else is as is supposed where nothing is
/// said. None if it cannot be read, which `homing check` says better.
#[cfg(feature = "net")]
pub(super) fn supposed(file: &std::path::Path, requests_per_second: f64) -> Option<f64> {
    use homing_core::config::{error::KeyPath, parse::parse};
    let raw = super::document::Source::read(file).ok()?.raw();
    let (topology, _) = parse(raw.get("vars")?, &KeyPath::default()).ok()?;
    let load = Load::new(requests_per_second, load::ISOLATES, &topology, None);
    Some(Bill::of(&topology, Setup::of(&raw, &raw), load, false).total())
}

/// What a month comes to.
pub(super) struct Bill {
    regions: usize,
    setup: Setup,
    load: Load,
    usage: Usage,
    /// Whether it has to do with the Free plan.
    must_be_free: bool,
}

impl CostArgs {
    /// The bill, if one is asked for: of that topology, and of what an access log says of its requests.
    ///
    /// # Errors
    /// If the command was called wrongly.
    pub(super) fn bill(
        &self,
        topology: &Topology,
        setup: Setup,
        log: Option<&Observed>,
    ) -> Result<Option<Bill>, CliError> {
        if !self.cost {
            return Ok(None);
        }
        let Some(requests) = self.requests_per_second.or_else(|| log?.requests_per_second()) else {
            let found = if log.is_some() { ", and the access log covers less than a minute by its times" } else { "" };
            let says = format!("--cost does not know the load{found}. Add --requests-per-second 100");
            return Err(CliError::Usage(says));
        };
        if !(requests.is_finite() && (0.0..=1e9).contains(&requests)) {
            let says = format!("--requests-per-second is {requests}, expected a number from 0 to 1000000000");
            return Err(CliError::Usage(says));
        }
        let mut load = Load::new(requests, self.isolates.unwrap_or(load::ISOLATES), topology, log);
        if let Some(said) = &self.load {
            load.take(said).map_err(CliError::Usage)?;
        }
        Ok(Some(Bill::of(topology, setup, load, self.plan.is_some())))
    }
}

impl Bill {
    fn of(topology: &Topology, setup: Setup, load: Load, must_be_free: bool) -> Self {
        let usage = Usage::new(topology, &setup, &load);
        Self { regions: topology.regions().count(), setup, load, usage, must_be_free }
    }

    /// Each price, how much of it is used in a day, and what that costs a month beyond what is included.
    fn lines(&self) -> impl Iterator<Item = (&'static Price, f64, f64)> {
        TARIFF.iter().map(|price| {
            let a_day = self.usage.a_day(price.meter);
            (price, a_day, price.cost(a_day * DAYS))
        })
    }

    /// The quotas of the Free plan that end before the day does, the first to end first: when, in seconds after midnight UTC.
    fn ended(&self) -> Vec<(&'static Price, f64, f64)> {
        let ends = |(price, a_day, _): (&'static Price, f64, f64)| Some((price, a_day, price.ends(a_day)?));
        let mut ended: Vec<_> = self.lines().filter_map(ends).collect();
        ended.sort_by(|(.., one), (.., other)| one.total_cmp(other));
        ended
    }

    /// What a month costs on Workers Paid, in dollars.
    fn total(&self) -> f64 {
        SUBSCRIPTION + self.lines().map(|(.., cost)| cost).sum::<f64>()
    }
}
