//! Cookies: the one reader of `Cookie`. Who looks a session or a subject up, what `Vary` compares, what a stored response is bound to and
//! what the origin gets all go by this, so that no two of them can see different cookies.
//!
//! Several lines are one cookie string (RFC 9113 section 8.2.3 joins them by `; `). The platform may have joined lines before,
//! but by `, `, and then a comma is one of two things. In a browser's request it is part of a value: browsers send one line
//! (RFC 6265 section 5.4). It has to be, for any neighbouring host may set a cookie `x=1, __Host-homing=…` for the whole domain,
//! and would speak as this host if a comma ended a cookie: the very thing that the prefix `__Host-` forbids. In any other
//! client's request `, ` before `name=` is the border of two lines: no legal value has a comma, a blank or such a place
//! (RFC 6265 section 4.1.1), and who keeps cookies by hand is handed none by a neighbour. Every other comma stays where it is.
//!
//! What is the application's stays as it is to the byte: applications read quoted values in which a `;` means nothing, and sign
//! values of theirs.

use crate::{
    http::{
        headers::Headers,
        syntax::{is_token, trim},
    },
    model::text,
};

/// A request's cookies, read once.
#[derive(Clone, Debug)]
pub struct Cookies<'a> {
    pairs: Vec<Pair<'a>>,
    /// Whether they came as the one string that they are; if there are none, that is so too.
    as_one: bool,
}

/// The cookies of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named<'a> {
    /// There is none.
    None,
    /// Its value; if it came more than once, always the same.
    One(&'a str),
    /// Several, and they differ: the router may take the first and the application the last, so it is nobody's word.
    Several,
}

#[derive(Clone, Copy, Debug)]
struct Pair<'a> {
    /// As it came, with the blanks around it; nothing else may stand between two borders.
    text: &'a str,
    /// Whether a line begins with it.
    begins: bool,
    name: &'a str,
    value: &'a str,
}

impl<'a> Pair<'a> {
    fn of(text: &'a str, begins: bool) -> Self {
        let (name, value) = text.split_once('=').unwrap_or(("", text));
        Self { text, begins, name: trim(name), value: trim(value) }
    }

    fn is_ours(&self) -> bool {
        self.name == COOKIE
    }
}

impl<'a> Cookies<'a> {
    /// The cookies of a request with these fields.
    #[must_use]
    pub fn of(headers: &Headers<'a>) -> Self {
        // Browsers send this with every request to a place that a `Secure` cookie may go to, and no page can leave it out
        // (Fetch Metadata Request Headers, W3C; Safari since 16.4), or at least `Origin` where a page opens a WebSocket.
        let joined = !["sec-fetch-site", "origin", "sec-websocket-key"].iter().any(|name| headers.has(name));
        let (mut pairs, mut strings) = (Vec::new(), 0);
        for line in headers.all("cookie") {
            strings += 1;
            for (at, crumb) in line.split(';').enumerate() {
                let mut parts = lines(crumb, joined);
                pairs.extend(parts.next().map(|text| Pair::of(text, at == 0)));
                pairs.extend(parts.inspect(|_| strings += 1).map(|text| Pair::of(text, true)));
            }
        }
        Self { pairs, as_one: strings <= 1 }
    }

