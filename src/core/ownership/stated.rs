//! What an answer says of its copy, and what is stored of that.

use crate::model::position::{Mark, Position, PositionKind};
use crate::{
    http::{answer::Answer, headers::MOST_MEMBERS},
    model::{epoch::Epoch, ids::RegionId},
    topology::{Topology, dataset::Dataset},
};

/// The most members of `Homing-Position` that are read: one for each owner, of several datasets.
const MOST_STATED: usize = 4 * MOST_MEMBERS;

/// By whose log a position counts: an owner's, of one epoch. It is no [`Ownership`](super::Ownership), and nothing is sent by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// The owner.
    pub home: RegionId,
    /// Since when.
    pub epoch: Epoch,
}

impl Log {
    /// The log of one of the several owners of a multi-writer dataset.
    #[must_use]
    pub fn of_one_owner(home: RegionId) -> Self {
        Self { home, epoch: Epoch::OF_EACH_OWNER }
    }
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

    /// Whether all up to that mark on that owner's log is certainly in what shows these.
    #[must_use]
    pub fn are_certain_of(all: &[Self], owner: &str, mark: &Mark) -> bool {
        all.iter().any(|shows| shows.home == owner && shows.covers(mark))
    }

    /// Adds what a stored response shows that an origin has confirmed, where the confirmation itself does not say it: of several owners each
    /// stands for itself, and what was in the response is in it still.
    pub fn add_confirmed(new: &mut Vec<Self>, old: &[Self]) {
        let of_each = |shows: &Self| shows.most.epoch == Epoch::OF_EACH_OWNER;
        let (is_bare, several) = (new.is_empty(), new.iter().all(of_each));
        let unsaid = |old: &&Self| is_bare || (several && of_each(old) && new.iter().all(|new| new.home != old.home));
        let kept: Vec<_> = old.iter().filter(unsaid).cloned().collect();
        new.extend(kept);
    }

    /// What is shown of each owner's log, as text without blanks, parted by commas. Versions that know of one log alone cannot read
    /// several, and so take the stored response for none.
    #[must_use]
    pub fn write_all(all: &[Self]) -> String {
        let mut text = String::new();
        for shows in all {
            text.push_str(if text.is_empty() { "" } else { "," });
            text.push_str(&shows.write());
        }
        text
    }

