//! What can happen, and how it is told.

use crate::{
    authority::{Deed, Id},
    ledger::Passes,
    model::Model,
    state::Flight,
    support::region::Owned,
};

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// An operator gives the order of that place.
    Orders(usize),
    /// What the authority has asked for is done; its outcome is on the way.
    Arrives(Id),
    /// The outcome is heard.
    Heard(Id, Id),
    /// The authority waits no longer: command or outcome is lost, or late.
    Lost(Flight),
    /// A command comes that nobody waits for: late, or again.
    Late(Id),
    /// The authority dies, and knows what it has stored.
    Dies,
    /// It dies after it has done what it had decided, and before that was stored.
    DiesUnstored(Box<Action>),
    /// It looks at what is under way.
    Ticks,
    /// Time passes at the authority.
    Passes(Passes),
    /// A pause ends by itself.
    Expires(usize, usize),
    /// The first region follows the second one's log of a unit.
    Follows(usize, usize, usize),
    /// A client writes a unit through an edge near that region, which believes that.
    Writes(usize, usize, Option<Owned>),
    /// The same by a client who is signed in at the application and has no session.
    WritesBare(usize, usize),
    /// A client reads a unit by a session that believes that, and into which that mark was slipped.
    Reads(usize, Option<Owned>, Owned),
}

impl Model {
    /// An action in words.
    pub fn tells(&self, action: &Action) -> String {
        let effect = |id: &u32| {
            let effect = self.authority.effects.get(*id);
            format!("{} for {}", self.deed_in_words(effect.deed), effect.tag)
        };
        let region = |at: &usize| self.scope.regions[*at];
        match action {
            Action::Orders(order) => format!("an operator orders {}", self.scope.orders[*order]),
            Action::Arrives(id) => format!("done: {}", effect(id)),
            Action::Heard(id, outcome) => {
                format!("heard: {} of {}", self.authority.outcomes.get(*outcome), effect(id))
            }
            Action::Lost(Flight::Asked(id)) => format!("no answer yet: {}", effect(id)),
            Action::Lost(Flight::Answered(id, _)) => format!("the answer is lost: {}", effect(id)),
            Action::Late(deed) => format!("late or again: {}", self.deed_in_words(*deed)),
            Action::Dies => "the authority dies and is back".to_owned(),
            Action::DiesUnstored(action) => {
                format!("before its ledger is stored the authority dies: {}", self.tells(action))
            }
            Action::Ticks => "the authority looks at what is under way".to_owned(),
            Action::Passes(passes) => format!("time passes: {passes:?}"),
            Action::Expires(at, unit) => format!("the pause of {} at {} ends by itself", self.name(*unit), region(at)),
            Action::Follows(at, source, unit) => {
                format!("{} follows the log of {} at {}", region(at), self.name(*unit), region(source))
            }
            Action::WritesBare(unit, near) => {
                format!("a client near {} without a session writes {}", region(near), self.name(*unit))
            }
            Action::Reads(unit, belief, mark) => {
                format!("a client reads {} by a session with {belief:?} and the mark {mark:?}", self.name(*unit))
            }
            Action::Writes(unit, near, belief) => {
                format!("a client near {} writes {}; its edge believes {belief:?}", region(near), self.name(*unit))
            }
        }
    }

    fn deed_in_words(&self, deed: u32) -> String {
        match &*self.authority.deeds.get(deed) {
            Deed::Call(command) => {
                let query: Vec<_> = command.query.iter().map(|(key, value)| format!("{key}={value}")).collect();
                format!("{} {} {}", command.region, command.method, query.join(" "))
            }
            Deed::Ask(ask) => format!("directory {ask}"),
            Deed::After => "time".to_owned(),
            Deed::Put { key, value } => format!("put {key} {value}"),
        }
    }
}
