//! What an answer says of its region's own address is put right: clients know the public one, and whoever is sent to the other goes past
//! the router, its fences and its sessions. Nothing else is touched: another host, another port, another scheme may be meant.

use std::borrow::Cow;

use super::Settling;
use crate::{
    http::{answer::Answer, edits::Edits, headers::Headers, syntax::trim, target::Target},
    topology::Origin,
};

/// Where addresses stand that a client follows, or keeps: RFC 9110 sections 10.2.2 and 8.7, the HTML Standard's `Refresh`, RFC 8288,
/// RFC 6265 section 5.2.3.
const ADDRESSES: [&str; 5] = ["location", "content-location", "refresh", "link", "set-cookie"];

/// The fields of an answer that had to be put right: their places, and what they say now.
#[derive(Debug, Default)]
pub(super) struct PutRight(Vec<(usize, String)>);

impl Settling<'_> {
    /// What of an answer has to be put right.
    pub(super) fn put_right(&self, answer: &Answer<'_>) -> PutRight {
        let all = || answer.headers.0.iter().enumerate().filter(|(_, (name, _))| ADDRESSES.contains(name));
        if all().next().is_none() {
            return PutRight::default();
        }
        let Some(own) = self.own_address() else { return PutRight::default() };
        let public = &self.request.target;
        let right = |(at, (name, value)): (usize, &(&str, &str))| {
            let said = match *name {
                "set-cookie" => cookie(value, own.host(), public.host()),
                "link" => link(value, &own, public),
                "refresh" => refresh(value, &own, public),
                _ => address(trim(value), &own, public),
            };
            said.map(|said| (at, said))
        };
        PutRight(all().filter_map(right).collect())
    }

    /// The region's own address, where that is another than the one that was asked for, and the route does not mean it.
    fn own_address(&self) -> Option<Target> {
        let topology = self.view.topology();
        let route = self.request.route.and_then(|at| topology.routes().get(at));
        let Origin::Url(origin) = &topology.region(self.region?).origin else { return None };
        let own = Target::read(origin).filter(|own| own.authority() != self.request.target.authority())?;
        route.is_none_or(|route| route.rewrite_location).then_some(own)
    }
}

impl PutRight {
    /// The answer as it is put right, if anything had to be.
    pub(super) fn of<'a>(&'a self, answer: &Answer<'a>) -> Option<Answer<'a>> {
        if self.0.is_empty() {
            return None;
        }
        let mut fields = answer.headers.0.clone();
        for (at, said) in &self.0 {
            if let Some((_, value)) = fields.get_mut(*at) {
                *value = said;
            }
        }
        Some(Answer { status: answer.status, headers: Headers(fields), framing: answer.framing })
    }

    /// The edits that make its fields those of the answer that is put right.
    pub(super) fn edits(&self, right: &Answer<'_>) -> Edits {
        let mut edits = Edits::default();
        for name in ADDRESSES {
            let is_it = |at: usize| right.headers.0.get(at).is_some_and(|(field, _)| *field == name);
            if self.0.iter().any(|(at, _)| is_it(*at)) {
                edits.remove(name);
                right.headers.all(name).for_each(|line| edits.add(name, line));
            }
        }
        edits
    }
}

/// An absolute address, or one without a scheme, of the region's own origin, as the public one. Where it leads is found out as
/// browsers do (WHATWG), so that what only looks like the region's is left alone.
fn address(text: &str, own: &Target, public: &Target) -> Option<String> {
    let (scheme, rest) = text.split_once("//")?;
    let said = match scheme.to_ascii_lowercase().as_str() {
        "" => "",
        "http:" | "https:" => public.scheme(),
        _ => return None,
    };
    let is_own = own.join(text).is_some_and(|named| named.is_beside(own));
    // More slashes would only be passed over.
    let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    let path = rest.get(end..).filter(|_| end > 0)?;
    is_own.then(|| [said, if said.is_empty() { "//" } else { "://" }, public.authority(), path].concat())
}

/// `<address>; rel=…, <address>…`.
fn link(field: &str, own: &Target, public: &Target) -> Option<String> {
    let mut parts = field.split('<');
    let mut right = Cow::Borrowed(parts.next()?);
    let mut is_right = true;
    for part in parts {
        let (named, rest) = part.split_once('>').unwrap_or((part, ""));
        let said = address(named, own, public).filter(|_| part.len() > named.len());
        is_right &= said.is_none();
        let right = right.to_mut();
        right.push('<');
        match said {
            Some(said) => right.extend([said.as_str(), ">", rest]),
            None => right.push_str(part),
        }
    }
    (!is_right).then(|| right.into_owned())
}

