//! After a sign-in: the session starts with the homes of those who have signed in, or without where nobody could say.

use super::{
    context::Context,
    next::{Next, Phase},
    step::{Found, Step},
};
use crate::{
    ownership::evidence::Keeper,
    settle::{Publish, Settlement, session::SignIn},
};

/// The first of them. What was heard of the region is learned now, whether or not anybody waits for the rest.
pub(super) fn first(cx: &mut Context, mut settlement: Box<Settlement>, sign_in: Box<SignIn>) -> Next<'static> {
    cx.observations.append(&mut settlement.observations);
    next(cx, settlement, sign_in)
}

/// Looks up the next of them.
fn next(cx: &mut Context, settlement: Box<Settlement>, sign_in: Box<SignIn>) -> Next<'static> {
    match sign_in.next().cloned() {
        Some((_, subject)) => Next::Wait(cx.look_up(subject), Phase::SigningIn(settlement, sign_in, Keeper::Store)),
        None => all(cx, settlement, &sign_in),
    }
}

/// What was found of one of them.
pub(super) fn on_found(
    cx: &mut Context,
    (mut settlement, mut sign_in): (Box<Settlement>, Box<SignIn>),
    keeper: Keeper,
    found: Found<'_>,
) -> Next<'static> {
    let Some((kind, subject)) = sign_in.next().cloned() else { return all(cx, settlement, &sign_in) };
    let allowed = cx.view.topology().residency(kind);
    let home = cx.found(found, keeper, &subject, allowed);
    if home.is_none()
        && keeper == Keeper::Store
        && let Some(assignment) = cx.assignment((subject, kind), allowed, true, sign_in.lives_in(allowed))
    {
        return Next::Wait(Step::AssignHome(assignment), Phase::SigningIn(settlement, sign_in, Keeper::Directory));
    }
    sign_in.found(home, cx.view.topology());
    // At once, since the next may be found, too.
    if let Some((subject, owned)) = cx.publish.take() {
        settlement.publish.push(Publish::new(subject, owned, &cx.view));
    }
    next(cx, settlement, sign_in)
}

/// All are found, or nobody could say: the client gets its session.
fn all(cx: &mut Context, mut settlement: Box<Settlement>, sign_in: &SignIn) -> Next<'static> {
    settlement.record_mut().trace.append(std::mem::take(&mut cx.trace));
    settlement.observations.append(&mut cx.observations);
    settlement.issue(sign_in, &cx.request, &cx.view, cx.now);
    Next::Finish(settlement)
}
