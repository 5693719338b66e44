//! A home that was given before anybody knew better: on the day on which the router is put in front of an application, the
//! directory is empty and the data is where it is. The very region that was asked as the owner, by that claim, says that it owns
//! nothing of this, and where the data is (421 with `Homing-Home`, by no later epoch). Then nobody has written by that claim, and
//! nobody will, so the directory gives the subject another home, by the next epoch; the request goes on there, once.
//!
//! No region makes itself or another one the owner by this: it can only decline what it was given itself. What operators have moved
//! the directory does not correct.

use super::{
    context::Context,
    misdirected::Declined,
    next::{Next, Phase},
    reading::Wants,
    step::{Found, Step},
};
use crate::{
    decide::plan::ReadPlan,
    model::reasons::{Choice, Refusal},
    ownership::{Owner, Ownership, evidence::Keeper},
};

/// Asks the directory to correct the home.
pub(super) fn first(cx: &mut Context, declined: Declined) -> Next<'static> {
    cx.is_corrected = true;
    Next::Wait(Step::AssignHome(declined.assignment), Phase::Correcting(declined.by))
}

/// The directory's word on that. Where the request cannot be sent once more, its client's own repeat finds its way.
pub(super) fn on_found(cx: &mut Context, declined: Ownership, found: Found<'_>) -> Next<'static> {
    let Some(subject) = cx.request.subject.clone() else { return Next::Misdriven };
    let found = cx.found(found, Keeper::Directory, &subject, cx.residency());
    let later = found.and_then(|owned| Owner::of(declined).succeeded_by(owned));
    if let Some(owner) = later {
        cx.remembered = Some(owner.ownership());
        cx.note_home(owner.ownership());
    }
    match later.filter(|_| cx.may_send_again()) {
        Some(owner) if cx.is_read() => {
            let owned = owner.ownership();
            let plan = ReadPlan::home(&cx.request, &cx.view, owned.home(), Choice::Misdirected);
            Next::Read(plan, Wants { owner: Some(owner), least: cx.least_of(owned), ..Wants::default() })
        }
        Some(owner) => Next::Owned(owner, Choice::Misdirected),
        None => Next::Refuse(Refusal::MisdirectedInVain),
    }
}
