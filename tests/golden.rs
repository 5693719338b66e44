//! Golden cases: a world and a request in, the rules, sends and answer out, as text that people read.
//!
//! `UPDATE_GOLDEN=1 cargo test --test golden` writes what the core does now; the diff is then the reviewer's to judge.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::{fmt::Write, fs, time::Duration};

use homing_core::testing::{
    cache::{
        entry::{KEPT, Variant},
        freshness::Reuse,
        key::{CacheKey, KeyParts},
        slice::Slice,
    },
    decide::reach,
    http::{edits::Edit, target::Target},
    model::{
        access::Access,
        clock::HybridTime,
        epoch::Epoch,
        ids::RegionId,
        position::{Mark, Position},
        subject::{SubjectId, SubjectKind},
        time::Timestamp,
    },
    ownership::{
        Ownership,
        stated::{Log, Shows},
    },
    request::incoming::{Content, Unsent},
    session::{self, Claim, Pin, Session},
    settle::{Base, Settlement, Source},
    state::{
        drill::{DrillKind, Drilled, Need, SamplingKey},
        health::{Asking, SendResult, Sending},
        matrix::ProbeReport,
        memory::{Observation, replicas::ReplicaId},
        published::{self, Published, RegionState},
    },
};
use support::{NOW, Reply, Story, World, keys, region, settings, stored, told, topology};

#[test]
fn every_golden_case_holds() {
    let folder = homing_tests::at("tests/golden/routing");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut wrong = String::new();
    let mut cases = 0;
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let played = replay(&text, &mut cases);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &played).unwrap();
        } else if played != text {
            let _ = write!(wrong, "{}:\n{}", path.display(), difference(&text, &played));
        }
    }
    assert!(cases > 30, "only {cases} cases were found");
    assert!(wrong.is_empty(), "{wrong}");
}

