//! An order as text: by names, for the audit log and to compare a repeated request with the first one; and as the version before
//! wrote it, for ledgers that either version may meet.

use std::time::Duration;

use super::command::{Command, DrillOrder, Order};
use crate::{
    model::{
        ids::{DatasetId, RegionId},
        subject::SubjectKind,
    },
    state::{drill::DrillKind, published::RegionState},
    topology::Topology,
};

impl Command {
    /// The command by names: the same whatever order REGIONS and DATASETS are in. When a state ends is left out, since each time it is
    /// asked for it ends later.
    #[must_use]
    pub(crate) fn text(&self, topology: &Topology) -> String {
        let region = |id: &RegionId| topology.region(*id).name.as_str();
        match self {
            Self::State(of, state, _) => format!("state {} {}", region(of), state.token()),
            Self::Promote(of, to) => format!("promote {} to {}", dataset(*of, topology), region(to)),
            Self::PromoteRegion(from, to) => format!("promote-region {} to {}", region(from), region(to)),
            Self::Move(kind, subject, to) => format!("move {}:{} to {}", kind.token(), subject.as_str(), region(to)),
            Self::Abort(id) => format!("abort {id}"),
            Self::Drill(drill) => {
                let DrillOrder { kind, region: of, share, span, limit } = drill;
                let limit = limit.map_or_else(|| "none".to_owned(), |limit| format!("errors>{limit}"));
                let (kind, seconds) = (kind.token(), span.as_secs_f64());
                format!("drill {kind} {} {share} for {seconds}s abort_if {limit}", region(of))
            }
            Self::StopDrill(id) => format!("stop-drill {id}"),
        }
    }

    /// The command as the version before wrote it, by the places of regions and datasets in the configuration.
    fn former_text(&self) -> String {
        match self {
            Self::State(RegionId(region), state, _) => format!("RegionId({region}) {}", former_state(*state)),
            Self::Promote(DatasetId(dataset), RegionId(to)) => {
                format!("Promote(DatasetId({dataset}), RegionId({to}))")
            }
            Self::PromoteRegion(RegionId(from), RegionId(to)) => {
                format!("PromoteRegion(RegionId({from}), RegionId({to}))")
            }
            Self::Move(kind, subject, RegionId(to)) => {
                let kind = match kind {
                    SubjectKind::User => "User",
                    SubjectKind::Tenant => "Tenant",
                };
                format!("Move({kind}, SubjectId({:?}), RegionId({to}))", subject.as_str())
            }
            Self::Abort(id) => format!("Abort({id:?})"),
            Self::Drill(DrillOrder { kind, region: RegionId(region), share, span, limit }) => {
                let kind = match kind {
                    DrillKind::Isolate => "Isolate",
                    DrillKind::Lose => "Lose",
                };
                let limit = limit.map_or_else(|| "None".to_owned(), |of| format!("Some(Share({}))", of.hundredths()));
                let (share, span) = (share.hundredths(), former_span(*span));
                format!(
                    "Drill(Wanted {{ kind: {kind}, region: RegionId({region}), share: Share({share}), span: {span}, limit: {limit} }})"
                )
            }
            Self::StopDrill(id) => format!("StopDrill({id:?})"),
        }
    }
}

impl Order {
    /// What is asked for, by names and with how: two requests with the same id must have the same.
    pub(crate) fn text(&self, topology: &Topology) -> String {
        let mut text = self.command.text(topology);
        let flags = [(self.dry_run, " dry_run"), (self.accept_loss, " accept_loss")];
        flags.iter().filter(|(is_set, _)| *is_set).for_each(|(_, flag)| text.push_str(flag));
        text + &self.max_pause.map_or_else(String::new, |pause| format!(" max_pause={pause}ms"))
    }

    /// The same as the version before wrote it.
    pub(crate) fn former_text(&self) -> String {
        let pause = self.max_pause.map_or_else(String::new, |pause| format!(" {pause}"));
        format!("{} {} {}{pause}", self.command.former_text(), self.dry_run, self.accept_loss)
    }
}

