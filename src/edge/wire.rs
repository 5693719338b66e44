//! The text that crosses between JavaScript and here: lines, since no header value holds a newline.
//!
//! Facts: method, URL, latitude, longitude, continent, `1` if there is a body, then names and values of header fields in turn.
//! Events: `C` or `C` status fields… (cache), `HV` value, `HA`, `HF` (home), `A` status fields…, `T`, `B`, `U` (origin).
//! Steps: `P` id key; `H` id key; `S` id method service url timeout delay idle replay upgrade, edits; `F` status source,
//! edits, then store key and edits, then effects, then a body of our own, each part ended by an empty line.
//! Edits: `-name`, `=name TAB value`, `+name TAB value`. Effects: `xKEY` forget, `kKEY TAB VALUE` publish, `lLINE` log.

use std::fmt::Write;

use crate::routing::{
    Event, Facts, Intent, Settlement, Step, Timestamp,
    answer::Answer,
    facts::{Client, Content, Replay},
    flow::{Found, Outcome},
    headers::{Edit, Headers},
    problem::Problem,
    settle::{Source, refusal as refusal_parts},
    time::millis,
    topology::{Access, Location, Origin},
};

/// Reads facts.
pub(super) fn facts(text: &str, now: Timestamp, entropy: u64, node: u32) -> Option<Facts<'_>> {
    let mut lines = text.split('\n');
    let method = lines.next()?;
    let url = lines.next()?;
    let (lat, lon) = (lines.next()?.parse().ok(), lines.next()?.parse().ok());
    let continent = lines.next().filter(|code| !code.is_empty());
    let has_body = lines.next()? == "1";
    let headers = fields(lines);
    let content = match (has_body, headers.get("content-length").and_then(|length| length.parse().ok())) {
        (false, _) => Content::Empty,
        (true, Some(length)) => Content::Length(length),
        (true, None) => Content::Unknown,
    };
    let location = lat.zip(lon).and_then(|(lat, lon)| Location::new(lat, lon));
    Some(Facts { now, method, url, headers, content, client: Client { location, continent }, entropy, node })
}

fn fields<'a>(mut lines: impl Iterator<Item = &'a str>) -> Headers<'a> {
    let mut headers = Vec::new();
    while let (Some(name), Some(value)) = (lines.next(), lines.next()) {
        headers.push((name, value));
    }
    Headers(headers)
}

/// Reads an event.
pub(super) fn event(text: &str) -> Option<Event<'_>> {
    let (kind, rest) = text.split_once('\n').unwrap_or((text, ""));
    Some(match kind {
        "C" if rest.is_empty() => Event::Cache(None),
        "C" => Event::Cache(Some(answer(rest)?)),
        "HV" => Event::Home(Found::Value(rest)),
        "HA" => Event::Home(Found::Absent),
        "HF" => Event::Home(Found::Failed),
        "A" => Event::Origin(Outcome::Answered(answer(rest)?)),
        "T" => Event::Origin(Outcome::TimedOut),
        "B" => Event::Origin(Outcome::Broken),
        "U" => Event::Origin(Outcome::Unsent),
        _ => return None,
    })
}

fn answer(text: &str) -> Option<Answer<'_>> {
    let mut lines = text.split('\n');
    let status = lines.next()?.parse().ok()?;
    Some(Answer { status, headers: fields(lines) })
}

/// Writes a step that is not the last.
pub(super) fn step(id: u32, step: &Step, intent: &Intent) -> String {
    // Writing to a String cannot fail, here and below.
    let mut text = String::with_capacity(1024);
    match step {
        Step::ProbeCache(key) => {
            let _ = write!(text, "P\n{id}\n{}", key.as_str());
        }
        Step::LookUpHome(subject) => {
            let _ = write!(text, "H\n{id}\nhome:{}", subject.as_str());
        }
        Step::Send(attempt) => {
            let (service, base) = match &attempt.origin {
                Origin::Url(url) => ("", url.clone()),
                Origin::Service(name) => (name.as_str(), format!("{}://{}", intent.scheme, intent.authority)),
            };
            let replay = match attempt.replay {
                Replay::Empty => "e",
                Replay::Buffered => "b",
                Replay::Stream => "s",
            };
            let (timeout, delay, idle) = (millis(attempt.timeout), millis(attempt.delay), millis(attempt.idle));
            let (method, target, upgrade) = (&attempt.method, &attempt.target, u8::from(attempt.upgrade));
            let _ = write!(
                text,
                "S\n{id}\n{method}\n{service}\n{base}{target}\n{timeout}\n{delay}\n{idle}\n{replay}\n{upgrade}\n"
            );
            edits(&mut text, attempt.common.iter().chain(&attempt.own));
        }
        Step::Finish(_) => {}
    }
    text
}

/// Writes the last step.
pub(super) fn finish(settlement: &Settlement, log: Option<&str>) -> String {
    let mut text = String::with_capacity(1024);
    let (source, body) = match &settlement.source {
        Source::Origin => ('o', ""),
        Source::Copy => ('c', ""),
        Source::CopyHead => ('h', ""),
        Source::Own(body) => ('t', body.as_str()),
    };
    let _ = write!(text, "F\n{}\n{source}\n", settlement.status);
    edits(&mut text, settlement.edits.iter());
    match &settlement.store {
        None => text.push('\n'),
        Some(store) => {
            text.push_str(store.key.as_str());
            text.push('\n');
            edits(&mut text, store.edits.iter());
        }
    }
    if let Some(key) = &settlement.invalidate {
        let _ = writeln!(text, "x{}", key.as_str());
    }
    for publish in &settlement.publish {
        let _ = writeln!(text, "khome:{}\t{}", publish.subject.as_str(), publish.value);
    }
    if let Some(line) = log {
        let _ = writeln!(text, "l{line}");
    }
    text.push('\n');
    text.push_str(body);
    text
}

/// Writes the refusal of a request that never became a flow.
pub(super) fn refusal(problem: &Problem, access: Access, log: Option<&str>) -> String {
    let (status, changes, body) = refusal_parts(problem, access);
    let mut text = format!("F\n{status}\nt\n");
    edits(&mut text, changes.iter());
    text.push('\n');
    if let Some(line) = log {
        let _ = writeln!(text, "l{line}");
    }
    text.push('\n');
    text.push_str(&body);
    text
}

fn edits<'a>(text: &mut String, changes: impl Iterator<Item = &'a Edit>) {
    for change in changes {
        let _ = match change {
            Edit::Remove(name) => writeln!(text, "-{name}"),
            Edit::Set(name, value) => writeln!(text, "={name}\t{value}"),
            Edit::Append(name, value) => writeln!(text, "+{name}\t{value}"),
        };
    }
    text.push('\n');
}
