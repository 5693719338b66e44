//! What an answer says of its copy, and what is stored of that.

use crate::model::position::{Mark, Position, PositionKind};
use crate::{
    http::answer::Answer,
    model::{epoch::Epoch, ids::RegionId},
    topology::Topology,
};

/// By whose log a position counts: an owner's, of one epoch. It is no [`Ownership`](super::Ownership), and nothing is sent by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// The owner.
    pub home: RegionId,
    /// Since when.
    pub epoch: Epoch,
}

/// What an answer says of its copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stated {
    /// By whose log the position counts.
    pub log: Log,
    /// How far the copy was after the read, or where the write committed.
    pub position: Position,
    /// At least this is in the answer: the position before the read's snapshot, where it is known.
    pub least: Option<Position>,
    /// The newest write that had any part in the answer, deletions too, where the origin says it; never beyond the position.
    pub shows: Option<Position>,
}

impl Stated {
    /// How far the copy is. It decides whether its region may answer a session; what a session has seen is another thing.
    #[must_use]
    pub fn place(&self) -> Mark {
        Mark { epoch: self.log.epoch, position: self.position }
    }

    /// The most that who reads the answer can have seen. Within one owner's log a copy that has reached this has every write up to
    /// it, so all that was seen is there; what is later was not seen. Where the origin does not say it, that is all that the copy had.
    #[must_use]
    pub fn seen(&self) -> Mark {
        Mark { epoch: self.log.epoch, position: self.shows.unwrap_or(self.position) }
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
        let place = stated.place();
        let asked = asked.filter(|asked| asked.epoch == place.epoch).map(|asked| asked.position.min(place.position));
        let home = topology.region(stated.log.home).name.clone();
        // An idle row in a copy that is far on: the least lies beyond the most then, and both are true.
        Self { home, most: stated.seen(), least: stated.least.max(asked) }
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

/// Reads `Homing-Position: DATASET=POSITION; least=POSITION; shows=POSITION` of an answer, the parameters in any order, and by whose
/// log it counts: `Homing-Home` and `Homing-Epoch` of the answer, else `sent`. So what was sent may say by which log an owner counts
/// that does not say so itself; who the owner is, it may not ([`Ownership::named`](super::Ownership::named)).
///
/// A `shows` beyond the position, or one that cannot be read, is as if it were not said: then the position stands for what was seen,
/// which is never too low.
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
    let (mut least, mut shows) = (None, None);
    for part in parts {
        match part.split_once('=') {
            Some(("least", value)) => least = Some(read(value)?),
            Some(("shows", value)) => shows = kind.read(value).filter(|shows| *shows <= position),
            _ => {}
        }
    }
    if least.is_some_and(|least| least > position) {
        return Err(Unusable::Malformed);
    }
    Ok(Stated { log: log(answer, sent, topology)?, position, least, shows })
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
    use crate::{
        http::{answer::Framing, headers::Headers},
        topology::{error::KeyPath, parse, raw},
    };

    fn said(field: &str) -> Result<Stated, Unusable> {
        let vars = r#"{"REGIONS":{"us":{"origin":"https://us.example"},"eu":{"origin":"https://eu.example"}}}"#;
        let topology = parse(&raw::from_json(vars).unwrap(), &KeyPath::default()).unwrap().0;
        let headers = Headers(vec![("homing-position", field), ("homing-home", "us"), ("homing-epoch", "2")]);
        let answer = Answer { status: 200, headers, framing: Framing::Delimited };
        stated(&answer, ("catalog", PositionKind::Counter), None, &topology)
    }

    #[test]
    fn what_an_answer_shows_is_another_thing_than_how_far_its_copy_is() {
        for (field, least, seen) in [
            ("catalog=42", None, 42),
            ("catalog=42; least=41", Some(41), 42),
            ("catalog=42; least=41; shows=17", Some(41), 17),
            ("catalog=42;shows=17;later=x;least=41;", Some(41), 17),
            ("likes=7; shows=1, catalog=42; shows=0", None, 0),
            ("catalog=42; shows=42", None, 42),
            // Never too low: what cannot be is as if it were not said.
            ("catalog=42; shows=43", None, 42),
            ("catalog=42; shows=", None, 42),
            ("catalog=42; shows=0/17", None, 42),
            ("catalog=42; shows", None, 42),
        ] {
            let said = said(field).unwrap();
            let seen = Mark { epoch: Epoch(2), position: Position::new(seen) };
            assert_eq!((said.place().position, said.seen()), (Position::new(42), seen), "{field}");
            assert_eq!(said.least, least.map(Position::new), "{field}");
        }
        for bad in ["catalog=x; shows=1", "catalog=42; least=43; shows=1", "catalog=42; least=x"] {
            assert_eq!(said(bad), Err(Unusable::Malformed), "{bad}");
        }
    }

    #[test]
    fn a_copy_of_what_is_idle_shows_little_and_covers_much() {
        let vars = r#"{"REGIONS":{"us":{"origin":"https://us.example"},"eu":{"origin":"https://eu.example"}}}"#;
        let topology = parse(&raw::from_json(vars).unwrap(), &KeyPath::default()).unwrap().0;
        let mark = |value| Mark { epoch: Epoch(2), position: Position::new(value) };
        let shows = Shows::of(&said("catalog=42; least=41; shows=17").unwrap(), None, &topology);
        assert_eq!((shows.write().as_str(), shows.most), ("us:2:11:29", mark(17)));
        assert!(shows.covers(&mark(41)) && !shows.covers(&mark(42)));
        let told = Shows::of(&said("catalog=42; shows=17").unwrap(), Some(mark(30)), &topology);
        assert!(told.covers(&mark(30)) && !told.covers(&mark(31)) && told.most == mark(17));
    }

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
