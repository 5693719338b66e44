//! What a region's application does with a request: the contract of an origin, in steps that take time, so that others come
//! in between. Who may write is decided by the origin kit's rules (`region.rs`).

use homing_core::testing::{
    decide::attempt::Attempt,
    model::subject::{SubjectId, SubjectKind},
};
use homing_origin::{Ownership, Refusal};

use crate::{
    bugs::Bug,
    client::{Place, Reply, USERS},
    data::{DATASETS, Data, Id, Label, MANY, Owner, REGIONS, TAGS, Unit, channel, is_shared},
    region::number,
    response::Response,
};

/// What an answer says of itself besides how far the copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// Nothing.
    Nothing,
    /// The newest write of the key.
    OfKey,
    /// The newest write of the unit.
    OfUnit,
}

/// How the applications of one world are made.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// A copy of a later epoch does for a position of an earlier one.
    pub later_epochs_do: bool,
    /// A copy says how far it is by the epoch that is in the data, whatever its region has heard of since; otherwise it says nothing
    /// until the data is there.
    pub by_data: bool,
    /// Reads that were sent to an owner are refused where it is none.
    pub fences_reads: bool,
    /// Reads say how far their copy is; otherwise only writes and copies that are behind do, and what a session reads does not
    /// move its marks.
    pub reads_say: bool,
    /// Reads say what they show at least.
    pub says_least: bool,
    /// Answers say which write is the newest that had a part in them.
    pub shows: Shows,
    /// Writes say that they wrote.
    pub says_wrote: bool,
    /// Copies may be kept for so many seconds, by dataset.
    pub fresh: [u64; MANY],
    /// And then for so many more while a new one is fetched.
    pub while_revalidate: [u64; MANY],
    /// Answers have validators, and a read that asks whether it still holds is told so.
    pub validates: bool,
    /// Between two stages of a request others come in for so many milliseconds at most.
    pub dawdles: u64,
    /// Applications keep the stamps of what several write, and tell the latest.
    pub tells_stamps: bool,
    pub bug: Option<Bug>,
}

/// That a copy cannot say how far it is, which is of no use to anybody but the simulation: what is seen there binds nobody.
pub const UNSAID: &str = "x-unsaid";

/// A request at a region.
#[derive(Clone, Debug)]
pub struct Visit {
    pub region: usize,
    pub deed: Reply,
    pub place: Place,
    pub repeatable: bool,
    user: usize,
    /// Whom the router names as the subject.
    named: Option<String>,
    claim: Option<Owner>,
    least: Option<usize>,
    /// The same, of each of several owners' logs; nothing where nobody has seen any of it.
    marks: [usize; 3],
    /// The stamp of a write to what several write.
    stamp: Option<String>,
    /// The answer that the edge has.
    has: Option<String>,
    stage: Stage,
    before: Option<Label>,
    list: Vec<Id>,
    shows: Option<(Owner, usize)>,
    /// How far the copy was of each owner's log, and what the answer shows of each.
    vector: [usize; 3],
    shows_of_each: [usize; 3],
    /// The unit of which it is a write under way.
    flies: Option<Unit>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Arrives,
    Acts,
    Measures,
}

/// What comes of a stage.
pub enum Next {
    /// Another stage.
    Later(Box<Visit>),
    Answer(Response),
}

/// What the router says to an origin in that field.
pub fn told<'a>(attempt: &'a Attempt, name: &str) -> Option<&'a str> {
    attempt.own.set_to(name)
}

impl Visit {
    /// Whether nothing was done yet.
    pub fn arrives_only_now(&self) -> bool {
        self.stage == Stage::Arrives
    }

