//! How often the router asks the platform for something, and what an hour of that uses. One place: the edge goes by it, and the
//! command line reckons by it.
//!
//! Workers KV bills reads by key, also of what is absent or comes from its cache; a Durable Object's alarm is a request, and each
//! `setAlarm` a row written (Cloudflare's pricing of KV and of Durable Objects).

use std::time::Duration;

use crate::{
    model::time::millis,
    topology::{Topology, dataset::Rule},
};

/// An isolate reads the view and the reports again after this long, unless `VIEW` says sooner: a multiple of what KV keeps shows
/// nothing newer.
pub const VIEW: Duration = KV_KEEPS;
/// KV may answer with what it has read this long ago, or more if the entry was written elsewhere; the least that it allows (`cacheTtl`).
pub const KV_KEEPS: Duration = Duration::from_secs(30);
/// So soon after the last time the view alone is read again when an origin knows a later owner than this isolate.
pub const DOUBTED: Duration = Duration::from_secs(1);
/// A prober asks the regions this often, unless `PROBES` says otherwise.
pub const ROUND: Duration = Duration::from_secs(10);
/// The longest that `PROBES` may say: of more, reports would be too old before the next one comes ([`worst_age`]).
pub const LONGEST_ROUND: Duration = Duration::from_secs(45);
/// So long a prober waits for a region.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// A report that says nothing new is put into KV again after this long, at the nearest round.
pub const REPEAT: Duration = Duration::from_secs(30);
/// So long a report counts after it was made.
pub const REPORT_COUNTS: Duration = Duration::from_secs(120);
/// What nobody repeats goes from KV after this long.
pub const REPORT_EXPIRES: Duration = Duration::from_secs(600);
/// A prober that cannot be woken is tried again by the same isolate after this long.
pub const WAKE_AGAIN: Duration = Duration::from_secs(120);
/// So many connections are opened at once where many are asked. The platform lets six wait for their headers and holds back the
/// rest, whose timers run meanwhile (Workers, Limits, Simultaneous open connections).
pub const AT_ONCE: usize = 5;
/// The directory is that many objects.
pub const SHARDS: u32 = 64;
/// A lease is renewed so many times while it lasts.
pub const RENEWALS: u32 = 3;

/// What is used up in an hour, at most: of what the platform counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hour {
    /// Keys read from KV.
    pub kv_reads: u64,
    /// Entries written into KV.
    pub kv_writes: u64,
    /// Requests to Durable Objects, alarms among them.
    pub object_requests: u64,
    /// Rows written by Durable Objects, alarms that are set among them.
    pub rows_written: u64,
    /// Requests that leave for regions.
    pub fetches: u64,
}

/// An hour of the probers, all together; nothing where there are none (`every` is none where `PROBES` is `"off"`).
#[must_use]
pub fn probers(topology: &Topology, every: Option<Duration>) -> Hour {
    let Some(every) = every else { return Hour::default() };
    let regions = count(topology);
    let rounds = regions * per_hour(every);
    Hour {
        kv_reads: if needs_view(topology) { rounds } else { 0 },
        kv_writes: regions * per_hour(repeats(every)),
        object_requests: rounds,
        // The next alarm, and what it remembers: at most, since that is stored only if it has changed.
        rows_written: rounds * 2,
        fetches: rounds * regions,
    }
}

/// An hour of one reader of the view: an isolate that is never idle; of isolates in one data centre that share what they read, all of
/// them together. `view` is how often ([`VIEW`]).
#[must_use]
pub fn reader(topology: &Topology, every: Option<Duration>, view: Duration) -> Hour {
    let keys = 1 + if every.is_some() { count(topology) } else { 0 };
    Hour { kv_reads: keys * per_hour(view), ..Hour::default() }
}

/// An hour of the authority, that renews leases; nothing where no dataset has one.
#[must_use]
pub fn leases(topology: &Topology) -> Hour {
    let leases = || topology.datasets().filter_map(|(_, dataset)| dataset.lease);
    let Some(shortest) = leases().min() else { return Hour::default() };
    let wakes = per_hour(shortest / RENEWALS);
    let renewals: u64 = leases().map(|lease| per_hour(lease / RENEWALS)).sum();
    // The next alarm, and the ledger.
    Hour { object_requests: wakes, rows_written: wakes * 2, fetches: renewals, ..Hour::default() }
}

/// Whether probers need the view: to know whose writes a replica may lack, where positions can tell.
#[must_use]
pub fn needs_view(topology: &Topology) -> bool {
    topology
        .datasets()
        .any(|(_, dataset)| dataset.position.is_some() && matches!(dataset.rule, Rule::SingleWriter { .. }))
}

/// After how long a report that says nothing new is repeated: the round that is nearest to [`REPEAT`].
#[must_use]
pub fn repeats(every: Duration) -> Duration {
    let rounds = (1..).find(|rounds| is_repeated(every * *rounds, every)).unwrap_or(1);
    every * rounds
}

/// Whether a report is repeated that was put into the store so long ago.
#[must_use]
pub fn is_repeated(since: Duration, every: Duration) -> bool {
    since + every / 2 > REPEAT
}

/// How old a report is at most by which a busy isolate decides, while all goes well: it waits for the round in which it is repeated
/// and for the slowest answer of that, then lies in KV's cache, then in the isolate.
#[must_use]
pub fn worst_age(every: Duration, view: Duration) -> Duration {
    let repeat = every.max(REPEAT + every / 2);
    repeat + PATIENCE + KV_KEEPS + view
}

fn per_hour(span: Duration) -> u64 {
    3_600_000 / millis(span).max(1)
}

fn count(topology: &Topology) -> u64 {
    topology.regions().count() as u64
}

/// How often an isolate reads the view, as `VIEW` says it; none if that is no time from a second to [`VIEW`].
#[must_use]
pub fn view(said: &str) -> Option<Duration> {
    if said.is_empty() {
        return Some(VIEW);
    }
    crate::topology::units::duration(said).filter(|span| (Duration::from_secs(1)..=VIEW).contains(span))
}

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;
