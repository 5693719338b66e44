//! What is known of who owns what the request concerns, and of what the session has seen of it.

use super::{
    context::Context,
    step::{ASSIGN, Assignment, Found, LOOK_UP, LookUp, Step},
};
use crate::{
    decide::{
        plan::Freshness,
        reach::{Least, PositionDemand},
    },
    model::{
        epoch::Epoch,
        ids::{RegionId, RegionSet},
        position::Mark,
        reasons::{Exclusion, HomeSource, HomeTrouble, Refusal},
        subject::{SubjectId, SubjectKind},
    },
    ownership::{
        Owner, Ownership,
        evidence::{Keeper, KeptHome},
    },
    session::Pin,
    state::{memory::Observation, trace::TraceEvent},
};

impl Context {
    /// By what the request's dataset is split.
    pub(super) fn split_by(&self) -> Option<SubjectKind> {
        self.request.dataset_in(self.view.topology())?.rule.split_by()
    }

    /// Where the request's subject may live.
    pub(super) fn residency(&self) -> RegionSet {
        let topology = self.view.topology();
        self.split_by().map_or_else(|| topology.all_regions(), |kind| topology.residency(kind))
    }

    /// The last that the session has seen of the dataset, where its origins report positions.
    pub(super) fn session_mark(&self) -> Option<(&Pin, Mark)> {
        self.request.marks(self.view.topology())?.latest()
    }

    /// What the session has seen of that owner's log: home too may answer from a replica of its own that is behind. Of several owners it
    /// is what was seen of each of them, since none of their logs has the others' writes.
    pub(super) fn least_of(&self, owned: Ownership) -> Least {
        let topology = self.view.topology();
        let Some(marks) = self.request.marks(topology) else { return Least::Nothing };
        if let Some(demand) = PositionDemand::of(&marks, &self.request, topology, owned.log()) {
            let least = demand.least;
            // The watermark of one of several owners may lie before its own last write, and of an earlier owner home has what is left.
            let counts = !demand.of_earlier && (least == Least::Marks || !self.is_of_several());
            return if counts { least } else { Least::Nothing };
        }
        Least::Nothing
    }

    /// Whether what the request concerns has several owners.
    pub(super) fn is_of_several(&self) -> bool {
        self.request.dataset_in(self.view.topology()).is_some_and(|dataset| dataset.rule.is_multi_writer())
    }

    /// The owner of a multi-writer dataset where the session wrote: nobody else has the write for certain.
    pub(super) fn wrote_at(&self, pin: &Pin) -> Option<Ownership> {
        let topology = self.view.topology();
        Ownership::among_several(topology, self.request.dataset?, topology.region_named(&pin.region)?)
    }

    /// Whether the session has seen what was written under a later owner than that one, of the data that it is promised to see.
    pub(super) fn has_seen_later(&self, known: Ownership) -> bool {
        let dataset = self.request.dataset_in(self.view.topology());
        // What several own has one epoch for ever, and what nobody claims has none.
        let changes_hands = dataset.is_some_and(|dataset| !dataset.rule.is_multi_writer());
        let promised = self.is_read() && self.freshness.is_promised();
        promised
            && changes_hands
            && known.epoch() > Epoch::NONE
            && self.session_mark().is_some_and(|(_, mark)| mark.epoch > known.epoch())
    }

    /// The subject's home as the session or the isolate's memory knows it, the later epoch first.
    pub(super) fn known_home(&self) -> Option<(Ownership, HomeSource)> {
        let session = self.request.home_in_session(self.view.topology());
        match (session, self.remembered) {
            (Some(session), Some(memory)) if memory.epoch() > session.epoch() => Some((memory, HomeSource::Memory)),
            (Some(session), _) => Some((session, HomeSource::Session)),
            (None, Some(memory)) => Some((memory, HomeSource::Memory)),
            (None, None) => None,
        }
    }

    /// Tells where the home is known from; a read that another replica may answer does not go by it.
    pub(super) fn note_source(&mut self, owned: Ownership, source: HomeSource) {
        if !(self.is_read() && matches!(self.freshness, Freshness::AtLeast)) {
            self.note(TraceEvent::Home(source, owned.home()));
        }
    }

