//! What has happened, so that no promise is kept only because it was never tried.

use homing_core::testing::control::authority::ChangePhase;

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
                (ChangePhase::Done, false) => "a planned change done",
                (ChangePhase::Done, true) => "a forced change done",
                (ChangePhase::Aborted, _) => match was.map(|was| was.phase) {
                    Some(ChangePhase::Checking) => "a change that the preflight refused",
                    Some(ChangePhase::Pausing) => "a change that the old owner refused",
                    Some(ChangePhase::Revoking) => "a change whose pause was over too early",
                    Some(ChangePhase::Resuming) => "a change that was given up",
                    _ => "a change that came to nothing",
                },
                (ChangePhase::Granting, true) if was.is_some_and(|was| was.phase == ChangePhase::Granting) => {
                    "a change that was taken back by word"
                }
                _ => continue,
            });
        }
    }

    /// Where the authority dies.
    pub fn dies_in(&self, state: &State) -> &'static str {
        match self.authority.incoming(state.ledger).under_way().next().map(|change| change.phase) {
            Some(ChangePhase::Locating) => "an authority that died while it located",
            Some(ChangePhase::Checking) => "an authority that died while it checked",
            Some(ChangePhase::Pausing) => "an authority that died while it paused",
            Some(ChangePhase::Waiting) => "an authority that died while it waited",
            Some(ChangePhase::Revoking) => "an authority that died while it deposed",
            Some(ChangePhase::Granting) => "an authority that died while it granted",
            Some(ChangePhase::Recording) => "an authority that died while it recorded",
            Some(ChangePhase::Resuming) => "an authority that died while it resumed",
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