/// `5; url=address`, perhaps quoted.
fn refresh(field: &str, own: &Target, public: &Target) -> Option<String> {
    let from = field.to_ascii_lowercase().find("url=")? + 4;
    let (before, named) = field.split_at_checked(from)?;
    let bare = named.trim_start_matches([' ', '\t', '\'', '"']);
    let (quote, _) = named.split_at_checked(named.len() - bare.len())?;
    let said = address(bare, own, public)?;
    Some([before, quote, &said].concat())
}

/// A cookie for the region's own host is none that a client would take from the public one.
fn cookie(line: &str, own: &str, public: &str) -> Option<String> {
    let is_own = |part: &str| {
        part.split_once('=').is_some_and(|(name, domain)| {
            let domain = trim(domain);
            trim(name).eq_ignore_ascii_case("domain")
                && domain.strip_prefix('.').unwrap_or(domain).eq_ignore_ascii_case(own)
        })
    };
    if own == public || !line.split(';').skip(1).any(is_own) {
        return None;
    }
    let domain = [" Domain=", public].concat();
    let parts = line.split(';').enumerate();
    let parts: Vec<_> = parts.map(|(at, part)| if at > 0 && is_own(part) { domain.as_str() } else { part }).collect();
    Some(parts.join(";"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets() -> (Target, Target) {
        let target = |url| Target::read(url).unwrap();
        (target("http://eu.internal:8080"), target("https://shop.example/cart?x=1"))
    }

    fn right(name: &str, value: &str) -> String {
        let (own, public) = targets();
        let said = match name {
            "set-cookie" => cookie(value, own.host(), public.host()),
            "link" => link(value, &own, &public),
            "refresh" => refresh(value, &own, &public),
            _ => address(value, &own, &public),
        };
        said.unwrap_or_else(|| "as it was".to_owned())
    }

    #[test]
    fn the_regions_own_address_becomes_the_public_one() {
        for (name, said, public) in [
            ("location", "http://eu.internal:8080/a?b=c#d", "https://shop.example/a?b=c#d"),
            ("location", "HTTP://EU.Internal:8080", "https://shop.example"),
            ("location", "http://eu.internal:8080?x=//eu.internal:8080/", "https://shop.example?x=//eu.internal:8080/"),
            ("location", "//eu.internal:8080/a//b", "//shop.example/a//b"),
            ("content-location", "http://eu.internal:8080\\a", "https://shop.example\\a"),
            ("refresh", "5; url=http://eu.internal:8080/a", "5; url=https://shop.example/a"),
            ("refresh", "0;URL='http://eu.internal:8080/a'", "0;URL='https://shop.example/a'"),
            (
                "link",
                "<http://eu.internal:8080/a>; rel=next, </b>; rel=\"<\", <//eu.internal:8080/c,d>; rel=prev",
                "<https://shop.example/a>; rel=next, </b>; rel=\"<\", <//shop.example/c,d>; rel=prev",
            ),
            ("set-cookie", "a=1; Path=/; domain = .EU.internal; Secure", "a=1; Path=/; Domain=shop.example; Secure"),
            ("set-cookie", "Domain=eu.internal; Domain=eu.internal", "Domain=eu.internal; Domain=shop.example"),
        ] {
            assert_eq!(right(name, said), public, "{name}: {said}");
        }
    }

    #[test]
    fn nothing_else_is_touched() {
        // Somebody has the application send users on to a host that looks like the region's, or to another service beside it.
        for (name, said) in [
            ("location", "/a"),
            ("location", "a//eu.internal:8080/"),
            ("location", "/login?next=http://eu.internal:8080/"),
            ("location", "http://eu.internal/"),
            ("location", "http://eu.internal:80/"),
            ("location", "https://eu.internal:8080/"),
            ("location", "http://eu.internal:8080.evil.example/"),
            ("location", "http://eu.internal:8080@evil.example/"),
            ("location", "http://user@eu.internal:8080/"),
            ("location", "http://evil.example\\@eu.internal:8080/"),
            ("location", "http://evil.example/eu.internal:8080"),
            ("location", "///eu.internal:8080/"),
            ("location", "ftp://eu.internal:8080/"),
            ("location", "https://shop.example/a"),
            ("refresh", "5"),
            ("refresh", "5; url=/a"),
            ("link", "</a>; rel=next; title=\"http://eu.internal:8080/\""),
            ("link", "<http://eu.internal:8080/a"),
            ("set-cookie", "a=eu.internal; Path=/"),
            ("set-cookie", "a=1; Domain=internal"),
            ("set-cookie", "a=1; Domain=evil.eu.internal"),
            ("set-cookie", "domain=eu.internal; Path=/"),
        ] {
            assert_eq!(right(name, said), "as it was", "{name}: {said}");
        }
    }
}