/// A file is cases: `## title`, lines of the world, the request, then indented lines of what came of it.
fn replay(text: &str, cases: &mut usize) -> String {
    let mut out = String::new();
    for block in text.split_inclusive("\n\n") {
        let kept: String = block
            .lines()
            .filter(|line| !line.starts_with("    "))
            .fold(String::new(), |all, line| if line.is_empty() { all } else { all + line + "\n" });
        out.push_str(&kept);
        if kept.starts_with("## ") {
            *cases += 1;
            out.push_str(&outcome(&kept));
        }
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn outcome(case: &str) -> String {
    let mut world = None;
    let mut setup: Vec<(&str, &str)> = Vec::new();
    for line in case.lines().filter(|line| !line.starts_with('#')) {
        match line.split_once(": ") {
            Some((key, value)) if world.is_none() && key.chars().all(|c| c.is_ascii_lowercase() || c == '-') => {
                setup.push((key, value));
            }
            _ => world = Some(World::new(line)),
        }
    }
    let mut world = world.unwrap_or_else(|| panic!("no request in:\n{case}"));
    let mut settings = settings();
    for (key, value) in setup {
        match key {
            // `user us`: where subjects live whom nobody knows.
            "first-home" => settings = support::living_in(value.split_once(' ').unwrap()),
            _ => prepare(&mut world, key, value),
        }
    }
    match world.play(&settings) {
        Ok(story) => tell(&story),
        Err(problem) => format!("    refused {} {}\n", problem.status(), problem.refusal.token()),
    }
}

fn prepare(world: &mut World, key: &str, value: &str) {
    let words: Vec<&str> = value.split(' ').collect();
    match key {
        "near" => world.near = Some(value.to_owned()),
        "store" if value == "fails" => world.store = None,
        "store" => world.store = Some(Some(value.to_owned())),
        "directory" if value == "fails" => world.directory = None,
        "directory" => world.directory = Some(Some(value.to_owned())),
        "content" if value == "streams" => world.content = Content::Unknown,
        "content" if value == "unsent" => world.content = Content::Unsent(Unsent::Slow),
        "content" if value == "broken" => world.content = Content::Unsent(Unsent::Broken),
        "content" => world.content = Content::Length(value.parse().unwrap()),
        "session" => {
            let sealed = seal(&words);
            world.fields.push(("cookie".to_owned(), format!("a=b; {}={sealed}", session::COOKIE)));
        }
        "cookie" => world.fields.push(("cookie".to_owned(), value.to_owned())),
        "header" => {
            let (name, value) = value.split_once(": ").unwrap();
            world.fields.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        "cache" => world.cache.push(copy(value)),
        "lengths" => world.lengths = Some(value.to_owned()),
        "entropy" => world.entropy = value.parse().unwrap(),
        "waited" => world.waited = true,
        "takes" => world.takes = value.parse().unwrap(),
        // `us {"eu":{"ok":false}}`: what the prober beside a region has found.
        "vantage" => {
            let (from, regions) = value.split_once(' ').unwrap();
            let text = format!(r#"{{"from":"{from}","at":{},"regions":{regions}}}"#, NOW.0);
            world.memory.observe(Observation::Measured(ProbeReport::read(&text, &topology()).unwrap()), NOW);
        }
        // `eu read open`, `doubtful`, `probe` or `returns`.
        "breaker" => breaker(world, region(words[0]), access(words[1]), words[2]),
        // `eu 3 again`: so many reads are under way there, as second sends or not.
        "under-way" | "under-way-writes" => {
            let again = words.get(2).is_some();
            let access = if key == "under-way" { Access::Read } else { Access::Write };
            let sending = Sending { region: region(words[0]), access, at: NOW, again, asking: Asking::default() };
            (0..words[1].parse().unwrap()).for_each(|_: u8| world.memory.observe(Observation::Sent(sending), NOW));
        }
        "lag" => {
            lag(world, region(words[0]), words[1].parse().unwrap(), words.get(2).map_or(1, |n| n.parse().unwrap()))
        }
        "reached" => {
            world.memory.observe(Observation::Applied(replica_of(&words), mark(words[3]).position), NOW);
        }
        // `eu orders us 1#42 500`: so long ago it was only so far, and that was too little; 0 is nothing of that log.
        "short" => {
            let at = Timestamp(NOW.0 - ago(&words));
            let copy = replica_of(&words);
            let place = (!words[3].ends_with("#0")).then(|| mark(words[3]).position);
            world.memory.observe(Observation::Behind { copy, place, source: copy.home, by: Duration::ZERO }, at);
        }
        // So many subjects, just now, by the visitor at 192.0.2.1.
        "named" => {
            let observation = Observation::NamedSubject(SamplingKey::at("192.0.2.1"));
            (0..value.parse().unwrap()).for_each(|_: u8| world.memory.observe(observation.clone(), NOW));
        }
        "remembers" => world.memory.observe(Observation::Home(subject(words[0]), owned(words[1])), NOW),
        "moved" => {
            let dataset = topology().dataset_named(words[0]).unwrap();
            world.memory.observe(Observation::Moved(dataset, owned(words[1])), NOW);
        }
        // `7 eu=draining orders=us@3 isolate=eu`: a version, region states, owners of datasets, a drill for all.
        "view" => world.memory.observe(Observation::Published(view(&words)), NOW),
        "sends" => world.deeds = value.split(" | ").map(deed).collect(),
        other => panic!("unknown key {other:?}"),
    }
}

fn access(word: &str) -> Access {
    if word == "write" { Access::Write } else { Access::Read }
}

/// Brings a breaker into that state.
fn breaker(world: &mut World, region: RegionId, access: Access, state: &str) {
    let mut hear = |heard, ago| {
        let at = Timestamp(NOW.0 - ago);
        world.memory.observe(
            Observation::Heard(Sending { region, access, at, again: false, asking: Asking::default() }, heard),
            at,
        );
    };
    let (times, ago) = match state {
        "doubtful" => (1, 1000),
        "answers" => (5, 2000),
        // Of writes one is let through after a second.
        "open" if access == Access::Write => (5, 500),
        "open" => (5, 1000),
        _ => (5, 40_000),
    };
    (0..times).for_each(|_| hear(SendResult::Unreached, ago));
    if state == "returns" {
        hear(SendResult::Answer, 1000);
    }
    // The region has answered a read.
    if state == "answers" {
        let at = Timestamp(NOW.0 - 1000);
        let read = Sending { region, access: Access::Read, at, again: false, asking: Asking::default() };
        world.memory.observe(Observation::Heard(read, SendResult::Answer), at);
    }
}

/// So many measurements of a region against every other.
fn lag(world: &mut World, region: RegionId, millis: u64, times: u64) {
    let lag = Duration::from_millis(millis);
    let others = topology().regions().map(|(id, _)| id).filter(|id| *id != region).collect::<Vec<_>>();
    for source in others {
        (0..times).for_each(|_| world.memory.observe(Observation::Lag { region, source, lag }, NOW));
    }
}

fn view(words: &[&str]) -> Published {
    let entries = || words[1..].iter().map(|word| word.split_once('=').unwrap());
    let regions = entries()
        .filter_map(|(name, state)| Some((name, RegionState::parse(state)?, NOW.after(Duration::from_secs(60)))));
    let datasets = entries().filter_map(|(name, owned)| {
        let (home, epoch) = owned.split_once('@')?;
        Some((name, home, epoch.parse().unwrap()))
    });
    let drill = entries().find(|(name, _)| DrillKind::parse(name).is_some()).map(|(kind, region)| {
        let until = NOW.after(Duration::from_secs(60)).0;
        serde_json::json!({ "id": "drill-1", "kind": kind, "region": region, "share": 10_000, "until": until })
    });
    let text = published::write(words[0].parse().unwrap(), regions, datasets, drill.as_ref());
    Published::read(&text, &topology()).unwrap()
}

/// The targets that the cases store.
const TARGETS: [&str; 13] = [
    "/about",
    "/cart/cached/1",
    "/catalog/1",
    "/catalog/1?b=c",
    "/catalog/1?x=1",
    "/catalog/2",
    "/catalog/3",
    "/likes/1",
    "/orders/1",
    "/search",
    "/session/1",
    "/tags/1",
    "/track",
];

/// A key with its target in words, where it is one of these.
fn named(key: &CacheKey) -> String {
    let (place, hash) = key.as_str().rsplit_once('/').unwrap();
    let is_it = |path: &&str| {
        let target = Target::read(&format!("https://example.com{path}")).unwrap();
        let key = CacheKey::new(&KeyParts { target: &target, dataset: "_", epoch: 0, subject: None });
        key.as_str().ends_with(hash)
    };
    TARGETS.into_iter().find(is_it).map_or(key.as_str().to_owned(), |path| format!("{place}{path}"))
}

/// `eu orders us 1#42`: the copy at eu of what us wrote as the owner since epoch 1.
fn replica_of(words: &[&str]) -> ReplicaId {
    let dataset = topology().dataset_named(words[1]).unwrap();
    reach::replica_of(
        dataset,
        region(words[0]),
        Log { home: region(words[2]), epoch: mark(words[3]).epoch },
        &topology(),
    )
}

/// The fifth word, in milliseconds.
fn ago(words: &[&str]) -> u64 {
    words.get(4).map_or(0, |ago| ago.parse().unwrap())
}

/// `1#42`: epoch and position.
fn mark(text: &str) -> Mark {
    let (epoch, position) = text.split_once('#').unwrap();
    // Of data that several owners write: what the session wrote, and what it was only shown.
    let epoch = match epoch {
        "each" => Epoch::OF_EACH_OWNER,
        "shown" => session::SHOWN,
        epoch => Epoch(epoch.parse().unwrap()),
    };
    Mark { epoch, position: Position::new(position.parse().unwrap()) }
}

/// `user:ada`.
fn subject(text: &str) -> SubjectId {
    let (kind, name) = text.split_once(':').unwrap();
    SubjectId::of(if kind == "user" { SubjectKind::User } else { SubjectKind::Tenant }, name)
}

/// A dataset, or one subject's part of it: `notes/tenant:acme`.
fn part(text: &str) -> (&str, Option<SubjectId>) {
    text.split_once('/').map_or((text, None), |(dataset, of)| (dataset, Some(subject(of))))
}

/// `eu@3`.
fn owned(text: &str) -> Ownership {
    let (home, epoch) = text.split_once('@').unwrap();
    support::owned(home, epoch.parse().unwrap())
}

/// `user:ada home=eu@3 pin=catalog@us+5000-2000 mark=notes/tenant:acme@us=1#42-3000`: for so long, since so long; a window that ended
/// so long ago is `pin=catalog@us~3000-8000`. A home is that of whoever stands before it.
fn seal(words: &[&str]) -> String {
    let mut claims = Session { issued: NOW, expires: NOW.after(session::LIFETIME), ..Session::default() };
    let mut last = SubjectKind::User;
    for word in words {
        if let Some(home) = word.strip_prefix("home=") {
            claims.subjects.settle(last, owned(home), &topology());
        } else if let Some(text) = word.strip_prefix("pin=").or_else(|| word.strip_prefix("mark=")) {
            claims.pins.push(pin(text, word.starts_with("pin=")));
        } else if let Some(time) = word.strip_prefix("clock=") {
            claims.clock = read_hybrid(time);
        } else {
            last = if word.starts_with("user:") { SubjectKind::User } else { SubjectKind::Tenant };
            claims.subjects.sign(last, Some(subject(word)));
        }
    }
    session::seal(&support::with_own_parts(claims), &keys())
}

/// `+30000#5`: so many milliseconds from now, and the counter in hexadecimal digits.
fn hybrid(time: HybridTime) -> String {
    let ahead = (time.0 >> 16).cast_signed() - NOW.0.cast_signed();
    format!("{ahead:+}#{:x}", time.0 & 0xffff)
}

fn read_hybrid(text: &str) -> HybridTime {
    let (ahead, counter) = text.split_once('#').unwrap();
    let at = Timestamp(NOW.0.checked_add_signed(ahead.parse().unwrap()).unwrap());
    HybridTime(HybridTime::at(at).0 | u64::from_str_radix(counter, 16).unwrap())
}

/// `catalog@us+5000-2000`, a window, or `notes/tenant:acme@us=1#42-3000`, a mark.
fn pin(text: &str, is_window: bool) -> Pin {
    let (dataset, rest) = text.split_once('@').unwrap();
    let (dataset, subject) = part(dataset);
    let (place, rest) = rest.split_once(if is_window { &['+', '~'][..] } else { &['='][..] }).unwrap();
    let over = text.contains('~');
    let (claim, ago) = rest.split_once('-').unwrap_or((rest, "0"));
    let since = Timestamp(NOW.0 - ago.parse::<u64>().unwrap());
    let claim = match is_window {
        true if over => Claim::Until(Timestamp(NOW.0 - claim.parse::<u64>().unwrap())),
        true => Claim::Until(NOW.after(Duration::from_millis(claim.parse().unwrap()))),
        false => Claim::AtLeast(mark(claim)),
    };
    Pin { dataset: dataset.to_owned(), subject, region: place.to_owned(), since, claim }
}

/// `us made=-3000 fresh=10000 grace=60000 shows=us:1:2a:2a; etag: "v2"`: milliseconds, `made` from now; what it shows in
/// hexadecimal; then fields of the response and, after `selects`, what a request must say. A grace of `-` is none that the
/// response speaks of.
fn copy(text: &str) -> Variant<'static> {
    let (first, fields) = text.split_once("; ").unwrap_or((text, ""));
    let words: Vec<&str> = first.split(' ').collect();
    let word = |name: &str| words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let number = |name: &str| -> i64 { word(name).map_or(0, |text| text.parse().unwrap()) };
    let span = |name: &str| Duration::from_millis(number(name).try_into().unwrap());
    let made = Timestamp(NOW.0.checked_add_signed(number("made")).unwrap());
    let grace = if word("grace") == Some("-") { Duration::ZERO } else { span("grace") };
    let mut variant = stored(words[0], made, span("fresh"), grace);
    variant.if_error = variant.if_error.filter(|_| word("grace") != Some("-"));
    variant.while_revalidate = span("during");
    variant.age = span("age");
    variant.shows = word("shows").map(|shows| Shows::read_all(shows).unwrap()).unwrap_or_default();
    variant.part = word("part").map(|part| Slice::read(&format!("bytes {part}")).unwrap());
    variant.status =
        word("status").map_or(if variant.part.is_some() { 206 } else { 200 }, |status| status.parse().unwrap());
    variant.reuse = match word("reuse") {
        None => Reuse::Allowed,
        Some("by-word") => Reuse::ByWord,
        Some("never") => Reuse::Never,
        Some("validated") => Reuse::Validated,
        Some(other) => panic!("unknown reuse {other:?}"),
    };
    variant.selecting = word("selects").unwrap_or("").to_owned().into();
    variant.kept.0[2] = Some("\"v1\"".into());
    for (name, value) in fields.split("; ").filter_map(|field| field.split_once(": ")) {
        let place = KEPT.iter().position(|kept| *kept == name).unwrap_or_else(|| panic!("{name} is not kept"));
        variant.kept.0[place] = (value != "-").then(|| value.to_owned().into());
    }
    variant
}

/// `200 homing-wrote: 1; homing-lag: us=5`, `hangs`, `refuses`, `breaks`, `unsent` (too slow), `broken off`.
fn deed(text: &str) -> Reply {
    match text {
        "hangs" => Reply::Hangs,
        "refuses" => Reply::Refuses,
        "loses" => Reply::Loses,
        "breaks" => Reply::Breaks,
        "loses the copy" => Reply::LosesStored,
        "unsent" => Reply::Unsent(Unsent::Slow),
        "broken off" => Reply::Unsent(Unsent::Broken),
        answer => {
            let (status, fields) = answer.split_once(' ').unwrap_or((answer, ""));
            let mut all: support::Fields = Vec::new();
            for part in fields.split("; ").filter(|part| !part.is_empty()) {
                match (part.split_once(": "), all.last_mut()) {
                    (Some((name, value)), _) => all.push((name.to_owned(), value.to_owned())),
                    // A parameter of the field before it.
                    (None, Some((_, value))) => *value = format!("{value}; {part}"),
                    (None, None) => panic!("no field in {part:?}"),
                }
            }
            Reply::Answers(status.parse().unwrap(), all)
        }
    }
}

/// The fields of an answer that a case tells.
const SHOWN: [&str; 7] = [
    "cache-status",
    "homing-consistency",
    "homing-write-outcome",
    "retry-after",
    "proxy-status",
    "age",
    "content-range",
];

fn tell(story: &Story) -> String {
    let topology = topology();
    let mut out = String::new();
    for line in story.end().record.trace.lines(&topology) {
        let _ = writeln!(out, "    {line}");
    }
    for attempt in &story.sent {
        let name = &topology.region(attempt.region).name;
        let ownership = told(attempt, "homing-home").zip(told(attempt, "homing-epoch"));
        let by = ownership.map_or(String::new(), |(home, epoch)| format!(" by {home}@{epoch}"));
        let least = told(attempt, "homing-min-position").map_or(String::new(), |least| format!(" at least {least}"));
        let stamp = told(attempt, "homing-clock")
            .map_or(String::new(), |stamp| format!(" stamp {}", hybrid(HybridTime::read(stamp).unwrap())));
        let unless = told(attempt, "if-none-match").map_or(String::new(), |tags| format!(" unless {tags}"));
        let (time, delay) = (attempt.timeout.as_millis(), attempt.delay.as_millis());
        let after = if delay == 0 { String::new() } else { format!(" after {delay} ms") };
        let _ = writeln!(out, "    -> {name}{by}{least}{stamp}{unless}, {time} ms{after}");
    }
    let end = story.end();
    let who = end.record.region.map_or("the router", |id| topology.region(id).name.as_str());
    let _ = writeln!(out, "    = {} from {who}: {}", end.status, end.record.decision.token());
    if let Some(Drilled { ending, needed, .. }) = end.record.drilled {
        let needed = needed.map_or(String::new(), |(region, need)| {
            let what = if need == Need::Home { "home" } else { "copy" };
            format!(", needed {} as {what}", topology.region(region).name)
        });
        let _ = writeln!(out, "    drilled: {ending:?}{needed}");
    }
    match &end.source {
        Source::Stored(place, None) if *place > 0 => drop(writeln!(out, "    body of the copy in place {place}")),
        Source::Stored(_, Some(part)) => drop(writeln!(out, "    {} bytes of it from {} on", part.length, part.from)),
        _ => {}
    }
    for name in SHOWN {
        if let Some(value) = story.says(name) {
            let _ = writeln!(out, "    {name}: {value}");
        }
    }
    for edit in end.edits.iter() {
        if let Edit::Add("set-cookie", line) | Edit::Set("homing-session", line) = edit {
            let _ = writeln!(out, "    session: {}", opened(line, NOW.after(story.took)));
        }
    }
    for publish in &end.publish {
        let _ = writeln!(out, "    publishes {}", publish.value);
    }
    if let Some((kind, home)) = &end.confirm {
        let _ = writeln!(out, "    confirms the {}'s home {}", kind.token(), home.value);
    }
    if let Some((kind, home)) = &end.tell {
        let _ = writeln!(out, "    tells the directory of the {}'s home {}", kind.token(), home.value);
    }
    for observation in &story.observations {
        if let Observation::Moved(dataset, owned) = observation {
            let (name, home) = (&topology.dataset(*dataset).unwrap().name, &topology.region(owned.home()).name);
            let _ = writeln!(out, "    learns that {name} is {home}'s since {}", owned.epoch().0);
        }
    }
    kept(&mut out, end, "");
    if let Some(behind) = story.behind() {
        kept(&mut out, behind, "behind the answer, ");
    }
    out
}

/// What becomes of the edge's entries.
fn kept(out: &mut String, end: &Settlement, when: &str) {
    if let Some(store) = &end.store {
        let from = match store.base {
            Base::Origin => String::new(),
            Base::Stored(place) => format!(" the copy in place {place}, confirmed,"),
        };
        let beside = if store.carried.is_empty() { String::new() } else { format!(", beside {:?}", store.carried) };
        let _ = writeln!(out, "    {when}stores{from} {}{beside}", named(&store.key));
    }
    for key in &end.invalidate {
        let _ = writeln!(out, "    {when}forgets {}", named(key));
    }
}

/// A session without what changes from run to run.
fn opened(line: &str, then: Timestamp) -> String {
    let sealed = line.split(';').next().unwrap().rsplit('=').next().unwrap();
    let session = session::open(sealed, &keys(), then).session;
    let names = session.subjects.all().map(|own| {
        let home = own.home().map_or(String::new(), |home| format!(" home {}@{}", home.name(), home.epoch().0));
        format!("{}{home}", own.subject().as_str())
    });
    let names: Vec<_> = names.collect();
    let mut text = if names.is_empty() { "nobody".to_owned() } else { names.join(" and ") };
    for pin in session.pins {
        let whose = pin.subject.filter(|whose| !session.subjects.has(whose));
        let whose = whose.map_or(String::new(), |whose| format!("/{}", whose.as_str()));
        let (dataset, since) = (format!("{}{whose}", pin.dataset), pin.since.since(NOW).as_millis());
        let _ = match pin.claim {
            Claim::Until(until) => {
                write!(text, " pin {dataset:?} at {} +{since}..+{}", pin.region, until.since(NOW).as_millis())
            }
            Claim::AtLeast(Mark { epoch, position }) => {
                let epoch = match epoch {
                    Epoch::OF_EACH_OWNER => "each".to_owned(),
                    session::SHOWN => "shown".to_owned(),
                    other => other.0.to_string(),
                };
                write!(text, " mark {dataset:?} of {} {epoch}#{position:x} (hex)", pin.region)
            }
        };
    }
    if session.clock > HybridTime::default() {
        let _ = write!(text, " clock {}", hybrid(session.clock));
    }
    text
}

fn difference(expected: &str, found: &str) -> String {
    let mut out = String::new();
    let (expected, found): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
    for at in 0..expected.len().max(found.len()) {
        let (was, is) = (expected.get(at), found.get(at));
        if was != is {
            let _ = writeln!(out, "{:>4} - {}\n     + {}", at + 1, was.unwrap_or(&""), is.unwrap_or(&""));
        }
    }
    out
}
