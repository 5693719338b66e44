//! The text that crosses between JavaScript and here: lines, since no header value holds a newline. Its twin is `wire.mjs`;
//! `tests/golden/wire.txt` has a case of everything here, and both are tested with it. Nothing else knows what stands in which line.
//!
//! A text begins with a word. Below, ` · ` parts lines, `[…]` may be missing, and times are milliseconds.
//!
//! | what comes in | lines |
//! |---|---|
//! | the facts of a request | method · URL · continent · `none`, `some`, `slow` or `broken` (the body) · name · value · name · value … of the fields |
//! | what the cache has | `cache` · `waited` or `alone` \[· entry · lengths of its bodies\] |
//! | what the isolate remembers of the request's URL, beside the facts | key · entry · lengths of its bodies; empty if nothing |
//! | the client has its answer | `answered` |
//! | what the home store or the directory says | `home` · value, `no-home`, or `home-failed` |
//! | what came of a send | `response` · status, and ` close` if only the connection's close ends the body · name · value …; `timed-out`; `lost` (no answer began); `broken` (one had); `unsent` · `slow` or `broken` (the client's body did not come); `unreadable` (it has confirmed a stored response that cannot be read) |
//!
//! Coordinates cross as numbers: to read them from text takes more Wasm than any other thing here.
//!
//! | what goes out | lines |
//! |---|---|
//! | probe the cache | `probe` · id · key · wait \[· what selects the variant in hand, which has expired\] |
//! | look up a home | `look-up` · id · key · timeout |
//! | ask the directory | `assign` · id · subject · kind · proposed region, or nothing · timeout · `named` (by an origin) or `unnamed` · nothing, or home TAB epoch by which that region says that the data is in the proposed one |
//! | send | `send` · id · method · service · URL · timeout · delay · idle (0: nobody watches the body) · `whole` (a small body is read whole) or `stream` · `empty`, `held` or `upload` (the client's body) · `upgrade` or `plain` · `listen` (the driver must hear at once if the client goes) or `deaf` · `write` or `read` (only a read may start over) · edits that many requests have alike · the others |
//! | answer and go on | `answer` · id · key · the lines of a finish behind its word |
//! | finish | `finish` · status · source · edits · what to store, or an empty line · effects · an empty line · a body of the router's own |
//!
//! | part of a finish | form |
//! |---|---|
//! | source | `origin`, `own`, `stored AT`, `stored AT FROM LENGTH` (a part), or `head AT` |
//! | what to store | key · base, then the places of the variants that go on · edits |
//! | base | `origin` or `stored AT` |
//! | edits, a line each, then an empty one | `-name` remove, `=name` TAB value set, `+name` TAB value add: one byte each, for a step has up to forty |
//! | effects, a line each, parted by TABs | `forget` key; `publish` key value; `confirm` subject kind value (keep a tentative home); `tell` subject kind value (of a home that an origin has named); `outdated-view`; `drill` (it has something to tell); `memo` id (the answer may be given again by that); `log` line |

use std::fmt::Write;

use homing_core::{
    Access, Answer, Assignment, Base, Client, Content, Edits, Event, FlowId, Found, Framing, Headers, IncomingRequest,
    Location, MemoId, Offered, Outcome, Probed, Publish, Rejection, Replay, Settlement, Source, Step, Timestamp, Turn,
    Unsent, Vantage, ViewTaken, millis, text,
};

/// Reads an incoming request.
pub fn incoming(text: &str, location: Option<Location>, now: Timestamp) -> Option<IncomingRequest<'_>> {
    let mut lines = Lines(Some(text));
    let method = lines.next()?;
    let url = lines.next()?;
    let continent = lines.next().filter(|code| !code.is_empty());
    let body = lines.next()?;
    let headers = fields(lines);
    let content = match (body, headers.get("content-length")) {
        ("none", _) => Content::Empty,
        ("slow", _) => Content::Unsent(Unsent::Slow),
        ("broken", _) => Content::Unsent(Unsent::Broken),
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

/// The lines of a text.
struct Lines<'a>(Option<&'a str>);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.0.take()?;
        let Some((line, after)) = text::split_once(rest, b'\n') else { return Some(rest) };
        self.0 = Some(after);
        Some(line)
    }
}

