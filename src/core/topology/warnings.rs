//! What an operator should know of settings that are served all the same: the log says it once, and the dashboard shows it.

use crate::{
    http::local::is_local_url,
    topology::{Origin, settings::Settings},
};

/// The warnings, a sentence or two each.
#[must_use]
pub fn warnings(settings: &Settings) -> Vec<String> {
    unsigned(settings).into_iter().collect()
}

/// Regions that others may reach get unsigned requests, so they believe anyone.
fn unsigned(settings: &Settings) -> Option<String> {
    // In development the Workers that are bound run on this machine, too.
    let is_exposed = |origin: &Origin| match origin {
        Origin::Url(url) => !is_local_url(url),
        Origin::Service(_) => !settings.dev,
    };
    let regions = settings.topology.regions().map(|(_, region)| region);
    let exposed: Vec<_> = regions.filter(|region| is_exposed(&region.origin)).map(|region| &*region.name).collect();
    (settings.origin_key.is_none() && !exposed.is_empty()).then(|| {
        format!(
            "Requests to {} are not signed. Anyone who can reach such a region can write with any epoch and move what it owns. Set \
             the secret ORIGIN_KEY here and in the regions, or make the regions reachable from this router only.",
            exposed.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::keys::{Key, SessionKeys},
        topology::{error::KeyPath, parse::parse, raw},
    };

    fn of(origins: [&str; 2], key: Option<&str>, dev: bool) -> Vec<String> {
        let [us, eu] = origins.map(|origin| match origin.split_once(' ') {
            Some((_, service)) => format!(r#"{{"service":"{service}"}}"#),
            None => format!(r#"{{"origin":"{origin}"}}"#),
        });
        let vars = format!(r#"{{"REGIONS":{{"us":{us},"eu":{eu}}},"DATASETS":{{}},"ROUTES":[]}}"#);
        let topology = parse(&raw::from_json(&vars).unwrap(), &KeyPath::default().key("vars")).unwrap().0;
        let made = |text: &str| Key::new(text).unwrap();
        let session_keys = SessionKeys::new(made("a key of at least thirty-two characters"), None);
        let origin_key = key.map(made);
        warnings(&Settings { topology, session_keys, origin_key, dev })
    }

    #[test]
    fn regions_that_others_may_reach_are_asked_with_a_signature() {
        let (here, there) = ("http://127.0.0.1:1", "https://eu.example.com");
        let said = of([here, there], None, true);
        assert!(said.len() == 1 && said[0].starts_with("Requests to eu are not signed. "), "{said:?}");
        assert!(of(["http://127.evil.com", there], None, false)[0].starts_with("Requests to us, eu are not"));
        assert_eq!(of([here, here], None, false), [""; 0]);
        assert_eq!(of([here, there], Some("another key of thirty-two characters"), false), [""; 0]);
        assert_eq!(of([here, "service EU"], None, true), [""; 0]);
        assert_eq!(of([here, "service EU"], None, false).len(), 1, "it may have an address of its own");
    }
}