    pub fn new(attempt: &Attempt, deed: Reply, place: Place, repeatable: bool, user: usize) -> Self {
        let told = |name: &str| told(attempt, name);
        let epoch = told("homing-epoch").and_then(|epoch| epoch.parse().ok());
        let mut marks = [0; 3];
        let mut least = None;
        for told in told("homing-min-position").iter().flat_map(|told| told.split(", ")) {
            let (of, place) = told.split_once('=').unwrap();
            match of.split_once('@') {
                Some((_, owner)) => marks[number(owner)] = place.parse().unwrap(),
                None => least = Some(place.parse().unwrap()),
            }
        }
        Self {
            region: told("homing-region").map(number).unwrap(),
            deed,
            place,
            repeatable,
            user,
            named: told("homing-subject").map(str::to_owned),
            claim: told("homing-home").map(number).zip(epoch).map(|(home, epoch)| Owner { home, epoch }),
            least,
            marks,
            stamp: told("homing-clock").map(str::to_owned),
            has: told("if-none-match").map(str::to_owned),
            stage: Stage::Arrives,
            before: None,
            list: Vec::new(),
            shows: None,
            vector: [0; 3],
            shows_of_each: [0; 3],
            flies: None,
        }
    }

    pub fn go_on(mut self, data: &mut Data, habits: &Habits, now: u64) -> Next {
        match (self.deed, self.stage) {
            (Reply::SignIn(user), _) => Next::Answer(response(200, &[("homing-subject", USERS[user])])),
            (Reply::Fails, _) => Next::Answer(response(502, &[])),
            (Reply::Read, Stage::Arrives) => self.arrives(data, habits),
            (Reply::Read, Stage::Acts) => {
                self.list = data.list(self.region, self.place);
                self.shows_of_each = data.shows_of_each(self.region, self.place, habits.shows == Shows::OfUnit);
                let label = self.label(data, habits);
                self.shows = label.and_then(|label| Some((label.owner, self.shown(data, label.owner, habits)?)));
                self.stage = Stage::Measures;
                Next::Later(Box::new(self))
            }
            (Reply::Read, Stage::Measures) => {
                if habits.bug == Some(Bug::CheckedAfterSnapshot) && !self.reaches(data, habits) {
                    return self.behind(data, habits);
                }
                let after = self.label(data, habits);
                let shown = if habits.bug == Some(Bug::PositionBeforeRead) { self.before } else { after };
                let mut answer = self.page(habits);
                if self.heals() {
                    answer.fields.push(("homing-subject".to_owned(), USERS[self.user].to_owned()));
                }
                if habits.reads_say {
                    self.state(&mut answer, shown, habits);
                    self.state_of_each(&mut answer, data, habits, true);
                }
                self.tell_stamp(&mut answer, data, habits);
                if self.place.dataset != TAGS
                    && shown.is_none()
                    && DATASETS[self.place.dataset].positions
                    && !self.is_owner(data)
                {
                    answer.fields.push((UNSAID.to_owned(), "1".to_owned()));
                }
                Next::Answer(answer)
            }
            (Reply::Write(_), Stage::Arrives) => {
                self.before = self.label(data, habits);
                self.vector = data.vector(self.region);
                self.stage = Stage::Acts;
                if let Some(refused) = self.refused(data, habits, now) {
                    return Next::Answer(refused);
                }
                self.flies = Unit::of(self.place);
                if let Some(unit) = self.flies {
                    data.in_flight[self.region][unit.at()] += 1;
                }
                Next::Later(Box::new(self))
            }
            (Reply::Write(id), Stage::Acts) => self.commits(id, data, habits, now),
            (Reply::Write(_), Stage::Measures) => {
                let after = self.label(data, habits);
                let at = if habits.bug == Some(Bug::PositionBeforeCommit) { self.before } else { after };
                self.lands(data);
                Next::Answer(self.written(at, true, data, habits))
            }
        }
    }

    /// It is under way no more.
    pub fn lands(&mut self, data: &mut Data) {
        if let Some(unit) = self.flies.take() {
            data.in_flight[self.region][unit.at()] -= 1;
        }
    }

