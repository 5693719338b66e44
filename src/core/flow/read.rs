//! Reads: one region, and one other if it fails in a way that is the region's and not the application's.

use std::time::Duration;

use super::{
    context::Context,
    misdirected::{Declined, NamedSubject},
    next::{Next, Phase},
    passed::Passed,
    reading::{Reading, Short, Wants},
    send::Ended,
    step::Outcome,
};
use crate::{
    cache::{
        policy::{AfterResponse, after_response},
        state::CacheState,
        stored::StoredEntry,
    },
    decide::{
        plan::{Freshness, PlannedRegion, ReadPlan},
        rank::{Judged, rank},
        reach::{Least, PositionDemand},
    },
    http::answer::{Answer, is_gateway_failure},
    model::{
        access::Access,
        ids::RegionId,
        reasons::{Choice, Exclusion, Failure, Note, Refusal},
    },
    ownership::Owner,
    request::CacheUse,
    state::{
        health::Health,
        trace::{Decision, TraceEvent},
    },
    topology::route::OnHomeDown,
};

/// A read that any near enough replica may answer.
pub(super) fn near(cx: &mut Context) -> Next<'static> {
    cx.join_drill(None);
    let plan = ReadPlan::near(&cx.request, &cx.view, &cx.freshness);
    first(cx, plan, Wants::default())
}

/// A read of what that owner has: there, or where a replica is known to be as far as the session has seen.
pub(super) fn of_owner(cx: &mut Context, owner: Owner) -> Next<'static> {
    let (owned, choice) = match &cx.freshness {
        Freshness::AtLeast => return at_least(cx, owner),
        Freshness::Pinned(pin) if pin.is_over_several() && cx.is_of_several() => return nowhere(cx, owner),
        Freshness::Pinned(pin) => (cx.wrote_at(pin).unwrap_or(owner.ownership()), Choice::PinnedHome),
        _ => (owner.ownership(), Choice::RouteHome),
    };
    let plan = ReadPlan::home(&cx.request, &cx.view, owned.home(), choice);
    let least = cx.least_of(owned);
    first(cx, plan, Wants { owner: Some(Owner::of(owned)), least, ..Wants::default() })
}

/// A read that a replica at the session's marks or further may answer, or home.
fn at_least(cx: &mut Context, owner: Owner) -> Next<'static> {
    let topology = cx.view.topology();
    let Some(marks) = cx.request.marks(topology) else { return Next::Refuse(Refusal::Internal) };
    let wrote = marks.all().iter().find_map(|(pin, _)| cx.wrote_at(pin));
    let owned = wrote.unwrap_or(owner.ownership());
    let demand = PositionDemand::of(&marks, &cx.request, topology, owned.log());
    let home = owned.home();
    cx.join_drill(Some(home));
    let owner = Some(Owner::of(owned));
    if let Some(demand) = demand {
        let plan = ReadPlan::at_least(&cx.request, &cx.view, &demand);
        return first(cx, plan, Wants { owner, least: demand.least, spares_home: demand.of_earlier, seeks: None });
    }
    let plan = ReadPlan::home(&cx.request, &cx.view, home, Choice::PositionOfOldEpoch);
    first(cx, plan, Wants { owner, ..Wants::default() })
}

/// A read of what a session wrote at several owners, which it could not remember: no region is known to have all of it, so the answer
/// says that it may be stale, where the route allows that.
fn nowhere(cx: &mut Context, owner: Owner) -> Next<'static> {
    let (region, choice) = (owner.region(), Choice::Behind);
    if cx.request.promise.on_home_down == OnHomeDown::Refuse || cx.view.is_excluded(region) {
        return Next::Refuse(Refusal::PositionNotReached).or_stale();
    }
    let target = Some(PlannedRegion { region, choice, stale: true });
    first(cx, ReadPlan { first: target, ..ReadPlan::default() }, Wants { owner: Some(owner), ..Wants::default() })
}

/// A read of which nobody can say who owns what it concerns.
pub(super) fn homeless(cx: &mut Context) -> Next<'static> {
    cx.join_drill(None);
    let plan = ReadPlan::homeless(&cx.request, &cx.view);
    first(cx, plan, Wants::default())
}

