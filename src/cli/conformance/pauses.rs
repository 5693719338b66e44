//! The ownership address: holding writes back, and what becomes of those in flight.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    ConformanceReport,
    address::state,
    client::TrialAnswer,
    fence::nothing_written,
    position::reaches,
    report::must,
    trial::{ELSEWHERE, Trial, TrialPlace},
};

/// How long what ends by itself within 300 ms is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

impl Trial {
    /// A pause for so many milliseconds, by that number.
    pub(super) fn ask_pause(
        &self,
        place: &TrialPlace,
        number: u64,
        ms: u64,
        epoch: u64,
    ) -> Result<TrialAnswer, String> {
        self.authority("POST", &format!("op=pause&id={number}&for_ms={ms}&unit={}@{epoch}", place.unit()))
    }

    fn ask_resume(&self, number: u64) -> Result<TrialAnswer, String> {
        self.authority("POST", &format!("op=resume&id={number}"))
    }

    pub(super) fn ask_depose(&self, place: &TrialPlace, number: u64) -> Result<TrialAnswer, String> {
        self.authority("POST", &format!("op=depose&id={number}&to={ELSEWHERE}&unit={}@{}", place.unit(), self.epoch))
    }

    pub(super) fn pause(&mut self, report: &mut ConformanceReport, place: &TrialPlace) -> Result<(), String> {
        let (one, two, three) = (self.next_number(), self.next_number(), self.next_number());
        let paused = self.ask_pause(place, one, 30_000, self.epoch)?;
        report.note(
            "pause",
            must(paused.status == 200 && paused.said("/positions").is_object(), || {
                format!("it answered {} {}, expected 200 and positions", paused.status, paused.body)
            }),
        );
        let held = self.write(place, &self.here, self.epoch)?;
        nothing_written(report, &held);
        let seconds = held.header("retry-after").and_then(|after| after.parse::<u64>().ok());
        report.note(
            "pause",
            must(held.status == 503 && seconds.is_some(), || {
                format!("a write during it gets {}, Retry-After: {seconds:?}", held.status)
            }),
        );
        let read = self.read(place, None)?;
        report.note("pause", must(read.status != 503, || "reads get 503, too".to_owned()));

        let again = self.ask_pause(place, one, 30_000, self.epoch)?;
        report.note("pause-number", must(again.status == 200, || format!("a repeat of it gets {}", again.status)));
        report.note(
            "pause-number",
            state(&self.ask_pause(place, two, 30_000, self.epoch)?, &["paused"], "another during it"),
        );
        for when in ["it", "it again", "an unknown pause"] {
            let number = if when == "an unknown pause" { one + 1_000_000 } else { one };
            let answer = self.ask_resume(number)?;
            report.note("resume", must(answer.status == 200, || format!("ending {when} gets {}", answer.status)));
        }
        let free = self.write(place, &self.here, self.epoch)?;
        report.note("resume", must(free.is_ok(), || format!("a write after it gets {}", free.status)));
        report.note(
            "pause-number",
            state(&self.ask_pause(place, one, 1000, self.epoch)?, &["over"], "a pause that is over"),
        );
        self.ask_resume(one)?;

        let stranger = self.ask_pause(place, three, 1000, self.epoch - 1)?;
        report.note("pause-owner", state(&stranger, &["not-owner"], "by an earlier epoch"));
        report.note(
            "pause-owner",
            must(stranger.said("/home") == self.here.as_str() && *stranger.said("/epoch") == self.epoch, || {
                format!("it names {}, expected {} and {}", stranger.body, self.here, self.epoch)
            }),
        );
        Ok(())
    }

    /// Writers at work while a pause begins: whatever was accepted is within the positions with which it answered.
    pub(super) fn drain(&mut self, report: &mut ConformanceReport, place: &TrialPlace) -> Result<(), String> {
        let over = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..6)
            .map(|_| {
                let (trial, place, over) = (self.clone(), place.clone(), Arc::clone(&over));
                thread::spawn(move || {
                    let mut accepted = Vec::new();
                    while !over.load(Ordering::SeqCst) {
                        let Ok(answer) = trial.write(&place, &trial.here, trial.epoch) else { continue };
                        if answer.is_ok() {
                            accepted.extend(Self::said(&place, &answer).ok().flatten().map(|said| said.position));
                        }
                    }
                    accepted
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(100));
        let number = self.next_number();
        let paused = self.ask_pause(place, number, 30_000, self.epoch);
        thread::sleep(Duration::from_millis(100));
        over.store(true, Ordering::SeqCst);
        let accepted: Vec<String> = writers.into_iter().filter_map(|writer| writer.join().ok()).flatten().collect();
        self.ask_resume(number)?;
        let paused = paused?;
        let position = paused.said(&format!("/positions/{}", place.dataset)).as_str().map(str::to_owned);
        let (Some(position), false) = (position, accepted.is_empty()) else {
            report.skip(&["pause-drains"], "it has no positions, which this rule needs");
            return Ok(());
        };
        let beyond = accepted.iter().find(|written| !reaches(&position, written));
        report.note(
            "pause-drains",
            must(beyond.is_none(), || {
                format!("it answered {position}, but a write was accepted at {}", beyond.map_or("", String::as_str))
            }),
        );
        Ok(())
    }

    pub(super) fn pause_ends(&mut self, report: &mut ConformanceReport, place: &TrialPlace) -> Result<(), String> {
        let number = self.next_number();
        self.ask_pause(place, number, 300, self.epoch)?;
        let ended = self.eventually(|| Ok(self.write(place, &self.here, self.epoch)?.is_ok()))?;
        report.note("pause-ends", must(ended, || "a pause of 300 ms still holds after 3 s".to_owned()));
        let late = self.ask_depose(place, number)?;
        report.note("depose-paused", state(&late, &["not-paused"], "after the pause has ended"));
        self.ask_resume(number)?;
        if late.status == 200 {
            self.epoch += 2;
        }
        self.must_write(place).map(|_| ())
    }

    pub(super) fn eventually(&self, so: impl Fn() -> Result<bool, String>) -> Result<bool, String> {
        let end = Instant::now() + PATIENCE;
        while !so()? {
            if Instant::now() > end {
                return Ok(false);
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(true)
    }
}