    /// The answer to a write, now or earlier.
    fn written(&mut self, at: Option<Label>, now: bool, data: &Data, habits: &Habits) -> Response {
        let mut answer = response(200, &[]);
        if habits.says_wrote || !now {
            let wrote = if !now && habits.bug == Some(Bug::RepeatsWroteNothing) { "0" } else { "1" };
            answer.fields.push(("homing-wrote".to_owned(), wrote.to_owned()));
        }
        if self.heals() {
            answer.fields.push(("homing-subject".to_owned(), USERS[self.user].to_owned()));
        }
        self.before = None;
        self.shows = at.and_then(|at| Some((at.owner, self.shown(data, at.owner, habits)?)));
        self.state(&mut answer, at, habits);
        if now {
            self.state_of_its_own(&mut answer, data, habits);
        } else {
            // What was done before was done at another owner, perhaps.
            self.shows_of_each = data.shows_of_each(self.region, self.place, false);
            self.state_of_each(&mut answer, data, habits, false);
        }
        self.tell_stamp(&mut answer, data, habits);
        answer
    }

    /// Tells the latest stamp that the copy has applied, of what several write.
    fn tell_stamp(&self, answer: &mut Response, data: &Data, habits: &Habits) {
        let told = is_shared(self.place.dataset) && habits.tells_stamps;
        let latest = data.latest_stamp(self.region, self.place.dataset).filter(|_| told);
        answer.fields.extend(latest.map(|latest| ("homing-clock".to_owned(), latest.to_owned())));
    }

    /// Whether the router does not know whose this is, and the application does.
    fn heals(&self) -> bool {
        matches!(self.place.dataset, 2 | 5) && self.named.is_none()
    }

    /// What was read, or that it is what the edge has.
    fn page(&mut self, habits: &Habits) -> Response {
        let (fresh, during) = (habits.fresh[self.place.dataset], habits.while_revalidate[self.place.dataset]);
        let control = format!("max-age={fresh}, stale-while-revalidate={during}");
        let mut answer = response(200, &[("cache-control", &control)]);
        if habits.validates {
            let tag = format!("\"{:?}\"", self.list);
            answer.status = if self.has.as_ref() == Some(&tag) { 304 } else { 200 };
            answer.fields.push(("etag".to_owned(), tag));
        }
        if answer.status == 200 {
            answer.body = std::mem::take(&mut self.list);
        }
        answer
    }

    /// The check comes before the snapshot, which can then only be newer.
    fn arrives(mut self, data: &Data, habits: &Habits) -> Next {
        // What the router was told of whom it has asked about is nothing of whom the application takes it for.
        if self.names_another() {
            return Next::Answer(response(421, &[("homing-subject", USERS[self.user]), ("homing-wrote", "0")]));
        }
        let owner = Unit::of(self.place).and_then(|unit| data.regions[self.region][unit.at()].owner());
        let fenced = habits.fences_reads || !DATASETS[self.place.dataset].positions;
        if let (Some(claim), Some(owner)) = (self.claim.filter(|claim| fenced && claim.home == self.region), owner)
            && owner.home != self.region
            && (owner.epoch > claim.epoch || owner.epoch == Ownership::BEFORE)
        {
            return Next::Answer(misdirected(owner));
        }
        if habits.bug != Some(Bug::CheckedAfterSnapshot) && !self.reaches(data, habits) {
            return self.behind(data, habits);
        }
        self.before = self.label(data, habits);
        self.vector = data.vector(self.region);
        self.stage = Stage::Acts;
        Next::Later(Box::new(self))
    }

    /// Whether this region owns what is there, as far as it knows.
    fn is_owner(&self, data: &Data) -> bool {
        let owner = Unit::of(self.place).and_then(|unit| data.regions[self.region][unit.at()].owner());
        owner.is_some_and(|owner| owner.home == self.region && owner.epoch > Ownership::BEFORE)
    }