/// The first send of a plan.
pub(super) fn first(cx: &mut Context, plan: ReadPlan, wants: Wants) -> Next<'static> {
    let ReadPlan { first, fallback, after, excluded } = plan;
    excluded.into_iter().for_each(|(region, why)| cx.note_against(region, why));
    match first {
        Some(target) => ask(cx, after, Reading { target, fallback, wants, told: Least::Nothing, short: None }),
        None => exhausted(cx, None, None),
    }
}

/// Sends a read, after that delay.
pub(super) fn ask(cx: &mut Context, delay: Duration, reading: Reading) -> Next<'static> {
    let PlannedRegion { region, choice, .. } = reading.target;
    cx.note_choice(region, choice);
    let told = reading.least(cx);
    let step = cx.send(region, reading.wants.owner, told, delay);
    Next::Wait(step, Phase::Reading(Reading { told, ..reading }))
}

/// What came of a send.
pub(super) fn on_outcome<'a>(cx: &mut Context, reading: Reading, outcome: Outcome<'a>, health: &Health) -> Next<'a> {
    let region = reading.target.region;
    if cx.was_closed(region, &outcome, health) {
        return Next::Ask(Duration::ZERO, reading.once_more());
    }
    match outcome {
        Outcome::Answered(answer) => on_answer(cx, reading, answer, health),
        Outcome::TimedOut => failed(cx, reading, Failure::Timeout, None, health),
        Outcome::Refused => failed(cx, reading, Failure::Connect, None, health),
        Outcome::Lost | Outcome::Broken => failed(cx, reading, Failure::Broken, None, health),
        // Not the region's fault, and no other region could do better.
        Outcome::Unsent(unsent) => Next::Refuse(unsent.refusal()),
        Outcome::Unreadable => stored_lost(cx, &reading),
        Outcome::NotFinal => {
            cx.note(TraceEvent::Refused(Refusal::NotFinal, Some(region)));
            Next::Fail(Refusal::NotFinal).or_stale()
        }
    }
}

/// An answer: whether it is about another subject, keeps what was promised, and is the region's own.
fn on_answer<'a>(cx: &mut Context, reading: Reading, answer: Answer<'a>, health: &Health) -> Next<'a> {
    if let Some(named) = NamedSubject::by(cx, &answer) {
        return Next::Rename(named);
    }
    if let Some(short) = reading.falls_short(cx, &answer) {
        let later = reading.later_owner(cx, &answer);
        return behind(cx, &reading, &short, later);
    }
    if reading.is_given_by_a_cache(cx, &answer) {
        return given_by_a_cache(cx, reading, answer);
    }
    if is_gateway_failure(answer.status) {
        return failed(cx, reading, Failure::Status, Some(answer), health);
    }
    match reading.wants.seeks {
        Some(_) => Next::Sought(reading, answer),
        None => Next::Heard(reading, answer),
    }
}

/// An answer that will do: the client's, unless it says that another region is to be asked, or is about the stored response.
pub(super) fn heard<'a>(cx: &mut Context, reading: Reading, answer: Answer<'a>) -> Next<'a> {
    let (421, Some(owner)) = (answer.status, reading.ended().owner) else {
        return about_the_stored(cx, reading, answer);
    };
    if let Some(later) = reading.later_owner(cx, &answer) {
        return match reading.at_later(cx, later, Choice::Misdirected) {
            Ok(reading) => Next::Ask(Duration::ZERO, reading),
            Err(refusal) => Next::Refuse(refusal).or_stale(),
        };
    }
    match Declined::by(cx, owner, &answer) {
        Some(declined) => Next::Correct(declined),
        None if cx.is_corrected => Next::Refuse(Refusal::MisdirectedInVain),
        None => about_the_stored(cx, reading, answer),
    }
}

/// An answer to a question of ours about the stored response: a 304, or a 500 in whose place it may be shown; else the answer is the
/// client's. An origin that confirms what nobody has is asked again without conditions (RFC 9111 section 4.3.4: its 304 must not be
/// used to update anything).
fn about_the_stored<'a>(cx: &mut Context, reading: Reading, answer: Answer<'a>) -> Next<'a> {
    let ended = reading.ended();
    if answer.status == 500 && cx.is_usable_on_error() {
        return Next::Answer(ended, answer).or_stale();
    }
    let CacheUse::Use(lookup) = &cx.request.cache else { return Next::Answer(ended, answer) };
    if !cx.conditional {
        return Next::Answer(ended, answer);
    }
    let selected = cx.held.as_ref().and_then(StoredEntry::selected);
    match after_response(selected.as_ref().map(|(_, variant)| variant), lookup, &answer) {
        AfterResponse::Confirmed => Next::Confirmed(ended, answer, true),
        AfterResponse::Contradictory => Next::Confirmed(ended, answer, false),
        AfterResponse::ForClient | AfterResponse::Replaced => Next::Answer(ended, answer),
        AfterResponse::Unrelated => ask_without_conditions(cx, &reading),
    }
}

