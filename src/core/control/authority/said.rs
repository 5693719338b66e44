//! What regions and the directory say, as JSON of any form: nobody has to answer as one should, so each field is read by itself.

use serde_json::Value;

use crate::model::epoch::Epoch;

/// The field of that name; null where there is none.
pub(super) fn get<'v>(said: &'v Value, name: &str) -> &'v Value {
    said.get(name).unwrap_or(&Value::Null)
}

/// The text in that field; empty where there is none.
pub(super) fn text<'v>(said: &'v Value, name: &str) -> &'v str {
    get(said, name).as_str().unwrap_or("")
}

/// The epoch that somebody says; none where there is none, or one that nobody can count on from ([`Epoch::said`]).
pub(super) fn epoch(said: &Value) -> Option<u64> {
    Epoch::said(get(said, "epoch").as_u64()?).map(|epoch| epoch.0)
}

/// What a region says of the unit that it was asked about.
pub(super) fn first_unit(said: &Value) -> &Value {
    get(said, "units").get(0).unwrap_or(&Value::Null)
}
