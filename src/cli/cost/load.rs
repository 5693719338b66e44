//! What is supposed of the requests: how many there are, and of which kinds.

use homing_core::config::{Topology, units::Share};

/// So many isolates are busy at once, if nobody says otherwise.
pub(super) const ISOLATES: u32 = 50;
/// One request in so many is of a subject whom nobody has seen before, if nobody says otherwise.
const REQUESTS_OF_A_SUBJECT: f64 = 1000.0;

/// The requests of a day, spread over it evenly.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Load {
    pub(super) requests_per_second: f64,
    /// Isolates that are busy at once, over all data centres.
    pub(super) isolates: u32,
    /// Of all requests.
    pub(super) writes: Share,
    /// Of all requests: those whose subject's home is looked up in KV, since neither session nor isolate knows it.
    pub(super) lookups: Share,
    /// Of all requests: those that fail or are sent twice, which is what `LOG = "problems"` logs.
    pub(super) problems: Share,
    /// Subjects who get a home, in a day.
    pub(super) new_subjects: f64,
}

/// What an access log says of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Observed {
    pub(crate) requests: u64,
    pub(crate) writes: u64,
    pub(crate) lookups: u64,
    pub(crate) problems: u64,
    pub(crate) new_subjects: u64,
    /// From the first request to the last, in seconds, if they have times.
    pub(crate) seconds: Option<f64>,
}

impl Load {
    /// The load of so many requests a second; what a log says goes before what is supposed without one.
    pub(super) fn new(requests_per_second: f64, isolates: u32, topology: &Topology, log: Option<&Observed>) -> Self {
        let is_split = topology.datasets().any(|(_, dataset)| dataset.rule.is_personal());
        let share = |hundredths| Share::new(hundredths).unwrap_or(Share::WHOLE);
        let a_day = requests_per_second * super::DAY;
        let mut load = Self {
            requests_per_second,
            isolates,
            writes: share(10_00),
            lookups: share(if is_split { 5_00 } else { 0 }),
            problems: share(1_00),
            new_subjects: if is_split { a_day / REQUESTS_OF_A_SUBJECT } else { 0.0 },
        };
        if let Some(log) = log {
            let of = |part| Share::of(part, log.requests);
            load.writes = of(log.writes).unwrap_or(load.writes);
            load.lookups = of(log.lookups).unwrap_or(load.lookups);
            load.problems = of(log.problems).unwrap_or(load.problems);
            load.new_subjects = a_day * ratio(log.new_subjects, log.requests);
        }
        load
    }

    /// Takes in what is said with `--load`, such as `writes=10%,lookups=5%`.
    pub(super) fn take(&mut self, text: &str) -> Result<(), String> {
        for part in text.split(',').map(str::trim) {
            let wrong = |expected: &str| format!("--load has {part:?}, expected {expected}");
            let known = "writes=10%, lookups=5%, problems=1% or new-subjects=1000";
            let (name, value) = part.split_once('=').ok_or_else(|| wrong(known))?;
            let share = || Share::parse(value).ok_or_else(|| wrong("a share of at most 100%, such as 12.5%"));
            match name {
                "writes" => self.writes = share()?,
                "lookups" => self.lookups = share()?,
                "problems" => self.problems = share()?,
                "new-subjects" => {
                    let number: u32 = value.parse().map_err(|_| wrong("a whole number of subjects a day"))?;
                    self.new_subjects = f64::from(number);
                }
                _ => return Err(wrong(known)),
            }
        }
        Ok(())
    }

    /// As `--load` takes it.
    pub(super) fn text(&self) -> String {
        let Self { writes, lookups, problems, new_subjects, .. } = self;
        format!("writes={writes},lookups={lookups},problems={problems},new-subjects={new_subjects:.0}")
    }
}

#[allow(clippy::cast_precision_loss, reason = "no log is that long")]
pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

impl Observed {
    /// Requests a second, where the log covers a minute or more.
    pub(super) fn requests_per_second(&self) -> Option<f64> {
        let seconds = self.seconds.filter(|seconds| *seconds >= 60.0)?;
        Some(ratio(self.requests, 1) / seconds)
    }
}