    /// The values of all cookies of that name, in the order in which they came.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |pair| pair.name == name).map(|pair| pair.value)
    }

    /// What cookies of that name say.
    #[must_use]
    pub fn named(&self, name: &str) -> Named<'a> {
        let mut values = self.all(name);
        let Some(first) = values.next() else { return Named::None };
        if values.all(|value| value == first) { Named::One(first) } else { Named::Several }
    }

    /// Whether any is the application's.
    #[must_use]
    pub fn has_any(&self) -> bool {
        !self.pairs.iter().all(|pair| pair.is_ours() || trim(pair.text).is_empty())
    }

    /// The application's cookies as one string: what the origin gets, and so all that an answer can depend on. Empty if there
    /// are none.
    #[must_use]
    pub fn of_application(&self) -> String {
        let mut string = String::new();
        for pair in self.pairs.iter().filter(|pair| !pair.is_ours()) {
            if string.is_empty() {
                string.push_str(trim(pair.text));
            } else if pair.begins {
                text::all(&mut string, &["; ", trim(pair.text)]);
            } else {
                text::all(&mut string, &[";", pair.text]);
            }
        }
        string.truncate(trim(&string).len());
        string
    }

    /// The `Cookie` that the origin gets, where that is another than came, and empty where there is to be none: every session goes, for
    /// that is between the client and the edge, and several lines become one. Nothing else changes. Bytes that are no UTF-8 are not known here (the platform shows U+FFFD
    /// in their place), so that nothing can be written anew: then the field goes as the client sent it, with the session in it. That
    /// opens nothing, and a user whose cookies were spoilt would be logged out.
    #[must_use]
    pub fn changed(&self) -> Option<String> {
        if self.as_one && !self.pairs.iter().any(Pair::is_ours) {
            return None;
        }
        let others = self.of_application();
        (!others.contains(char::REPLACEMENT_CHARACTER)).then_some(others)
    }
}

/// A crumb at the places where lines were joined, in one pass.
fn lines(crumb: &str, joined: bool) -> impl Iterator<Item = &str> {
    let mut rest = Some(crumb);
    std::iter::from_fn(move || {
        let text = rest?;
        let border = if joined { border(text) } else { None };
        let (line, after) = border.map_or((text, None), |at| (text.get(..at).unwrap_or(text), text.get(at + 1..)));
        rest = after;
        Some(line)
    })
}

/// The first comma behind which another line can begin.
fn border(text: &str) -> Option<usize> {
    text.match_indices(", ").map(|(at, _)| at).find(|at| {
        let name = text.get(at + 2..).unwrap_or("").as_bytes();
        let length = name.iter().take_while(|byte| is_token(**byte)).count();
        length > 0 && name.get(length) == Some(&b'=')
    })
}

/// The session cookie's name; the prefix binds it to this host over a secure connection.
pub const COOKIE: &str = "__Host-homing";

#[cfg(test)]
mod tests {
    use super::*;

