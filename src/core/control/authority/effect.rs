//! What the authority wants done, as JSON for whoever drives it; and calls to origins, signed like every request of the router.

use serde_json::{Value, json};

use super::ledger::change::Change;
use crate::{
    http::signature::Signed,
    model::{epoch::Epoch, ids::RegionId, time::Timestamp},
    topology::settings::Settings,
};

/// The address at which an origin takes commands.
pub const ADDRESS: &str = "/.well-known/homing/ownership";

/// To whom an outcome belongs: a change, its step, and who was asked.
pub(super) fn tag(change: &Change, slot: &str) -> Value {
    json!({ "change": change.id, "step": change.step, "slot": slot })
}

/// A call to a region: method and target. No two questions have the same URL, so that no cache on the way has an answer to it.
pub(crate) fn call(
    settings: &Settings,
    region: RegionId,
    (method, target): (&str, &str),
    tag: &Value,
    now: Timestamp,
) -> Value {
    let target = &match method {
        "GET" => nonced(target, now),
        _ => target.to_owned(),
    };
    let (service, url) = settings.topology.region(region).origin.url(target);
    // A command has none of the fields of the contract.
    let signed = Signed { method, target, at: now };
    let signature = settings.origin_key.as_ref().map(|key| signed.signature(key, |_| None));
    json!({ "do": "call", "method": method, "service": service, "url": url, "signature": signature, "tag": tag })
}

/// A question's target that nobody has asked for before; a region takes no notice of the parameter.
#[must_use]
pub fn nonced(target: &str, now: Timestamp) -> String {
    format!("{target}{}n={}", if target.contains('?') { '&' } else { '?' }, now.0)
}

/// The same call, given up after so many milliseconds: what is lost is asked for again.
pub(super) fn within(call: Value, millis: u64) -> Value {
    with(call, "timeout", millis.into())
}

/// The same with one field more.
fn with(mut effect: Value, name: &str, value: Value) -> Value {
    if let Value::Object(fields) = &mut effect {
        fields.insert(name.to_owned(), value);
    }
    effect
}

/// Come back after so many milliseconds.
pub(super) fn after(millis: u64, tag: &Value) -> Value {
    json!({ "do": "after", "millis": millis, "tag": tag })
}

/// Ask the directory for a subject.
pub(super) fn find(subject: &str, tag: &Value) -> Value {
    json!({ "do": "find", "subject": subject, "tag": tag })
}

/// Give a subject its first home, unless it has one: what counts then is said as to [`find`].
pub(super) fn assign((subject, kind): (&str, &str), home: &str, tag: &Value) -> Value {
    json!({ "do": "assign", "subject": subject, "kind": kind, "home": home, "tag": tag })
}

/// Give the subject another home in place of one that nobody has written to: that region's own word.
pub(super) fn correct(change: &Change, home: &str) -> Value {
    let assign = assign((change.subject().unwrap_or(""), &change.kind), home, &Value::Null);
    with(assign, "instead_of", json!({ "home": change.from, "epoch": change.epoch }))
}

/// Tell the directory of a later ownership.
pub(super) fn record(change: &Change, tag: &Value) -> Value {
    let (subject, epoch) = (change.subject().unwrap_or(""), change.epoch + 1);
    json!({ "do": "record", "subject": subject, "kind": change.kind, "home": change.to, "epoch": epoch, "tag": tag })
}

/// Write into KV, for the edges.
pub(super) fn publish(key: &str, value: &str, tag: &Value) -> Value {
    json!({ "do": "publish", "key": key, "value": value, "tag": tag })
}

/// A line of the audit log.
pub(super) fn audit(line: &Value) -> Value {
    json!({ "do": "audit", "line": line })
}

/// The field of that name; null where there is none.
pub(super) fn get<'v>(value: &'v Value, name: &str) -> &'v Value {
    value.get(name).unwrap_or(&Value::Null)
}

/// The text in that field; empty where there is none.
pub(super) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    get(value, name).as_str().unwrap_or("")
}

/// The epoch that somebody says; none where there is none, or one that nobody can count on from ([`Epoch::said`]).
pub(super) fn epoch(value: &Value) -> Option<u64> {
    Epoch::said(get(value, "epoch").as_u64()?).map(|epoch| epoch.0)
}
