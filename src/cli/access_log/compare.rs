//! `homing plan --access-log`: the requests of a log played through two topologies side by side, and what each decides otherwise.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    clients::{Spread, client, hash},
    line::Line,
    lines,
    play::Player,
};
use crate::error::CliError;
use homing_core::{
    RegionId, Settlement,
    config::{Location, Region, Topology},
};

/// So many kinds of differences are shown.
const SHOWN: usize = 10;
/// The most kinds of differences that are counted; those seen first stay.
const MOST_KINDS: usize = 10_000;

/// What a log says of the two.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Comparison {
    /// How many requests were played.
    pub(crate) requests: u64,
    /// How many of them are decided otherwise in any way.
    pub(crate) otherwise: u64,
    /// How many are answered by another region.
    pub(crate) region: u64,
    /// How many have another reason.
    pub(crate) reason: u64,
    /// How many the edge cache treats otherwise.
    pub(crate) cacheability: u64,
    /// How many lines could not be read.
    pub(crate) unreadable: u64,
    /// The most frequent differences.
    pub(crate) most_frequent: Vec<Row>,
    /// How many kinds of differences there are besides, at least.
    pub(crate) more_kinds: usize,
    /// Whether there are more than are counted.
    #[serde(rename = "kinds_capped")]
    pub(crate) is_capped: bool,
    #[serde(skip)]
    kinds: HashMap<(String, Decided, Decided), u64>,
}

/// A kind of difference.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) route: String,
    pub(crate) times: u64,
    pub(crate) was: Decided,
    pub(crate) becomes: Decided,
}

/// What a topology decides about a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub(crate) struct Decided {
    /// Who answers; none if the router does itself.
    pub(crate) region: Option<String>,
    /// Why.
    pub(crate) reason: &'static str,
    /// Whether the edge cache takes part.
    pub(crate) cached: bool,
}

impl std::fmt::Display for Decided {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let region = self.region.as_deref().unwrap_or("the router");
        write!(f, "{region}, {}{}", self.reason, if self.cached { ", cached" } else { "" })
    }
}

/// Plays the logs through both.
///
/// # Errors
/// If one cannot be read, or the shares of `near` cannot.
pub(crate) fn compare(
    files: &[PathBuf],
    near: Option<&str>,
    (old, new): (&Topology, &Topology),
) -> Result<Comparison, CliError> {
    let player = |topology| Player::new(topology, Spread::even(topology)).map_err(CliError::Usage);
    let spread = near.map_or_else(|| Ok(even(old, new)), |near| shares(near, old, new)).map_err(CliError::Usage)?;
    let mut side = Pair { old, new, before: player(old)?, after: player(new)?, spread, found: Comparison::default() };
    for file in files {
        side.play(file)?;
    }
    let mut found = side.found;
    if found.requests == 0 {
        return Err(CliError::Failed(format!(
            "found no readable line in the access log, expected {}",
            super::line::FORMATS
        )));
    }
    let mut rows: Vec<_> = found.kinds.drain().collect();
    rows.sort_by(|(one, times), (other, others)| others.cmp(times).then_with(|| one.cmp(other)));
    found.more_kinds = rows.len().saturating_sub(SHOWN);
    let row = |((route, was, becomes), times)| Row { route, times, was, becomes };
    found.most_frequent = rows.into_iter().take(SHOWN).map(row).collect();
    Ok(found)
}

/// The same weight for every region of either.
fn even(old: &Topology, new: &Topology) -> Spread<String> {
    let share = |(_, region): (RegionId, &Region)| (region.name.clone(), 1);
    let joined = new.regions().filter(|(_, region)| old.region_named(&region.name).is_none());
    Spread::of(old.regions().map(share).chain(joined.map(share)))
}

fn shares(text: &str, old: &Topology, new: &Topology) -> Result<Spread<String>, String> {
    let wrong = || format!("--near is {text:?}, expected regions with whole numbers, such as us=60,eu=30,ap=10");
    let share = |part: &str| {
        let (name, weight) = part.trim().split_once('=').ok_or_else(wrong)?;
        let is_known = [old, new].iter().any(|topology| topology.region_named(name.trim()).is_some());
        // No more than the sum of them can hold.
        let weight: u32 = weight.trim().parse().map_err(|_| wrong())?;
        if is_known {
            Ok((name.trim().to_owned(), u64::from(weight)))
        } else {
            Err(format!("--near names {name:?}, which neither file has as a region"))
        }
    };
    let all = text.split(',').map(share).collect::<Result<Vec<(String, u64)>, String>>()?;
    if all.iter().all(|(_, weight)| *weight == 0) { Err(wrong()) } else { Ok(Spread::of(all)) }
}

