//! What has happened, so that no promise is kept only because it was never tried.

use homing_core::control::authority::change::Phase;

use crate::{authority::Id, model::Model, state::State, support::region::Command};

impl Model {
    /// Changes that go on from one ledger to the next.
    pub fn sees_changes(&self, before: Id, after: Id) {
        let (before, after) = (self.authority.incoming(before), self.authority.incoming(after));
        for change in &after.changes {
            let was = before.changes.iter().find(|was| was.id == change.id);
            if was.is_some_and(|was| was.phase == change.phase && was.forced == change.forced) {
                continue;
            }
            self.sees(match (change.phase, change.forced) {
                (Phase::Done, false) => "a planned change done",
                (Phase::Done, true) => "a forced change done",
                (Phase::Aborted, _) => match was.map(|was| was.phase) {
                    Some(Phase::Checking) => "a change that the preflight refused",
                    Some(Phase::Pausing) => "a change that the old owner refused",
                    Some(Phase::Deposing) => "a change whose pause was over too early",
                    Some(Phase::Resuming) => "a change that was given up",
                    _ => "a change that came to nothing",
                },
                (Phase::Granting, true) if was.is_some_and(|was| was.phase == Phase::Granting) => {
                    "a change that was taken back by word"
                }
                _ => continue,
            });
        }
    }

    /// Where the authority dies.
    pub fn dies_in(&self, state: &State) -> &'static str {
        match self.authority.incoming(state.ledger).under_way().next().map(|change| change.phase) {
            Some(Phase::Locating) => "an authority that died while it located",
            Some(Phase::Checking) => "an authority that died while it checked",
            Some(Phase::Pausing) => "an authority that died while it paused",
            Some(Phase::Waiting) => "an authority that died while it waited",
            Some(Phase::Deposing) => "an authority that died while it deposed",
            Some(Phase::Granting) => "an authority that died while it granted",
            Some(Phase::Recording) => "an authority that died while it recorded",
            Some(Phase::Resuming) => "an authority that died while it resumed",
            _ => "an authority that died while it told",
        }
    }

    /// A command that comes late is refused.
    pub fn sees_refusal(&self, command: &Command, outcome: &str) {
        if outcome.contains(r#""status":409"#) {
            match command.get("op") {
                "pause" => self.sees("a late pause that was refused"),
                "depose" => self.sees("a late deposition that was refused"),
                "grant" => self.sees("a late grant that was refused"),
                _ => {}
            }
        }
    }
}
