//! A short name for what is configured, the same from `wrangler.toml` and from the vars that a deployed Worker was given.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::raw::Raw;

/// The vars that make a topology, or go on with one (`ROUTES_2`).
#[must_use]
pub fn is_of_topology(var: &str) -> bool {
    let more = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    matches!(var, "REGIONS" | "DATASETS" | "ROUTES" | "IDENTITY") || var.strip_prefix("ROUTES_").is_some_and(more)
}

/// The name of each var of the topology and a digest of what it says: 16 letters of SHA-256. The order of a table's keys does not count,
/// but in `REGIONS`, where it decides between regions that are equally near.
#[must_use]
pub fn digests(vars: &Raw) -> Vec<(String, String)> {
    let Raw::Table(vars) = vars else { return Vec::new() };
    let of_topology = vars.iter().filter(|(name, _)| is_of_topology(name));
    let mut digests: Vec<_> =
        of_topology.map(|(name, value)| (name.clone(), digest(value, name == "REGIONS"))).collect();
    digests.sort();
    digests
}

fn digest(value: &Raw, in_order: bool) -> String {
    let mut text = String::new();
    canonical(value, in_order, &mut text);
    let mut digest = URL_SAFE_NO_PAD.encode(Sha256::digest(text));
    digest.truncate(16);
    digest
}

/// Text in which nothing can pass for something else: each text stands with its quotes escaped.
fn canonical(value: &Raw, in_order: bool, text: &mut String) {
    // Writing to a String cannot fail.
    let _ = match value {
        Raw::Null => write!(text, "~"),
        Raw::Bool(flag) => write!(text, "{flag}"),
        Raw::Number(number) => write!(text, "{number}"),
        Raw::Text(said) => write!(text, "{said:?}"),
        Raw::List(members) => {
            text.push('[');
            for member in members {
                canonical(member, false, text);
                text.push(',');
            }
            write!(text, "]")
        }
        Raw::Table(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            if !in_order {
                entries.sort_by_key(|(name, _)| name);
            }
            text.push('{');
            for (name, value) in entries {
                let _ = write!(text, "{name:?}:");
                canonical(value, false, text);
                text.push(',');
            }
            write!(text, "}}")
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::raw::from_json;

    fn of(vars: &str) -> Vec<(String, String)> {
        digests(&from_json(vars).unwrap())
    }

    #[test]
    fn what_is_configured_has_one_name_however_it_is_written() {
        let one = of(r#"{"LOG":"all","DATASETS":{"a":{"home":"us","n":1}},"REGIONS":{"us":{"x":1,"y":2},"eu":{}}}"#);
        assert_eq!(one.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["DATASETS", "REGIONS"]);
        let same = of(r#"{"REGIONS":{"us":{"y":2,"x":1.0},"eu":{}},"DATASETS":{"a":{"n":1,"home":"us"}}}"#);
        assert_eq!(one, same, "as TOML or JSON, in whatever order");
        let turned = of(r#"{"REGIONS":{"eu":{},"us":{"y":2,"x":1}},"DATASETS":{"a":{"n":1,"home":"us"}}}"#);
        assert_ne!(one, turned, "the order of regions counts");
        assert_ne!(of(r#"{"ROUTES":["a,b"]}"#), of(r#"{"ROUTES":["a","b"]}"#));
        assert!(is_of_topology("ROUTES_2") && !is_of_topology("ROUTES_") && !is_of_topology("ROUTES_X"));
    }
}
