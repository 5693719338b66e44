//! `REGIONS`.

use crate::topology::parse::names::check_name;
use crate::topology::parse::table::KeyTable;
use crate::{
    http::url::Url,
    model::{
        geo::Location,
        ids::{MAX_REGIONS, RegionId},
    },
    topology::{
        Origin, Region,
        error::{Complaints, KeyPath},
        raw::{self, Raw},
    },
};

const KEYS: [&str; 7] = ["origin", "service", "location", "health", "deadline", "ceiling", "default_home"];

/// Where a region says how it is, unless configured.
const HEALTH: &str = "/.well-known/homing";

pub(super) struct Regions {
    pub(super) regions: Vec<Region>,
    pub(super) default_home: Option<RegionId>,
}

pub(super) fn read(raw: Option<&Raw>, path: &KeyPath, log: &mut Complaints) -> Regions {
    let mut read = Regions { regions: Vec::new(), default_home: None };
    let Some(table) = raw.and_then(|raw| KeyTable::of(raw, path, log)) else {
        if raw.is_none() {
            log.error(path, "nothing", "a table of regions", format!("add [{path}.NAME] with an origin"));
        }
        return read;
    };
    let count = table.entries().count();
    if count == 0 || count > MAX_REGIONS {
        let expected = format!("1 to {MAX_REGIONS} regions");
        let add = format!("add [{path}.NAME] with an origin");
        let remedy = if count == 0 { add } else { "join regions that fail together".to_owned() };
        log.error(path, format!("{count} regions"), expected, remedy);
    }
    for (at, (name, raw)) in (0u8..).zip(table.entries().take(MAX_REGIONS)) {
        let path = path.key(name);
        check_name(name, "region", &path, log);
        let Some(table) = KeyTable::of(raw, &path, log) else { continue };
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

fn region(name: &str, table: &KeyTable<'_>, log: &mut Complaints) -> Region {
    table.only(&KEYS, log);
    let health = table.text("health", log).unwrap_or(HEALTH);
    if !health.starts_with('/') || !health.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        let expected = "a path that begins with a slash, as it stands in a URL, without \"#\"";
        log.error(&table.path.key("health"), format!("{health:?}"), expected, "write it like \"/healthz\"");
    }
    Region {
        name: name.to_owned(),
        origin: origin(table, log),
        location: location(table, log),
        health: health.to_owned(),
        deadline: table.duration("deadline", log),
        ceiling: ceiling(table, log),
    }
}

fn ceiling(table: &KeyTable<'_>, log: &mut Complaints) -> Option<u32> {
    let number = table.number("ceiling", log)?;
    let whole = raw::number(number).parse().ok().filter(|whole| (1..=1_000_000).contains(whole));
    if whole.is_none() {
        let expected = "a whole number of requests from 1 to 1000000";
        log.error(
            &table.path.key("ceiling"),
            raw::number(number),
            expected,
            "write how many one isolate may have under way there",
        );
    }
    whole
}

fn origin(table: &KeyTable<'_>, log: &mut Complaints) -> Origin {
    match (table.text("origin", log), table.text("service", log)) {
        (Some(url), None) => {
            let bare = url.strip_suffix('/').unwrap_or(url);
            if !is_bare(bare) {
                let expected = "an http or https URL without path, query or user";
                let remedy = "write it like \"https://eu.example.com\"";
                log.error(&table.path.key("origin"), format!("{url:?}"), expected, remedy);
            }
            Origin::Url(bare.to_owned())
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

/// Whether the text is `scheme://host` or `scheme://host:port` and nothing else.
fn is_bare(text: &str) -> bool {
    Url::parse(text).is_some_and(|url| {
        let (host, port) = url.authority.split_at(url.host().len());
        let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
                !host.is_empty() && host.bytes().all(legal)
            }
        };
        let port = port.strip_prefix(':').unwrap_or("80");
        let port = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
        host && port && text.len() == url.scheme.len() + 3 + url.authority.len()
    })
}

fn location(table: &KeyTable<'_>, log: &mut Complaints) -> Option<Location> {
    let place = KeyTable::of(table.get("location")?, &table.path.key("location"), log)?;
    place.only(&["lat", "lon"], log);
    for key in ["lat", "lon"].into_iter().filter(|key| !place.has(key)) {
        place.missing(key, "both \"lat\" and \"lon\"", "add the missing one, in degrees", log);
    }
    let (lat, lon) = (place.number("lat", log)?, place.number("lon", log)?);
    let location = Location::new(lat, lon);
    if location.is_none() {
        let expected = "lat from -90 to 90 and lon from -180 to 180";
        log.error(
            &place.path,
            format!("lat {}, lon {}", raw::number(lat), raw::number(lon)),
            expected,
            "write degrees; perhaps the two are swapped",
        );
    }
    location
}
