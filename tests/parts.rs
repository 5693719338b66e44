//! Stored parts: a range that is served from one is byte for byte what the whole would give, whatever origins have said.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;
#[macro_use]
#[path = "support/laws.rs"]
mod counted;

use std::time::Duration;

use counted::{assert_met, met};
use homing_core::testing::{
    cache::{
        entry::{self, ENTRY, Variant},
        slice::Slice,
    },
    model::time::Timestamp,
    settle::{Base, Settlement, Source, Store},
};
use proptest::prelude::*;
use support::{BODY, Fields, NOW, Reply, Story, World, settings};

/// A byte of a representation: of which state, and where it stands in it.
type Byte = (u8, u64);

/// What lies under the key: the variants, what was stored as their bodies, and the ranges that they were made for.
#[derive(Default)]
struct StoredEntry {
    variants: Vec<Variant<'static>>,
    bodies: Vec<Vec<Byte>>,
    made_for: Vec<Option<String>>,
}

/// What an origin makes of a question for a range.
#[derive(Clone, Copy, Debug)]
enum Makes {
    /// The part, with its length.
    Part,
    /// The part, in chunks.
    Chunks,
    /// The part in chunks, less one byte; what has come ends properly.
    Short,
    /// The part, which it says begins a byte earlier: of the public cache tests.
    Misplaced,
    /// The part, and not of how much.
    OfUnknown,
    /// Another part than was asked for.
    Another,
    /// The whole.
    Whole,
    /// It fails, in words that let everybody have that.
    Failure,
    /// Nothing.
    Silence,
}

#[derive(Clone, Debug)]
struct Asks {
    range: Option<&'static str>,
    if_range: Option<u8>,
    makes: Makes,
    state: u8,
    control: &'static str,
    tag: &'static str,
    vary: bool,
    theme: &'static str,
    no_cache: bool,
    confirms: bool,
    head: bool,
}

fn asks() -> impl Strategy<Value = Asks> {
    use Makes::{Another, Chunks, Failure, Misplaced, OfUnknown, Part, Short, Silence, Whole};
    let ranges = prop::sample::select(vec![
        "bytes=0-3",
        "bytes=2-5",
        "bytes=2-2",
        "bytes=4-9",
        "bytes=5-",
        "bytes=-5",
        "bytes=-1",
        "bytes=0-",
        "bytes=3-7",
        "bytes=6-8",
        "bytes=9-",
        "bytes=99-",
        "bytes=0-1, 3-4",
    ]);
    let makes = prop::sample::select(vec![
        Part, Part, Part, Chunks, Short, Misplaced, OfUnknown, Another, Whole, Failure, Silence,
    ]);
    let control = prop::sample::select(vec![
        "max-age=60",
        "max-age=60",
        "max-age=0",
        "max-age=0, stale-while-revalidate=60",
        "max-age=0, stale-if-error=60",
        "no-cache",
    ]);
    // Strong, weak, and of two states the same: a strong one of the latter kind is the origin's lie, so that one is weak.
    let tag = prop::sample::select(vec!["strong", "strong", "strong", "weak", "none"]);
    let some = |share| prop::bool::weighted(share);
    (
        prop::option::weighted(0.8, ranges),
        prop::option::weighted(0.1, 0..3u8),
        (makes, 0..3u8, control, tag),
        (some(0.15), prop::sample::select(vec!["1", "2"])),
        (some(0.15), some(0.5), some(0.1)),
    )
        .prop_map(|(range, if_range, (makes, state, control, tag), (vary, theme), (no_cache, confirms, head))| {
            Asks { range, if_range, makes, state, control, tag, vary, theme, no_cache, confirms, head }
        })
}

/// The one range of a request that can be kept to.
fn wanted(range: Option<&str>) -> Option<(u64, u64)> {
    let (first, last) = range?.strip_prefix("bytes=")?.split_once('-').filter(|(_, last)| !last.contains(','))?;
    let (from, end) = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Err(_), Ok(count)) => (BODY - count.min(BODY), BODY),
        (Ok(from), Ok(last)) => (from, (last + 1).min(BODY)),
        (Ok(from), Err(_)) => (from, BODY),
        _ => return None,
    };
    (from < end).then_some((from, end))
}

fn bytes(state: u8, from: u64, end: u64) -> Vec<Byte> {
    (from..end).map(|at| (state, at)).collect()
}

