//! The text that crosses between JavaScript and here: lines, since no header value holds a newline.
//!
//! IncomingRequest: method, URL, continent, `0` if there is no body, `1` if there is, `2` if a small one did not come, `3` if it broke off, then names and values
//! of header fields in turn. Coordinates cross as numbers: to read them from text takes more Wasm than any other thing here.
//! Events: `C` or `C` waited entry lengths (cache), `G` (the client has its answer), `HV` value, `HA`, `HF` (home), `A` status
//! fields…, `AL` (it has confirmed a copy that cannot be read), `T`, `L` (the connection was lost before an answer came), `B`, `US` (the client's body is too slow), `UB` (it broke off) (origin).
//! Steps: `P` id key wait, and on a second look what selects the expired variant in hand; `H` id key time; `D` id subject kind region time named (`1` if an origin has named the subject) declined (nothing, or home TAB epoch by which that region says that the data is in the named one); `S` id method service url timeout delay idle whole replay upgrade, edits (`idle` 0: nobody watches the body; `whole` 1: a small one is read whole); `F` status source,
//! edits, then store key, base and edits, then effects, then a body of our own, each part ended by an empty line; `G` id key,
//! then the lines of an `F`: answer, and go on.
//! Sources: `o` the origin, `t` our own, `cAT` the stored variant in that place, `cAT FROM LENGTH` a part of it, `hAT` without
//! its body. Bases: `o` or `cAT`, then the places of the variants that go on.
//! Edits: `-name`, `=name TAB value`, `+name TAB value`. Effects: `xKEY` forget, `kKEY TAB VALUE` publish, `cSUBJECT TAB KIND TAB VALUE` keep a tentative home, `r…` tell the directory of one that an origin has named, `v` the view is old, `d` a
//! drill has something to tell, `lLINE` log.

use std::fmt::Write;

use homing_core::{
    cache::{Probed, key::CacheKey},
    flow::step::{Assignment, Event, Found, Outcome, Step},
    http::{
        answer::{Answer, Framing},
        headers::{Edit, Headers},
    },
    model::{
        access::Replay,
        geo::Location,
        text,
        time::{Timestamp, millis},
    },
    request::incoming::{Client, Content, IncomingRequest, Unsent},
    router::{FlowId, Rejection, Turn},
    settle::{Base, Publish, Settlement, Source},
};

/// Reads incoming.
pub fn incoming(text: &str, location: Option<Location>, now: Timestamp) -> Option<IncomingRequest<'_>> {
    let mut lines = text.split('\n');
    let method = lines.next()?;
    let url = lines.next()?;
    let continent = lines.next().filter(|code| !code.is_empty());
    let body = lines.next()?;
    let headers = fields(lines);
    let content = match (body, headers.get("content-length")) {
        ("0", _) => Content::Empty,
        ("2", _) => Content::Unsent(Unsent::Slow),
        ("3", _) => Content::Unsent(Unsent::Broken),
        // Beside a coding a length is a lie or an attack, and the request may be refused (RFC 9112 section 6.3); more than JavaScript
        // counts to is none.
        (_, Some(length)) => match length.parse() {
            Ok(length) if length < 1 << 53 && !headers.has("transfer-encoding") => Content::Length(length),
            _ => Content::Unsent(Unsent::Broken),
        },
        (_, None) => Content::Unknown,
    };
    Some(IncomingRequest { now, method, url, headers, content, client: Client { location, continent, beside: None } })
}

fn fields<'a>(mut lines: impl Iterator<Item = &'a str>) -> Headers<'a> {
    let mut headers = Vec::new();
    while let (Some(name), Some(value)) = (lines.next(), lines.next()) {
        headers.push((name, value));
    }
    Headers(headers)
}

/// Reads an event.
pub fn event(text: &str) -> Option<Event<'_>> {
    let (kind, rest) = text.split_once('\n').unwrap_or((text, ""));
    Some(match kind {
        "C" => Event::Cache(probed(rest)),
        "G" => Event::GoOn,
        "HV" => Event::Home(Found::Value(rest)),
        "HA" => Event::Home(Found::Absent),
        "HF" => Event::Home(Found::Failed),
        "A" => Event::Origin(Outcome::Answered(answer(rest)?)),
        "AL" => Event::Origin(Outcome::CopyLost),
        "T" => Event::Origin(Outcome::TimedOut),
        "L" => Event::Origin(Outcome::Lost),
        "B" => Event::Origin(Outcome::Broken),
        "US" => Event::Origin(Outcome::Unsent(Unsent::Slow)),
        "UB" => Event::Origin(Outcome::Unsent(Unsent::Broken)),
        _ => return None,
    })
}

fn probed(text: &str) -> Probed<'_> {
    let mut lines = text.split('\n');
    let waited = lines.next() == Some("1");
    Probed { waited, entry: lines.next(), lengths: lines.next().unwrap_or("") }
}

fn answer(text: &str) -> Option<Answer<'_>> {
    let mut lines = text.split('\n');
    let (status, framing) = match lines.next()?.split_once(' ') {
        Some((status, _)) => (status.parse().ok()?, Framing::UntilClose),
        None => (text.split('\n').next()?.parse().ok()?, Framing::Delimited),
    };
    Some(Answer { status, headers: fields(lines), framing })
}

/// Writes what is to be done next.
pub fn turn(turn: Turn) -> String {
    let FlowId(id) = turn.id;
    let said = Said { log: turn.log, view_is_old: turn.view_is_outdated };
    match &turn.step {
        Step::Finish(settlement) => finish(settlement, &said),
        Step::Answer(settlement, key) => answered(id, key, settlement, &said),
        other => step(id, other),
    }
}

