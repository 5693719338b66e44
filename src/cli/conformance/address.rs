//! The ownership address: pauses, giving away, granting, leases.

use serde_json::Value;

use super::{
    ConformanceReport,
    client::{Ask, Seal, TrialAnswer},
    fence::nothing_written,
    position::far_beyond,
    report::must,
    trial::{ELSEWHERE, HEALTH, Trial, TrialPlace, no_store},
};
use homing_core::operate::authority::effect::ADDRESS;

const ALL: [&str; 15] = [
    "look",
    "any-parameter",
    "authority-only",
    "reached",
    "pause",
    "pause-drains",
    "pause-number",
    "pause-owner",
    "resume",
    "pause-ends",
    "depose-paused",
    "depose",
    "grant",
    "grant-later",
    "lease",
];

impl Trial {
    pub(super) fn address(&mut self, report: &mut ConformanceReport, place: &TrialPlace) -> Result<(), String> {
        let unit = place.unit();
        let answer = self.authority("GET", &format!("unit={unit}"))?;
        if matches!(answer.status, 404 | 405 | 501) {
            report.skip(&ALL, "it has no ownership address, so the authority can move nothing from it");
            return Ok(());
        }
        report.note("look", self.looks_right(&answer, &unit));
        report.note("no-store", no_store(&answer, ADDRESS));
        self.takes_no_notice(report, &unit)?;
        self.authority_only(report, place)?;
        self.reached(report, place)?;
        self.pause(report, place)?;
        self.drain(report, place)?;
        self.pause_ends(report, place)?;
        self.depose(report, place)?;
        self.lease(report, place)
    }

    /// The epoch that the address knows, and whether a lease is needed; none where there is no such address.
    pub(super) fn look(&self, place: &TrialPlace) -> Option<(u64, bool)> {
        let answer = self.authority("GET", &format!("unit={}", place.unit())).ok()?;
        let unit = answer.body.get("units")?.get(0)?.clone();
        Some((unit.get("epoch")?.as_u64()?, unit.get("lease_ms").is_some_and(Value::is_number)))
    }

    /// That the address shows this region as the owner, by the epoch that counts, without a pause.
    fn looks_right(&self, answer: &TrialAnswer, unit: &str) -> Result<(), String> {
        let row = |name: &str| answer.said(&format!("/units/0/{name}"));
        let named = answer.status == 200 && answer.said("/region") == self.here.as_str() && row("unit") == unit;
        let owned = row("home") == self.here.as_str() && *row("epoch") == self.epoch;
        must(named && owned && row("pause").is_null(), || {
            let expected = format!("{unit} of {}, epoch {}, not paused", self.here, self.epoch);
            format!("it answered {} {}, expected {expected}", answer.status, answer.body)
        })
    }

    /// The authority asks each question by a URL that nobody has asked before, so that no cache on the way has an answer.
    fn takes_no_notice(&self, report: &mut ConformanceReport, unit: &str) -> Result<(), String> {
        let answer = self.authority("GET", &format!("unit={unit}&n=1"))?;
        report.note("any-parameter", self.looks_right(&answer, unit));
        let health = self.bare("GET", &format!("{HEALTH}?n=1"), Seal::Right)?;
        report.note("any-parameter", must(health.status == 200, || format!("{HEALTH}?n=1 gets {}", health.status)));
        Ok(())
    }

    fn authority_only(&self, report: &mut ConformanceReport, place: &TrialPlace) -> Result<(), String> {
        let (contract, target) = (self.about(place, "write"), format!("{ADDRESS}?op=resume&id=1"));
        let ask = Ask { method: "POST", target: &target, contract, headers: &[], body: None, seal: Seal::Right };
        let client = self.origin.send(ask)?;
        report.note(
            "authority-only",
            must(client.status == 404, || {
                format!("a request with the router's Homing-* headers gets {}, expected 404", client.status)
            }),
        );
        for (seal, how) in [
            (Seal::Missing, "not signed"),
            (Seal::OtherKey, "signed with another key"),
            (Seal::Stale, "signed two minutes ago"),
        ] {
            if self.origin.is_signed() {
                let answer = self.bare("POST", &target, seal)?;
                report
                    .note("authority-only", must(answer.status == 403, || format!("{how}, it got {}", answer.status)));
            }
        }
        Ok(())
    }

