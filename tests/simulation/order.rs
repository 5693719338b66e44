//! The order across keys, which the checker of `tests/history` does not know of: a copy that shows one write of a log has all that
//! came before it in that log. So a session that was shown a write, or made one, is from then on shown whatever was written before it
//! in the same part of a dataset, under whatever key.

use std::collections::BTreeMap;

use crate::{
    client::{Place, Reply},
    data::{DATASETS, Id, Unit},
    response::Response,
    world::World,
};

/// A write, and its place: epoch, and how far in the owner's log.
type Written = (Id, (u64, usize));

/// What a session was shown of a key, or has written there.
pub struct Shown {
    session: String,
    place: Place,
    /// None of a write.
    list: Option<Vec<Id>>,
    id: Option<Id>,
    stale: bool,
    line: usize,
}

impl World {
    /// Notes what a session was shown.
    pub fn show(&mut self, session: String, place: Place, deed: Reply, answer: Option<&Response>, line: usize) {
        let Some(answer) = answer.filter(|answer| answer.status == 200) else { return };
        let stale = answer.get("homing-consistency").is_some();
        let (list, id) = match deed {
            Reply::Read => (Some(answer.body.clone()), None),
            Reply::Write(id) => (None, Some(id)),
            Reply::SignIn(_) | Reply::Fails => return,
        };
        if DATASETS[place.dataset].positions && self.habits.reads_say && !self.skewed {
            self.shown.push(Shown { session, place, list, id, stale, line });
        }
    }

    /// Law: nobody is shown an order that never was.
    pub fn weigh_order(&mut self) {
        let all: Vec<(Place, Vec<Written>)> = Place::all()
            .map(|place| {
                let last = self.data.list(0, place);
                (
                    place,
                    self.data
                        .places(place)
                        .filter(|(id, _)| last.contains(id) && !self.data.lost.contains(&(place, *id)))
                        .collect(),
                )
            })
            .collect();
        let of = |place: Place| &all.iter().find(|(at, _)| *at == place).unwrap().1;
        // By session and part: the latest write of which it knows.
        let mut known: BTreeMap<(&str, usize, usize), (u64, usize)> = BTreeMap::new();
        let mut foul = Vec::new();
        for Shown { session, place, list, id, stale, line } in &self.shown {
            let Some(unit) = Unit::of(*place) else { continue };
            let known = known.entry((session, place.dataset, unit.at())).or_default();
            let seen = list.iter().flatten().chain(id);
            let seen = seen.filter_map(|id| of(*place).iter().find(|(of, _)| of == id)).map(|(_, at)| *at).max();
            if let Some(list) = list.as_ref().filter(|_| !stale) {
                let missing = of(*place).iter().find(|(id, at)| at <= known && !list.contains(id));
                foul.extend(missing.map(|(id, _)| format!("[{line}] {session} is not shown {id} of {}", place.name())));
            }
            *known = (*known).max(seen.unwrap_or_default());
        }
        foul.into_iter().for_each(|line| self.foul(line));
    }
}
