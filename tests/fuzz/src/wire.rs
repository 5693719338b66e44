//! The text between JavaScript and Wasm: whatever comes in is read without harm, and what goes out falls apart for the driver as
//! it was meant. The driver here splits as `wire.mjs` does.

use std::rc::Rc;

use arbitrary::{Result, Unstructured};
use homing_core::{
    flow::{
        Flow,
        step::{Event, Found, Outcome, Step},
    },
    http::{headers::Edit, method::access_of},
    model::{clock::StampClock, geo::Location},
    request::admit::admit,
    settle::Settlement,
    state::{memory::Memory, view::View},
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
    "1",
    "0",
    "cookie",
    "__Host-homing=1.x",
    "vary",
    "cache-control",
    "no-cache",
    "connection",
    "homing-dev-near",
];
const EVENTS: [&str; 40] = [
    "C",
    "G",
    "HV",
    "HA",
    "HF",
    "A",
    "T",
    "B",
    "U",
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
        u.int_in_range(0..=2)?,
        text(
            u,
            &["accept-language\nde\n", "cookie\na=1\n", "connection\nx\n", "x-a\nb\n", "if-none-match\n\"a\"\n"],
            6
        )?,
    );
    let text = if u.ratio(1, 4)? { &raw } else { &sound };
    let Some(incoming) = wire::incoming(text, Location::new(u.arbitrary()?, u.arbitrary()?), NOW, u.arbitrary()?, 1)
    else {
        return Ok(());
    };
    let settings = settings();
    let mut memory = Memory::default();
    let request = match admit(&incoming, &settings, &mut StampClock::new(1)) {
        Ok(request) => request,
        Err(problem) => {
            let access = access_of(incoming.method);
            end(&wire::refusal(&problem, access, "homing", NOW, Some("{}")), 2);
            return Ok(());
        }
    };
    let (mut flow, mut step) = Flow::start(request, Rc::new(View::capture(&settings, &memory, NOW)), &memory, NOW);
    for _ in 0..32 {
        flow.take_observations().into_iter().for_each(|observation| memory.observe(observation, NOW));
        match &step {
            Step::Finish(last) => {
                finished(last);
                return Ok(());
            }
            Step::Answer(first, key) => {
                let written = wire::answered(7, key, first, &said());
                let lines: Vec<_> = written.splitn(4, '\n').collect();
                assert_eq!(lines[..3], ["G", "7", key.as_str()]);
                end(lines[3], first.edits.len());
            }
            other => asked(&wire::step(7, other), other),
        }
        let said = event(u)?;
        let event = match wire::event(&said) {
            Some(event) if !u.ratio(1, 8)? => event,
            _ => fitting(&step),
        };
        step = flow.on(event, memory.health(), NOW);
    }
    panic!("it does not end");
}

fn event(u: &mut Unstructured<'_>) -> Result<String> {
    if u.ratio(1, 4)? {
        return text(u, &EVENTS, 24);
    }
    let kind = *u.choose(&["C\n0\n1^", "HV\n", "A\n200\n", "A\n421\n", "A\n304\n"])?;
    Ok(kind.to_owned() + &text(u, &EVENTS, 16)?)
}

fn fitting(step: &Step) -> Event<'static> {
    match step {
        Step::ProbeCache(_) => Event::Cache(homing_core::cache::Probed::default()),
        Step::LookUpHome(_) | Step::AssignHome(_) => Event::Home(Found::Failed),
        Step::Answer(..) => Event::GoOn,
        Step::Send(_) | Step::Finish(_) => Event::Origin(Outcome::Broken),
    }
}

fn said() -> wire::Said {
    wire::Said { log: vec!["{}".to_owned()], view_is_old: true }
}

/// As the driver takes a step apart.
fn asked(written: &str, step: &Step) {
    let lines: Vec<_> = written.split('\n').collect();
    assert_eq!(lines[1], "7");
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
            let meant = attempt.common.iter().chain(&attempt.own);
            let next = edits(&lines, 11, &meant.collect::<Vec<_>>());
            assert_eq!(lines[next..], [""], "{written}");
        }
        Step::Answer(..) | Step::Finish(_) => {}
    }
}

fn finished(last: &Settlement) {
    let written = wire::finish(last, &said());
    end(&written, last.edits.len());
    let lines: Vec<_> = written.split('\n').collect();
    edits(&lines, 3, &last.edits.iter().collect::<Vec<_>>());
}

/// An `F`, with so many edits.
fn end(written: &str, count: usize) {
    let lines: Vec<_> = written.split('\n').collect();
    assert_eq!(lines[0], "F");
    let status: u16 = lines[1].parse().unwrap();
    assert!((101..600).contains(&status), "{status}");
    assert!(lines[2].starts_with(['o', 't', 'c', 'h']));
    let found = lines[3..].iter().take_while(|line| !line.is_empty());
    assert!(found.clone().all(|line| line.starts_with(['-', '=', '+'])), "{written}");
    assert!(found.count() >= count.min(1), "{written}");
}

/// As `wire.mjs` reads edits: they must be those that were meant. Returns the place behind them.
fn edits(lines: &[&str], from: usize, meant: &[&Edit]) -> usize {
    for (line, edit) in lines[from..].iter().zip(meant) {
        let (name, value) = line[1..].split_once('\t').map_or((&line[1..], None), |(name, value)| (name, Some(value)));
        match edit {
            Edit::Remove(gone) => assert_eq!((&line[..1], &line[1..]), ("-", gone.as_str())),
            Edit::Set(set, to) => assert_eq!((&line[..1], name, value), ("=", *set, Some(to.as_str()))),
            Edit::Append(set, to) => assert_eq!((&line[..1], name, value), ("+", *set, Some(to.as_str()))),
            Edit::Add(set, to) => assert_eq!((&line[..1], name, value), ("+", set.as_str(), Some(to.as_str()))),
        }
    }
    assert_eq!(lines[from + meant.len()], "");
    from + meant.len() + 1
}
