//! Reads of a session that has seen the writes of a later owner than anybody here has heard of.
//!
//! A mark is no ownership (see `ownership`): the home has been looked up by now, and is what it was. So the home that is known is
//! asked first. If it knows a later owner it says so, and the read goes on there. Else the region that the mark names is asked,
//! still by the ownership that is known: if it calls itself the owner, since the epoch of the mark or later, then that is an origin's
//! own word, and its answer is the home's. If nobody says anything of the kind, the answer says that it may be stale: the promise is
//! not broken in silence. A route that refuses stale reads refuses these, too, but no longer than half a minute after the session
//! saw that: by then every region knows of a change of owner, and nobody is locked out of their data by a mark.

use std::time::Duration;

use super::{
    context::Context,
    next::Next,
    reading::{Reading, SoughtEpoch, Wants, is_short_of},
};
use crate::{
    decide::{
        plan::{PlannedRegion, ReadPlan},
        rank::{Judged, rank},
        reach::log_of,
    },
    http::answer::Answer,
    model::{
        ids::RegionId,
        reasons::{Choice, Refusal},
    },
    ownership::Owner,
    session::LONGEST_PIN,
    topology::route::OnHomeDown,
};

/// Asks the home that is known, then the region that the mark names.
pub(super) fn first(cx: &mut Context, owner: Owner) -> Next<'static> {
    let Some((pin, mark)) = cx.session_mark() else { return Next::Refuse(Refusal::Internal) };
    let overdue = cx.now.since(pin.since) >= LONGEST_PIN;
    let named = log_of(pin, mark, &cx.request, cx.view.topology()).map(|log| log.home);
    let may_be_stale = overdue || cx.request.promise.on_home_down == OnHomeDown::Stale;
    let home = owner.region();
    cx.join_drill(Some(home));
    let choice = Choice::PositionOfLaterEpoch;
    // After so long every region knows of a change of owner, and home is the best there is.
    let named = named.filter(|named| !overdue && *named != home && may_be_read(cx, *named));
    let named = named.map(|region| PlannedRegion { region, choice, stale: false });
    let ReadPlan { first, fallback, excluded, .. } = ReadPlan::home(&cx.request, &cx.view, home, choice);
    let plan = match first {
        Some(first) if first.region == home => {
            ReadPlan { first: Some(first), fallback: named.or(fallback), excluded, ..ReadPlan::default() }
        }
        elsewhere => {
            // Home is the last, where it would most likely fail.
            let fallback = elsewhere.filter(|_| named.is_some()).or(fallback);
            ReadPlan { first: named.or(elsewhere), fallback, excluded, ..ReadPlan::default() }
        }
    };
    Next::Read(plan, Wants { owner: Some(owner), seeks: Some(SoughtEpoch { mark, may_be_stale }), ..Wants::default() })
}

fn may_be_read(cx: &Context, region: RegionId) -> bool {
    let ranking = rank(&cx.request, &cx.view, Judged { bound: None, home: Some(region) });
    ranking.order.contains(&region) && !cx.view.is_excluded(region)
}

/// What a region answers that was asked for the later owner.
pub(super) fn on_answer<'a>(cx: &mut Context, reading: Reading, answer: Answer<'a>) -> Next<'a> {
    let Some(seeks) = reading.wants.seeks else { return Next::Heard(reading, answer) };
    let later = reading.later_owner(cx, &answer).filter(|later| later.epoch() >= seeks.mark.epoch);
    if let Some(later) = later {
        if let Ok(next) = reading.at_later(cx, later, Choice::PositionOfLaterEpoch) {
            return Next::Ask(Duration::ZERO, next);
        }
        let own = reading.by(later);
        if own.is_at_home() && answer.status != 421 && !is_short_of(cx, seeks.mark, later, &answer) {
            return Next::Heard(own, answer);
        }
    }
    match reading.next() {
        Some(next) if cx.may_send_again() => Next::Ask(Duration::ZERO, next),
        _ if seeks.may_be_stale && answer.status != 421 => Next::Heard(reading.stale(), answer),
        _ => Next::Refuse(Refusal::PositionNotReached).or_stale(),
    }
}
