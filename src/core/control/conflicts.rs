//! Conflicts told as stories. Every region keeps the conflicts that it has resolved and tells them at one address; operators ask all regions
//! at once, and are told each conflict once, as a sentence with the dataset's own explanation. All texts are others' (an application's
//! keys, its words for what was done, its users' ids): they are bounded, and nothing in them can act on whoever reads them.

mod story;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use self::story::Story;
pub use self::story::clean;
use crate::{
    control::authority::{RegionCall, Tag},
    http::{
        percent::{QUERY_VALUE, decode, encode},
        problem_details::ProblemDetails,
    },
    model::{
        ids::{DatasetId, RegionId},
        time::Timestamp,
    },
    topology::{Topology, error::quoted, settings::Settings},
};

/// The address at which an origin tells of its conflicts.
pub const ADDRESS: &str = "/.well-known/homing/conflicts";
/// How long a region may take to answer, in milliseconds.
pub const PATIENCE_MS: u32 = 2000;
/// The longest answer of a region, in bytes: a thousand stories of a kilobyte each.
pub const LONGEST_ANSWER: usize = 1024 * 1024;
/// The most stories that can be asked for: as many as a region keeps.
const MOST_STORIES: usize = 1000;
/// So many are told where nobody says how many.
const USUAL_STORIES: usize = 100;
/// The longest key that can be asked for, in bytes.
const LONGEST_KEY: usize = 512;

/// What an operator wants to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictQuestion {
    /// Of which dataset; several regions write it.
    dataset: DatasetId,
    /// Of which key, if only of one.
    key: Option<String>,
    /// How many stories at most.
    limit: usize,
}

/// What came of asking a region: its status and all of its answer, or why there is none.
pub type ConflictReply = Result<(u16, Vec<u8>), &'static str>;

impl ConflictQuestion {
    /// The question in a query: `dataset=likes`, then `key=KEY` and `limit=N` if somebody wants them.
    ///
    /// # Errors
    /// If it names no dataset that several regions write, or no number that can be told.
    pub fn read(query: &str, topology: &Topology) -> Result<Self, ProblemDetails> {
        let field = |name: &str| {
            let value = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
            value.map(|(_, value)| decode(&value.replace('+', " ")).into_owned()).filter(|value| !value.is_empty())
        };
        let several: Vec<_> = topology.datasets().filter(|(_, dataset)| dataset.rule.is_multi_writer()).collect();
        let names = || quoted(several.iter().map(|(_, dataset)| dataset.name.as_str()));
        let Some(name) = field("dataset") else {
            return Err(problem(400, &format!("Name a dataset: ?dataset=NAME. Datasets with conflicts: {}.", names())));
        };
        let Some((dataset, _)) = several.iter().find(|(_, dataset)| dataset.name == name) else {
            let detail =
                format!("{:?} is no multi-writer dataset. Datasets with conflicts: {}.", clean(&name, 64), names());
            return Err(problem(404, &detail));
        };
        let limit = match field("limit") {
            None => Some(USUAL_STORIES),
            Some(text) => text.parse().ok().filter(|limit| (1..=MOST_STORIES).contains(limit)),
        };
        let Some(limit) = limit else {
            return Err(problem(400, &format!("limit is a whole number from 1 to {MOST_STORIES}.")));
        };
        let key = field("key");
        if key.as_ref().is_some_and(|key| key.len() > LONGEST_KEY) {
            return Err(problem(400, &format!("A key has at most {LONGEST_KEY} bytes.")));
        }
        Ok(Self { dataset: *dataset, key, limit })
    }

    /// The questions to the regions, signed like every question of the router.
    #[must_use]
    pub fn calls(&self, settings: &Settings, now: Timestamp) -> Vec<(RegionId, RegionCall)> {
        let name = settings.topology.dataset(self.dataset).map_or("", |dataset| &dataset.name);
        let target = format!("{ADDRESS}?{}", query(name, self.limit, self.key.as_deref()));
        let call = |id| RegionCall::new(settings, id, ("GET", &target), Tag::Nobody, now);
        settings.topology.regions().map(|(id, _)| (id, call(id))).collect()
    }

    /// What the regions tell, as one: each conflict once, the latest first; and which region did not answer, and why.
    #[must_use]
    pub fn told(&self, replies: Vec<(RegionId, ConflictReply)>, topology: &Topology) -> Value {
        let known = topology.dataset(self.dataset);
        let Some((dataset, conflicts)) = known.and_then(|dataset| Some((dataset, dataset.rule.conflicts()?))) else {
            return Value::Null;
        };
        let mut regions = Map::new();
        let mut stories = BTreeMap::new();
        for (id, reply) in replies {
            let name = &topology.region(id).name;
            let said = match reply.map_err(str::to_owned).and_then(|(status, body)| read(status, &body)) {
                Ok(told) => {
                    let total = told.get("total").and_then(Value::as_u64);
                    let list = told.get("conflicts").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                    let list = list.iter().take(self.limit).filter_map(|told| Story::read(told, conflicts.rule));
                    for story in list.filter(|story| self.is_about(story, &dataset.name)) {
                        story.join(&mut stories, name);
                    }
                    json!({ "answered": true, "total": total })
                }
                Err(why) => json!({ "answered": false, "why": why }),
            };
            regions.insert(name.clone(), said);
        }
        let mut stories: Vec<_> = stories.into_values().collect();
        stories.sort_by_key(|story| std::cmp::Reverse(story.at()));
        stories.truncate(self.limit);
        let explain = clean(&conflicts.explain, usize::MAX);
        json!({
            "dataset": dataset.name, "rule": conflicts.rule.word(), "explain": explain, "regions": regions,
            "stories": stories.iter().map(|story| story.show(&explain)).collect::<Vec<_>>(),
        })
    }

    fn is_about(&self, story: &Story, dataset: &str) -> bool {
        let of = |wanted: &str, said: Option<&str>| said.is_none_or(|said| said == wanted);
        // A story has its key as it is shown ([`clean`]), so the key that was asked for is compared in the same form.
        let key = self.key.as_ref().map(|key| clean(key, LONGEST_KEY));
        of(dataset, story.dataset()) && key.is_none_or(|key| story.key() == Some(&key))
    }
}

/// The question as a query ([`ConflictQuestion::read`]): to the router, and to a region.
#[must_use]
pub fn query(dataset: &str, limit: usize, key: Option<&str>) -> String {
    let mut query = "dataset=".to_owned();
    encode(&mut query, dataset, QUERY_VALUE);
    query.push_str(&format!("&limit={limit}"));
    if let Some(key) = key {
        query.push_str("&key=");
        encode(&mut query, key, QUERY_VALUE);
    }
    query
}

/// What a region's answer says, or why it says nothing.
fn read(status: u16, body: &[u8]) -> Result<Value, String> {
    match status {
        200 => serde_json::from_slice(body)
            .ok()
            .filter(Value::is_object)
            .ok_or_else(|| format!("It answers 200 with something else than the JSON of {ADDRESS}.")),
        403 => Err("It refuses the signature (403). Set the same ORIGIN_KEY here and there.".to_owned()),
        404 => Err(format!("It does not serve {ADDRESS} (404). The origin kit does.")),
        status => Err(format!("It answers {status}.")),
    }
}

fn problem(status: u16, detail: &str) -> ProblemDetails {
    ProblemDetails::new(status, detail)
}

#[cfg(test)]
mod tests;