    fn reached(&self, report: &mut ConformanceReport, place: &TrialPlace) -> Result<(), String> {
        let written = self.must_write(place)?;
        let Ok(Some(said)) = Self::said(place, &written) else {
            report.skip(&["reached"], "its writes report no Homing-Position");
            return Ok(());
        };
        let beyond = far_beyond(&said.position);
        for (position, epoch, expected) in
            [(&said.position, self.epoch, true), (&beyond, self.epoch, false), (&said.position, self.epoch + 5, false)]
        {
            let of = format!("of={}&epoch={epoch}&position={}", self.here, position.replace('/', "%2F"));
            let answer = self.authority("GET", &format!("reached={}&unit={}&{of}", place.dataset, place.unit()))?;
            report.note(
                "reached",
                must(answer.status == 200 && *answer.said("/reached") == expected, || {
                    format!(
                        "{position} of epoch {epoch}: it answered {} {}, expected {expected}",
                        answer.status, answer.body
                    )
                }),
            );
        }
        Ok(())
    }

    fn depose(&mut self, report: &mut ConformanceReport, place: &TrialPlace) -> Result<(), String> {
        let number = self.next_number();
        report.note("depose-paused", state(&self.ask_depose(place, number)?, &["not-paused"], "without a pause"));
        self.ask_pause(place, number, 30_000, self.epoch)?;
        for when in ["while the pause holds", "once more"] {
            let answer = self.ask_depose(place, number)?;
            report.note(
                "depose",
                must(answer.status == 200, || format!("{when} it gets {} {}", answer.status, answer.body)),
            );
        }
        let old = self.write(place, &self.here, self.epoch)?;
        nothing_written(report, &old);
        let owner = (Some(ELSEWHERE), Some(self.epoch + 1));
        report.note(
            "depose",
            must(old.status == 421 && old.owner() == owner, || {
                format!("then a write by the old epoch gets {}, naming {:?}", old.status, old.owner())
            }),
        );
        let after = self.next_number();
        report.note(
            "depose",
            state(&self.ask_pause(place, after, 1000, self.epoch)?, &["not-owner"], "a pause by the old epoch"),
        );

        self.epoch += 2;
        let grant = |epoch: u64| self.authority("POST", &format!("op=grant&unit={}@{epoch}", place.unit()));
        for when in ["it", "it again"] {
            let answer = grant(self.epoch)?;
            report
                .note("grant", must(answer.status == 200, || format!("{when} gets {} {}", answer.status, answer.body)));
        }
        let known = self.authority("GET", &format!("unit={}", place.unit()))?;
        report.note("grant", self.looks_right(&known, &place.unit()));
        self.renew(place)?;
        let own = self.write(place, &self.here, self.epoch)?;
        report.note("grant", must(own.is_ok(), || format!("then a write by the new epoch gets {}", own.status)));
        let late = grant(self.epoch - 1)?;
        report.note("grant-later", state(&late, &["later"], "an epoch that is over"));
        self.must_write(place).map(|_| ())
    }

    fn lease(&mut self, report: &mut ConformanceReport, place: &TrialPlace) -> Result<(), String> {
        if !self.look(place).is_some_and(|(_, leased)| leased) {
            report.skip(&["lease"], "it needs no lease");
            return Ok(());
        }
        let renew = |epoch: u64, ms: u64| {
            self.authority("POST", &format!("op=renew&unit={}@{epoch}&for_ms={ms}", place.unit()))
        };
        report.note("lease", state(&renew(self.epoch - 1, 1000)?, &["not-owner"], "renewed by an earlier epoch"));
        let renewed = renew(self.epoch, 300)?;
        report.note("lease", must(renewed.status == 200, || format!("renewing it gets {}", renewed.status)));
        let stopped = self.eventually(|| Ok(self.write(place, &self.here, self.epoch)?.status == 503))?;
        report.note(
            "lease",
            must(stopped, || "3 s after the start of a lease of 300 ms it still accepts writes".to_owned()),
        );
        renew(self.epoch, 60_000)?;
        let again = self.write(place, &self.here, self.epoch)?;
        report.note("lease", must(again.is_ok(), || format!("renewed, a write gets {}", again.status)));
        Ok(())
    }
}

/// That it was refused with 409 and one of these states.
pub(super) fn state(answer: &TrialAnswer, states: &[&str], when: &str) -> Result<(), String> {
    let said = answer.said("/state").as_str().unwrap_or_default();
    must(answer.status == 409 && states.contains(&said), || {
        format!("{when}: it answered {} {}, expected 409 {}", answer.status, answer.body, states.join(" or "))
    })
}