/// The dataset's name.
pub(crate) fn dataset(id: DatasetId, topology: &Topology) -> &str {
    topology.dataset(id).map_or("", |dataset| dataset.name.as_str())
}

fn former_state(state: RegionState) -> &'static str {
    match state {
        RegionState::Active => "Active",
        RegionState::ReadOnly => "ReadOnly",
        RegionState::Draining => "Draining",
        RegionState::Isolated => "Isolated",
        RegionState::Down => "Down",
    }
}

/// In seconds, or in milliseconds below one second: `600s`, `1.5s`, `250ms`.
fn former_span(span: Duration) -> String {
    let (seconds, millis) = (span.as_secs(), span.subsec_millis());
    match (seconds, millis) {
        (0, millis) => format!("{millis}ms"),
        (seconds, 0) => format!("{seconds}s"),
        (seconds, millis) => format!("{seconds}.{}s", format!("{millis:03}").trim_end_matches('0')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{subject::SubjectId, time::Timestamp},
        topology::{error::KeyPath, parse, raw, units::Share},
    };

    const ADA: &str = "GdAZGkoHV5U4-Bo_P4T8RX";

    fn drill(kind: DrillKind, span: Duration, limit: Option<Share>) -> Command {
        let share = Share::parse("5%").unwrap();
        Command::Drill(DrillOrder { kind, region: RegionId(1), share, span, limit })
    }

    fn commands() -> [(Command, &'static str, &'static str); 9] {
        let ada = SubjectId::parse(ADA).unwrap();
        let abort = "a \"quoted\" \\ näme";
        [
            (
                Command::State(RegionId(1), RegionState::ReadOnly, Timestamp(7)),
                "state eu read-only",
                "RegionId(1) ReadOnly",
            ),
            (
                Command::Promote(DatasetId(0), RegionId(1)),
                "promote catalog to eu",
                "Promote(DatasetId(0), RegionId(1))",
            ),
            (
                Command::PromoteRegion(RegionId(0), RegionId(1)),
                "promote-region us to eu",
                "PromoteRegion(RegionId(0), RegionId(1))",
            ),
            (
                Command::Move(SubjectKind::User, ada, RegionId(1)),
                "move user:GdAZGkoHV5U4-Bo_P4T8RX to eu",
                "Move(User, SubjectId(\"GdAZGkoHV5U4-Bo_P4T8RX\"), RegionId(1))",
            ),
            (Command::Abort(abort.to_owned()), "abort a \"quoted\" \\ näme", "Abort(\"a \\\"quoted\\\" \\\\ näme\")"),
            (Command::StopDrill("all".to_owned()), "stop-drill all", "StopDrill(\"all\")"),
            (
                drill(DrillKind::Isolate, Duration::from_secs(600), Share::parse("1%")),
                "drill isolate eu 5% for 600s abort_if errors>1%",
                "Drill(Wanted { kind: Isolate, region: RegionId(1), share: Share(500), span: 600s, limit: Some(Share(100)) })",
            ),
            (
                drill(DrillKind::Lose, Duration::from_millis(1_050), None),
                "drill lose eu 5% for 1.05s abort_if none",
                "Drill(Wanted { kind: Lose, region: RegionId(1), share: Share(500), span: 1.05s, limit: None })",
            ),
            (
                drill(DrillKind::Lose, Duration::from_millis(250), None),
                "drill lose eu 5% for 0.25s abort_if none",
                "Drill(Wanted { kind: Lose, region: RegionId(1), share: Share(500), span: 250ms, limit: None })",
            ),
        ]
    }

    #[test]
    fn a_command_is_written_by_names_and_as_the_version_before_wrote_it() {
        let vars = r#"{"REGIONS":{"us":{"origin":"https://us.example"},"eu":{"origin":"https://eu.example"}},
            "DATASETS":{"catalog":{"ownership":"single-writer","home":"us"}}}"#;
        let topology = parse(&raw::from_json(vars).unwrap(), &KeyPath::default()).unwrap().0;
        for (command, text, former) in commands() {
            assert_eq!((command.text(&topology).as_str(), command.former_text().as_str()), (text, former));
        }
    }
}
