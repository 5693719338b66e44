//! What a day of the router uses of what the platform counts. How often the router asks for something is `routing::pace`, by which the
//! edge goes too; what a request, a subject and a line of the log use stands here.

use std::time::Duration;

use super::{
    load::Load,
    tariff::{EVENT_GB, KEPT_DAYS, Meter, OBJECT_GB},
};
use homing_core::{
    config::{Topology, pace, raw::Raw},
    operate::prober,
};

/// Milliseconds of CPU that a read takes, from the edge's cache or from a region alike, and a write: 0.16 and 0.33 in plain workerd with
/// small bodies and `LOG = "all"` (`make bench`), and half as much again for a machine that is not ours.
const READ_MS: f64 = 0.25;
/// See [`READ_MS`].
const WRITE_MS: f64 = 0.5;

/// What a subject uses who gets a home, at most (`Directory` in `directory.mjs`): `assign`, `confirm`, and the alarm that lets go of
/// whom only a client has named.
const SUBJECT_REQUESTS: f64 = 3.0;
/// Rows of that, counted in workerd by `rowsWritten`: 2 and an alarm to assign, 3 to confirm, and perhaps one more alarm.
const SUBJECT_ROWS: f64 = 7.0;
/// Rows that are read meanwhile, counted likewise, and by the alarm.
const SUBJECT_ROWS_READ: f64 = 20.0;
/// Rows that a prober's round reads, or one of the authority: its name, its state, its alarm.
const ROUND_ROWS_READ: f64 = 3.0;
/// Seconds for which an object is awake for a round: it waits for the slowest region. Those that hang count with `pace::PATIENCE`.
const ROUND_SECONDS: f64 = 1.0;
/// Seconds for which the directory is awake for a question.
const QUESTION_SECONDS: f64 = 0.05;

/// Cloudflare's data centres, about (<https://www.cloudflare.com/network/>).
const DATA_CENTRES: u32 = 330;

/// Which requests are logged by the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lines {
    All,
    Problems,
    Off,
}

impl Lines {
    pub(super) fn token(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Problems => "problems",
            Self::Off => "off",
        }
    }
}

/// What of the rest of wrangler.toml the bill depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Setup {
    /// How often the probers ask, if there are any.
    pub(super) probes: Option<Duration>,
    /// How often an isolate reads the view.
    pub(super) view: Duration,
    /// Whether the isolates of a data centre share what they read of the view (`datacentre.mjs`): the Cache API does nothing for a
    /// Worker that has no address in a zone of its own.
    pub(super) shared: bool,
    pub(super) lines: Lines,
    /// Whether the platform logs each invocation, of the Worker or of an object.
    pub(super) invocations: bool,
    /// The share of what is logged that Workers Logs keeps; 0 where it is not on.
    pub(super) sampled: f64,
}

impl Setup {
    /// Reads the environment `table` of wrangler.toml, whose top level is `top`. What is wrong there `platform::lint` has said.
    pub(crate) fn of(top: &Raw, table: &Raw) -> Self {
        let said = |key| table.get("vars").and_then(|vars| vars.get(key)).and_then(Raw::text).unwrap_or_default();
        let lines = match said("LOG") {
            "off" => Lines::Off,
            "problems" => Lines::Problems,
            _ => Lines::All,
        };
        // An environment inherits these; it does not inherit vars and bindings.
        let inherited = |key| table.get(key).or_else(|| top.get(key));
        let observed = inherited("observability");
        let logs = observed.and_then(|observed| observed.get("logs"));
        let is_on = [logs, observed].iter().flatten().find_map(|part| part.get("enabled")) == Some(&Raw::Bool(true));
        let rate = [logs, observed].iter().flatten().find_map(|part| match part.get("head_sampling_rate") {
            Some(Raw::Number(rate)) => Some(rate.clamp(0.0, 1.0)),
            _ => None,
        });
        Self {
            probes: prober::every(said("PROBES")).unwrap_or(Some(pace::ROUND)).filter(|_| has_probers(table)),
            view: pace::view(said("VIEW")).unwrap_or(pace::VIEW),
            shared: inherited("routes").or_else(|| inherited("route")).is_some(),
            lines,
            invocations: logs.and_then(|logs| logs.get("invocation_logs")) != Some(&Raw::Bool(false)),
            sampled: if is_on { rate.unwrap_or(1.0) } else { 0.0 },
        }
    }
}

