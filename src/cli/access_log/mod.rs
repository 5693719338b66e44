//! `homing check --access-log`: how local the requests of a log would be, estimated on the router's own core.

mod clients;
pub(crate) mod compare;
mod line;
mod moment;
mod play;
mod show;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use clients::Spread;
use line::Line;
use play::Player;

use crate::{cost::Observed, error::CliError};
use homing_core::{
    Access, Timestamp, Token,
    config::{Topology, route::Route},
    operate::{
        locality::{Locality, RouteCounts},
        suggest::shape,
    },
};

/// The longest line that is read.
const LONGEST_LINE: u64 = 64 * 1024;
/// So many unreadable lines are shown, and so many kinds of requests that no route takes.
const SHOWN: usize = 3;
/// The most kinds of requests that are counted; those seen first stay.
const MOST_KINDS: usize = 1000;

/// What is to be estimated.
#[derive(clap::Args)]
pub(super) struct AccessLogArgs {
    /// Estimate from this access log (- is standard input) which requests would cross regions, and compare that with the
    /// routes' max_cross_region. The exit status is 1 if a budget is exceeded. Lines are in the Common or Combined Log Format,
    /// or JSON objects with method and path (or request) and optionally host, status, time, client, user, tenant, near, home.
    #[arg(long, value_name = "FILE")]
    access_log: Option<std::path::PathBuf>,
    /// How clients are spread over the regions if the log does not say, such as us=60,eu=30,ap=10. The default is evenly.
    #[arg(long, value_name = "SHARES", requires = "access_log")]
    near: Option<String>,
}

/// What a log says of the topology.
#[derive(Default)]
pub(super) struct Estimate {
    name: String,
    lines: u64,
    locality: Locality,
    unreadable: u64,
    /// The first unreadable lines: number and why.
    examples: Vec<(u64, String)>,
    /// Requests that the router would refuse at the door.
    refused: HashMap<&'static str, u64>,
    /// Requests that no route takes, by method and shape of the path.
    unrouted: HashMap<String, u64>,
    /// Requests without a time.
    timeless: u64,
    /// Requests without a host.
    hostless: u64,
    /// Writes that were refused because of what was there before (412, 409), by route: of data that several owners take writes to.
    refused_writes: BTreeMap<usize, [u64; 2]>,
    /// What the requests would use, and when the first and the last of them came.
    observed: Observed,
    times: Option<(Timestamp, Timestamp)>,
}

impl AccessLogArgs {
    /// The estimate, if one is asked for.
    pub(super) fn estimate(&self, topology: &Topology) -> Option<Result<Estimate, CliError>> {
        self.access_log.as_ref().map(|file| estimate(file, self.near.as_deref(), topology))
    }
}

fn estimate(file: &Path, near: Option<&str>, topology: &Topology) -> Result<Estimate, CliError> {
    let spread = near.map_or_else(|| Ok(Spread::even(topology)), |near| Spread::read(near, topology));
    let player = spread.and_then(|spread| Player::new(topology, spread)).map_err(CliError::Usage)?;
    let (name, log) = open(file)?;
    let cannot = |error| CliError::Failed(format!("{name} cannot be read to the end: {error}"));
    let estimate =
        Estimate { name: name.clone(), ..Estimate::default() }.read(log, player, topology).map_err(cannot)?;
    if estimate.locality.total().requests == 0 && estimate.refused.is_empty() {
        return Err(CliError::Failed(estimate.useless()));
    }
    Ok(estimate)
}

/// A log and its name; a hyphen is standard input.
fn open(file: &Path) -> Result<(String, Box<dyn BufRead>), CliError> {
    if file == Path::new("-") {
        return Ok(("standard input".to_owned(), Box::new(io::stdin().lock())));
    }
    let name = file.display().to_string();
    let cannot =
        |error| CliError::Usage(format!("{name} cannot be read: {error}. Name an access log, or - for standard input"));
    let log = BufReader::with_capacity(1 << 16, File::open(file).map_err(cannot)?);
    Ok((name, Box::new(log)))
}