    /// How far the copy is.
    fn label(&self, data: &Data, habits: &Habits) -> Option<Label> {
        let unit = Unit::of(self.place).filter(|_| DATASETS[self.place.dataset].positions)?;
        data.label(self.region, unit, channel(self.place.dataset), habits.by_data)
    }

    /// The newest write that has a part in what is shown, where the application says that.
    fn shown(&self, data: &Data, owner: Owner, habits: &Habits) -> Option<usize> {
        let shown = |of_unit| data.shows(self.region, self.place, owner, of_unit);
        match (habits.bug, habits.shows) {
            (Some(Bug::ShowsTooLow), _) => Some(shown(false).saturating_sub(1)),
            (_, Shows::Nothing) => None,
            (_, of) => Some(shown(of == Shows::OfUnit)),
        }
    }

    fn reaches(&self, data: &Data, habits: &Habits) -> bool {
        let lacks = |(least, place): (usize, usize)| least > place;
        if self.marks.into_iter().zip(data.vector(self.region)).any(lacks) {
            return habits.bug == Some(Bug::NeverBehind);
        }
        let (Some(least), Some(claim)) = (self.least, self.claim) else { return true };
        if habits.bug == Some(Bug::NeverBehind) {
            return true;
        }
        let Some(Label { owner, place }) = self.label(data, habits) else { return false };
        match habits.bug {
            Some(Bug::BarePositions) => place >= least,
            _ if habits.later_epochs_do && owner.epoch > claim.epoch => true,
            _ => owner == claim && place >= least,
        }
    }

    fn behind(&self, data: &Data, habits: &Habits) -> Next {
        let mut answer = response(503, &[("homing-behind", "1")]);
        let unmeasured = Self { before: None, shows: None, ..self.clone() };
        unmeasured.state(&mut answer, self.label(data, habits), habits);
        if habits.reads_say {
            unmeasured.state_of_each(
                &mut answer,
                data,
                &Habits { shows: Shows::Nothing, says_least: false, ..*habits },
                true,
            );
        }
        Next::Answer(answer)
    }

    /// A write is refused where this is not the owner, or while its subject moves.
    fn refused(&self, data: &mut Data, habits: &Habits, now: u64) -> Option<Response> {
        let unit = Unit::of(self.place)?;
        let of_user = [("homing-subject", USERS[self.user]), ("homing-wrote", "0")];
        if self.names_another() {
            return Some(response(421, &of_user));
        }
        // A claim says nothing of another unit than that which the router has asked about.
        let about = self.named.is_some() || matches!(unit, Unit::Whole(_));
        let refusal = data.enter(self.region, unit, self.claim.filter(|_| about), now).err()?;
        let home = |owner: &Ownership| Owner { home: number(&owner.home), epoch: owner.epoch };
        Some(match refusal {
            // Of somebody whom the request was not about it says who that is, and where.
            Refusal::Misdirected(owner) if !about && habits.bug != Some(Bug::NamesAnOwner) => {
                let mut answer = misdirected(home(&owner));
                answer.fields.push(("homing-subject".to_owned(), USERS[self.user].to_owned()));
                answer
            }
            Refusal::Misdirected(owner) => misdirected(home(&owner)),
            Refusal::OfSubject(_) => response(421, &of_user),
            Refusal::Paused(_) => response(503, &[("homing-wrote", "0"), ("retry-after", "1")]),
            other => panic!("an unknown refusal: {other:?}"),
        })
    }

    /// Whether the router takes the data for another's than who is signed in at the application.
    fn names_another(&self) -> bool {
        let signed_in = || SubjectId::of(SubjectKind::User, USERS[self.user]);
        matches!(self.place.dataset, 2 | 5) && self.named.as_ref().is_some_and(|named| named != signed_in().as_str())
    }