fn tag_of(asks: &Asks) -> Option<String> {
    match asks.tag {
        "strong" => Some(format!("\"{}\"", asks.state)),
        "weak" => Some("W/\"any\"".to_owned()),
        _ => None,
    }
}

/// What the origin answers, and the bytes of it.
fn answers(asks: &Asks) -> (Reply, Vec<Byte>) {
    let mut fields: Fields = vec![("cache-control".to_owned(), asks.control.to_owned())];
    fields.extend(tag_of(asks).map(|tag| ("etag".to_owned(), tag)));
    fields.extend(asks.vary.then(|| ("vary".to_owned(), "Foo".to_owned())));
    let mut with = |status, named: Option<String>, length: Option<usize>| {
        fields.extend(named.map(|named| ("content-range".to_owned(), named)));
        fields.extend(length.map(|length| ("content-length".to_owned(), length.to_string())));
        Reply::Answers(status, std::mem::take(&mut fields))
    };
    let whole = bytes(asks.state, 0, BODY);
    let (from, end) = match (asks.makes, wanted(asks.range)) {
        (Makes::Silence, _) => return (Reply::Refuses, Vec::new()),
        (Makes::Failure, _) => {
            return (
                Reply::Answers(500, vec![("cache-control".to_owned(), "public, max-age=60".to_owned())]),
                Vec::new(),
            );
        }
        (Makes::Another, Some(_)) => (1, 6),
        (Makes::Whole, _) | (_, None) => return (with(200, None, Some(whole.len())), whole),
        (_, Some(part)) => part,
    };
    let body = bytes(asks.state, from, end);
    let named = |from: u64| Some(format!("bytes {from}-{}/{BODY}", end - 1));
    match asks.makes {
        Makes::Chunks => (with(206, named(from), None), body),
        Makes::Short => (with(206, named(from), None), body[1..].to_vec()),
        Makes::Misplaced if from > 0 => (with(206, named(from - 1), Some(body.len())), body),
        Makes::OfUnknown => (with(206, Some(format!("bytes {from}-{}/*", end - 1)), Some(body.len())), body),
        _ => (with(206, named(from), Some(body.len())), body),
    }
}

fn entry_of(store: &Store) -> Vec<Variant<'static>> {
    entry::read(store.edits.set_to(ENTRY).unwrap()).unwrap().into_iter().map(Variant::into_owned).collect()
}

impl StoredEntry {
    /// Does what the edge does (entries.mjs): what is not as long as it says is not stored.
    fn keep(&mut self, end: &Settlement, asks: &Asks, came: &[Byte]) {
        if !end.invalidate.is_empty() {
            *self = Self::default();
        }
        let Some(store) = &end.store else { return };
        let made_for = asks.range.map(str::to_owned);
        let (body, made_for) = match store.base {
            Base::Origin => (came.to_vec(), made_for),
            Base::Stored(at) => (self.bodies[at].clone(), self.made_for[at].clone()),
        };
        if store.edits.set_to("content-length").is_some_and(|said| said.parse() != Ok(body.len())) {
            return;
        }
        let carried = |from: &[Vec<Byte>]| store.carried.iter().map(|at| from[*at].clone()).collect::<Vec<_>>();
        let ranges: Vec<_> = store.carried.iter().map(|at| self.made_for[*at].clone()).collect();
        *self = Self {
            variants: entry_of(store),
            bodies: [vec![body], carried(&self.bodies)].concat(),
            made_for: [vec![made_for], ranges].concat(),
        };
        assert_eq!(self.variants.len(), self.bodies.len());
    }

    /// The bytes that a client gets of a stored copy, and what they are said to be.
    fn shown(&self, end: &Settlement) -> Option<(&Variant<'static>, Option<&String>, Vec<Byte>)> {
        let Source::Stored(at, slice) = end.source else { return None };
        let body = &self.bodies[at];
        let shown = match slice {
            None => body.clone(),
            Some(Slice { from, length, .. }) => {
                let from = usize::try_from(from).unwrap();
                body[from..from + usize::try_from(length).unwrap()].to_vec()
            }
        };
        Some((&self.variants[at], self.made_for[at].as_ref(), shown))
    }
}

fn said(story: &Settlement) -> Option<(u64, u64)> {
    let range = story.edits.set_to("content-range")?.strip_prefix("bytes ")?;
    let (range, whole) = range.split_once('/').unwrap();
    assert_eq!(whole, BODY.to_string());
    let (first, last) = range.split_once('-').unwrap();
    Some((first.parse().unwrap(), last.parse::<u64>().unwrap() + 1))
}