    /// The ownership that was found, if one was.
    pub(super) fn found(
        &mut self,
        found: Found<'_>,
        keeper: Keeper,
        subject: &SubjectId,
        allowed: RegionSet,
    ) -> Option<Ownership> {
        let stored = match found {
            Found::Value(text) => Ownership::kept(text, keeper, self.view.topology(), allowed),
            Found::Absent => return None,
            Found::Failed => {
                let failed =
                    if keeper == Keeper::Store { HomeTrouble::LookupFailed } else { HomeTrouble::DirectoryFailed };
                self.note(TraceEvent::HomeTrouble(failed));
                return None;
            }
        };
        let Some(KeptHome { ownership, new }) = stored else {
            self.note(TraceEvent::HomeTrouble(HomeTrouble::Invalid));
            return None;
        };
        let known = match keeper {
            Keeper::Store => HomeSource::Store,
            Keeper::Directory if new => HomeSource::Assigned,
            Keeper::Directory => HomeSource::Directory,
        };
        if keeper == Keeper::Directory && !ownership.is_tentative() {
            self.publish = Some((subject.clone(), ownership));
        }
        if new && ownership.is_tentative() {
            self.observations.extend(self.request.visitor.map(Observation::NamedSubject));
        }
        self.note(TraceEvent::Home(known, ownership.home()));
        self.observations.push(Observation::Home(subject.clone(), ownership));
        Some(ownership)
    }

    /// Where an origin has said meanwhile whose the request is: the session begins with that one's home.
    pub(super) fn note_home(&mut self, owned: Ownership) {
        if let (true, Some(kind)) = (self.request.begun, self.split_by()) {
            self.request.session.session.subjects.settle(kind, owned, self.view.topology());
        }
    }

    /// Remembers a later owner that an origin named, and tells the home store where it is a subject's.
    pub(super) fn learn_owner(&mut self, named: Ownership) {
        self.note_home(named);
        match (&self.request.subject, self.request.dataset) {
            (Some(subject), _) => {
                self.observations.push(Observation::Home(subject.clone(), named));
                self.publish = Some((subject.clone(), named));
                self.tell = self.split_by();
            }
            (None, Some(dataset)) => self.observations.push(Observation::Moved(dataset, named)),
            (None, None) => {}
        }
    }

    /// Learns of a later owner that an origin named, and whether the request can go on there: not within a drill that has its region out
    /// of reach, and not once two regions have seen it. The client comes again, and then the later owner is known.
    pub(super) fn go_on_at(&mut self, later: Owner) -> Result<(), Refusal> {
        self.learn_owner(later.ownership());
        if self.view.is_excluded(later.region()) {
            self.note_against(later.region(), Exclusion::Drill);
            return Err(Refusal::DrillUnreachable);
        }
        if self.may_send_again() { Ok(()) } else { Err(Refusal::MisdirectedInVain) }
    }

    /// The look-up of somebody's home in the home store.
    pub(super) fn look_up(&self, subject: SubjectId) -> Step {
        Step::LookUpHome(LookUp { subject, timeout: self.patience(LOOK_UP) })
    }

    /// What the directory is asked, unless a drill has it out of reach. Where data is already nobody is given another home: an
    /// origin may know that, or the topology.
    pub(super) fn assignment(
        &mut self,
        (subject, kind): (SubjectId, SubjectKind),
        allowed: RegionSet,
        named: bool,
        lives: Option<RegionId>,
    ) -> Option<Assignment> {
        let known = lives.or_else(|| self.view.topology().identity().first_home(kind));
        let home = known.unwrap_or_else(|| self.nearest_allowed(allowed));
        let proposed = self.view.topology().region(home).name.clone();
        self.may_propose(home).then_some(Assignment {
            subject,
            kind,
            proposed: Some(proposed),
            named,
            instead_of: None,
            timeout: self.patience(ASSIGN),
        })
    }

    /// The nearest region where the subject may live, a healthy one before others.
    fn nearest_allowed(&self, allowed: RegionSet) -> RegionId {
        let near = || self.request.near.iter().copied().filter(|region| allowed.contains(*region));
        let healthy = near().find(|region| !self.view.is_unwelcome(*region));
        healthy.or_else(|| near().next()).unwrap_or(self.view.topology().default_home())
    }
}
