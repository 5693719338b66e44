//! Clients that mean harm, or have lost what they had: a session that holds what another session has seen, and a login without a
//! session. Whatever becomes of them, nobody else's owner changes by it.

use std::rc::Rc;

use crate::{
    bugs::Bug,
    edge::{Client, Next, Reply},
    model::Model,
    state::State,
    support::region::{Owned, Read},
};

impl Model {
    /// A read by a session into which somebody has slipped a mark of another subject's later epoch. What the edge learns of it may
    /// be believed by others, and comes back with the session.
    pub fn reads(&self, state: &mut State, unit: usize, belief: Option<&Owned>, mark: &Owned) -> Result<(), String> {
        let client =
            Client { near: self.scope.regions[0], belief: belief.cloned(), mark: Some(mark.clone()), bare: false };
        let mut replies: Vec<Reply> = Vec::new();
        for _ in 0..8 {
            let next = self.edges.next(unit, self.scope.units[unit], &client, &replies);
            replies.push(match next {
                Next::LookUp => Reply::Stored(belief.cloned()),
                Next::Assign(proposed) => Reply::Assigned(self.assigns(state, unit, proposed)),
                Next::Send(at, claim) => {
                    let said = replies.iter().any(|reply| reply.names(mark)) || belief == Some(mark);
                    if claim.as_ref() == Some(mark) && !said {
                        return Err(format!("evidence: a read of {} was sent by the mark {mark:?}", self.name(unit)));
                    }
                    let region = self.regions.get(state.regions[self.region(&at)]);
                    let read = region.read(&self.names[unit], claim.as_ref());
                    self.sees(match &read {
                        Read::Misdirected(_) => "a read with a false mark that was misdirected",
                        Read::Shown(..) => "a read with a false mark that was answered",
                    });
                    Reply::Read(read)
                }
                Next::End(mut learned) => {
                    if self.scope.bug == Some(Bug::MarksBelieved) {
                        learned.push(mark.clone());
                    }
                    Rc::make_mut(&mut state.beliefs[unit]).extend(learned);
                    return Ok(());
                }
            });
        }
        Err("endless: a read is not answered".to_owned())
    }
}
