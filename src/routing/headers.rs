//! Header fields as lists of lower-case names and values, and edits to them.

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

    /// The members of a comma-separated list field, over all its lines (RFC 9110 section 5.6.1).
    pub fn list(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.all(name).flat_map(|value| value.split(',')).map(str::trim).filter(|member| !member.is_empty())
    }

    /// The value of a cookie.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&'a str> {
        self.all("cookie")
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }
}

/// One change to a header list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Removes every field of that name.
    Remove(String),
    /// Replaces every field of that name.
    Set(&'static str, String),
    /// Adds a field and leaves others of the name alone (`Set-Cookie`).
    Append(&'static str, String),
    /// The same for a field whose name comes from outside.
    Add(String, String),
}

/// Changes to a header list, applied in order.
pub type Edits = Vec<Edit>;

/// Fields of one connection only, which no proxy forwards (RFC 9110 section 7.6.1).
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Fields that only the router may set towards an origin; a client's copies are removed.
const OURS: [&str; 6] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-real-ip"];

/// Prefix of the contract's own fields.
const CONTRACT: &str = "homing-";

/// Removals that a forwarded request needs: hop-by-hop fields, those that `Connection` names, and spoofed ones.
#[must_use]
pub fn strip_request(headers: &Headers<'_>) -> Edits {
    let mut edits = strip_connection(headers);
    for (name, _) in &headers.0 {
        if OURS.contains(name) || name.starts_with(CONTRACT) {
            edits.push(Edit::Remove((*name).to_owned()));
        }
    }
    edits
}

/// Removals that a forwarded response needs: hop-by-hop fields, those that `Connection` names, and the contract's.
#[must_use]
pub fn strip_response(headers: &Headers<'_>) -> Edits {
    let mut edits = strip_connection(headers);
    for (name, _) in headers.0.iter().filter(|(name, _)| name.starts_with(CONTRACT)) {
        edits.push(Edit::Remove((*name).to_owned()));
    }
    edits
}

fn strip_connection(headers: &Headers<'_>) -> Edits {
    let mut edits = Vec::new();
    for (name, _) in headers.0.iter().filter(|(name, _)| HOP_BY_HOP.contains(name)) {
        edits.push(Edit::Remove((*name).to_owned()));
    }
    for named in headers.list("connection") {
        let there = headers.0.iter().find(|(name, _)| named.eq_ignore_ascii_case(name) && *name != "close");
        edits.extend(there.map(|(name, _)| Edit::Remove((*name).to_owned())));
    }
    edits
}

/// Whether a byte may stand in a token (RFC 9110 section 5.6.2).
#[must_use]
pub fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
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
            ("accept", "*/*"),
        ]);
        let removed: Vec<_> = strip_request(&headers)
            .into_iter()
            .map(|edit| match edit {
                Edit::Remove(name) => name,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(removed, ["connection", "te", "x-private", "homing-home", "homing-home"]);
    }

    #[test]
    fn cookies_are_found_over_several_lines() {
        let headers = Headers(vec![("cookie", "a=1; b=2"), ("cookie", "c=3")]);
        assert_eq!(headers.cookie("b"), Some("2"));
        assert_eq!(headers.cookie("c"), Some("3"));
        assert_eq!(headers.cookie("d"), None);
    }
}