/// Reads a log and holds one line at a time. Hands on each line with its number, or why it cannot be read. Returns how many there were.
fn lines(mut log: impl BufRead, mut take: impl FnMut(u64, Result<&str, String>)) -> io::Result<u64> {
    let (mut bytes, mut number) = (Vec::new(), 0);
    loop {
        bytes.clear();
        if log.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut bytes)? == 0 {
            return Ok(number);
        }
        number += 1;
        if !bytes.ends_with(b"\n") && bytes.len() as u64 == LONGEST_LINE {
            log.skip_until(b'\n')?;
            take(number, Err(format!("found a line of more than {LONGEST_LINE} bytes, expected a shorter one")));
            continue;
        }
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim();
        if !text.is_empty() {
            take(number, Ok(text));
        }
    }
}

impl Estimate {
    /// Reads the whole log.
    fn read(mut self, log: impl BufRead, mut player: Player<'_>, topology: &Topology) -> io::Result<Self> {
        lines(log, |number, text| {
            self.lines = number;
            match text.and_then(|text| Line::read(text, topology)) {
                Ok(line) => self.take(&line, &mut player, topology),
                Err(why) => self.reject(why),
            }
        })
        .map(|lines| {
            self.lines = lines;
            (self.observed.lookups, self.observed.new_subjects) = player.asked();
            self
        })
    }

    fn take(&mut self, line: &Line, player: &mut Player<'_>, topology: &Topology) {
        self.timeless += u64::from(line.time.is_none());
        self.hostless += u64::from(line.host.is_none());
        let settlement = match player.play(line, self.lines) {
            Err(problem) => return *self.refused.entry(problem.refusal.token().as_str()).or_default() += 1,
            Ok(settlement) => settlement,
        };
        let record = &settlement.record;
        self.observed.requests += 1;
        self.observed.writes += u64::from(record.access == Access::Write);
        self.observed.problems += u64::from(line.status.is_some_and(|status| status >= 500));
        if let Some(time) = line.time {
            let (first, last) = self.times.unwrap_or((time, time));
            self.times = Some((first.min(time), last.max(time)));
        }
        if record.route.is_none() {
            let kind = format!("{} {}", record.method, shape(&record.path));
            if self.unrouted.len() < MOST_KINDS || self.unrouted.contains_key(&kind) {
                *self.unrouted.entry(kind).or_default() += 1;
            }
        }
        if let (Some(route), Some(status @ (409 | 412)), Access::Write) = (record.route, line.status, record.access)
            && let Some(dataset) = record.dataset.and_then(|id| topology.dataset(id))
            && dataset.rule.is_multi_writer()
        {
            let [failed, conflicting] = self.refused_writes.entry(route).or_default();
            *(if status == 412 { failed } else { conflicting }) += 1;
        }
        // The alarms of the time do not matter: the whole log is judged.
        let _ = self.locality.observe(record, topology);
    }

    /// What the requests of the log use of what the platform bills.
    pub(super) fn observed(&self) -> Observed {
        let seconds = self.times.map(|(first, last)| last.since(first).as_secs_f64());
        Observed { seconds: seconds.filter(|_| self.timeless == 0), ..self.observed }
    }

    fn reject(&mut self, why: String) {
        self.unreadable += 1;
        if self.examples.len() < SHOWN {
            self.examples.push((self.lines, why));
        }
    }

    /// What to say of a log in which there is nothing to play.
    fn useless(&self) -> String {
        let found = if self.unreadable == 0 {
            "no lines".to_owned()
        } else {
            format!("no readable line among {}", self.unreadable)
        };
        let mut text = format!("{}: found {found}, expected {}", self.name, line::FORMATS);
        for (number, why) in &self.examples {
            text.push_str(&format!("\n  line {number}: {why}"));
        }
        text
    }

    /// The rows whose budget is exceeded by the log as a whole, with their routes.
    pub(super) fn exceeded<'a>(&'a self, topology: &'a Topology) -> impl Iterator<Item = (&'a Route, &'a RouteCounts)> {
        self.locality.rows().filter_map(|(route, row)| {
            let route = topology.routes().get(route?)?;
            route.max_cross_region?.is_exceeded(row.total.crossed, row.total.requests).then_some((route, row))
        })
    }

    /// How many requests crossed for that reason.
    fn crossed_for(&self, reason: Token) -> u64 {
        let of = |row: &RouteCounts| row.reasons.sorted().into_iter().find(|(known, _)| *known == reason);
        self.locality.rows().filter_map(|(_, row)| of(row)).map(|(_, times)| times).sum()
    }
}
