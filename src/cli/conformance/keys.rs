//! Repeats: what a client sends again with its `Idempotency-Key`, whoever else has that key, and wherever the home is by then.

use serde_json::Value;

use super::{
    ConformanceReport,
    client::{Ask, Seal, TrialAnswer},
    report::must,
    trial::{ELSEWHERE, Other, Trial, TrialPlace},
};

const ALL: [&str; 5] = ["key-once", "key-wrote", "key-body", "key-moved", "key-others"];

/// A write and its key.
struct Written {
    key: String,
    answer: TrialAnswer,
    /// What a read shows after it, if reads show the same twice.
    shown: Option<String>,
}

impl Written {
    /// That a repeat got its answer.
    fn answered_alike(&self, when: &str, again: &TrialAnswer) -> Result<(), String> {
        let first = &self.answer;
        must(again.status == first.status && again.text == first.text, || {
            format!("{when} it got {} {}, then {} {}", first.status, first.text, again.status, again.text)
        })
    }

    /// Whether a read shows by now what it showed after it, as far as reads tell.
    fn shows_still(&self, now: Option<&String>) -> bool {
        self.shown.is_none() || now.is_none() || self.shown.as_ref() == now
    }
}

impl Trial {
    pub(super) fn keys(&mut self, report: &mut ConformanceReport, place: &TrialPlace) -> Result<(), String> {
        if !self.idempotent {
            report.skip(&ALL, "--idempotent is not set, so no route to it may be idempotent");
            return Ok(());
        }
        self.renew(place)?;
        let written = self.write_with_key(place)?;
        if !written.answer.is_ok() {
            let why = format!("with an Idempotency-Key, a write gets {}", written.answer.status);
            report.note("key-once", Err(why));
            report.skip(&ALL, "no write with a key is accepted");
            return Ok(());
        }
        let again = self.keyed(place, &written.key, &place.body)?;
        report.note("key-once", self.same(place, &written, &again));
        let wrote = again.header("homing-wrote");
        report.note("key-wrote", must(wrote != Some("0"), || format!("a repeat says Homing-Wrote: {wrote:?}")));
        self.other_body(report, place)?;
        self.other_user(report, place)?;
        self.moved(report, place)
    }

    fn write_with_key(&mut self, place: &TrialPlace) -> Result<Written, String> {
        let key = format!("homing-conformance-{}", self.next_number());
        let answer = self.keyed(place, &key, &place.body)?;
        Ok(Written { key, answer, shown: self.shown(place)? })
    }

    /// What a read shows; none if the next one shows something else by itself.
    fn shown(&self, place: &TrialPlace) -> Result<Option<String>, String> {
        let (one, two) = (self.read(place, None)?, self.read(place, None)?);
        Ok((one.text == two.text).then_some(one.text))
    }

    /// A write by the ownership that counts, with that key.
    fn keyed(&self, place: &TrialPlace, key: &str, body: &str) -> Result<TrialAnswer, String> {
        let mut contract = self.about(place, "write");
        contract.extend([("home", self.here.clone()), ("epoch", self.epoch.to_string())]);
        self.send_keyed(place, contract, &self.headers, (key, body))
    }

