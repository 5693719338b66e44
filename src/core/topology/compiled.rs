//! A topology that has been checked, as the text by which it is handed on: one Wasm checks and another serves, and mostly the first has done so
//! when both were built. Only the build that has written such a text reads it, so it asks nothing and may change with any commit.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::Topology;

/// The text of a topology: its bytes by postcard, in base64.
pub(super) fn write(topology: &Topology) -> String {
    URL_SAFE_NO_PAD.encode(postcard::to_allocvec(topology).unwrap_or_default())
}

/// The topology of such a text; none if it is none.
pub(super) fn read(text: &str) -> Option<Topology> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (topology, rest) = postcard::take_from_bytes(&bytes).ok()?;
    rest.is_empty().then_some(topology)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::{error::KeyPath, parse, raw};

    /// With every field and every variant.
    const ALL: &str = r#"{
        "EDGE_NAME": "shop.example",
        "REGIONS": {
            "us": { "origin": "https://us.example.com", "location": { "lat": 39.1, "lon": -77.5 }, "default_home": true, "ceiling": 64 },
            "eu": { "service": "REGION_EU", "health": "/up?deep=1", "deadline": "1500ms" }
        },
        "DATASETS": {
            "a": { "ownership": "single-writer", "home": "eu", "staleness": "30s", "position": "lsn", "lease": "10s", "max_pause": "2s" },
            "b": { "ownership": "geo-partitioned", "subject": "user", "regions": ["eu", "us"], "position": "hlc" },
            "c": { "ownership": "geo-partitioned", "subject": "tenant", "regions": ["us"], "position": "timestamp" },
            "d": { "ownership": "multi-writer", "position": "counter",
                "conflicts": { "rule": "merge", "merge": "counter", "minimum": -3, "explain": "Each one counts.\n“So” it is." } },
            "e": { "ownership": "multi-writer", "regions": ["eu"], "conflicts": { "rule": "last-write-wins", "per": "field", "explain": "The last." } },
            "f": { "ownership": "multi-writer", "conflicts": { "rule": "last-write-wins", "explain": "The last." } },
            "g": { "ownership": "multi-writer", "conflicts": { "rule": "application", "explain": "You are asked." } },
            "h": { "ownership": "multi-writer", "conflicts": { "rule": "merge", "merge": "set", "explain": "Both." } },
            "i": { "ownership": "multi-writer", "conflicts": { "rule": "merge", "merge": "map", "explain": "Both." } },
            "j": { "ownership": "multi-writer", "conflicts": { "rule": "merge", "merge": "register", "explain": "Both." } }
        },
        "ROUTES": [
            { "match": "GET,POST *.example.com/a/{id}/caf%C3%A9/*", "dataset": "a", "read_after_write": "session", "on_home_down": "stale",
              "access": "read", "idempotent": true, "cache": true, "cache_up_to": "16MiB", "cache_set_cookie": true, "deadline": "5s",
              "wait": "50ms", "body_idle": "20s", "repair": true, "spelling": "exact", "rewrite_location": true,
              "max_cross_region": "0.25%", "allow_request_fields": ["x-forwarded-prefix"] },
            { "match": "/d/", "dataset": "d", "on_home_down": "refuse", "access": "write", "max_conflict_rate": "5%" },
            { "match": "example.com/*", "dataset": "a", "read_after_write": "home", "cache": false }
        ],
        "IDENTITY": {
            "user": { "response_header": "Homing-Subject", "first_home": "us" }, "tenant": { "path": "/t/{tenant}/*" },
            "hosts": ["example.com", "*.example.com"]
        }
    }"#;

    fn topology(vars: &str) -> Topology {
        parse(&raw::from_json(vars).unwrap(), &KeyPath::default()).unwrap().0
    }

    #[test]
    fn a_topology_is_the_same_when_it_was_handed_on() {
        let identity = |user: &str| ALL.replace(r#""response_header": "Homing-Subject","#, user);
        let sources =
            [r#""header": "X-User","#, r#""cookie": "sid","#, r#""host": "{user}.example.com","#].map(identity);
        let least = r#"{"REGIONS":{"us":{"origin":"https://us.example.com"}}}"#.to_owned();
        for vars in [vec![ALL.to_owned(), least], sources.to_vec()].concat() {
            let checked = topology(&vars);
            let text = write(&checked);
            let read = read(&text).unwrap();
            assert_eq!(format!("{read:?}"), format!("{checked:?}"));
            assert_eq!(write(&read), text);
        }
    }

    #[test]
    fn a_text_that_was_cut_or_goes_on_is_no_topology() {
        let text = write(&topology(ALL));
        for (at, _) in text.char_indices() {
            assert!(read(&text[..at]).is_none(), "{at}");
        }
        assert!(read(&(text + "AAAA")).is_none());
    }
}