/// Asks there once more, for all of it.
fn ask_without_conditions(cx: &mut Context, reading: &Reading) -> Next<'static> {
    if !cx.may_send_again() {
        return Next::Refuse(Refusal::AllRegionsFailed);
    }
    cx.unconditional = true;
    Next::Ask(Duration::ZERO, reading.again())
}

/// The stored response that was asked about holds, and nobody can read it: there is none.
fn stored_lost(cx: &mut Context, reading: &Reading) -> Next<'static> {
    (cx.held, cx.cache) = (None, CacheState::Miss);
    cx.note(TraceEvent::Noted(Note::CacheLost, None));
    ask_without_conditions(cx, reading)
}

/// An answer that a cache gave where the region's own word was promised: the next one is asked, home as a rule. Where that was home,
/// what its route says is done, as if home were down.
fn given_by_a_cache<'a>(cx: &mut Context, reading: Reading, answer: Answer<'a>) -> Next<'a> {
    cx.note_against(reading.ended().region, Exclusion::GivenByCache);
    match reading.next() {
        Some(next) if cx.may_send_again() => Next::Ask(Duration::ZERO, next),
        _ if cx.request.promise.on_home_down == OnHomeDown::Stale => Next::Heard(reading.stale(), answer),
        _ => Next::Refuse(Refusal::GivenByCache).or_stale(),
    }
}

/// The replica is behind the session: the read goes home, once. Where home itself is behind, what its route says is done. A
/// replica of a later epoch knows the later owner.
fn behind(cx: &mut Context, reading: &Reading, short: &[Short], later: Option<Owner>) -> Next<'static> {
    let PlannedRegion { region, .. } = reading.target;
    reading.learn_short(cx, short);
    cx.note_against(region, Exclusion::PositionNotReached);
    if let Some(next) = later.and_then(|later| reading.at_later(cx, later, Choice::PositionOfOldEpoch).ok()) {
        return Next::Ask(Duration::ZERO, next);
    }
    let missed = reading.wants.owner.map(Owner::region).filter(|home| cx.view.is_excluded(*home));
    missed.into_iter().for_each(|home| cx.note_against(home, Exclusion::Drill));
    let (choice, refusal) = match missed {
        Some(_) => (Choice::Drill, Refusal::DrillUnreachable),
        None => (Choice::Behind, Refusal::PositionNotReached),
    };
    let at_home = reading.is_at_home();
    let for_good = reading.is_short_for_good(cx, short);
    // Of two owners each lacks what the other has: the last one has done nothing yet, and is asked for what it has.
    let may_be_last = reading.fallback.is_none() && cx.request.promise.on_home_down == OnHomeDown::Stale;
    cx.excused.behind |= for_good || may_be_last;
    let next = match reading.fallback {
        // No other region has more of an owner's own log.
        _ if for_good => Some(PlannedRegion { region, choice, stale: true }),
        // Nobody is further than home, so its own word is the best of the old ones.
        Some(fallback) if at_home && fallback.stale => Some(PlannedRegion { region, choice, stale: true }),
        // Nobody else can be asked, home neither: this one is near, and may be stale.
        None if may_be_last => {
            Some(PlannedRegion { region, choice: if at_home { choice } else { Choice::HomeDownStale }, stale: true })
        }
        fallback => fallback.map(|fallback| PlannedRegion { choice, ..fallback }),
    };
    match next {
        Some(target) if cx.may_send_again() => {
            let short = Some(region).filter(|short| *short != target.region);
            Next::Ask(Duration::ZERO, Reading { short, ..reading.at(target, None) })
        }
        _ => Next::Refuse(refusal).or_stale(),
    }
}