/// Writes a step that is not the last.
pub fn step(id: u32, step: &Step) -> String {
    // Writing to a String cannot fail, here and below.
    let mut text = String::with_capacity(1024);
    match step {
        Step::ProbeCache(probe) => {
            let _ = write!(text, "P\n{id}\n{}\n{}", probe.key.as_str(), probe.wait.map_or(0, millis));
            probe.expired.iter().for_each(|variant| text::all(&mut text, &["\n", variant]));
        }
        Step::LookUpHome(look_up) => {
            let _ = write!(text, "H\n{id}\nhome:{}\n{}", look_up.subject.as_str(), millis(look_up.timeout));
        }
        Step::AssignHome(assignment) => {
            let Assignment { subject, kind, proposed, named, instead_of, timeout } = assignment;
            let time = millis(*timeout);
            let (named, proposed) = (u8::from(*named), proposed.as_deref().unwrap_or_default());
            let _ = write!(text, "D\n{id}\n{}\n{}\n{proposed}\n{time}\n{named}\n", subject.as_str(), kind.token());
            if let Some((home, epoch)) = instead_of {
                let _ = write!(text, "{home}\t{epoch}");
            }
        }
        Step::Send(attempt) => {
            let replay = match attempt.replay {
                Replay::Empty => "e",
                Replay::Buffered | Replay::Once => "b",
                Replay::Stream => "s",
            };
            text.push_str("S\n");
            text::number(&mut text, id.into());
            let service = attempt.service.as_deref().unwrap_or_default();
            text::all(&mut text, &["\n", &attempt.method, "\n", service, "\n", &attempt.url]);
            for time in [attempt.timeout, attempt.delay, attempt.idle.unwrap_or_default()] {
                text.push('\n');
                text::number(&mut text, millis(time));
            }
            text::all(
                &mut text,
                &[
                    if attempt.whole { "\n1\n" } else { "\n0\n" },
                    replay,
                    if attempt.upgrade { "\n1\n" } else { "\n0\n" },
                ],
            );
            edits(&mut text, attempt.common.iter().chain(&attempt.own));
        }
        Step::Answer(..) | Step::Finish(_) => {}
    }
    text
}

/// Writes an answer after which the flow goes on.
pub fn answered(id: u32, key: &CacheKey, settlement: &Settlement, said: &Said) -> String {
    format!("G\n{id}\n{}\n{}", key.as_str(), finish(settlement, said))
}

/// What the isolate adds to a settlement.
pub struct Said {
    /// Lines for the log.
    pub log: Vec<String>,
    /// Whether the view is to be read anew.
    pub view_is_old: bool,
}

/// Writes the last step.
pub fn finish(settlement: &Settlement, said: &Said) -> String {
    let mut text = String::with_capacity(1024);
    text.push_str("F\n");
    text::number(&mut text, settlement.status.into());
    match &settlement.source {
        Source::Origin => text.push_str("\no"),
        Source::Copy(at, slice) => {
            place(&mut text, "\nc", *at);
            if let Some(slice) = slice {
                let _ = write!(text, " {} {}", slice.from, slice.length);
            }
        }
        Source::CopyHead(at) => place(&mut text, "\nh", *at),
        Source::Own(_) => text.push_str("\nt"),
    }
    text.push('\n');
    edits(&mut text, settlement.edits.iter());
    match &settlement.store {
        None => text.push('\n'),
        Some(store) => {
            let _ = writeln!(text, "{}", store.key.as_str());
            let _ = match store.base {
                Base::Origin => write!(text, "o"),
                Base::Stored(at) => write!(text, "c{at}"),
            };
            for place in &store.carried {
                let _ = write!(text, " {place}");
            }
            text.push('\n');
            edits(&mut text, store.edits.iter());
        }
    }
    for key in &settlement.invalidate {
        let _ = writeln!(text, "x{}", key.as_str());
    }
    if said.view_is_old {
        text.push_str("v\n");
    }
    if settlement.record.drilled.is_some() {
        text.push_str("d\n");
    }
    for publish in &settlement.publish {
        let _ = writeln!(text, "khome:{}\t{}", publish.subject.as_str(), publish.value);
    }
    if let Some((kind, Publish { subject, value })) = &settlement.confirm {
        let _ = writeln!(text, "c{}\t{}\t{value}", subject.as_str(), kind.token());
    }
    if let Some((kind, Publish { subject, value })) = &settlement.tell {
        let _ = writeln!(text, "r{}\t{}\t{value}", subject.as_str(), kind.token());
    }
    for line in &said.log {
        text::all(&mut text, &["l", line, "\n"]);
    }
    text.push('\n');
    if let Source::Own(body) = &settlement.source {
        text.push_str(body);
    }
    text
}

/// Writes what a request gets that has no flow.
pub fn rejection(rejection: &Rejection) -> String {
    let mut text = format!("F\n{}\nt\n", rejection.status);
    edits(&mut text, rejection.edits.iter());
    text.push('\n');
    for line in &rejection.log {
        text::all(&mut text, &["l", line, "\n"]);
    }
    text.push('\n');
    text.push_str(&rejection.body);
    text
}

fn place(text: &mut String, kind: &str, at: usize) {
    text.push_str(kind);
    text::number(text, at as u64);
}

fn edits<'a>(text: &mut String, changes: impl Iterator<Item = &'a Edit>) {
    for change in changes {
        match change {
            Edit::Remove(name) => text::all(text, &["-", name, "\n"]),
            Edit::Set(name, value) => text::all(text, &["=", name, "\t", value, "\n"]),
            Edit::Append(name, value) => text::all(text, &["+", name, "\t", value, "\n"]),
            Edit::Add(name, value) => text::all(text, &["+", name, "\t", value, "\n"]),
        }
    }
    text.push('\n');
}
