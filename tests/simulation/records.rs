//! What the checker is told: what clients saw, and what every region holds in the end.

use history::{Action as Shown, Operation, Record, Status};

use crate::{
    client::{Action, Client, Place, Reply},
    data::{Id, REGIONS, SHARED, Unit, is_shared},
    edge::EDGES,
    origin::UNSAID,
    request::InFlight,
    response::Response,
    world::World,
};

/// How many writes everybody tries in the end.
const WRITES: usize = 3;

impl World {
    pub fn record(&mut self, at: usize, answer: Option<&Response>) {
        let InFlight { client, action, began, life, .. } = self.requests[at];
        let sequence = self.clients[client].sequence;
        self.clients[client].sequence += 1;
        let shown = match action.deed {
            Reply::SignIn(_) | Reply::Fails => return,
            Reply::Write(id) => Shown::Write { id: id.to_string() },
            Reply::Read => Shown::Read { list: answer.map(|answer| texts(&answer.body)).unwrap_or_default() },
        };
        let mut status = status_of(action.deed, answer);
        if action.again.is_some() {
            status = of_both(Status::Unknown, status);
        }
        let began = action.again.unwrap_or(began);
        if status == Status::Unknown && action.repeatable && !self.calm && self.random.chance(700) {
            // Its client does it once more with its key, and then knows.
            self.clients[client].sequence -= 1;
            self.clients[client].repeats = Some(Action { again: Some(began), ..action });
            return;
        }
        let stale = answer.is_some_and(|answer| answer.get("homing-consistency").is_some());
        if stale {
            self.count("stale answers");
        }
        let region = answer.and_then(|answer| answer.get("homing-region").map(str::to_owned));
        if action.place.dataset == SHARED && action.deed != Reply::Read && self.clients[client].wrote_at.0 != region {
            // The read goes where the session wrote last, and what it wrote elsewhere may not be there yet (docs/sessions.md).
            let (at, times) = &mut self.clients[client].wrote_at;
            (*at, *times) = (region.clone(), *times + 1);
        }
        let unsaid = answer.is_some_and(|answer| answer.get(UNSAID).is_some());
        let Client { name, wrote_at, .. } = &self.clients[client];
        let session = match action.place.dataset {
            _ if unsaid || self.is_loose(at) => format!("{name}-alone-{sequence}"),
            SHARED => format!("{name}.{life}.{}", wrote_at.1),
            _ => format!("{name}.{life}"),
        };
        self.show(session.clone(), action.place, action.deed, answer, self.records.len() + 1);
        self.records.push(Record::Operation(Operation {
            session,
            seq: sequence,
            key: action.place.name(),
            action: shown,
            status,
            start: began as f64,
            end: self.now as f64,
            region,
            epoch: None,
            stale,
        }));
        let line = self.records.len();
        self.tell(|world| format!("[{line}] {}", world.requests[at].told(answer, status)));
    }

    /// What everybody has from before the router was there.
    pub fn begin_with_data(&mut self) {
        for place in Place::all().filter(|place| Unit::of(*place).is_some()) {
            let id = self.next_id;
            self.next_id += 1;
            self.data.begin_with(place, id);
            self.records.push(Record::Operation(Operation {
                session: format!("before-{id}"),
                seq: 0,
                key: place.name(),
                action: Shown::Write { id: id.to_string() },
                status: Status::Ok,
                start: -2.0,
                end: -1.0,
                region: None,
                epoch: None,
                stale: false,
            }));
        }
    }

    /// All is healed: whatever operators have begun comes to its end, and what they have said of regions ends.
    pub fn settle_down(&mut self) {
        self.now += 60_000;
        if !self.is_settled() {
            self.foul("the authority has something under way for ever".to_owned());
        }
        for place in Place::all() {
            let told = |region: usize| self.data.list(region, place);
            if Unit::of(place).is_some() && (told(0) != told(1) || told(1) != told(2)) {
                let line = format!("{place:?} ends as {:?}, {:?} and {:?}", told(0), told(1), told(2));
                self.foul(line);
            }
        }
    }

    /// A write and every read once more for everybody; what is not answered in time is told.
    pub fn try_all(&mut self) -> Vec<String> {
        let mut unanswered = Vec::new();
        // Who is hostile may have shut itself out.
        for client in (0..self.clients.len()).filter(|client| !self.clients[*client].hostile).collect::<Vec<_>>() {
            let places: Vec<_> = Place::all().filter(|place| self.clients[client].may_read(*place)).collect();
            for _ in 0..WRITES {
                let place = places[self.random.index(places.len())];
                unanswered.extend(self.tried(client, false, place, 2));
            }
            for place in places {
                unanswered.extend(self.tried(client, true, place, 2));
            }
        }
        unanswered
    }

    /// What was not answered in so many tries.
    fn tried(&mut self, client: usize, reads: bool, place: Place, tries: usize) -> Option<String> {
        let edge = self.random.index(EDGES);
        for _ in 0..tries {
            let deed = if reads { Reply::Read } else { Reply::Write(self.next_id) };
            self.next_id += 1;
            let request = self.requests.len();
            self.send(client, Action { deed, place, stale: false, edge, repeatable: true, again: None });
            self.until_quiet();
            if self.requests[request].answered.as_ref().is_some_and(|answer| answer.status == 200) {
                return None;
            }
        }
        Some(format!("{}: {}", place.name(), self.requests.last().unwrap().told(None, Status::Fail)))
    }

    pub fn tell_the_end(&mut self) {
        for place in Place::all() {
            let name = place.name();
            if is_shared(place.dataset) {
                self.records.push(Record::MultiWriter { key: name.clone() });
            }
            for (region, named) in REGIONS.iter().enumerate() {
                let list = texts(&self.data.list(region, place));
                self.records.push(Record::Final { region: (*named).to_owned(), key: name.clone(), list });
            }
            let lost = self.data.lost.iter().filter(|(of, _)| *of == place);
            let ids = lost.map(|(_, id)| id.to_string()).collect();
            self.records.push(Record::Lost { key: name, ids });
        }
    }
}

fn texts(ids: &[Id]) -> Vec<String> {
    ids.iter().map(Id::to_string).collect()
}

/// What a client knows of its request by the answer.
fn status_of(deed: Reply, answer: Option<&Response>) -> Status {
    let Some(answer) = answer else { return Status::Unknown };
    match (answer.status, answer.get("homing-write-outcome")) {
        (200, _) => Status::Ok,
        (_, Some("unknown")) => Status::Unknown,
        (_, Some("committed")) => Status::Ok,
        (_, Some("not-sent" | "refused")) => Status::Fail,
        _ if deed == Reply::Read => Status::Fail,
        (421, None) => Status::Fail,
        (status, outcome) => panic!("a write ended with {status} and the outcome {outcome:?}"),
    }
}

/// What is known of a write by two requests for it.
fn of_both(first: Status, second: Status) -> Status {
    match (first, second) {
        (_, Status::Ok) => Status::Ok,
        (Status::Unknown, _) | (_, Status::Unknown) => Status::Unknown,
        (_, other) => other,
    }
}