fn has_probers(table: &Raw) -> bool {
    let bindings = table.get("durable_objects").and_then(|objects| objects.get("bindings"));
    let named = |member: &Raw| member.get("name").and_then(Raw::text) == Some("PROBERS");
    matches!(bindings, Some(Raw::List(members)) if members.iter().any(named))
}

/// What is used up in a day.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Usage {
    requests: f64,
    cpu_ms: f64,
    kv_reads: f64,
    kv_writes: f64,
    object_requests: f64,
    object_seconds: f64,
    rows_read: f64,
    rows_written: f64,
    log_events: f64,
}

impl Usage {
    pub(super) fn new(topology: &Topology, setup: &Setup, load: &Load) -> Self {
        let requests = load.requests_per_second * super::DAY;
        let part = |share: homing_core::config::units::Share| requests * share.percent() / 100.0;
        let (probers, leases) = (pace::probers(topology, setup.probes), pace::leases(topology));
        let rounds = day(probers.object_requests) + day(leases.object_requests);
        let object_requests = rounds + load.new_subjects * SUBJECT_REQUESTS;
        let lines = match setup.lines {
            Lines::All => requests,
            Lines::Problems => part(load.problems),
            Lines::Off => 0.0,
        };
        let invocations = if setup.invocations { requests + object_requests } else { 0.0 };
        let writes = part(load.writes);
        Self {
            requests,
            cpu_ms: writes * WRITE_MS + (requests - writes) * READ_MS,
            kv_reads: view_reads(topology, setup, load, requests) + part(load.lookups) + day(probers.kv_reads),
            kv_writes: day(probers.kv_writes) + load.new_subjects,
            object_requests,
            object_seconds: rounds * ROUND_SECONDS + load.new_subjects * SUBJECT_REQUESTS * QUESTION_SECONDS,
            rows_read: rounds * ROUND_ROWS_READ + load.new_subjects * SUBJECT_ROWS_READ,
            rows_written: day(probers.rows_written) + day(leases.rows_written) + load.new_subjects * SUBJECT_ROWS,
            log_events: (lines + invocations) * setup.sampled,
        }
    }

    /// How much of it, in the units of its price.
    pub(super) fn a_day(&self, meter: Meter) -> f64 {
        match meter {
            Meter::WorkersRequests => self.requests,
            Meter::WorkersCpu => self.cpu_ms,
            Meter::KvReads => self.kv_reads,
            Meter::KvWrites => self.kv_writes,
            Meter::ObjectRequests => self.object_requests,
            Meter::ObjectDuration => self.object_seconds * OBJECT_GB,
            Meter::ObjectRowsRead => self.rows_read,
            Meter::ObjectRowsWritten => self.rows_written,
            Meter::LogIngestion => self.log_events * EVENT_GB,
            // A month's storage is the average of what lies there, so that a day's part of it is a thirtieth.
            Meter::LogStorage => self.log_events * EVENT_GB * KEPT_DAYS / super::DAYS,
        }
    }
}

/// Reads of the view and of the probers' reports, by each isolate or for each data centre. They are read behind requests, so never more
/// often than those come.
fn view_reads(topology: &Topology, setup: &Setup, load: &Load, requests: f64) -> f64 {
    let hour = Duration::from_secs(3600);
    let once = pace::reader(topology, setup.probes, hour).kv_reads;
    let reader = pace::reader(topology, setup.probes, setup.view).kv_reads;
    let readers = if setup.shared { load.isolates.min(DATA_CENTRES) } else { load.isolates };
    (f64::from(readers) * day(reader)).min(requests * count(once))
}

fn day(an_hour: u64) -> f64 {
    count(an_hour) * 24.0
}

#[allow(clippy::cast_precision_loss, reason = "no hour has that many of anything")]
fn count(number: u64) -> f64 {
    number as f64
}
