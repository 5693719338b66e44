//! Where the objects stand that hold homes, and how often edges look at what is published: the vars `JURISDICTION` and `VIEW`.

use homing_core::config::{
    Topology,
    error::{Complaints, KeyPath},
    may_lie_in, pace,
    raw::Raw,
};

/// Checks both; what depends on the topology only where there is one.
pub(super) fn lint(vars: &Raw, topology: Option<&Topology>, path: &KeyPath, log: &mut Complaints) {
    if let Some(said) = vars.get("VIEW")
        && said.text().is_none_or(|said| said.is_empty() || pace::view(said).is_none())
    {
        let expected = "a time from a second to 30 s, such as \"15s\"";
        log.error(&path.key("VIEW"), said.describe(), expected, "write a time, or remove it to get 30s");
    }
    if let Some(said) = vars.get("JURISDICTION") {
        jurisdiction(said, topology, &path.key("JURISDICTION"), log);
    }
}

/// All regions must be where the objects are to be held: else whoever configured it means something that is not so.
fn jurisdiction(said: &Raw, topology: Option<&Topology>, path: &KeyPath, log: &mut Complaints) {
    let name = said.text().filter(|name| ["eu", "fedramp"].contains(name));
    let Some(name) = name else {
        let remedy = "write one of them, or remove it. It must be chosen before the first deployment";
        return log.error(path, said.describe(), "\"eu\" or \"fedramp\"", remedy);
    };
    let Some(topology) = topology else { return };
    let remedy = "remove it, or set the region's location to where it is";
    for (_, region) in topology.regions() {
        let found = match &region.location {
            None => format!("{name:?}, but the region {:?} has no location", region.name),
            Some(place) if may_lie_in(name, place) != Some(true) => {
                format!("{name:?}, but the region {:?} is elsewhere", region.name)
            }
            Some(_) => continue,
        };
        log.error(path, found, "a jurisdiction in which every region lies", remedy);
    }
}
