//! The text between JavaScript and Wasm: whatever comes in is read without harm, and what goes out falls apart for the driver as
//! it was meant. The driver here splits as `wire.mjs` does.

use arbitrary::{Result, Unstructured};
use homing_core::testing::{
    flow::step::{Event, Found, Outcome, Step},
    http::edits::Edit,
    model::{access::Access, geo::Location},
    router::{Entropy, Logging, Router, Turn},
    settle::Settlement,
};
use homing_edge::wire;

use crate::made::{NOW, settings, text};

const FACTS: [&str; 30] = [
    "GET",
    "POST",
    "PUT",
    "FOO",
    "\n",
    "\n",
    "\n",
    "\n",
    "\n",
    "\n",
    "https://a.example.com",
    "/catalog/1",
    "/cart/1",
    "/t/acme/notes",
    "/likes/1",
    "?a=1",
    "%2e%2e",
    "\\",
    "50.1",
    "8.7",
    "EU",
    "none",
    "some",
    "cookie",
    "__Host-homing=1.x",
    "vary",
    "cache-control",
    "no-cache",
    "connection",
    "homing-dev-near",
];
const EVENTS: [&str; 40] = [
    "cache",
    "answered",
    "home",
    "no-home",
    "home-failed",
    "response",
    "timed-out",
    "broken",
    "unsent",
    "\n",
    "\n",
    "\n",
    "\n",
    "200",
    "421",
    "304",
    "503",
    "206",
    "homing-home",
    "eu",
    "us",
    "homing-epoch",
    "2",
    "{\"home\":\"eu\",\"epoch\":3}",
    "1^",
    "|",
    "etag",
    "\"a\"",
    "cache-control",
    "max-age=60",
    "vary",
    "x|y",
    "set-cookie",
    "a=b\t c",
    "homing-subject",
    "ada",
    "homing-position",
    "orders=7; least=3",
    "\t",
    "content-length",
];

/// The target.
pub fn whatever(bytes: &[u8]) {
    let _ = holds(bytes);
}

fn holds(bytes: &[u8]) -> Result<()> {
    let u = &mut Unstructured::new(bytes);
    let raw = text(u, &FACTS, 40)?;
    let sound = format!(
        "{}\nhttps://a.example.com{}\n\n{}\n{}",
        *u.choose(&["GET", "HEAD", "POST", "PUT", "QUERY"])?,
        text(u, &["/catalog/1", "/cart/1", "/mail/1", "/t/acme/notes", "/likes/1", "/about", "?x=1"], 2)?
            .replace('\n', ""),
        *u.choose(&["none", "some", "slow"])?,
        text(
            u,
            &["accept-language\nde\n", "cookie\na=1\n", "connection\nx\n", "x-a\nb\n", "if-none-match\n\"a\"\n"],
            6
        )?,
    );
    let text = if u.ratio(1, 4)? { &raw } else { &sound };
    let location = Location::new(u.arbitrary()?, u.arbitrary()?);
    let entropy = Entropy::Fixed(u.arbitrary()?);
    let Some(incoming) = wire::incoming(text, location, NOW) else { return Ok(()) };
    let router = Router::new(settings(), Logging::All, 1, entropy);
    let mut turn = match router.begin(&incoming) {
        Ok(turn) => turn,
        Err(rejection) => {
            end(behind_its_word(&wire::rejection(&rejection)), 2);
            return Ok(());
        }
    };
    for _ in 0..32 {
        let (id, step) = (turn.id, turn.step.clone());
        written(&turn);
        if matches!(step, Step::Finish(_)) {
            return Ok(());
        }
        let said = event(u)?;
        let event = match wire::event(&said) {
            Some(event) if !u.ratio(1, 8)? => event,
            _ => fitting(&step),
        };
        turn = router.resume(id, event, NOW).unwrap();
    }
    panic!("it does not end");
}

fn event(u: &mut Unstructured<'_>) -> Result<String> {
    if u.ratio(1, 4)? {
        return text(u, &EVENTS, 24);
    }
    let kind = *u.choose(&["cache\nalone\n1^", "home\n", "response\n200\n", "response\n421\n", "response\n304\n"])?;
    Ok(kind.to_owned() + &text(u, &EVENTS, 16)?)
}

