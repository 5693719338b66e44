//! Finding the home: the session, else the isolate's memory, else the home store, else the directory, which assigns one. The
//! store is a cache of the directory: that it holds nothing proves nothing.

use super::{
    context::Context,
    next::{Next, Phase},
    step::{ASSIGN, Assignment, Found, Step},
};
use crate::{
    model::reasons::{Choice, HomeSource, HomeTrouble, Refusal},
    ownership::{Owner, Ownership, evidence::Keeper},
    state::trace::TraceEvent,
};

/// Asks the home store.
pub(super) fn first(cx: &Context) -> Next<'static> {
    match cx.request.subject.clone() {
        Some(subject) => Next::Wait(cx.look_up(subject), Phase::FindingHome(Keeper::Store)),
        None => Next::Misdriven,
    }
}

/// What the home store or the directory has said.
pub(super) fn on_found(cx: &mut Context, keeper: Keeper, found: Found<'_>) -> Next<'static> {
    let allowed = cx.residency();
    let (Some(subject), Some(kind)) = (cx.request.subject.clone(), cx.split_by()) else { return Next::Misdriven };
    if let Some(ownership) = cx.found(found, keeper, &subject, allowed) {
        cx.remembered = Some(cx.remembered.map_or(ownership, |held| held.or_later(ownership)));
    }
    let known = cx.known_home().map(|(ownership, _)| ownership);
    if let Some(ownership) = known.filter(|known| keeper == Keeper::Directory || !cx.has_seen_later(*known)) {
        return owned(cx, ownership);
    }
    // Where the store cannot be asked, what was known lately is as good as what it would have said.
    if let (Found::Failed, Some(ownership)) = (found, cx.last_known)
        && !cx.has_seen_later(ownership)
    {
        cx.note(TraceEvent::Home(HomeSource::LastKnown, ownership.home()));
        return owned(cx, ownership);
    }
    let named = cx.request.session.session.subject(kind) == Some(&subject);
    // The directory says so where nothing was proposed, and then alone.
    let nobodys = keeper == Keeper::Directory && found == Found::Absent;
    if nobodys {
        cx.note(TraceEvent::HomeTrouble(HomeTrouble::TooManySubjects));
    }
    let assignment = match keeper {
        Keeper::Store if named || cx.may_name => cx.assignment((subject, kind), allowed, named, cx.lives),
        Keeper::Store => {
            let timeout = cx.patience(ASSIGN);
            Some(Assignment { subject, kind, proposed: None, named, instead_of: None, timeout })
        }
        Keeper::Directory => None,
    };
    match (assignment, known.or(cx.last_known)) {
        (Some(assignment), _) => Next::Wait(Step::AssignHome(assignment), Phase::FindingHome(Keeper::Directory)),
        (None, Some(ownership)) => owned(cx, ownership),
        (None, None) if nobodys && !cx.is_read() => Next::Refuse(Refusal::TooManySubjects),
        (None, None) => Next::Homeless,
    }
}

/// This is it.
fn owned(cx: &mut Context, ownership: Ownership) -> Next<'static> {
    cx.note_home(ownership);
    cx.join_drill(Some(ownership.home()));
    Next::Owned(Owner::of(ownership), Choice::Home)
}