    fn headers<'a>(lines: &[&'a str]) -> Headers<'a> {
        Headers(lines.iter().map(|line| ("cookie", *line)).collect())
    }

    fn browser<'a>(line: &'a str) -> Headers<'a> {
        Headers(vec![("cookie", line), ("sec-fetch-site", "cross-site")])
    }

    fn ours(headers: &Headers<'_>) -> Vec<String> {
        Cookies::of(headers).all(COOKIE).map(str::to_owned).collect()
    }

    /// The `Cookie` that the origin gets.
    fn forwarded(headers: &Headers<'_>) -> String {
        let changed = Cookies::of(headers).changed();
        changed.unwrap_or_else(|| headers.all("cookie").collect::<Vec<_>>().join("|"))
    }

    #[test]
    fn several_lines_are_one_string_however_they_were_joined() {
        // RFC 9113 section 8.2.3; workerd joins by a comma.
        for lines in [&["a=1; b=2", "__Host-homing=x", "c=3"][..], &["a=1; b=2, __Host-homing=x, c=3"]] {
            let headers = headers(lines);
            assert_eq!(ours(&headers), ["x"]);
            assert_eq!(forwarded(&headers), "a=1; b=2; c=3");
            assert_eq!(Cookies::of(&headers).named("c"), Named::One("3"));
        }
        assert_eq!(forwarded(&headers(&["a=1", "b=2"])), "a=1; b=2");
        assert_eq!(forwarded(&headers(&["__Host-homing=x"])), "");
    }

    #[test]
    fn commas_in_values_stay_where_they_are() {
        for line in [
            "a=1,2; last=Mon, 01 Jan 2026 10:00:00 GMT",
            "prefs={\"a\":1, \"b\":\"x=y\"}; z=1",
            "a=1,b=2",
            "a=,, ; b",
            "a=1, 2, =3",
        ] {
            assert_eq!(forwarded(&headers(&[line])), line);
            let with = format!("__Host-homing=x; {line}");
            assert_eq!(forwarded(&headers(&[&with])), Cookies::of(&headers(&[line])).of_application());
        }
    }

    #[test]
    fn what_is_the_applications_stays_as_it_is_to_the_byte() {
        // Java's and Python's readers of cookies take a quoted value as one, whatever stands in it.
        for own in [
            "a=1;b=2",
            "q=\"x;y;;z\"; b=",
            "=v; =; b",
            "a==b==; c=\"\"",
            "a=1;\tb = 2 ; c",
            "a=1; a=1; A=1",
            "a=1;; b=2",
        ] {
            for line in [own.to_owned(), format!("__Host-homing=x; {own}"), format!("{own}; __Host-homing=x")] {
                assert_eq!(forwarded(&headers(&[&line])), own, "{line}");
            }
        }
        assert_eq!(forwarded(&headers(&["q=\"x; __Host-homing=s;y\";b=2"])), "q=\"x;y\";b=2");
        assert_eq!(forwarded(&headers(&["a=1;b=2", "c=3;d=4"])), "a=1;b=2; c=3;d=4");
        let many = (0..100).map(|n| format!("c{n}={}", "v".repeat(160))).collect::<Vec<_>>().join("; ");
        assert_eq!(forwarded(&headers(&[&format!("{many}; __Host-homing=x")])), many);
    }

    #[test]
    fn bytes_that_text_cannot_hold_go_as_they_came() {
        // A neighbouring host may set such a cookie: nothing of the others may suffer by it.
        for line in ["a=\u{fffd}; __Host-homing=x; b=2", "a=\u{fffd}, b=2"] {
            assert_eq!(Cookies::of(&headers(&[line])).changed(), None, "{line}");
        }
        assert_eq!(forwarded(&headers(&["__Host-homing=\u{fffd}; a=\u{e9}"])), "a=\u{e9}");
    }

    #[test]
    fn a_neighbour_cannot_hide_a_session_in_a_value() {
        // A sibling host sets `x="1, __Host-homing=<its own session>"; domain=.example.com`, and the victim's browser sends it.
        for line in ["x=1, __Host-homing=evil", "__Host-homing2=1, __Host-homing=evil; y=2"] {
            assert!(ours(&browser(line)).is_empty(), "{line}");
            assert_eq!(forwarded(&browser(line)), line, "it is a value of the application's");
        }
        assert_eq!(ours(&browser("x=1, __Host-homing=evil; __Host-homing=own")), ["own"]);
        // A page that opens a WebSocket says where it is from, if nothing else.
        for field in ["origin", "sec-websocket-key"] {
            let page = Headers(vec![("cookie", "x=1, __Host-homing=evil"), (field, "x")]);
            assert!(ours(&page).is_empty(), "{field}");
        }
    }

    #[test]
    fn only_space_and_tab_are_blanks() {
        // Browsers let any host set a cookie whose name begins with another blank: no rule of `__Host-` applies to it.
        for blank in (0..=char::MAX as u32).filter_map(char::from_u32).filter(|blank| blank.is_whitespace()) {
            let line = format!("{blank}__Host-homing=evil; a=1");
            let headers = headers(&[&line]);
            assert_eq!(ours(&headers).len(), usize::from(matches!(blank, ' ' | '\t')), "U+{:04X}", blank as u32);
        }
        assert_eq!(ours(&headers(&["\t__Host-homing\t = x "])), ["x"]);
        assert_eq!(ours(&headers(&["__host-homing=x; __Host-homing.=y; x__Host-homing=z"])), [""; 0]);
    }

    #[test]
    fn two_of_a_name_that_differ_are_nobodys_word() {
        let named = |line| Cookies::of(&headers(&[line])).named("uid");
        assert_eq!(named("uid=ada; a=1; uid=ada"), Named::One("ada"));
        assert_eq!(named("uid=ada; uid=bob"), Named::Several);
        assert_eq!(named("uid2=ada; xuid=bob; UID=eve"), Named::None);
    }

    #[test]
    fn every_session_is_taken_out() {
        let many = format!("a=1; {}b=2", "__Host-homing=x; ".repeat(900));
        assert_eq!(forwarded(&headers(&[&many])), "a=1; b=2");
        assert!(!Cookies::of(&headers(&["__Host-homing=x; ; __Host-homing=y"])).has_any());
        assert!(Cookies::of(&headers(&["novalue"])).has_any());
    }
}