fn fitting(step: &Step) -> Event<'static> {
    match step {
        Step::ProbeCache(_) => Event::Cache(homing_core::testing::cache::Probed::default()),
        Step::LookUpHome(_) | Step::AssignHome(_) => Event::Home(Found::Failed),
        Step::Answer(..) => Event::GoOn,
        Step::Send(_) | Step::Finish(_) => Event::Origin(Outcome::Broken),
    }
}

/// As the driver takes it apart.
fn written(turn: &Turn) {
    let (id, written) = (turn.id.0.to_string(), wire::turn(turn));
    match &turn.step {
        Step::Finish(last) => finished(&written, last),
        Step::Answer(first, key) => {
            let lines: Vec<_> = written.splitn(4, '\n').collect();
            assert_eq!(lines[..3], ["answer", id.as_str(), key.as_str()]);
            end(lines[3], first.edits.iter().count());
        }
        other => asked(&written, &id, other),
    }
}

fn asked(written: &str, id: &str, step: &Step) {
    let lines: Vec<_> = written.split('\n').collect();
    assert_eq!(lines[1], id);
    match step {
        Step::ProbeCache(probe) => {
            assert_eq!((lines.len(), lines[2]), (4 + usize::from(probe.expired.is_some()), probe.key.as_str()))
        }
        Step::LookUpHome(_) => assert_eq!(lines.len(), 4),
        Step::AssignHome(_) => assert_eq!(lines.len(), 8),
        Step::Send(attempt) => {
            assert_eq!(lines[2], attempt.method);
            assert_eq!((lines[3], lines[4]), (attempt.service.as_deref().unwrap_or_default(), attempt.url.as_str()));
            assert!(attempt.url.ends_with(attempt.target.path_and_query()), "{written}");
            let (common, own) = (&attempt.common, &attempt.own);
            let usual: Vec<_> = common.usual.iter().chain(own.usual.iter()).collect();
            let others: Vec<_> = common.own.iter().chain(own.own.iter()).collect();
            assert_eq!(lines[11], if attempt.listen { "listen" } else { "deaf" });
            assert_eq!(lines[12], if attempt.access == Access::Write { "write" } else { "read" });
            let next = edits(&lines, edits(&lines, 13, &usual), &others);
            assert_eq!(lines[next..], [""], "{written}");
        }
        Step::Answer(..) | Step::Finish(_) => {}
    }
}

fn finished(written: &str, last: &Settlement) {
    end(behind_its_word(written), last.edits.iter().count());
    let lines: Vec<_> = written.split('\n').collect();
    edits(&lines, 3, &last.edits.iter().collect::<Vec<_>>());
}

fn behind_its_word(finish: &str) -> &str {
    finish.strip_prefix("finish\n").unwrap()
}

/// A finish behind its word, with so many edits.
fn end(written: &str, count: usize) {
    let lines: Vec<_> = written.split('\n').collect();
    let status: u16 = lines[0].parse().unwrap();
    assert!((101..600).contains(&status), "{status}");
    assert!(["origin", "own", "stored", "head"].contains(&lines[1].split(' ').next().unwrap()), "{written}");
    let found = lines[2..].iter().take_while(|line| !line.is_empty());
    assert!(found.clone().all(|line| line.starts_with(['-', '=', '+'])), "{written}");
    assert!(found.count() >= count.min(1), "{written}");
}

/// As `wire.mjs` reads edits: they must be those that were meant. Returns the place behind them.
fn edits(lines: &[&str], from: usize, meant: &[Edit<'_>]) -> usize {
    for (line, edit) in lines[from..].iter().zip(meant) {
        let (name, value) = line[1..].split_once('\t').map_or((&line[1..], None), |(name, value)| (name, Some(value)));
        match edit {
            Edit::Remove(gone) => assert_eq!((&line[..1], &line[1..]), ("-", *gone)),
            Edit::Set(set, to) => assert_eq!((&line[..1], name, value), ("=", *set, Some(*to))),
            Edit::Add(set, to) => assert_eq!((&line[..1], name, value), ("+", *set, Some(*to))),
        }
    }
    assert_eq!(lines[from + meant.len()], "");
    from + meant.len() + 1
}
