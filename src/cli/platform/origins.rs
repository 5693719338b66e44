//! Regions that a Worker cannot fetch once it is deployed, or not surely. On this machine all of them can be, so nothing else would
//! say so before production does; and what the platform answers with in their place looks like an application's word (403, 404).
//!
//! Cloudflare Workers documentation: "Known issues" (addresses, ports), "Limits" and "Custom domains" (Workers that fetch Workers),
//! "Error 522" (a Worker that fetches its own custom domain), "Network ports" (what the proxy serves).

use std::net::Ipv6Addr;

use super::{KeyPlace, texts};
use homing_core::{
    Url,
    config::{
        error::{Complaints, KeyPath},
        is_local_url,
        raw::Raw,
    },
};

/// With it a Worker's `fetch` of its own zone, or of another Worker of its account, goes through the front door like anybody's.
const PUBLIC: &str = "global_fetch_strictly_public";

/// The ports that Cloudflare's proxy serves, by scheme.
const PORTS: [(&str, &[u16]); 2] =
    [("http", &[80, 8080, 8880, 2052, 2082, 2086, 2095]), ("https", &[443, 2053, 2083, 2087, 2096, 8443])];

pub(super) fn lint(place: &KeyPlace<'_>, path: &KeyPath, log: &mut Complaints) {
    let Some(Raw::Table(regions)) = place.table.get("vars").and_then(|vars| vars.get("REGIONS")) else { return };
    let flags = place.inherited("compatibility_flags").map(|(flags, _)| texts(flags)).unwrap_or_default();
    let public = flags.contains(&PUBLIC);
    let doors = doors(place);
    for (name, region) in regions {
        let Some(origin) = region.get("origin").and_then(Raw::text) else { continue };
        // What is no URL is complained of elsewhere.
        let Some(url) = Url::parse(origin).filter(|_| !is_local_url(origin)) else { continue };
        let at = path.key("REGIONS").key(name).key("origin");
        let host = url.host().trim_end_matches('.').to_ascii_lowercase();
        if is_address(&host) {
            log.error(
                &at,
                format!("{origin:?}, an IP address"),
                "a host name: a Worker cannot fetch an IP address (Cloudflare answers 403, error 1003)",
                "give the address a name in your DNS, and write the name",
            );
            continue;
        }
        workers_dev(origin, &host, public, &at, log);
        own(origin, &host, (&doors, public), &at, log);
        way(origin, &url, &at, log);
    }
}

/// Whether the host is an address, however it is written: one that ends in a number is (WHATWG URL, "ends in a number").
fn is_address(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let last = host.rsplit('.').next().unwrap_or(host);
    let hexadecimal = last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    bare.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
        || !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit())
        || hexadecimal
}

fn workers_dev(origin: &str, host: &str, public: bool, at: &KeyPath, log: &mut Complaints) {
    if host.ends_with(".workers.dev") && !public {
        log.error(
            at,
            format!("{origin:?}, a host of workers.dev"),
            "a host that a Worker can fetch: workers.dev hosts in its own account answer 404 (error 1042)",
            format!(
                "bind that Worker under [[services]] and write service = \"…\", or give it a custom domain; \
                 if it is in another account, add the compatibility flag {PUBLIC:?}"
            ),
        );
    }
}

/// A way from outside to this Worker.
struct Door<'a> {
    /// As it stands in the file.
    pattern: &'a str,
    host: String,
    zone: Option<String>,
    custom: bool,
}

impl Door<'_> {
    fn is_exact(&self) -> bool {
        !self.host.starts_with('*')
    }

    /// Whether requests to that host come in by it: an asterisk stands for anything before the rest, within its zone.
    fn leads_in(&self, host: &str) -> bool {
        let in_zone = self.zone.as_ref().is_none_or(|zone| host == zone || host.ends_with(&format!(".{zone}")));
        match self.host.strip_prefix('*') {
            // `*/*` of a zone that is named by its id could be any.
            Some("") => in_zone && self.zone.is_some(),
            Some(rest) => in_zone && host.ends_with(rest),
            None => self.host == host,
        }
    }
}

fn doors<'a>(place: &KeyPlace<'a>) -> Vec<Door<'a>> {
    let one = place.inherited("route").map(|(route, _)| route);
    let more = place.inherited("routes").map_or(&[][..], |(routes, _)| match routes {
        Raw::List(members) => members,
        _ => &[],
    });
    let door = |raw: &'a Raw| {
        let pattern = raw.text().or_else(|| raw.get("pattern")?.text())?;
        let bare = pattern.split_once("://").map_or(pattern, |(_, rest)| rest);
        let host = bare.split(['/', ':']).next().unwrap_or(bare).to_ascii_lowercase();
        let zone = raw.get("zone_name").and_then(Raw::text).map(str::to_ascii_lowercase);
        Some(Door { pattern, host, zone, custom: raw.get("custom_domain") == Some(&Raw::Bool(true)) })
    };
    one.into_iter().chain(more).filter_map(door).collect()
}

/// A region behind the router's own door.
fn own(origin: &str, host: &str, (doors, public): (&[Door<'_>], bool), at: &KeyPath, log: &mut Complaints) {
    let Some(door) = doors.iter().find(|door| door.leads_in(host)) else { return };
    let pattern = door.pattern;
    let remedy = "give the region a host name that matches no route of this Worker";
    if door.custom {
        let found = format!("{origin:?}, a custom domain of this Worker");
        log.error(at, found, "a host that does not lead back to the router: Cloudflare answers 522", remedy);
    } else if public {
        let found = format!("{origin:?}, which the route {pattern:?} leads back here");
        let expected =
            format!("a host that does not: with {PUBLIC:?} the router would call itself until it answers 508");
        log.error(at, found, expected, remedy);
    } else if door.is_exact() {
        let found = format!("{origin:?}, which is the router's own host by the route {pattern:?}");
        let expected = "the region's own host: for every other client this host is the router";
        log.error(at, found, expected, remedy);
    } else {
        let found = format!("{origin:?}, which the route {pattern:?} also matches");
        let expected = "a host that matches no route: the router's own requests bypass the route, but all others, \
                        other regions' too, arrive here";
        log.warn(at, found, expected, "list the hosts in the route, or give the region another host name");
    }
}

/// The scheme and the port.
fn way(origin: &str, url: &Url<'_>, at: &KeyPath, log: &mut Complaints) {
    let scheme = url.scheme.to_ascii_lowercase();
    if scheme == "http" {
        let expected = "https://, because sessions, cookies and signatures would cross the internet unencrypted";
        log.warn(at, format!("{origin:?}"), expected, "write https:// when the region supports it");
    }
    let (_, port) = url.authority.split_at(url.host().len());
    let Some(port) = port.strip_prefix(':').and_then(|port| port.parse::<u16>().ok()) else { return };
    let Some((_, served)) = PORTS.iter().find(|(name, _)| *name == scheme) else { return };
    if !served.contains(&port) {
        let served: Vec<String> = served.iter().map(u16::to_string).collect();
        log.warn(
            at,
            format!("{origin:?}, port {port}"),
            format!("a port that Cloudflare's proxy serves ({}), unless the name is DNS only", served.join(", ")),
            "remove the port or choose one of these. If the name is not proxied (a grey cloud), ignore this warning",
        );
    }
}