struct Pair<'t> {
    old: &'t Topology,
    new: &'t Topology,
    before: Player<'t>,
    after: Player<'t>,
    spread: Spread<String>,
    found: Comparison,
}

impl Pair<'_> {
    fn play(&mut self, file: &Path) -> Result<(), CliError> {
        let (name, log) = super::open(file)?;
        let read = lines(log, |number, text| match text.and_then(|text| Line::read(text, self.old)) {
            Ok(line) => self.line(&line, number),
            // The old file reads it: a line that names a region of the new file alone counts as unreadable.
            Err(_) => self.found.unreadable += 1,
        });
        read.map(|_| ()).map_err(|error| CliError::Failed(format!("{name} cannot be read to the end: {error}")))
    }

    fn line(&mut self, line: &Line, number: u64) {
        let place = line.near.map(|id| self.old.region(id).name.clone()).or_else(|| self.place(line, number));
        let beside =
            |topology: &Topology| place.as_deref().and_then(|place| nearest(place, topology, [self.old, self.new]));
        let before = Line { near: beside(self.old), ..line.clone() };
        let home = line.home.and_then(|home| self.new.region_named(&self.old.region(home).name));
        let after = Line { near: beside(self.new), home, ..line.clone() };
        let (was, route) = decided(self.before.play(&before, number), self.old);
        // A subject keeps its home if the new file still has that region.
        if let Some((subject, home)) = self.before.given {
            let home = self.new.region_named(&self.old.region(home).name);
            self.after.homes.extend(home.map(|home| (subject, home)));
        }
        let (becomes, _) = decided(self.after.play(&after, number), self.new);
        self.found.requests += 1;
        if was == becomes {
            return;
        }
        self.found.otherwise += 1;
        self.found.region += u64::from(was.region != becomes.region);
        self.found.reason += u64::from(was.reason != becomes.reason);
        self.found.cacheability += u64::from(was.cached != becomes.cached);
        let kind = (format!("{} {route}", line.method), was, becomes);
        // A method is the client's text, so there can be as many as there are lines.
        if self.found.kinds.len() < MOST_KINDS || self.found.kinds.contains_key(&kind) {
            *self.found.kinds.entry(kind).or_default() += 1;
        } else {
            self.found.is_capped = true;
        }
    }

    /// The region beside a client whose place the log does not name: always the same for one address.
    fn place(&self, line: &Line, number: u64) -> Option<String> {
        self.spread.place(line.client.as_ref().map_or_else(|| client(line, number), hash))
    }
}

/// The region nearest to a client at that place: the region of that name, else the one closest to its location.
fn nearest(place: &str, topology: &Topology, all: [&Topology; 2]) -> Option<RegionId> {
    let location =
        |topology: &Topology| -> Option<Location> { topology.region(topology.region_named(place)?).location };
    topology.region_named(place).or_else(|| {
        let here = all.into_iter().find_map(location)?.unit();
        let closeness = |region: &Region| region.location.map(|there| here.closeness(&there.unit()));
        let close = topology.regions().filter_map(|(id, region)| Some((id, closeness(region)?)));
        close.max_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(id, _)| id)
    })
}

/// What was decided, and which route took it.
fn decided(settled: Result<Box<Settlement>, homing_core::Problem>, topology: &Topology) -> (Decided, String) {
    let settlement = match settled {
        Err(problem) => {
            let decided = Decided { region: None, reason: problem.refusal.token().as_str(), cached: false };
            return (decided, "(refused at the door)".to_owned());
        }
        Ok(settlement) => settlement,
    };
    let record = &settlement.record;
    let route = record.route.and_then(|at| topology.routes().get(at));
    let decided = Decided {
        region: record.region.map(|region| topology.region(region).name.clone()),
        reason: record.decision.token().as_str(),
        cached: record.cache.word() == "miss",
    };
    (decided, route.map_or_else(|| "(no route)".to_owned(), |route| route.pattern.to_string()))
}
