//! Header fields as lists of lower-case names and values, and which of them go on.

use crate::http::{
    believed::{CONTRACT, Fate, fate, is_of_connection, is_same},
    edits::Edits,
    syntax::trim,
};

/// The most members of a list that are told apart where the list is a client's or an origin's to make: what one request costs
/// is bounded, whatever its fields hold.
pub const MOST_MEMBERS: usize = 32;

/// Fields of a response that are for caches like the edge's alone, and never passed on (see [`crate::cache::targeted`]).
pub const FOR_THIS_CACHE: [&str; 2] = ["cloudflare-cdn-cache-control", "surrogate-control"];

/// The other doors of a region's own server (RFC 7838 section 3): a client would take them for doors of the host that it asked.
const OF_THE_REGION: &str = "alt-svc";

/// Header fields in the order in which they came; names are lower case.
#[derive(Clone, Debug, Default)]
pub struct Headers<'a>(pub Vec<(&'a str, &'a str)>);

impl<'a> Headers<'a> {
    /// The first field of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(field, _)| *field == name).map(|(_, value)| *value)
    }

    /// Whether there is a field of that name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Every value of that name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(field, _)| *field == name).map(|(_, value)| *value)
    }

    /// The length that the message says of its content (RFC 9110 section 8.6); none if it says none, or what is no number.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.get("content-length")?.trim().parse().ok()
    }

    /// The members of a comma-separated list field, over all its lines (RFC 9110 section 5.6.1).
    pub fn list(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.all(name).flat_map(|value| value.split(',')).map(trim).filter(|member| !member.is_empty())
    }
}

/// Fields of a client's that go on although applications believe them.
#[derive(Clone, Copy, Debug, Default)]
pub struct LetThrough<'t> {
    /// By the route's word.
    pub by_route: &'t [String],
    /// By which a trusted hop before the router names the subject: under this very name, and no other that reads the same.
    pub identity: [Option<&'t str>; 2],
}

impl LetThrough<'_> {
    fn passes(&self, name: &str) -> bool {
        let mut identity = self.identity.iter().flatten();
        match fate(name) {
            Fate::OfConnection | Fate::Ours => false,
            Fate::Passes => identity.all(|field| *field == name || !is_same(field, name)),
            Fate::Believed => identity.any(|field| *field == name) || self.by_route.iter().any(|field| field == name),
        }
    }
}

/// Removals that a forwarded request needs: fields of the connection, those that `Connection` names, and those that only the
/// router may set or that applications believe (see [`crate::http::believed`]).
pub fn strip_request(headers: &Headers<'_>, through: &LetThrough<'_>, edits: &mut Edits) {
    let gone = headers.0.iter().filter(|(name, _)| !through.passes(name));
    gone.for_each(|(name, _)| edits.remove(name));
    named_by_connection(headers).for_each(|name| edits.remove(name));
}

/// Removals that a forwarded response needs: hop-by-hop fields, those that `Connection` names, the contract's, those for this cache, and
/// the region's other doors.
pub fn strip_response(headers: &Headers<'_>, edits: &mut Edits) {
    let of_this_hop = |name: &str| is_of_connection(name) || name == OF_THE_REGION;
    let gone = |name: &str| name.starts_with(CONTRACT) || of_this_hop(name) || FOR_THIS_CACHE.contains(&name);
    headers.0.iter().filter(|(name, _)| gone(name)).for_each(|(name, _)| edits.remove(name));
    named_by_connection(headers).for_each(|name| edits.remove(name));
}

