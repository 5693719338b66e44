//! A client's write: from its edge, by way of home store and directory, to a region, and perhaps on to another one.

use std::rc::Rc;

use crate::{
    bugs::Bug,
    edge::{Client, Next, Reply},
    model::{CLOCK, Model},
    state::{State, Truth},
    support::region::{Owned, Written},
};

impl Model {
    /// A write, from its client to its answer.
    pub fn writes(&self, state: &mut State, unit: usize, near: usize, belief: Option<&Owned>) -> Result<(), String> {
        let client = Client { near: self.scope.regions[near], belief: belief.cloned(), mark: None, bare: false };
        self.plays(state, unit, &client)
    }

    /// The same by a client who is signed in at the application and has no session: the region says whose it is.
    pub fn writes_bare(&self, state: &mut State, unit: usize, near: usize) -> Result<(), String> {
        let client = Client { near: self.scope.regions[near], belief: None, mark: None, bare: true };
        self.plays(state, unit, &client)
    }

    fn plays(&self, state: &mut State, unit: usize, client: &Client) -> Result<(), String> {
        let mut replies: Vec<Reply> = Vec::new();
        for _ in 0..8 {
            let next = self.edges.next(unit, self.scope.units[unit], client, &replies);
            replies.push(match next {
                Next::LookUp => Reply::Stored(client.belief.clone()),
                Next::Assign(proposed) => Reply::Assigned(self.assigns(state, unit, proposed)),
                Next::Send(at, claim) => {
                    let written = self.sends(state, unit, &at, claim.as_ref())?;
                    if client.bare && claim.is_some() {
                        self.sees("a write without a session that was sent on as its subject's");
                    }
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

    pub fn assigns(&self, state: &mut State, unit: usize, proposed: String) -> Owned {
        if self.scope.bug == Some(Bug::TrustsAMiss) {
            return (proposed, 1);
        }
        self.sees("a subject whose home the directory was asked for");
        let id = self.scope.units[unit].id();
        Rc::make_mut(&mut state.directory).assign(id.as_str(), self.scope.units[unit].kind(), &proposed)
    }

    fn sends(&self, state: &mut State, unit: usize, at: &str, claim: Option<&Owned>) -> Result<Written, String> {
        let at = self.region(at);
        let (before, write) = (self.regions.get(state.regions[at]), u64::from(state.writes));
        let mut region = (*before).clone();
        let written = region.write(&self.names[unit], claim, write, CLOCK);
        if region.unit(&self.names[unit]).owned != before.unit(&self.names[unit]).owned
            && claim.is_some_and(|claim| claim.1 > 1)
        {
            self.sees("a region that hears of an owner from a write first");
        }
        self.becomes(state, at, self.regions.of(&region))?;
        match &written {
            Written::Accepted(epoch) => {
                state.writes += 1;
                let truth: &mut Truth = Rc::make_mut(&mut state.truth[unit]);
                truth.accepted(write, &before.name, *epoch)?;
                self.sees(match claim {
                    _ if *epoch < truth.owned.1 => "a write at a zombie",
                    Some(_) => "a write that was accepted",
                    None => "a write without a session at a region that knows the owner",
                });
            }
            Written::Misdirected(_) => self.sees("a write that was misdirected"),
            Written::OfSubject => self.sees("a write that named nobody"),
            Written::Paused => self.sees("a write that met a pause"),
        }
        Ok(written)
    }
}