/// So many fields a browser's request has, and an origin's answer.
const USUAL_FIELDS: usize = 24;

fn fields<'a>(mut lines: Lines<'a>) -> Headers<'a> {
    let mut headers = Vec::with_capacity(USUAL_FIELDS);
    while let (Some(name), Some(value)) = (lines.next(), lines.next()) {
        headers.push((name, value));
    }
    Headers(headers)
}

/// Reads what comes along with a request.
#[must_use]
pub fn offered(text: &str) -> Option<Offered<'_>> {
    let mut lines = Lines(Some(text));
    let key = lines.next().filter(|key| !key.is_empty())?;
    let probed = Probed { waited: false, entry: Some(lines.next()?), lengths: lines.next().unwrap_or("") };
    Some(Offered { key, probed })
}

/// Reads an event.
pub fn event(text: &str) -> Option<Event<'_>> {
    let (kind, rest) = text::split_once(text, b'\n').unwrap_or((text, ""));
    Some(match kind {
        "cache" => Event::Cache(probed(rest)),
        "answered" => Event::GoOn,
        "home" => Event::Home(Found::Value(rest)),
        "no-home" => Event::Home(Found::Absent),
        "home-failed" => Event::Home(Found::Failed),
        "response" => Event::Origin(Outcome::Answered(answer(rest)?)),
        "unreadable" => Event::Origin(Outcome::Unreadable),
        "timed-out" => Event::Origin(Outcome::TimedOut),
        "lost" => Event::Origin(Outcome::Lost),
        "broken" => Event::Origin(Outcome::Broken),
        "unsent" if rest == "slow" => Event::Origin(Outcome::Unsent(Unsent::Slow)),
        "unsent" => Event::Origin(Outcome::Unsent(Unsent::Broken)),
        _ => return None,
    })
}

fn probed(text: &str) -> Probed<'_> {
    let mut lines = Lines(Some(text));
    let waited = lines.next() == Some("waited");
    Probed { waited, entry: lines.next(), lengths: lines.next().unwrap_or("") }
}

fn answer(text: &str) -> Option<Answer<'_>> {
    let mut lines = Lines(Some(text));
    let head = lines.next()?;
    let (status, framing) =
        text::split_once(head, b' ').map_or((head, Framing::Delimited), |(status, _)| (status, Framing::UntilClose));
    Some(Answer { status: status.parse().ok()?, headers: fields(lines), framing })
}

/// Writes what is to be done next.
#[must_use]
pub fn turn(turn: &Turn) -> String {
    let FlowId(id) = turn.id;
    // Writing to a String cannot fail, here and below.
    let mut text = String::with_capacity(1024);
    match &turn.step {
        Step::ProbeCache(probe) => {
            let _ = write!(text, "probe\n{id}\n{}\n{}", probe.key.as_str(), probe.wait.map_or(0, millis));
            probe.expired.iter().for_each(|variant| text::all(&mut text, &["\n", variant]));
        }
        Step::LookUpHome(look_up) => {
            let _ = write!(text, "look-up\n{id}\nhome:{}\n{}", look_up.subject.as_str(), millis(look_up.timeout));
        }
        Step::AssignHome(assignment) => {
            let Assignment { subject, kind, proposed, named, instead_of, timeout } = assignment;
            let time = millis(*timeout);
            let (named, proposed) = (if *named { "named" } else { "unnamed" }, proposed.as_deref().unwrap_or_default());
            let _ = write!(text, "assign\n{id}\n{}\n{}\n{proposed}\n{time}\n{named}\n", subject.as_str(), kind.token());
            if let Some((home, epoch)) = instead_of {
                let _ = write!(text, "{home}\t{epoch}");
            }
        }
        Step::Send(attempt) => {
            let replay = match attempt.replay {
                Replay::Empty => "empty",
                Replay::Buffered | Replay::Once => "held",
                Replay::Stream => "upload",
            };
            text.push_str("send\n");
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
                    if attempt.whole { "\nwhole\n" } else { "\nstream\n" },
                    replay,
                    if attempt.upgrade { "\nupgrade" } else { "\nplain" },
                    if attempt.listen { "\nlisten" } else { "\ndeaf" },
                    if attempt.access == Access::Write { "\nwrite\n" } else { "\nread\n" },
                ],
            );
            let (common, own) = (&attempt.common, &attempt.own);
            text::all(
                &mut text,
                &[common.usual.text(), own.usual.text(), "\n", common.own.text(), own.own.text(), "\n"],
            );
        }
        Step::Answer(settlement, key) => {
            let _ = writeln!(text, "answer\n{id}\n{}", key.as_str());
            finish(&mut text, settlement, turn);
        }
        Step::Finish(settlement) => {
            text.push_str("finish\n");
            finish(&mut text, settlement, turn);
        }
    }
    text
}