/// The region has failed: the other one is asked, where there is one and time for it.
fn failed<'a>(
    cx: &mut Context,
    reading: Reading,
    failure: Failure,
    said: Option<Answer<'a>>,
    health: &Health,
) -> Next<'a> {
    cx.note_failure(reading.target.region, failure);
    let other = other(cx, &reading).map(|other| {
        // The reason that the client sees is why the first region did not answer, unless the answer may be stale.
        let choice = if other.stale { other.choice } else { Choice::After(failure) };
        reading.at(PlannedRegion { choice, ..other }, None)
    });
    if let Some(next) = other.filter(|_| cx.may_send_again()).or_else(|| older(cx, &reading))
        && let Some(delay) = fails_over(cx, next.target.region, health)
    {
        let is_open = cx.view.is_open(next.target.region, Access::Read);
        let next = Next::Ask(delay, next);
        // What most likely fails too is no better than a stored response in hand.
        return if is_open { next.or_stale() } else { next };
    }
    exhausted(cx, Some(reading), said)
}

/// The other region, where the first has failed. If any replica will do and the next nearest has just failed others, one of which
/// nothing bad is known comes before it: with two regions gone, only those who find it out pay for it.
fn other(cx: &Context, reading: &Reading) -> Option<PlannedRegion> {
    let planned = reading.fallback?;
    let any_will_do = planned.choice == Choice::Nearest && !planned.stale;
    let condition = cx.view.condition(planned.region);
    if !any_will_do || !(condition.suspect || condition.full) {
        return Some(planned);
    }
    let bound = if let Freshness::Within(bound) = cx.freshness { Some(bound) } else { None };
    let others = rank(&cx.request, &cx.view, Judged { bound, home: None }).order.into_iter();
    let better = |region: &RegionId| {
        let sound = !cx.view.condition(*region).suspect && !cx.view.is_open(*region, Access::Read);
        sound && *region != reading.target.region && !cx.view.is_excluded(*region)
    };
    let mut others = others.filter(better);
    Some(others.next().map_or(planned, |region| PlannedRegion { region, ..planned }))
}

/// The replica that fell short of what was promised, where the region behind it has failed as well: its route may allow an older answer.
fn older(cx: &mut Context, reading: &Reading) -> Option<Reading> {
    let short = reading.at_short().filter(|_| cx.request.promise.on_home_down == OnHomeDown::Stale)?;
    // What was sent there first counts again if nothing more is sent.
    cx.excused.behind = true;
    cx.excused.behind = cx.may_send_again();
    cx.excused.behind.then_some(short)
}

/// Whether a failed read may go on to that region, and after which delay: within the budget at once, beyond it spread in time, so
/// that those who failed together do not topple the next. It goes on in any case: while a region lives, reads are answered.
fn fails_over(cx: &mut Context, region: RegionId, health: &Health) -> Option<Duration> {
    if cx.view.condition(region).full {
        cx.note_against(region, Exclusion::RegionFull);
        return None;
    }
    Some(if health.may_repeat(Access::Read) { Duration::ZERO } else { cx.backoff() })
}

/// No region is left: a stale response where that is allowed, else what the last region said, else a problem.
fn exhausted<'a>(cx: &Context, last: Option<Reading>, said: Option<Answer<'a>>) -> Next<'a> {
    // 502 to 504 may be the application's own words.
    if let (Some(reading), Some(answer)) = (last, said) {
        let PlannedRegion { region, stale, .. } = reading.target;
        let ended = Ended { region, decision: Decision::Exhausted, owner: None, least: Least::Nothing, stale };
        return Next::Answer(ended, answer).or_stale();
    }
    // A near replica was behind, and home has failed, or else the region that was known to have it all: that the near one was asked first is
    // not why there is no answer.
    let stands_for_home = |reading: &Reading| reading.is_at_home() || reading.short.is_some();
    let home_failed = last.is_some_and(|reading| stands_for_home(&reading) && !reading.is_stale());
    let Passed { closed, full, missed, .. } = cx.passed;
    let refusal = match (cx.tries(), cx.freshness.is_promised()) {
        _ if full => Refusal::RegionFull,
        (0, _) if missed.is_some() => Refusal::DrillUnreachable,
        (0, true) if closed => Refusal::HomeDown,
        (0, false) if closed => Refusal::RegionDown,
        (0, true) => Refusal::HomeUnknown,
        (0, false) => Refusal::LagOverBound,
        (1, true) => Refusal::HomeDown,
        _ if !cx.has_time() => Refusal::DeadlineExceeded,
        (_, true) if home_failed => Refusal::HomeDown,
        _ => Refusal::AllRegionsFailed,
    };
    Next::Refuse(refusal).or_stale()
}
