//! A subject's home as the home store and the directory hold it, in JSON.

use serde::{Deserialize, Serialize};

/// What stands in the home store under `home:SUBJECT`, and what the directory answers. A stored format: fields may only be added, and
/// each needs a default. The directory's own objects write more (`kind`), which nobody here reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HomeRecord {
    /// The generation of the ownership; 0 is none.
    pub epoch: u64,
    /// The region's name.
    pub home: String,
    /// Whether the directory has assigned it just now.
    #[serde(default, skip_serializing_if = "is_false")]
    pub new: bool,
    /// Whether it goes again unless an origin says yes.
    #[serde(default, skip_serializing_if = "is_false")]
    pub tentative: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl HomeRecord {
    /// A home that is known, by that epoch.
    #[must_use]
    pub fn new(home: impl Into<String>, epoch: u64) -> Self {
        Self { epoch, home: home.into(), new: false, tentative: false }
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The record in that text, if one is.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_text_is_a_stored_format() {
        assert_eq!(HomeRecord::new("eu", 3).text(), r#"{"epoch":3,"home":"eu"}"#);
        let assigned = HomeRecord { new: true, tentative: true, ..HomeRecord::new("eu", 1) };
        assert_eq!(assigned.text(), r#"{"epoch":1,"home":"eu","new":true,"tentative":true}"#);
        let directory = r#"{"kind":"user","home":"eu","epoch":1,"new":true,"tentative":true}"#;
        assert_eq!(HomeRecord::read(directory), Some(assigned));
        assert_eq!(HomeRecord::read(r#"{"home":"eu","epoch":3}"#), Some(HomeRecord::new("eu", 3)));
        assert_eq!(HomeRecord::read("{}"), None);
    }
}