    fn send_keyed(
        &self,
        place: &TrialPlace,
        contract: Vec<(&'static str, String)>,
        headers: &[(String, String)],
        (key, body): (&str, &str),
    ) -> Result<TrialAnswer, String> {
        let mut headers = headers.to_vec();
        headers.push(("idempotency-key".to_owned(), key.to_owned()));
        let (method, target, body) = (place.method.as_str(), place.path.as_str(), Some(body.to_owned()));
        self.origin.send(Ask { method, target, contract, headers: &headers, body, seal: Seal::Right })
    }

    /// That a repeat got the answer of the first, and changed nothing.
    fn same(&self, place: &TrialPlace, written: &Written, again: &TrialAnswer) -> Result<(), String> {
        written.answered_alike("first", again)?;
        let now = self.shown(place)?;
        must(written.shows_still(now.as_ref()), || {
            let before = written.shown.clone().unwrap_or_default();
            format!("a read showed {before}, and after the repeat {}", now.unwrap_or_default())
        })
    }

    fn other_body(&mut self, report: &mut ConformanceReport, place: &TrialPlace) -> Result<(), String> {
        let Some(other) = serde_json::from_str(&place.body).ok().and_then(|body| another(&body)) else {
            report.skip(&["key-body"], "the --body is not JSON that can be varied");
            return Ok(());
        };
        let fresh = format!("homing-conformance-{}", self.next_number());
        let alone = self.keyed(place, &fresh, &other)?;
        if !alone.is_ok() {
            report.skip(&["key-body"], &format!("{other} gets {} by itself", alone.status));
            return Ok(());
        }
        let written = self.write_with_key(place)?;
        let refused = self.keyed(place, &written.key, &other)?;
        report.note(
            "key-body",
            must(refused.status == 422, || format!("{other} with the key of {} gets {}", place.body, refused.status)),
        );
        let now = self.shown(place)?;
        report.note(
            "key-body",
            must(written.shows_still(now.as_ref()), || format!("after it a read shows {}", now.unwrap_or_default())),
        );
        Ok(())
    }

    /// Somebody else sends what somebody has sent, with the key of that one.
    fn other_user(&mut self, report: &mut ConformanceReport, place: &TrialPlace) -> Result<(), String> {
        let Some(Other { headers, subject }) = self.other.clone() else {
            report.skip(&["key-others"], "there is no --other-header");
            return Ok(());
        };
        let theirs = TrialPlace { subject: subject.or(place.subject.clone()), ..place.clone() };
        let epoch = if theirs.unit() == place.unit() {
            self.epoch
        } else {
            self.look(&theirs).map_or(1, |(epoch, _)| epoch.max(1))
        };
        let mut contract = self.about(&theirs, "write");
        contract.extend([("home", self.here.clone()), ("epoch", epoch.to_string())]);
        let own = self.write_with_key(place)?;
        let fresh = format!("homing-conformance-{}", self.next_number());
        let send = |key: &str| self.send_keyed(&theirs, contract.clone(), &headers, (key, &place.body));
        let (first, by_its_own, by_ours) = (send(&format!("{fresh}-0"))?, send(&fresh)?, send(&own.key)?);
        if !by_its_own.is_ok() {
            let why = format!(
                "the other user's write gets {} by itself; does it need another --other-header or --other-subject?",
                by_its_own.status
            );
            report.skip(&["key-others"], &why);
        } else if first.text == own.answer.text || first.text == by_its_own.text {
            report.skip(&["key-others"], "its answers do not distinguish one write from another");
        } else {
            let shown = by_ours.text == own.answer.text;
            report.note(
                "key-others",
                must(by_ours.is_ok() && !shown, || format!("the other user gets {} {}", by_ours.status, by_ours.text)),
            );
        }
        Ok(())
    }

    /// Away and back: a write by a later owner's claim is refused, and tells this region that it is none any more.
    fn moved(&mut self, report: &mut ConformanceReport, place: &TrialPlace) -> Result<(), String> {
        let written = self.write_with_key(place)?;
        self.write(place, ELSEWHERE, self.epoch + 1)?;
        self.epoch += 2;
        // One that is leased says 503 until it is.
        self.write(place, &self.here, self.epoch)?;
        self.renew(place)?;
        let again = self.keyed(place, &written.key, &place.body)?;
        report.note("key-moved", written.answered_alike("before", &again));
        self.must_write(place).map(|_| ())
    }
}

/// JSON of the same shape that says something else.
fn another(body: &Value) -> Option<String> {
    fn change(value: &mut Value) -> bool {
        match value {
            Value::String(text) => {
                text.push('2');
                true
            }
            Value::Number(number) => {
                let changed = number.as_i64().map(|number| Value::from(number.wrapping_add(1)));
                changed.map(|changed| *value = changed).is_some()
            }
            Value::Object(fields) => fields.values_mut().any(change),
            Value::Array(items) => items.iter_mut().any(change),
            Value::Bool(_) | Value::Null => false,
        }
    }
    let mut other = body.clone();
    change(&mut other).then(|| other.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn another_body_has_the_same_shape() {
        for (body, expected) in [
            (json!({ "id": "x" }), Some(r#"{"id":"x2"}"#)),
            (json!({ "liked": true, "n": [7] }), Some(r#"{"liked":true,"n":[8]}"#)),
            (json!("note"), Some(r#""note2""#)),
            (json!({ "liked": true }), None),
        ] {
            assert_eq!(another(&body).as_deref(), expected, "{body}");
        }
    }
}
