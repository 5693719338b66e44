//! What an answer says of its copy, and what is stored of that.

use super::{Mark, Position, PositionKind};
use crate::routing::{
    answer::Answer,
    ownership::{Epoch, Ownership},
    topology::{RegionId, Topology},
};

/// By whose log a position counts: an owner's, of one epoch. It is no [`Ownership`], and nothing is sent by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// The owner.
    pub home: RegionId,
    /// Since when.
    pub epoch: Epoch,
}

impl Log {
    /// The log of that owner.
    #[must_use]
    pub fn of(owned: Ownership) -> Self {
        Self { home: owned.home(), epoch: owned.epoch() }
    }
}

/// What an answer says of its copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stated {
    /// By whose log the position counts.
    pub log: Log,
    /// At most this was seen by who reads the answer: the position after the read, or where the write committed.
    pub position: Position,
    /// At least this is in the answer: the position before the read's snapshot, where it is known.
    pub least: Option<Position>,
}

impl Stated {
    /// The most that the answer can show.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { epoch: self.log.epoch, position: self.position }
    }
}

/// What a stored copy shows: as [`Stated`], but by name, since a copy outlives a change of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shows {
    /// The owner by whose log it counts.
    pub home: String,
    /// At most this can be seen in it.
    pub most: Mark,
    /// At least this is in it, where that is known.
    pub least: Option<Position>,
}

impl Shows {
    /// What an answer shows whose region was told that it must show `asked` at least.
    #[must_use]
    pub fn of(stated: &Stated, asked: Option<Mark>, topology: &Topology) -> Self {
        let most = stated.mark();
        let asked = asked.filter(|asked| asked.epoch == most.epoch).map(|asked| asked.position.min(most.position));
        Self { home: topology.region(stated.log.home).name.clone(), most, least: stated.least.max(asked) }
    }

    /// Whether all up to that mark is certainly in it.
    #[must_use]
    pub fn covers(&self, mark: &Mark) -> bool {
        self.least.is_some_and(|least| Mark { position: least, ..self.most }.reaches(mark))
    }

    /// As text without blanks: `HOME:EPOCH:MOST:LEAST`, positions in hexadecimal digits, `-` for a least that is not known.
    #[must_use]
    pub fn write(&self) -> String {
        let Self { home, most: Mark { epoch, position }, least } = self;
        match least {
            Some(least) => format!("{home}:{}:{position:x}:{least:x}", epoch.0),
            None => format!("{home}:{}:{position:x}:-", epoch.0),
        }
    }

    /// Reads the text back.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut fields = text.split(':');
        let hex = |text: &str| u128::from_str_radix(text, 16).ok().map(Position::new);
        let home = fields.next()?.to_owned();
        let epoch = Epoch(fields.next()?.parse().ok()?);
        let most = Mark { epoch, position: hex(fields.next()?)? };
        let least = match fields.next()? {
            "-" => None,
            least => Some(hex(least)?),
        };
        fields.next().is_none().then_some(Self { home, most, least })
    }
}

/// Why an answer's position cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// The answer says none for this dataset.
    Absent,
    /// It cannot be read.
    Malformed,
    /// Nobody says by which ownership it counts, so after a promotion it would be worth nothing.
    Unowned,
}

/// Reads `Homing-Position: DATASET=POSITION; least=POSITION` of an answer, and by whose log it counts: `Homing-Home` and
/// `Homing-Epoch` of the answer, else `sent`. So what was sent may say by which log an owner counts that does not say so itself;
/// who the owner is, it may not ([`Ownership::named`]).
///
/// # Errors
/// With the reason, if the answer says nothing that can be used.
pub fn stated(
    answer: &Answer<'_>,
    dataset: (&str, PositionKind),
    sent: Option<Log>,
    topology: &Topology,
) -> Result<Stated, Unusable> {
    let (name, kind) = dataset;
    let mine = answer.headers.list("homing-position").find_map(|member| {
        let (of, value) = member.split_once('=')?;
        (of.trim() == name).then_some(value)
    });
    let mut parts = mine.ok_or(Unusable::Absent)?.split(';').map(str::trim);
    let read = |text: &str| kind.read(text).ok_or(Unusable::Malformed);
    let position = read(parts.next().unwrap_or(""))?;
    let least = parts.find_map(|part| part.strip_prefix("least=")).map(read).transpose()?;
    if least.is_some_and(|least| least > position) {
        return Err(Unusable::Malformed);
    }
    Ok(Stated { log: log(answer, sent, topology)?, position, least })
}

fn log(answer: &Answer<'_>, sent: Option<Log>, topology: &Topology) -> Result<Log, Unusable> {
    let home = match answer.headers.get("homing-home").map(str::trim) {
        Some(name) => Some(topology.region_named(name).ok_or(Unusable::Malformed)?),
        None => sent.map(|sent| sent.home),
    };
    let epoch = match answer.headers.get("homing-epoch").map(str::trim) {
        Some(epoch) => Some(epoch.parse().map(Epoch).map_err(|_| Unusable::Malformed)?),
        None => sent.map(|sent| sent.epoch),
    };
    let (Some(home), Some(epoch)) = (home, epoch) else { return Err(Unusable::Unowned) };
    Ok(Log { home, epoch })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_covers_what_is_certainly_in_it_and_no_more() {
        let mark = |epoch, value| Mark { epoch: Epoch(epoch), position: Position::new(value) };
        let shows = Shows { home: "us".to_owned(), most: mark(2, 9), least: Some(Position::new(7)) };
        assert_eq!(Shows::read(&shows.write()), Some(shows.clone()));
        assert!(shows.covers(&mark(2, 7)) && !shows.covers(&mark(2, 8)) && !shows.covers(&mark(1, 1)));
        let unknown = Shows { least: None, ..shows };
        assert_eq!(Shows::read(&unknown.write()), Some(unknown.clone()));
        assert!(!unknown.covers(&mark(2, 0)));
        assert_eq!(Shows::read("us:2:9"), None);
    }
}
