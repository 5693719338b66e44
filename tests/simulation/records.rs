//! What the checker is told: what clients saw, and what every region holds in the end.

use history::{Action as Shown, Operation, Record, Status};

use crate::{
    client::{Action, Client, Deed, Place},
    data::{Dataset, Id, KEYS, REGIONS},
    edge::EDGES,
    request::Request,
    response::Response,
    world::World,
};

impl World {
    pub fn record(&mut self, at: usize, answer: Option<&Response>) {
        let Request { client, action, began, .. } = self.requests[at];
        let sequence = self.clients[client].sequence;
        self.clients[client].sequence += 1;
        let shown = match action.deed {
            Deed::SignIn | Deed::Fails => return,
            Deed::Write(id) => Shown::Write { id: id.to_string() },
            Deed::Read => Shown::Read { list: answer.map(|answer| texts(&answer.body)).unwrap_or_default() },
        };
        let status = status_of(action.deed, answer);
        let stale = answer.is_some_and(|answer| answer.get("homing-consistency").is_some());
        if stale {
            self.count("stale answers");
        }
        let Client { name, lives, .. } = &self.clients[client];
        let session = if self.is_loose(at) { format!("{name}-alone-{sequence}") } else { format!("{name}.{lives}") };
        self.records.push(Record::Operation(Operation {
            session,
            seq: sequence,
            key: action.place.name(&self.datasets),
            action: shown,
            status,
            start: began as f64,
            end: self.now as f64,
            region: answer.and_then(|answer| answer.get("homing-region").map(str::to_owned)),
            epoch: None,
            stale,
        }));
        let line = self.records.len();
        self.tell(|world| format!("[{line}] {}", world.requests[at].told(answer, status)));
    }

    /// Everything once more for everybody; what two tries do not answer is told.
    pub fn read_all(&mut self) -> Vec<String> {
        let mut unanswered = Vec::new();
        let places = self.places();
        // Who is hostile may have shut itself out.
        for client in (0..self.clients.len()).filter(|client| !self.clients[*client].hostile).collect::<Vec<_>>() {
            for place in places.iter().copied() {
                if !self.clients[client].may_read(place) {
                    continue;
                }
                let edge = self.random.index(EDGES);
                let action = Action { deed: Deed::Read, place, stale: false, edge, repeatable: false };
                let mut tries = 0..2;
                let answered = tries.any(|_| {
                    let request = self.requests.len();
                    self.send(client, action);
                    self.until_quiet();
                    self.requests[request].answered.as_ref().is_some_and(|answer| answer.status == 200)
                });
                if !answered {
                    let told = self.requests.last().unwrap().told(None, Status::Fail);
                    unanswered.push(format!("{}: {told}", place.name(&self.datasets)));
                }
            }
        }
        unanswered
    }

    fn places(&self) -> Vec<Place> {
        let of = |(dataset, of): (usize, &Dataset)| {
            (0..of.owners.len()).flat_map(move |subject| (0..KEYS).map(move |key| Place { dataset, subject, key }))
        };
        self.datasets.iter().enumerate().flat_map(of).collect()
    }

    pub fn tell_the_end(&mut self) {
        for place in self.places() {
            let Place { dataset, subject, key } = place;
            let name = place.name(&self.datasets);
            for (region, named) in REGIONS.iter().enumerate() {
                let list = texts(&self.datasets[dataset].list(region, subject, key));
                self.records.push(Record::Final { region: (*named).to_owned(), key: name.clone(), list });
            }
            let lost = self.datasets[dataset].lost.iter().filter(|(of, _)| *of == key);
            let ids = lost.map(|(_, id)| id.to_string()).collect();
            self.records.push(Record::Lost { key: name, ids });
        }
    }
}

fn texts(ids: &[Id]) -> Vec<String> {
    ids.iter().map(Id::to_string).collect()
}

/// What a client knows of its request by the answer.
fn status_of(deed: Deed, answer: Option<&Response>) -> Status {
    let Some(answer) = answer else { return Status::Unknown };
    match (answer.status, answer.get("homing-write-outcome")) {
        (200, _) => Status::Ok,
        (_, Some("unknown")) => Status::Unknown,
        (_, Some("committed")) => Status::Ok,
        (_, Some("not-sent" | "refused")) => Status::Fail,
        _ if deed == Deed::Read => Status::Fail,
        (421, None) => Status::Fail,
        (status, outcome) => panic!("a write ended with {status} and the outcome {outcome:?}"),
    }
}
