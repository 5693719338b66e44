//! The directory of the tests: where each subject lives. Its word is the last.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::region::Owned;

/// Subjects by id: what kind each is, and who owns it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Directory(pub BTreeMap<String, (String, Owned)>);

impl Directory {
    /// The subject's ownership; one that has none gets that home, once.
    pub fn assign(&mut self, subject: &str, kind: &str, home: &str) -> Owned {
        let first = || (kind.to_owned(), (home.to_owned(), 1));
        self.0.entry(subject.to_owned()).or_insert_with(first).1.clone()
    }

    /// What it answers to an effect of the authority; none if the effect is not for it.
    pub fn answer(&mut self, effect: &Value) -> Option<Value> {
        let text = |key: &str| effect[key].as_str().unwrap_or_default().to_owned();
        match effect["do"].as_str()? {
            "find" => Some(self.0.get(&text("subject")).map_or(Value::Null, said)),
            "assign" => {
                let (subject, kind) = (text("subject"), text("kind"));
                let declined = &effect["instead_of"];
                if let (Some(held), Some(home)) = (self.0.get_mut(&subject), declined["home"].as_str())
                    && held.1 == (home.to_owned(), declined["epoch"].as_u64().unwrap())
                {
                    held.1 = (text("home"), held.1.1 + 1);
                }
                self.assign(&subject, &kind, &text("home"));
                self.0.get(&subject).map(said)
            }
            "record" => {
                let later = (text("home"), effect["epoch"].as_u64().unwrap());
                let held = self.0.entry(text("subject")).or_insert_with(|| (text("kind"), (String::new(), 0)));
                if later.1 > held.1.1 {
                    held.1 = later;
                }
                Some(said(held))
            }
            "count" => Some(json!(self.0.values().filter(|(_, (home, _))| *home == text("home")).count())),
            "list" => {
                let (home, after) = (text("home"), text("after"));
                let page = self.0.iter().filter(|(id, (_, (lives, _)))| *lives == home && **id > after);
                Some(page.take(3).map(|(id, (kind, _))| json!({ "subject": id, "kind": kind })).collect())
            }
            _ => None,
        }
    }
}

fn said((kind, (home, epoch)): &(String, Owned)) -> Value {
    json!({ "kind": kind, "home": home, "epoch": epoch })
}
