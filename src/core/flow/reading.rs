//! A read that was sent, and whether its answer keeps what the session was promised.

use super::{context::Context, send::Ended};
use crate::{
    decide::{
        plan::{Freshness, PlannedRegion},
        reach::{Least, log_of, replica_of},
    },
    http::answer::Answer,
    model::{
        epoch::Epoch,
        ids::RegionId,
        position::{Mark, Position},
        reasons::{Choice, Refusal},
        time::Timestamp,
    },
    ownership::{
        Owner, Ownership,
        stated::{Log, Shows, Stated, stated},
    },
    session::LONGEST_PIN,
    state::{memory::Observation, trace::Decision},
};

/// A log of which a replica lacks what a session has seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Short {
    /// Whose log.
    log: Log,
    /// How far the replica is, where it says that; none if it has nothing of that log.
    place: Option<Position>,
    /// Since when the session has seen what it lacks.
    since: Timestamp,
}

/// A read that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// Who is asked.
    pub(super) target: PlannedRegion,
    /// Who is asked if that one fails.
    pub(super) fallback: Option<PlannedRegion>,
    /// What is wanted of either.
    pub(super) wants: Wants,
    /// What the answer must show at least, as far as this region was told of it.
    pub(super) told: Least,
    /// The replica that fell short before this region was asked.
    pub(super) short: Option<RegionId>,
}

/// What a read wants, of any region.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wants {
    /// By whose ownership it is asked.
    pub(super) owner: Option<Owner>,
    /// What the answer must show at least.
    pub(super) least: Least,
    /// Home is not told that: what was seen is of an earlier owner, and what home lacks of it is nowhere.
    pub(super) spares_home: bool,
    /// The owner that it looks for.
    pub(super) seeks: Option<SoughtEpoch>,
}

/// A later owner that a read looks for: the session has seen what it wrote, and nobody here has heard of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct SoughtEpoch {
    /// What the session has seen.
    pub(super) mark: Mark,
    /// Whether an answer will do that may not show that, if it says so.
    pub(super) may_be_stale: bool,
}

impl Reading {
    /// The same read at another region.
    pub(super) fn at(&self, target: PlannedRegion, fallback: Option<PlannedRegion>) -> Self {
        Self { target, fallback, told: Least::Nothing, ..*self }
    }

    /// The same read at the same region.
    pub(super) fn again(&self) -> Self {
        self.at(self.target, None)
    }

    /// The same, because the connection was closed as it was used; the other region stays one to ask.
    pub(super) fn once_more(&self) -> Self {
        let choice = if self.target.stale { self.target.choice } else { Choice::Retried };
        self.at(PlannedRegion { choice, ..self.target }, self.fallback)
    }

    /// The same read at the other region, if what that answers keeps what was promised.
    pub(super) fn next(&self) -> Option<Self> {
        Some(self.at(self.fallback.filter(|fallback| !fallback.stale)?, None))
    }

    /// The same read at the replica that fell short, for what that one has: it has done nothing yet.
    pub(super) fn at_short(&self) -> Option<Self> {
        let region = self.short?;
        let choice = if self.is_home(region) { Choice::Behind } else { Choice::HomeDownStale };
        Some(Self { short: None, ..self.at(PlannedRegion { region, choice, stale: true }, None) })
    }

    /// Whether its answer may be older than what was promised.
    pub(super) fn is_stale(&self) -> bool {
        self.target.stale
    }

    /// The same read, of which the answer may be older than what was promised.
    pub(super) fn stale(&self) -> Self {
        Self { target: PlannedRegion { stale: true, ..self.target }, ..*self }
    }

    /// The same read, by the ownership that its answer has told of.
    pub(super) fn by(&self, owner: Owner) -> Self {
        Self { wants: Wants { owner: Some(owner), ..self.wants }, ..*self }
    }

    /// Whether the owner is asked.
    pub(super) fn is_at_home(&self) -> bool {
        self.is_home(self.target.region)
    }

    fn is_home(&self, region: RegionId) -> bool {
        self.wants.owner.is_some_and(|owner| owner.region() == region)
    }