/// A request's fields as its region will see them: what `Connection` names belongs to this connection (RFC 9110 section 7.6.1), so that
/// nothing is decided, keyed or selected by it. Else a client would choose by `Accept-Language` which stored response others get, and by
/// `Connection: Accept-Language` that the region makes it in another. None: it names nothing that is there. What the platform and the
/// router say cannot be named away.
#[must_use]
pub fn beyond_connection<'a>(headers: &Headers<'a>) -> Option<Headers<'a>> {
    let common =
        |option: &str| ["close", "keep-alive", "upgrade"].iter().any(|known| option.eq_ignore_ascii_case(known));
    if headers.list("connection").all(common) {
        return None;
    }
    let is_named = |name: &str| headers.list("connection").any(|option| option.eq_ignore_ascii_case(name));
    let stays = |name: &str| {
        name.starts_with("cf-") || matches!(fate(name), Fate::OfConnection | Fate::Ours) || !is_named(name)
    };
    Some(Headers(headers.0.iter().filter(|(name, _)| stays(name)).copied().collect()))
}

/// The fields that are there and that `Connection` names. Of requests longer lists are refused.
fn named_by_connection<'a>(headers: &Headers<'a>) -> impl Iterator<Item = &'a str> {
    headers.list("connection").take(MOST_MEMBERS).filter_map(|named| {
        let there = headers.0.iter().find(|(name, _)| named.eq_ignore_ascii_case(name) && *name != "close");
        there.map(|(name, _)| *name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_connection_names_goes_but_ours_is_set_afterwards() {
        let headers = Headers(vec![
            ("connection", "close, X-Private, homing-home, bad name"),
            ("x-private", "1"),
            ("te", "trailers"),
            ("homing-home", "mars"),
            ("x\u{e9}", "no token"),
            ("accept", "*/*"),
        ]);
        assert_eq!(
            removed(&headers, &LetThrough::default()),
            ["connection", "te", "homing-home", "x\u{e9}", "x-private", "homing-home"]
        );
    }

    #[test]
    fn a_regions_other_doors_end_at_the_router() {
        // RFC 7838: browsers would look for port 8443 at the public host, for thirty days.
        let headers = Headers(vec![("alt-svc", "h3=\":8443\"; ma=2592000"), ("server", "caddy")]);
        let mut edits = Edits::default();
        strip_response(&headers, &mut edits);
        assert_eq!(edits.text(), "-alt-svc\n");
    }

    #[test]
    fn what_connection_names_is_not_there_but_for_what_the_platform_and_we_say() {
        let connection = "close, X-Theme, Cookie, CF-Connecting-IP, Homing-Session, X-Forwarded-For, Upgrade";
        let headers = Headers(vec![
            ("connection", connection),
            ("x-theme", "dark"),
            ("cookie", "a=1"),
            ("cf-connecting-ip", "203.0.113.9"),
            ("homing-session", "s"),
            ("upgrade", "websocket"),
            ("accept", "*/*"),
        ]);
        let left = beyond_connection(&headers).unwrap();
        let names: Vec<_> = left.0.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["connection", "cf-connecting-ip", "homing-session", "upgrade", "accept"]);
        for common in ["close", "Keep-Alive, Upgrade", ""] {
            assert!(
                beyond_connection(&Headers(vec![("connection", common), ("upgrade", "h2c")])).is_none(),
                "{common}"
            );
        }
    }

    fn removed(headers: &Headers<'_>, through: &LetThrough<'_>) -> Vec<String> {
        let mut edits = Edits::default();
        strip_request(headers, through, &mut edits);
        edits.text().lines().map(|line| line.strip_prefix('-').unwrap().to_owned()).collect()
    }

    #[test]
    fn a_route_lets_fields_through_and_identity_under_its_very_name_alone() {
        let headers = Headers(vec![
            ("x-http-method-override", "DELETE"),
            ("x_http_method_override", "DELETE"),
            ("x-original-url", "/admin"),
            ("x-forwarded-tenant", "acme"),
            ("x_forwarded_tenant", "evil"),
            ("x-org", "acme"),
            ("x_org", "evil"),
        ]);
        let by_route = ["x-http-method-override".to_owned()];
        let through = LetThrough { by_route: &by_route, identity: [Some("x-forwarded-tenant"), Some("x-org")] };
        assert_eq!(
            removed(&headers, &through),
            ["x_http_method_override", "x-original-url", "x_forwarded_tenant", "x_org"]
        );
    }
}
