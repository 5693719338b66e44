//! Homes that are known beforehand: where the subjects of an application live that was there before the router. They are told in
//! bulk, so that nobody is given another home by what is near; who has one already keeps it.

use serde::Serialize;
use serde_json::{Map, Value};

use super::orders::{
    command::OrderRefusal,
    fields::{OrderFields, wrong},
};
use crate::{
    model::{
        epoch::Epoch,
        ids::RegionId,
        subject::{SubjectId, SubjectKind},
    },
    topology::Topology,
};

/// The most subjects that are told at once.
pub const MOST: usize = 1_000;

/// What the directory is asked for such a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KnownHomes {
    /// `user` or `tenant`.
    pub kind: &'static str,
    /// Who lives where.
    pub homes: Vec<KnownHome>,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Whether they are put into the home store, too.
    pub kv: bool,
    /// A line for the audit log, if one came with it.
    pub note: Option<String>,
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: String,
}

/// One home: whose, where, and by which epoch the regions know it, if that is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KnownHome(pub String, pub String, pub Option<u64>);

/// Reads such a list.
///
/// # Errors
/// With the first thing in it that is not as it must be: nothing of the list is told then.
pub fn read(text: &str, topology: &Topology) -> Result<KnownHomes, OrderRefusal> {
    let list: Value = serde_json::from_str(text)
        .map_err(|error| OrderRefusal::malformed(format!("The list is not JSON: {error}. Send an object.")))?;
    let Value::Object(list) = list else {
        return Err(OrderRefusal::malformed("The list is JSON but not an object. Send {\"kind\": …, \"homes\": {…}}."));
    };
    let fields = OrderFields { order: &list, topology };
    let kind = fields.kind()?;
    let homes = homes(&list, kind, &fields)?;
    if homes.len() > MOST {
        let found = homes.len();
        return Err(OrderRefusal::malformed(format!(
            "homes has {found} subjects; expected at most {MOST}. Send several lists."
        )));
    }
    let note = if list.contains_key("note") { Some(fields.text("note")?.to_owned()) } else { None };
    Ok(KnownHomes {
        kind: kind.token(),
        homes,
        dry_run: fields.flag("dry_run")?,
        kv: !fields.flag("no_kv")?,
        note,
        actor: fields.text("actor")?.to_owned(),
        reason: fields.text("reason")?.to_owned(),
    })
}

/// `{"eu": [ID, …]}`, by region; `[ID, EPOCH]` in place of an id where the epoch is known.
fn homes(
    list: &Map<String, Value>,
    kind: SubjectKind,
    fields: &OrderFields<'_>,
) -> Result<Vec<KnownHome>, OrderRefusal> {
    let Some(Value::Object(by_region)) = list.get("homes") else {
        let expected = "an object with a list of ids for each region";
        return Err(OrderRefusal::malformed(format!("homes is missing or not an object; expected {expected}.")));
    };
    let mut homes = Vec::new();
    for (name, ids) in by_region {
        may_be_home(fields.region_named("homes", name)?, kind, fields)?;
        let Value::Array(ids) = ids else {
            return Err(OrderRefusal::malformed(format!("homes.{name} is not a list; expected a list of ids.")));
        };
        for said in ids {
            let (id, epoch) = match said.as_array().map(Vec::as_slice) {
                Some([id, epoch]) => (id, Some(epoch.as_u64().filter(|epoch| (1..=Epoch::MOST.0).contains(epoch)))),
                Some(_) => (&Value::Null, None),
                None => (said, None),
            };
            let id = SubjectId::parse(id.as_str().unwrap_or_default());
            let (Some(id), true) = (id, epoch != Some(None)) else {
                let expected = "ids of 22 letters of base64url, or pairs of such an id and an epoch of 1 or more";
                return Err(wrong(&format!("homes.{name}"), &said.to_string(), expected));
            };
            homes.push(KnownHome(id.as_str().to_owned(), name.clone(), epoch.flatten()));
        }
    }
    Ok(homes)
}

fn may_be_home(home: RegionId, kind: SubjectKind, fields: &OrderFields<'_>) -> Result<(), OrderRefusal> {
    let topology = fields.topology;
    if topology.residency(kind).contains(home) {
        return Ok(());
    }
    let (home, kind) = (&topology.region(home).name, kind.token());
    Err(OrderRefusal::conflict(format!(
        "homes has {home:?}, where no {kind} may live. Name a region of the {kind}s' datasets."
    )))
}