    /// How it ends if the region's answer goes to the client.
    pub(super) fn ended(&self) -> Ended {
        let PlannedRegion { region, choice, stale } = self.target;
        let owner = self.wants.owner.filter(|owner| owner.region() == region);
        Ended { region, decision: Decision::Chosen(choice), owner, least: self.told, stale }
    }

    /// What its region is told that its answer must show at least; what may be stale need not show anything. The watermark of one of
    /// several owners may lie before its own last write, so the one where the session wrote is told nothing of that. Of its own log each
    /// has its place.
    pub(super) fn least(&self, cx: &Context) -> Least {
        let spared = self.is_at_home() && (self.wants.spares_home || cx.is_of_several());
        match self.wants.least {
            _ if self.target.stale => Least::Nothing,
            Least::Mark(_) if spared => Least::Nothing,
            least => least,
        }
    }

    /// A strictly later owner that the answer names.
    pub(super) fn later_owner(&self, cx: &Context, answer: &Answer<'_>) -> Option<Owner> {
        let named = Ownership::named(answer, cx.view.topology(), cx.residency())?;
        self.wants.owner?.succeeded_by(named)
    }

    /// The same read at a later owner, whose log counts anew, unless it is the one that the session has seen; else why that one cannot
    /// be asked.
    pub(super) fn at_later(&self, cx: &mut Context, later: Owner, choice: Choice) -> Result<Self, Refusal> {
        cx.go_on_at(later)?;
        let target = PlannedRegion { region: later.region(), choice, stale: false };
        let least = cx.least_of(later.ownership());
        let wants = Wants { owner: Some(later), least, ..Wants::default() };
        Ok(Self { wants, ..self.at(target, None) })
    }

    /// Whether the answer cannot show what it must: its origin says so, or names a position short of it. Of whose log, and how far it is,
    /// where it says so of a log that was asked for.
    pub(super) fn falls_short(&self, cx: &Context, answer: &Answer<'_>) -> Option<Vec<Short>> {
        let owner = self.wants.owner?;
        let said = answer.headers.get("homing-behind").is_some_and(|behind| behind.trim() == "1");
        let least = match self.told {
            Least::Nothing => return None,
            Least::Marks => return self.falls_short_of_several(cx, said, answer),
            Least::Mark(least) => least,
        };
        let log = owner.ownership().log();
        let (mark, short) = if self.wants.spares_home {
            // Whether the replica has the beginning of that log nothing but its own word on whose it is can say.
            let mark = stated_place(cx, None, answer);
            (mark, mark.is_none_or(|mark| least.is_after(&mark)))
        } else {
            let mark = stated_place(cx, Some(log), answer);
            (mark, mark.is_some_and(|mark| least.is_after(&mark)))
        };
        let place = mark.filter(|mark| mark.epoch == least.epoch).map(|mark| mark.position);
        let since = cx.session_mark().map_or(cx.now, |(pin, _)| pin.since);
        (said || short).then(|| vec![Short { log, place, since }])
    }

    /// The same, of what the session has seen of several owners' logs. A replica that is behind, and does not say of whose log, most
    /// likely lacks what the session has seen last of another's, else of its own.
    fn falls_short_of_several(&self, cx: &Context, said: bool, answer: &Answer<'_>) -> Option<Vec<Short>> {
        let topology = cx.view.topology();
        let stated = stated_by(cx, None, answer);
        let marks = cx.request.marks(topology)?;
        // Who names owners and leaves one out has nothing of its log.
        let names_owners = stated.iter().any(|stated| stated.log.epoch == Epoch::OF_EACH_OWNER);
        let (mut last, mut of_its_own): (Option<Short>, _) = (None, None);
        let mut all = Vec::new();
        for (pin, mark) in marks.all() {
            let Some(log) = log_of(pin, *mark, &cx.request, topology) else { continue };
            let is_its_own = log.home == self.target.region;
            if is_its_own && pin.spares_its_owner(cx.request.came) {
                continue;
            }
            let since = pin.since;
            let place = stated.iter().find(|stated| stated.log == log).map(Stated::place);
            let has_nothing = names_owners && log.epoch == Epoch::OF_EACH_OWNER;
            let place = place.or(has_nothing.then_some(Mark { epoch: log.epoch, position: Position::default() }));
            if place.is_some_and(|place| mark.is_after(&place)) {
                all.push(Short { log, place: place.map(|place| place.position), since });
            } else if is_its_own {
                of_its_own = Some(Short { log, place: None, since });
            } else if last.is_none_or(|last| last.since < since) {
                last = Some(Short { log, place: None, since });
            }
        }
        if said && all.is_empty() {
            all.extend(last.or(of_its_own));
        }
        (said || !all.is_empty()).then_some(all)
    }

