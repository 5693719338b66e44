//! What an answer teaches of the regions: how far their replicas are, and how far behind each other.

use std::time::Duration;

use super::Settling;
use crate::{
    decide::reach::replica_of,
    http::answer::Answer,
    model::{
        access::Access,
        clock::{DRIFT, HybridTime},
        epoch::Epoch,
        ids::MAX_REGIONS,
        reasons::Note,
    },
    ownership::{
        Ownership,
        stated::{Log, Stated, Unusable, stated},
    },
    state::{memory::Observation, trace::TraceEvent},
    topology::dataset::Rule,
};

impl Settling<'_> {
    /// `Homing-Position` of the request's dataset, if it can be used: nothing, the place in its owner's log, or one in each of several.
    /// What cannot be read is noted and does no harm.
    pub(super) fn learn_position(&mut self, answer: &Answer<'_>, sent: Option<Ownership>) -> Vec<Stated> {
        let view = self.view;
        let dataset = self.request.dataset_in(view.topology());
        let (Some(region), Some(id), Some(dataset)) = (self.region, self.request.dataset, dataset) else {
            return Vec::new();
        };
        let Some(kind) = dataset.position else { return Vec::new() };
        let sent = match dataset.rule {
            // What names no owner of a multi-writer dataset is of one clock for all, and none follows another.
            Rule::MultiWriter { .. } => Some(Log { home: region, epoch: Epoch::FIRST }),
            // Before anything was ever promoted there is but one epoch that a position can belong to.
            _ => {
                let first = || view.dataset_ownership(id).filter(|owned| owned.epoch() == Epoch::FIRST);
                sent.or_else(first).map(Ownership::log)
            }
        };
        let note = match stated(answer, (dataset, kind), sent, view.topology()) {
            Ok(stated) => {
                // A write at one of several owners says nothing of what this replica has of the others.
                if self.request.access == Access::Read {
                    self.observations.extend(stated.iter().map(|stated| {
                        let replica = replica_of(id, region, stated.log, view.topology());
                        Observation::Applied(replica, stated.position)
                    }));
                }
                return stated;
            }
            Err(Unusable::Absent) => return Vec::new(),
            Err(Unusable::Malformed) => {
                self.position_unreadable = true;
                Note::PositionMalformed
            }
            Err(Unusable::Unowned) => Note::PositionUnowned,
        };
        self.trace.note(TraceEvent::Noted(note, Some(region)));
        Vec::new()
    }

    /// `Homing-Clock` of multi-writer data: the latest stamp that the replica has applied, whoever's.
    pub(super) fn learn_clock(&mut self, answer: &Answer<'_>) {
        let shared =
            self.request.dataset_in(self.view.topology()).is_some_and(|dataset| dataset.rule.is_multi_writer());
        let Some(said) = answer.headers.get("homing-clock").filter(|_| shared) else { return };
        let note = match HybridTime::read(said.trim()) {
            None => Note::ClockMalformed,
            Some(time) => {
                self.told.time = time;
                if !time.is_ahead(self.now, DRIFT) {
                    return;
                }
                self.told.is_ahead = true;
                Note::ClockAhead
            }
        };
        self.trace.note(TraceEvent::Noted(note, self.region));
    }

    /// The owner that the answer itself names, of what was asked.
    pub(super) fn named(&self, answer: &Answer<'_>) -> Option<Ownership> {
        let topology = self.view.topology();
        let allowed = match self.request.dataset_in(topology)?.rule {
            Rule::SingleWriter { .. } => topology.all_regions(),
            Rule::GeoPartitioned { regions, .. } => regions,
            Rule::MultiWriter { .. } => return None,
        };
        // Who has heard of a tentative home from us alone only repeats it.
        let own = |named: &Ownership| self.tentative.is_none_or(|told| named.epoch() > told.epoch());
        Ownership::named(answer, topology, allowed).filter(own)
    }

    /// A replica may have heard of a later owner than this isolate: as good as a 421 that names it.
    pub(super) fn learn_owner(&mut self, answer: &Answer<'_>) {
        let (view, Some(named), Some(id)) = (self.view, self.named(answer), self.request.dataset) else { return };
        match (view.dataset_ownership(id), &self.request.subject) {
            (Some(known), _) if named.epoch() > known.epoch() => self.observations.push(Observation::Moved(id, named)),
            (None, Some(subject)) => {
                let known = self.request.home_in_session(view.topology());
                if known.is_none_or(|known| named.epoch() > known.epoch()) {
                    self.observations.push(Observation::Home(subject.clone(), named));
                }
            }
            _ => {}
        }
    }

    /// `Homing-Lag: us=12, ap=30`: by how many milliseconds the region's replica is behind each peer's writes.
    pub(super) fn learn_lags(&mut self, answer: &Answer<'_>) {
        let Some(region) = self.region else { return };
        let topology = self.view.topology();
        let lags = answer.headers.list("homing-lag").take(MAX_REGIONS).filter_map(|pair| {
            let (source, lag) = pair.split_once('=')?;
            let source = topology.region_named(source.trim()).filter(|source| *source != region)?;
            Some(Observation::Lag { region, source, lag: Duration::from_millis(lag.trim().parse().ok()?) })
        });
        self.observations.extend(lags);
    }
}
