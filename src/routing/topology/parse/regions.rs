//! `REGIONS`.

use super::{Table, check_name};
use crate::routing::{
    facts::Url,
    topology::{
        Location, MAX_REGIONS, Origin, Region, RegionId,
        error::{Complaints, KeyPath},
        raw::Raw,
    },
};

const KEYS: [&str; 6] = ["origin", "service", "location", "health", "deadline", "default_home"];

/// Where a region says how it is, unless configured.
const HEALTH: &str = "/.well-known/homing";

pub(super) struct Regions {
    pub(super) regions: Vec<Region>,
    pub(super) default_home: Option<RegionId>,
}

pub(super) fn read(raw: Option<&Raw>, path: &KeyPath, log: &mut Complaints) -> Regions {
    let mut read = Regions { regions: Vec::new(), default_home: None };
    let Some(table) = raw.and_then(|raw| Table::of(raw, path, log)) else {
        if raw.is_none() {
            log.error(path, "nothing", "a table of regions", "add [vars.REGIONS.NAME] with an origin");
        }
        return read;
    };
    let count = table.entries().count();
    if count == 0 || count > MAX_REGIONS {
        let expected = format!("1 to {MAX_REGIONS} regions");
        log.error(path, format!("{count} regions"), expected, "add a region, or join some");
    }
    for (at, (name, raw)) in (0u8..).zip(table.entries().take(MAX_REGIONS)) {
        let path = path.key(name);
        check_name(name, "region", &path, log);
        let Some(table) = Table::of(raw, &path, log) else { continue };
        if table.flag("default_home", log) == Some(true) {
            if read.default_home.is_some() {
                let expected = "one default home at most";
                log.error(&path.key("default_home"), "a second default home", expected, "keep it at one region");
            }
            read.default_home = Some(RegionId(at));
        }
        read.regions.push(region(name, &table, log));
    }
    read
}

fn region(name: &str, table: &Table<'_>, log: &mut Complaints) -> Region {
    table.only(&KEYS, log);
    let health = table.text("health", log).unwrap_or(HEALTH);
    if !health.starts_with('/') || health.contains([' ', '#']) {
        log.error(
            &table.path.key("health"),
            format!("{health:?}"),
            "a path that begins with a slash",
            "write only the path",
        );
    }
    Region {
        name: name.to_owned(),
        origin: origin(table, log),
        location: location(table, log),
        health: health.to_owned(),
        deadline: table.duration("deadline", log),
    }
}

fn origin(table: &Table<'_>, log: &mut Complaints) -> Origin {
    match (table.text("origin", log), table.text("service", log)) {
        (Some(url), None) => {
            let url = url.strip_suffix('/').unwrap_or(url);
            let parsed = Url::parse(url);
            let plain = parsed.is_some_and(|parsed| {
                let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]_".contains(&byte);
                parsed.authority.bytes().all(legal) && url.len() == parsed.scheme.len() + 3 + parsed.authority.len()
            });
            if !plain {
                let expected = "an http or https URL without path, query or user";
                log.error(
                    &table.path.key("origin"),
                    format!("{url:?}"),
                    expected,
                    "write it like \"https://eu.example.com\"",
                );
            }
            Origin::Url(url.to_owned())
        }
        (None, Some(service)) => {
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            if service.is_empty() || !service.bytes().all(legal) {
                let expected = "the name of a binding in [[services]]";
                log.error(&table.path.key("service"), format!("{service:?}"), expected, "write it like \"REGION_EU\"");
            }
            Origin::Service(service.to_owned())
        }
        (both, _) => {
            if both.is_some() {
                log.error(&table.path, "\"origin\" and \"service\"", "one of them", "remove one");
            } else if !table.has("origin") && !table.has("service") {
                table.missing("origin", "the region's URL, or a service binding", "add origin = \"https://…\"", log);
            }
            Origin::Url(String::new())
        }
    }
}

fn location(table: &Table<'_>, log: &mut Complaints) -> Option<Location> {
    let place = Table::of(table.get("location")?, &table.path.key("location"), log)?;
    place.only(&["lat", "lon"], log);
    for key in ["lat", "lon"].into_iter().filter(|key| !place.has(key)) {
        place.missing(key, "both \"lat\" and \"lon\"", "add it in degrees", log);
    }
    let (lat, lon) = (place.number("lat", log)?, place.number("lon", log)?);
    let location = Location::new(lat, lon);
    if location.is_none() {
        let expected = "lat from -90 to 90 and lon from -180 to 180";
        log.error(&place.path, format!("lat {lat}, lon {lon}"), expected, "write degrees; perhaps the two are swapped");
    }
    location
}
