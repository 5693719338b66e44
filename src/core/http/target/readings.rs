//! The ways in which origins read a path that is not plain.
//!
//! Servers and frameworks agree on a path of plain segments. They do not on an empty segment (nginx joins slashes, most others
//! keep them), on `;` (servlet containers take it and what follows for a parameter and drop it), on `%2F` and `%5C` (data, or a
//! border), on `%3F` and `%23` (data, or the path's end, where somebody writes the path anew), and on `%25` (some decode twice).
//! A router that matches one reading and an origin that acts on another are two opinions of whose data a request is about.

use std::borrow::Cow;

use super::form;
use crate::model::text;

/// How a path may be read otherwise than as it stands; a reading is a set of them.
#[derive(Clone, Copy)]
enum Otherwise {
    /// Decoded twice.
    Twice,
    /// These stand for a slash.
    Border(&'static str),
    /// The path ends where this stands.
    End(&'static str),
    /// A segment ends where this stands.
    Parameter(&'static str),
}

/// In the order in which servers do it. Parameters are dropped before the rest is decoded or after it; what stands plain and what is
/// encoded are two: Tomcat drops `;v`, and keeps `%3Bv`.
const ALL: [Otherwise; 8] = [
    Otherwise::Twice,
    Otherwise::Parameter(";"),
    Otherwise::Border("%2F"),
    Otherwise::Border("%5C"),
    Otherwise::End("%3F"),
    Otherwise::End("%23"),
    Otherwise::Parameter(";"),
    Otherwise::Parameter("%3B"),
];
/// A path with more of them at once has more readings than anybody needs.
const MOST: usize = 6;
/// And so many bytes of them all together: a path of ordinary length never comes near.
const MOST_BYTES: usize = 64 * 1024;

/// When empty segments are dropped.
#[derive(Clone, Copy, PartialEq)]
enum Join {
    Never,
    BeforeDots,
    AfterDots,
}

/// Whether all origins read the path alike, as far as a look at it tells: a path for which this holds has no other readings.
#[must_use]
pub fn is_plain(path: &str) -> bool {
    !text::has_pair(path, *b"//") && !path.bytes().any(|byte| byte == b'%' || byte == b';')
}

/// The other paths that an origin may read a path as, which is in its final form. Every combination counts: one server decodes, the
/// next drops parameters, and the application sees what is left. None if there is too much of it at once.
#[must_use]
pub fn readings(path: &str) -> Option<impl Iterator<Item = String>> {
    let twice = Otherwise::Twice.read(path);
    let there: Vec<_> = ALL.into_iter().filter(|one| one.is_in(path) || one.is_in(&twice)).collect();
    if there.len() > MOST {
        return None;
    }
    let joins: &[Join] = match there.is_empty() && !path.contains("//") {
        true => &[],
        false => &[Join::Never, Join::BeforeDots, Join::AfterDots],
    };
    // Each reading is as long as the path, and a route is looked up for each.
    if (joins.len() << there.len()) * path.len() > MOST_BYTES {
        return None;
    }
    let sets = 0..1u8 << there.len();
    let combined = joins.iter().flat_map(move |join| sets.clone().map(move |set| (*join, set)));
    let read = move |(join, set)| reading(path, join, (0..).zip(&there).filter(|(at, _)| set >> at & 1 == 1));
    Some(combined.map(read).filter(move |reading| reading != path))
}

fn reading<'a>(path: &str, join: Join, chosen: impl Iterator<Item = (u8, &'a Otherwise)>) -> String {
    let mut text = chosen.fold(path.to_owned(), |text, (_, otherwise)| otherwise.read(&text));
    if join == Join::BeforeDots {
        text = joined(&text);
    }
    let mut read = String::with_capacity(text.len());
    form::push_path(&mut read, &text);
    if join == Join::AfterDots { joined(&read) } else { read }
}

fn joined(path: &str) -> String {
    let mut joined = String::with_capacity(path.len());
    joined.extend(
        path.chars()
            .scan('x', |last, letter| {
                let again = *last == '/' && letter == '/';
                *last = letter;
                Some((!again).then_some(letter))
            })
            .flatten(),
    );
    joined
}

impl Otherwise {
    fn is_in(self, path: &str) -> bool {
        match self {
            Self::Twice => path.contains("%25"),
            Self::Border(mark) | Self::End(mark) | Self::Parameter(mark) => path.contains(mark),
        }
    }

    fn read(self, path: &str) -> String {
        match self {
            // Dots stay: whether slashes are joined before they are taken away is another question.
            Self::Twice => each(&path.replace("%25", "%"), |part| form::segment(part)),
            Self::Border(mark) => path.replace(mark, "/"),
            Self::End(mark) => before(path, mark).to_owned(),
            Self::Parameter(mark) => each(path, |part| Cow::Borrowed(before(part, mark))),
        }
    }
}

/// The path with something done to each segment.
fn each<'p>(path: &'p str, change: impl Fn(&'p str) -> Cow<'p, str>) -> String {
    let mut changed = String::with_capacity(path.len());
    for (at, part) in path.split('/').enumerate() {
        text::all(&mut changed, &[if at > 0 { "/" } else { "" }, &change(part)]);
    }
    changed
}

fn before<'t>(text: &'t str, mark: &str) -> &'t str {
    text.split(mark).next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_path_is_read_in_one_way() {
        for path in ["/", "/api/cart/", "/a/b.json", "/caf%C3%A9/a%20b", "/@scope/name", "/a:b=c,d"] {
            assert_eq!(readings(path).unwrap().count(), 0, "{path}");
        }
    }

    #[test]
    fn every_combination_of_what_servers_do_is_a_reading() {
        for (path, read_as) in [
            ("/a//b", "/a/b"),
            ("/a%2Fb", "/a/b"),
            ("/a%5Cb", "/a/b"),
            ("/a;v=1/b", "/a/b"),
            ("/a%3Bv/b", "/a/b"),
            ("/a/b%3Fc", "/a/b"),
            ("/a/b%23/c", "/a/b"),
            ("/x/..%2Fa/b", "/a/b"),
            ("/x/..;/a/b", "/a/b"),
            ("/x/..;y%2Fa/b", "/a/b"),
            ("/x/%252e%252e/a/b", "/a/b"),
            ("/a%252Fb", "/a/b"),
            ("/x/%2F..%2F/a%2F;/b", "/a/b"),
            // nginx joins slashes before it takes dots away; others after that, or never.
            ("/a/b/%2F..", "/a/"),
            ("/a/b/%2F..", "/a/b/"),
            // Neither all nor nothing: decoded, with parameters kept.
            ("/a/x/..%2F..%2Fb/..;/a", "/b/..;/a"),
        ] {
            assert!(readings(path).unwrap().any(|reading| reading == read_as), "{path} as {read_as}");
        }
    }

    #[test]
    fn readings_are_few() {
        assert!(readings("/%25%2F%5C;//").unwrap().count() < 192);
        assert!(readings("/%25%2F%3F%23").is_some(), "a whole URL as data");
        assert!(readings("/%25%2F%5C%3F%23;").is_none());
        assert!(readings("/%252F%255C%253F%2523;").is_none());
        // Each is as long as the path: eight kilobytes of hard ones would cost tens of milliseconds.
        assert!(readings(&"/a%25/b%2F//c%5C;d".repeat(10)).is_some());
        assert!(readings(&"/a%25/b%2F//c%5C;d".repeat(400)).is_none());
    }
}
