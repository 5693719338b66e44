//! What comes in: an order, a look, what came of an effect, the time.

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{effect::Tag, outcome::TurnError};
use crate::observe::tally::DrillRow;

/// What the authority is asked. In JSON `do` names it. Edges of other versions ask, too: a name stays what it is, and `formats::RPC`
/// counts what comes and goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Input {
    /// An operator's order.
    Order {
        /// The order as JSON, read by [`super::orders::read`].
        #[serde(default)]
        order: String,
    },
    /// What operators are shown.
    Show,
    /// The view, for an edge that has not found one in the home store.
    View,
    /// How a change or an evacuation stands.
    Change {
        /// Its name.
        #[serde(default)]
        id: String,
    },
    /// The drills that are kept, or the one of that name.
    Drills {
        /// Its name; empty for all.
        #[serde(default)]
        id: String,
    },
    /// What an edge has counted of a drill.
    Drilled {
        /// The drill's name.
        #[serde(default)]
        drill: String,
        /// Route by route. Of rows that are not known only figures are lost.
        #[serde(default, deserialize_with = "if_known")]
        rows: Vec<DrillRow>,
    },
    /// What came of an effect.
    Heard(Heard),
    /// Time has passed. What this version does not know counts as that, too.
    #[serde(other)]
    Tick,
}

impl Input {
    /// What others may ask, by its name in JSON. A tick is nobody's question.
    pub const NAMES: [&'static str; 7] = ["order", "show", "view", "change", "drills", "drilled", "heard"];

    /// Reads an input.
    ///
    /// # Errors
    /// If it is no JSON, or a field of a known input has another form.
    pub fn parse(text: &str) -> Result<Self, TurnError> {
        let input: Value = serde_json::from_str(text).map_err(|error| TurnError::Input(error.to_string()))?;
        if input.get("do").is_none_or(|name| !name.is_string()) {
            return Ok(Self::Tick);
        }
        serde_json::from_value(input).map_err(|error| TurnError::Input(error.to_string()))
    }

    /// The same as text.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A value whose form this version does not know, any more or yet, counts as absent.
fn if_known<'de, T: Default + DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).unwrap_or_default())
}

/// What came of an effect, and to whom that belongs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "HeardFields", into = "HeardFields")]
pub struct Heard {
    /// The effect's tag.
    pub tag: Tag,
    /// What came of it.
    pub result: EffectResult,
}

/// What came of an effect.
#[derive(Clone, Debug, PartialEq)]
pub enum EffectResult {
    /// An answer.
    Answered {
        /// A region's HTTP status; 200 for an answer of the directory or the home store.
        status: u16,
        /// Null where there is none.
        body: Value,
    },
    /// None, for this reason.
    Failed(String),
    /// The time is over.
    Elapsed,
}

impl EffectResult {
    /// The body of an answer with status 200.
    pub(crate) fn ok(&self) -> Option<&Value> {
        match self {
            Self::Answered { status: 200, body } => Some(body),
            _ => None,
        }
    }
}

/// The same as it travels: an answer has a status, a failure `failed`, and a time that is over neither.
#[derive(Clone, Serialize, Deserialize)]
struct HeardFields {
    /// Nobody's if it is not known.
    #[serde(default, deserialize_with = "if_known")]
    tag: Tag,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default)]
    body: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
}

impl From<HeardFields> for Heard {
    fn from(HeardFields { tag, status, body, failed }: HeardFields) -> Self {
        let result = match (status, failed) {
            (Some(status), _) => EffectResult::Answered { status, body },
            (None, Some(why)) => EffectResult::Failed(why),
            (None, None) => EffectResult::Elapsed,
        };
        Self { tag, result }
    }
}

impl From<Heard> for HeardFields {
    fn from(Heard { tag, result }: Heard) -> Self {
        let (status, body, failed) = match result {
            EffectResult::Answered { status, body } => (Some(status), body, None),
            EffectResult::Failed(why) => (None, Value::Null, Some(why)),
            EffectResult::Elapsed => (None, Value::Null, None),
        };
        Self { tag, status, body, failed }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_name_is_an_input_and_whatever_else_is_a_tick() {
        for name in Input::NAMES {
            let input = Input::parse(&json!({ "do": name }).to_string()).unwrap();
            assert_eq!(json!(input)["do"], name);
            assert_ne!(input, Input::Tick, "{name}");
        }
        for unknown in [json!({}), json!({ "do": 7 }), json!({ "do": "dance", "with": "us" }), json!({ "do": "tick" })]
        {
            assert_eq!(Input::parse(&unknown.to_string()), Ok(Input::Tick), "{unknown}");
        }
        assert!(Input::parse("{broken").is_err());
    }

    #[test]
    fn an_input_is_read_as_it_is_written() {
        let tags = [
            Tag::Change { change: "change-1".to_owned(), step: 2, slot: "from".to_owned() },
            Tag::Evacuation { sweep: "sweep-3".to_owned(), step: 1 },
            Tag::Notice { told: "us".to_owned(), unit: "orders".to_owned(), epoch: 2, asks: true },
            Tag::View { view: 7 },
            Tag::Lease { lease: "orders".to_owned() },
            Tag::Nobody,
        ];
        let results = [
            EffectResult::Answered { status: 409, body: json!({ "state": "not-paused" }) },
            EffectResult::Failed("no answer".to_owned()),
            EffectResult::Elapsed,
        ];
        for tag in tags {
            for result in &results {
                let heard = Input::Heard(Heard { tag: tag.clone(), result: result.clone() });
                assert_eq!(Input::parse(&heard.text()), Ok(heard.clone()), "{}", heard.text());
            }
        }
        let late = Input::parse(r#"{"do":"heard"}"#);
        assert_eq!(late, Ok(Input::Heard(Heard { tag: Tag::Nobody, result: EffectResult::Elapsed })));
        let odd = Input::parse(r#"{"do":"drilled","drill":"drill-1","rows":[{"way":1}]}"#);
        assert_eq!(odd, Ok(Input::Drilled { drill: "drill-1".to_owned(), rows: Vec::new() }));
    }

    #[test]
    fn an_outcome_with_a_tag_of_another_version_is_nobodys() {
        let Input::Heard(heard) =
            serde_json::from_str(r#"{"do":"heard","tag":{"later":"kind"},"status":200}"#).unwrap()
        else {
            panic!("it is heard")
        };
        assert_eq!(heard.tag, Tag::default());
        assert_eq!(heard.result, EffectResult::Answered { status: 200, body: Value::Null });
    }
}