/// What a stored copy shows is what it says that it is, and what was asked for.
fn holds(held: &StoredEntry, end: &Settlement, asks: &Asks) {
    let Some((variant, made_for, shown)) = held.shown(end) else { return };
    assert!(!asks.head, "a HEAD has no body");
    if variant.status == 206 && variant.part.is_none() {
        assert_eq!(end.status, 206);
        assert_eq!(made_for.map(String::as_str), asks.range, "as its origin has answered the very range");
        return;
    }
    if variant.status >= 500 {
        return assert_eq!(end.status, variant.status);
    }
    let state = shown.first().map(|(state, _)| *state).unwrap();
    match end.status {
        200 => assert_eq!(shown, bytes(state, 0, BODY), "a part is no whole"),
        206 => {
            let (from, end) = said(end).unwrap();
            assert_eq!(Some((from, end)), wanted(asks.range), "what was asked for");
            assert_eq!(shown, bytes(state, from, end), "what it says that it is");
        }
        other => panic!("{other} with a body"),
    }
    if let (Some(wants), 206) = (asks.if_range, end.status) {
        assert_eq!(state, wants, "the client has a part of another state");
    }
}

/// Parts that lie beside one another are of one whole, and none lies beside the whole.
fn are_of_one_whole(held: &StoredEntry) {
    for (at, one) in held.variants.iter().enumerate() {
        for (other_at, other) in held.variants.iter().enumerate().skip(at + 1) {
            if one.selecting != other.selecting || one.part.is_none() && other.part.is_none() {
                continue;
            }
            assert!(one.part.is_some() && other.part.is_some(), "{held:?}", held = held.variants);
            assert!(one.kept.get("etag").is_some_and(|tag| tag.starts_with('"')));
            assert_eq!(held.bodies[at][0].0, held.bodies[other_at][0].0, "of two states");
        }
    }
}

fn play(held: &StoredEntry, asks: &Asks, now: Timestamp) -> (Story, Vec<Byte>) {
    let mut world =
        World::new(if asks.head { "HEAD /catalog/1" } else { "GET /catalog/1" }).near("eu").field("foo", asks.theme);
    world.fields.extend(asks.range.map(|range| ("range".to_owned(), range.to_owned())));
    world.fields.extend(asks.if_range.map(|state| ("if-range".to_owned(), format!("\"{state}\""))));
    world.fields.extend(asks.no_cache.then(|| ("cache-control".to_owned(), "no-cache".to_owned())));
    world.cache = held.variants.clone();
    world.now = now;
    let (answer, body) = answers(asks);
    // An honest origin confirms what is of the state that it is in.
    let tag = tag_of(asks).filter(|_| asks.tag == "strong" && asks.confirms);
    let confirms = tag.filter(|tag| held.variants.iter().any(|variant| variant.kept.get("etag") == Some(tag)));
    world.deeds = match confirms {
        Some(tag) => {
            let fields = vec![("etag".to_owned(), tag), ("cache-control".to_owned(), asks.control.to_owned())];
            vec![Reply::Answers(304, fields), answer]
        }
        None => vec![answer],
    };
    (world.play(&settings()).unwrap(), body)
}

laws! { ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() };
    /// Clients ask for ranges and for the whole, of something that changes; origins name parts wrongly, cut them short, and send what
    /// nobody has asked for.
    fn a_range_from_a_part_is_what_the_whole_would_give(steps in prop::collection::vec(asks(), 2..14)) meets ["a range from a stored part": 150, "a range from the stored whole": 2000, "a part is stored beside another": 20] {
        let mut held = StoredEntry::default();
        for (n, asks) in steps.iter().enumerate() {
            let (story, body) = play(&held, asks, NOW.after(Duration::from_secs(n as u64)));
            for end in [story.answered.as_ref(), story.end.as_ref()].into_iter().flatten() {
                if !std::ptr::eq(end, story.end()) {
                    continue;
                }
                holds(&held, end, asks);
                let shown = held.shown(end).filter(|_| end.status == 206).map(|(variant, ..)| variant);
                met("a range from a stored part", shown.is_some_and(|variant| variant.part.is_some()));
                met("a range from the stored whole", shown.is_some_and(|variant| variant.part.is_none() && variant.status == 200));
            }
            if let Some(end) = &story.end {
                held.keep(end, asks, &body);
            }
            met("a part is stored beside another", held.variants.iter().filter(|variant| variant.part.is_some()).count() > 1);
            are_of_one_whole(&held);
        }
    }
}
