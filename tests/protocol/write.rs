//! A client's write: from its edge, by way of home store and directory, to a region, and perhaps on to another one.

use std::rc::Rc;

use crate::{
    bugs::Bug,
    edge::{Next, Reply},
    model::{CLOCK, Model},
    state::{State, Truth},
    support::region::{Owned, Written},
};

impl Model {
    /// A write, from its client to its answer.
    pub fn writes(&self, state: &mut State, unit: usize, near: usize, belief: Option<&Owned>) -> Result<(), String> {
        let mut replies: Vec<Reply> = Vec::new();
        for _ in 0..8 {
            let near = self.scope.regions[near];
            let next = self.edges.next(unit, self.scope.units[unit], near, belief, &replies);
            replies.push(match next {
                Next::LookUp => Reply::Stored(belief.cloned()),
                Next::Assign(proposed) => Reply::Assigned(self.assigns(state, unit, proposed)),
                Next::Send(claim) => {
                    let written = self.sends(state, unit, &claim)?;
                    if let (Written::Misdirected(_), true) =
                        (&written, replies.iter().any(|reply| matches!(reply, Reply::Wrote(_))))
                    {
                        self.sees("a write that was misdirected twice");
                    }
                    Reply::Wrote(written)
                }
                Next::End(learned) => {
                    Rc::make_mut(&mut state.beliefs[unit]).extend(learned);
                    return Ok(());
                }
            });
        }
        Err("endless: a write is not answered".to_owned())
    }

    fn assigns(&self, state: &mut State, unit: usize, proposed: String) -> Owned {
        if self.scope.bug == Some(Bug::TrustsAMiss) {
            return (proposed, 1);
        }
        self.sees("a subject whose home the directory was asked for");
        let id = self.scope.units[unit].id();
        Rc::make_mut(&mut state.directory).assign(id.as_str(), "tenant", &proposed)
    }

    fn sends(&self, state: &mut State, unit: usize, claim: &Owned) -> Result<Written, String> {
        let at = self.region(&claim.0);
        let (before, write) = (self.regions.get(state.regions[at]), u64::from(state.writes));
        let mut region = (*before).clone();
        let written = region.write(&self.names[unit], claim, write, CLOCK);
        if region.unit(&self.names[unit]).owned != before.unit(&self.names[unit]).owned && claim.1 > 1 {
            self.sees("a region that hears of an owner from a write first");
        }
        self.becomes(state, at, self.regions.of(&region))?;
        match &written {
            Written::Accepted(epoch) => {
                state.writes += 1;
                let truth: &mut Truth = Rc::make_mut(&mut state.truth[unit]);
                truth.accepted(write, &before.name, *epoch)?;
                self.sees(if *epoch < truth.owned.1 { "a write at a zombie" } else { "a write that was accepted" });
            }
            Written::Misdirected(_) => self.sees("a write that was misdirected"),
            Written::Paused => self.sees("a write that met a pause"),
        }
        Ok(written)
    }
}