    /// Whether one of several owners is short of its own log alone, and of what the session has seen so long ago that no region will ever have
    /// it: a position locks nobody out of their data.
    pub(super) fn is_short_for_good(&self, cx: &Context, short: &[Short]) -> bool {
        let for_good = |short: &Short| {
            short.log == Log::of_one_owner(self.target.region) && cx.now.since(short.since) >= LONGEST_PIN
        };
        !short.is_empty() && short.iter().all(for_good)
    }

    /// Learns of which logs the replica is short of what the session has seen, and since when it has seen that.
    pub(super) fn learn_short(&self, cx: &mut Context, short: &[Short]) {
        let Some(dataset) = cx.request.dataset else { return };
        for Short { log, place, since } in short.iter().copied() {
            let copy = replica_of(dataset, self.target.region, log, cx.view.topology());
            // A subject that has moved, and the take-over has not come yet: that says nothing of the log that all share who live there.
            if self.wants.spares_home && copy.epoch != log.epoch {
                continue;
            }
            let by = cx.now.since(since);
            cx.observations.push(Observation::Behind { copy, place, source: log.home, by });
        }
    }

    /// Whether a cache between here and the region has answered in its place, where the region's own word was promised: what such a
    /// cache says is of some time before, whatever the region knows by now.
    pub(super) fn is_given_by_a_cache(&self, cx: &Context, answer: &Answer<'_>) -> bool {
        let harmless = self.is_stale() || !cx.freshness.is_promised() || !answer.is_from_a_cache();
        !harmless && !certainly_shows(cx, answer)
    }
}

/// What an answer states of the request's dataset: by whose log it says, else by that one.
fn stated_by(cx: &Context, sent: Option<Log>, answer: &Answer<'_>) -> Vec<Stated> {
    let topology = cx.view.topology();
    let dataset = cx.request.dataset_in(topology).and_then(|dataset| Some((dataset, dataset.position?)));
    dataset.and_then(|dataset| stated(answer, dataset, sent, topology).ok()).unwrap_or_default()
}

/// How far it says that its replica is.
fn stated_place(cx: &Context, sent: Option<Log>, answer: &Answer<'_>) -> Option<Mark> {
    stated_by(cx, sent, answer).first().map(Stated::place)
}

/// Whether an answer by that ownership says that it does not show the mark.
pub(super) fn is_short_of(cx: &Context, mark: Mark, owner: Owner, answer: &Answer<'_>) -> bool {
    stated_place(cx, Some(owner.ownership().log()), answer).is_some_and(|stated| mark.is_after(&stated))
}

/// Whether the answer itself says that all up to the session's marks is in it. That stays true, whichever region gave it.
fn certainly_shows(cx: &Context, answer: &Answer<'_>) -> bool {
    let marks = cx.request.marks(cx.view.topology()).filter(|_| cx.freshness == Freshness::AtLeast);
    let Some(marks) = marks else { return false };
    // What the origin was told to show at least says nothing here: it was not asked.
    let stated = stated_by(cx, None, answer);
    let shows: Vec<_> = stated.iter().map(|stated| Shows::of(stated, None, cx.view.topology())).collect();
    marks.all().iter().all(|(pin, mark)| Shows::are_certain_of(&shows, &pin.region, mark))
}