    /// The fence holds at the commit, and not only on arrival. A key that is in the copy was done before, here or at an earlier owner.
    fn commits(mut self, id: Id, data: &mut Data, habits: &Habits, now: u64) -> Next {
        if let Some(refused) = self.refused(data, habits, now) {
            self.lands(data);
            return Next::Answer(refused);
        }
        if self.repeatable && data.has(self.region, self.place, id) {
            self.lands(data);
            let label = self.label(data, habits);
            return Next::Answer(self.written(label, false, data, habits));
        }
        data.commit(self.region, self.place, id, self.stamp.clone());
        self.stage = Stage::Measures;
        Next::Later(Box::new(self))
    }

    /// Says how far the copy has each owner's log, of what several write.
    fn state_of_each(&self, answer: &mut Response, data: &Data, habits: &Habits, is_read: bool) {
        if self.place.dataset != TAGS {
            return;
        }
        let after = data.vector(self.region);
        let places = if habits.bug == Some(Bug::PositionBeforeRead) { self.vector } else { after };
        let members = (0..REGIONS.len()).map(|owner| {
            let place = places[owner];
            let least = match habits.bug {
                Some(Bug::LeastIsMost) => Some(place),
                _ => Some(self.vector[owner]).filter(|_| habits.says_least && is_read),
            };
            let least = least.map(|least| format!("; least={least}")).unwrap_or_default();
            let shows = match (habits.bug, habits.shows) {
                (Some(Bug::ShowsTooLow), _) => Some(self.shows_of_each[owner].saturating_sub(1)),
                (_, Shows::Nothing) => None,
                _ => Some(self.shows_of_each[owner]),
            };
            let shows = shows.map(|shows| format!("; shows={shows}")).unwrap_or_default();
            format!("{}@{}={place}{least}{shows}", DATASETS[TAGS].name, REGIONS[owner])
        });
        answer.fields.push(("homing-position".to_owned(), members.collect::<Vec<_>>().join(", ")));
    }

    /// Says where a write has come to stand in its own owner's log.
    fn state_of_its_own(&self, answer: &mut Response, data: &Data, habits: &Habits) {
        if self.place.dataset == TAGS {
            let before = habits.bug == Some(Bug::PositionBeforeCommit);
            let place = if before { self.vector } else { data.vector(self.region) }[self.region];
            let said = format!("{}@{}={place}", DATASETS[TAGS].name, REGIONS[self.region]);
            answer.fields.push(("homing-position".to_owned(), said));
        }
    }

    /// Says how far the copy is, and for a read how far it was before.
    fn state(&self, answer: &mut Response, label: Option<Label>, habits: &Habits) {
        let Some(Label { owner, place }) = label else { return };
        let before = self.before.filter(|before| before.owner == owner).map(|before| before.place);
        let least = match habits.bug {
            Some(Bug::LeastIsMost) => Some(place),
            _ => before.filter(|_| habits.says_least),
        };
        let least = least.map(|least| format!("; least={least}")).unwrap_or_default();
        // Of a snapshot in which the copy was another owner's it says nothing.
        let shows = self.shows.filter(|(of, _)| *of == owner).map(|(_, shows)| format!("; shows={shows}"));
        let (name, shows) = (DATASETS[self.place.dataset].name, shows.unwrap_or_default());
        answer.fields.push(("homing-position".to_owned(), format!("{name}={place}{least}{shows}")));
        answer.fields.push(("homing-home".to_owned(), REGIONS[owner.home].to_owned()));
        answer.fields.push(("homing-epoch".to_owned(), owner.epoch.to_string()));
    }
}

fn misdirected(owner: Owner) -> Response {
    let epoch = owner.epoch.to_string();
    response(421, &[("homing-home", REGIONS[owner.home]), ("homing-epoch", &epoch), ("homing-wrote", "0")])
}

fn response(status: u16, fields: &[(&str, &str)]) -> Response {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Response { status, fields, body: Vec::new() }
}