/// The lines of a finish behind its word.
fn finish(text: &mut String, settlement: &Settlement, turn: &Turn) {
    text::number(text, settlement.status.into());
    match &settlement.source {
        Source::Origin => text.push_str("\norigin"),
        Source::Stored(at, slice) => {
            place(text, "\nstored ", *at);
            if let Some(slice) = slice {
                let _ = write!(text, " {} {}", slice.from, slice.length);
            }
        }
        Source::StoredHead(at) => place(text, "\nhead ", *at),
        Source::Own(_) => text.push_str("\nown"),
    }
    text.push('\n');
    edits(text, &settlement.edits);
    match &settlement.store {
        None => text.push('\n'),
        Some(store) => {
            let _ = writeln!(text, "{}", store.key.as_str());
            let _ = match store.base {
                Base::Origin => write!(text, "origin"),
                Base::Stored(at) => write!(text, "stored {at}"),
            };
            for place in &store.carried {
                let _ = write!(text, " {place}");
            }
            text.push('\n');
            edits(text, &store.edits);
        }
    }
    for key in &settlement.invalidate {
        let _ = writeln!(text, "forget\t{}", key.as_str());
    }
    if turn.view_is_outdated {
        text.push_str("outdated-view\n");
    }
    if settlement.record.drilled.is_some() {
        text.push_str("drill\n");
    }
    for publish in &settlement.publish {
        let _ = writeln!(text, "publish\thome:{}\t{}", publish.subject.as_str(), publish.value);
    }
    if let Some((kind, Publish { subject, value })) = &settlement.confirm {
        let _ = writeln!(text, "confirm\t{}\t{}\t{value}", subject.as_str(), kind.token());
    }
    if let Some((kind, Publish { subject, value })) = &settlement.tell {
        let _ = writeln!(text, "tell\t{}\t{}\t{value}", subject.as_str(), kind.token());
    }
    if let Some(MemoId(id)) = turn.memo {
        text.push_str("memo\t");
        text::number(text, id.into());
        text.push('\n');
    }
    for line in &turn.log {
        text::all(text, &["log\t", line, "\n"]);
    }
    text.push('\n');
    if let Source::Own(body) = &settlement.source {
        text.push_str(body);
    }
}

/// Writes what a request gets that has no flow.
pub fn rejection(rejection: &Rejection) -> String {
    let mut text = format!("finish\n{}\nown\n", rejection.status);
    edits(&mut text, &rejection.edits);
    text.push('\n');
    for line in &rejection.log {
        text::all(&mut text, &["log\t", line, "\n"]);
    }
    text.push('\n');
    text.push_str(&rejection.body);
    text
}

/// Writes the regions to look from, a line each: name TAB where the object should be that looks from there TAB `1` if nothing was heard from
/// there lately.
#[must_use]
pub fn vantages(vantages: &[Vantage<'_>]) -> String {
    let lines = vantages.iter().map(|vantage| {
        let silent = if vantage.is_silent { "1" } else { "" };
        [vantage.region, vantage.hint, silent].join("\t")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Writes names, a line each.
#[must_use]
pub fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join("\n")
}

/// Writes what a view says of itself, as bits: 1 if it does not name every dataset that needs an owner, so that the authority itself is to be
/// asked; 2 if it cannot be read.
#[must_use]
pub fn view_taken(taken: ViewTaken) -> u8 {
    u8::from(!taken.is_whole) + 2 * u8::from(!taken.is_readable)
}

fn place(text: &mut String, kind: &str, at: usize) {
    text.push_str(kind);
    text::number(text, at as u64);
}

fn edits(text: &mut String, edits: &Edits) {
    text::all(text, &[edits.text(), "\n"]);
}