    /// Reads the text back.
    #[must_use]
    pub fn read_all(text: &str) -> Option<Vec<Self>> {
        if text.is_empty() { Some(Vec::new()) } else { text.split(',').map(Self::read).collect() }
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
/// Of a multi-writer dataset there is a member for each owner, `DATASET@OWNER=POSITION; …`: a version vector, since each owner keeps a log
/// of its own (Parker et al., "Detection of Mutual Inconsistency in Distributed Systems", 1983). A region that is not known here is passed
/// over. Without such a member, the one that names no owner is of the clock that all owners share; counters have no such clock.
///
/// A `shows` beyond the position, or one that cannot be read, is as if it were not said: then the position stands for what was seen,
/// which is never too low.
///
/// # Errors
/// With the reason, if the answer says nothing that can be used. What is stated is never empty.
pub fn stated(
    answer: &Answer<'_>,
    (dataset, kind): (&Dataset, PositionKind),
    sent: Option<Log>,
    topology: &Topology,
) -> Result<Vec<Stated>, Unusable> {
    let several = dataset.rule.is_multi_writer();
    let (mut of_owners, mut of_all) = (Vec::<Stated>::new(), None);
    for member in answer.headers.list("homing-position").take(MOST_STATED) {
        let Some((of, value)) = member.split_once('=') else { continue };
        match of.trim().strip_prefix(dataset.name.as_str()) {
            Some("") => of_all = of_all.or(Some(value)),
            Some(of) if several => {
                let owner = of.strip_prefix('@').and_then(|owner| topology.region_named(owner));
                let new = owner.filter(|owner| of_owners.iter().all(|known| known.log.home != *owner));
                if let Some(owner) = new {
                    let (position, least, shows) = parts(value, kind)?;
                    of_owners.push(Stated { log: Log::of_one_owner(owner), position, least, shows });
                }
            }
            _ => {}
        }
    }
    if !of_owners.is_empty() {
        return Ok(of_owners);
    }
    let value = of_all.ok_or(Unusable::Absent)?;
    if several && kind == PositionKind::Counter {
        return Err(Unusable::Malformed);
    }
    let (position, least, shows) = parts(value, kind)?;
    let mut log = log(answer, sent, topology)?;
    if several {
        // Whatever epoch the answer says: such owners never change.
        log.epoch = Epoch::FIRST;
    }
    Ok(vec![Stated { log, position, least, shows }])
}

/// Reads `POSITION; least=POSITION; shows=POSITION`.
fn parts(value: &str, kind: PositionKind) -> Result<(Position, Option<Position>, Option<Position>), Unusable> {
    let mut parts = value.split(';').map(str::trim);
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
    Ok((position, least, shows))
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

    fn topology() -> Topology {
        let vars = r#"{"REGIONS":{"us":{"origin":"https://us.example"},"eu":{"origin":"https://eu.example"}},
            "DATASETS":{"catalog":{"ownership":"single-writer","home":"us"},
            "likes":{"ownership":"multi-writer","conflicts":{"rule":"merge","explain":"All of them stay here."}}}}"#;
        parse(&raw::from_json(vars).unwrap(), &KeyPath::default()).unwrap().0
    }

    fn all_said(field: &str, dataset: &str, kind: PositionKind) -> Result<Vec<Stated>, Unusable> {
        let topology = topology();
        let headers = Headers(vec![("homing-position", field), ("homing-home", "us"), ("homing-epoch", "2")]);
        let answer = Answer { status: 200, headers, framing: Framing::Delimited };
        let dataset = topology.dataset(topology.dataset_named(dataset).unwrap()).unwrap();
        stated(&answer, (dataset, kind), None, &topology)
    }

    fn said(field: &str) -> Result<Stated, Unusable> {
        all_said(field, "catalog", PositionKind::Counter).map(|said| said[0])
    }

    #[test]
    fn of_several_owners_each_has_a_place_of_its_own() {
        let (us, eu) = (Log::of_one_owner(RegionId(0)), Log::of_one_owner(RegionId(1)));
        let all = |field| all_said(field, "likes", PositionKind::Counter);
        let two =
            all("likes@us=17; least=16; shows=12, catalog=9, likes@mars=1, likes@eu=4; shows=9, likes@us=99").unwrap();
        let seen = |log: Log, value| Mark { epoch: log.epoch, position: Position::new(value) };
        let marks: Vec<_> = two.iter().map(|stated| (stated.log, stated.seen())).collect();
        assert_eq!(marks, [(us, seen(us, 12)), (eu, seen(eu, 4))]);
        assert_eq!(two[0].least, Some(Position::new(16)));
        assert_eq!(all("likes@us=17, likes@eu=x"), Err(Unusable::Malformed));
        assert_eq!(all("likes=17"), Err(Unusable::Malformed), "counters of several logs have no common one");
        assert_eq!(all("catalog=17, likesus=1, likes@mars=1, likesx@us=1"), Err(Unusable::Absent));
        let hlc = |field| all_said(field, "likes", PositionKind::Hlc).unwrap()[0].log.epoch;
        assert_eq!(hlc("likes=1-1-1"), Epoch::FIRST, "whatever epoch its answer says");
        assert_eq!(hlc("likes=1-1-1, likes@eu=2-1-1"), Epoch::OF_EACH_OWNER);
        assert_eq!(all_said("catalog@us=17", "catalog", PositionKind::Counter), Err(Unusable::Absent));
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
        let topology = topology();
        let mark = |value| Mark { epoch: Epoch(2), position: Position::new(value) };
        let shows = Shows::of(&said("catalog=42; least=41; shows=17").unwrap(), None, &topology);
        assert_eq!((shows.write().as_str(), shows.most), ("us:2:11:29", mark(17)));
        assert!(shows.covers(&mark(41)) && !shows.covers(&mark(42)));
        let told = Shows::of(&said("catalog=42; shows=17").unwrap(), Some(mark(30)), &topology);
        assert!(told.covers(&mark(30)) && !told.covers(&mark(31)) && told.most == mark(17));
    }

    #[test]
    fn of_an_endless_list_no_more_is_read_than_it_can_honestly_say() {
        let many = |times: usize| vec!["likes@mars=1"; times].join(", ") + ", likes@us=17";
        let all = |field: &str| all_said(field, "likes", PositionKind::Counter);
        assert_eq!(all(&many(MOST_STATED - 1)).unwrap().len(), 1);
        assert_eq!(all(&many(MOST_STATED)), Err(Unusable::Absent));
    }

    #[test]
    fn a_confirmation_that_names_fewer_owners_leaves_the_others_as_they_were() {
        let shows = |home: &str, epoch, most, least: u128| {
            let (most, least) = (Mark { epoch, position: Position::new(most) }, Some(Position::new(least)));
            Shows { home: home.to_owned(), most, least }
        };
        let (each, one) = (Epoch::OF_EACH_OWNER, Epoch(2));
        let old = [shows("us", each, 17, 16), shows("eu", each, 4, 4)];
        let confirmed = |new: &[Shows], old: &[Shows]| {
            let mut all = new.to_vec();
            Shows::add_confirmed(&mut all, old);
            all
        };
        let us = shows("us", each, 18, 18);
        assert_eq!(confirmed(std::slice::from_ref(&us), &old), [us.clone(), old[1].clone()]);
        assert_eq!(confirmed(&[], &old), old);
        let scalar = [shows("us", one, 9, 9)];
        assert_eq!(confirmed(&scalar, &old), scalar, "one clock of all owners says it all");
        assert_eq!(confirmed(std::slice::from_ref(&us), &scalar), [us], "and is another thing than a log");
        assert_eq!(confirmed(&scalar, &[shows("eu", Epoch(1), 7, 7)]), scalar, "one owner follows another");
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
        let two = [unknown.clone(), Shows { home: "eu".to_owned(), ..unknown }];
        for all in [&two[..], &two[..1], &[]] {
            assert_eq!(Shows::read_all(&Shows::write_all(all)).as_deref(), Some(all));
        }
        assert_eq!(Shows::read(&Shows::write_all(&two)), None, "who knows of one log alone");
        assert_eq!(Shows::read_all("us:2:9:7,"), None);
    }
}
