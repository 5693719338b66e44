//! Sessions as they were written before: version 1, which had one subject of one kind.
//!
//! `1.KEY.SUBJECT.HOME.EPOCH.ISSUED.EXPIRES.PINS.SIGNATURE`. A pin without a subject was on data that is not split, or on the part of
//! the session's own. They are read for as long as one can live (30 days), and written no more: what changes is issued as version 2.
//! Where the application names both users and tenants nobody can say of which kind the subject is, so it is nobody.

use super::{Opened, Session};
use crate::ownership::own::{Home, Own};
use crate::session::pins::{believe, read_pins};
use crate::{
    model::{
        epoch::Epoch,
        reasons::Verdict,
        subject::{SubjectId, SubjectKind},
        time::Timestamp,
    },
    topology::Topology,
};

pub(super) const VERSION: &str = "1";

pub(super) fn read<'a>(fields: impl Iterator<Item = &'a str>, topology: &Topology, now: Timestamp) -> Opened {
    match read_fields(fields) {
        None => Opened::nothing(Verdict::Malformed),
        Some((_, session)) if session.expires <= now => Opened::nothing(Verdict::Expired),
        Some((own, session)) => believe(brought_over(own, session, topology), now),
    }
}

fn read_fields<'a>(mut fields: impl Iterator<Item = &'a str>) -> Option<(Option<Own>, Session)> {
    let subject = match fields.next()? {
        "-" => None,
        id => Some(SubjectId::parse(id)?),
    };
    let name = fields.next()?;
    let epoch = Epoch(fields.next()?.parse().ok()?);
    let home = (name != "-").then(|| Home { name: name.to_owned(), epoch });
    let issued = Timestamp(fields.next()?.parse().ok()?);
    let expires = Timestamp(fields.next()?.parse().ok()?);
    let session = Session { issued, expires, pins: read_pins(fields.next()?, |_| None)?, ..Session::default() };
    fields.next().is_none().then_some((subject.map(|subject| Own { subject, home }), session))
}

/// The session with its subject as one of the kind that the application names, where it names but one.
fn brought_over(own: Option<Own>, mut session: Session, topology: &Topology) -> Session {
    let mut kinds = SubjectKind::ALL.into_iter().filter(|kind| topology.identity().is_named_by_answers(*kind));
    let kind = kinds.next().filter(|_| kinds.next().is_none());
    let split_by = |name: &str| topology.dataset(topology.dataset_named(name)?)?.rule.split_by();
    session.pins.retain_mut(|pin| match (split_by(&pin.dataset), &pin.subject, &own) {
        (Some(split), None, Some(own)) if topology.identity().is_named_by_answers(split) => {
            pin.subject = Some(own.subject.clone());
            kind == Some(split)
        }
        _ => true,
    });
    if let Some(kind) = kind {
        *session.subjects.of_mut(kind) = own;
    }
    session
}
