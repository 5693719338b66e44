//! What a replica is when it has been told of an owner and has nothing of that one's log yet.

use super::{
    ConformanceReport,
    client::{Ask, Seal, TrialAnswer},
    report::must,
    trial::{ELSEWHERE, Trial, TrialPlace},
};
use homing_core::operate::authority::effect::ADDRESS;

const RULE: &str = "position-told";

impl Trial {
    /// Tells this region of an owner that there is not, so that nothing of its log can be here: once by a claim, once by the
    /// authority. Words travel ahead of data; a replica that goes by them shows a session less than it has seen, and calls it enough.
    pub(super) fn told(&mut self, report: &mut ConformanceReport, place: &TrialPlace) -> Result<(), String> {
        let Ok(Some(said)) = Self::said(place, &self.must_write(place)?) else {
            report.skip(&[RULE], "its writes report no Homing-Position");
            return Ok(());
        };
        let has_address = self.look(place).is_some();
        for how in ["by a claim", "by the authority"] {
            let epoch = self.epoch + 1;
            if how == "by a claim" {
                self.write(place, ELSEWHERE, epoch)?;
            } else if has_address {
                let query = format!("op=learn&home={ELSEWHERE}&unit={}@{epoch}", place.unit());
                let heard = self.authority("POST", &query)?;
                report.note(RULE, must(heard.status == 200, || format!("op=learn gets {}", heard.status)));
            } else {
                continue;
            }
            for position in [lowest(&said.position), said.position.clone()] {
                let answer = self.read_by(place, epoch, &position)?;
                report.note(
                    RULE,
                    is_behind(
                        &answer,
                        &format!("{how}, a read that demands {position} of {ELSEWHERE}, epoch {epoch},"),
                    ),
                );
                if has_address {
                    let found = self.has_not_reached(place, epoch, &position)?;
                    report.note(RULE, found.map_err(|why| format!("{how}: {why}")));
                }
            }
            let read = self.read(place, None)?;
            let of_elsewhere = read.header("homing-position").is_some() && read.owner().0 == Some(ELSEWHERE);
            report.note(
                RULE,
                must(!of_elsewhere, || format!("{how}, a read says a position of {ELSEWHERE}, epoch {epoch}")),
            );
            self.epoch += 2;
            // It hears of this epoch so; one that is leased writes by it once it is renewed.
            self.write(place, &self.here, self.epoch)?;
            self.must_write(place)?;
        }
        Ok(())
    }

    fn read_by(&self, place: &TrialPlace, epoch: u64, position: &str) -> Result<TrialAnswer, String> {
        let mut contract = self.about(place, "read");
        contract.extend([
            ("home", ELSEWHERE.to_owned()),
            ("epoch", epoch.to_string()),
            ("min-position", format!("{}={position}", place.dataset)),
        ]);
        let (target, headers) = (place.path.as_str(), self.headers.as_slice());
        self.origin.send(Ask { method: "GET", target, contract, headers, body: None, seal: Seal::Right })
    }

    fn has_not_reached(&self, place: &TrialPlace, epoch: u64, position: &str) -> Result<Result<(), String>, String> {
        let of = format!("of={ELSEWHERE}&epoch={epoch}&position={}", position.replace('/', "%2F"));
        let answer = self.authority("GET", &format!("reached={}&unit={}&{of}", place.dataset, place.unit()))?;
        Ok(must(answer.status == 200 && *answer.said("/reached") == false, || {
            format!(
                "{ADDRESS}?reached, asked for {position} of epoch {epoch}, answered {} {}",
                answer.status, answer.body
            )
        }))
    }
}

fn is_behind(answer: &TrialAnswer, what: &str) -> Result<(), String> {
    let said = answer.header("homing-behind");
    must(answer.status == 503 && said == Some("1"), || {
        format!("{what} gets {}, Homing-Behind: {said:?}", answer.status)
    })
}

/// Where every log of that kind begins.
fn lowest(position: &str) -> String {
    match position {
        number if number.bytes().all(|byte| byte.is_ascii_digit()) => "0".to_owned(),
        lsn if lsn.contains('/') => "0/0".to_owned(),
        text => text.chars().map(|letter| if letter.is_ascii_hexdigit() { '0' } else { letter }).collect(),
    }
}
