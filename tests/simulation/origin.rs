//! What a region's application does with a request: the contract of an origin, in steps that take time, so that others come
//! in between.

use homing::routing::{attempt::Attempt, headers::Edit, subject::SubjectId, topology::SubjectKind};

use crate::{
    bugs::Bug,
    client::{Deed, USERS},
    data::{Dataset, Id, Label, Message, Owner, REGIONS},
    response::Response,
};

/// How the applications of one world are made.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// A copy of a later epoch does for a position of an earlier one.
    pub later_epochs_do: bool,
    /// Reads that were sent to an owner are refused where it is none.
    pub fences_reads: bool,
    /// Reads say how far their copy is; otherwise only writes and copies that are behind do, and what a session reads does not
    /// move its marks.
    pub reads_say: bool,
    /// Reads say what they show at least.
    pub says_least: bool,
    /// Answers say what they show, so exactly.
    pub shows: Shows,
    /// Writes say that they wrote.
    pub says_wrote: bool,
    /// Copies may be kept for so many seconds, by dataset.
    pub fresh: [u64; 6],
    /// And then for so many more while a new one is fetched.
    pub while_revalidate: [u64; 6],
    /// Answers have validators, and a read that asks whether it still holds is told so.
    pub validates: bool,
    /// Between two stages of a request others come in for so many milliseconds at most.
    pub dawdles: u64,
    pub bug: Option<Bug>,
}

/// What answers say of the newest write that had part in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    Nothing,
    /// The last write of the subject, or of a dataset that is not split.
    OfUnit,
    OfKey,
}

/// A request at a region.
#[derive(Clone, Debug)]
pub struct Visit {
    pub region: usize,
    pub deed: Deed,
    pub dataset: usize,
    pub subject: usize,
    pub key: usize,
    pub repeatable: bool,
    user: usize,
    /// Whom the router names as the subject.
    named: Option<String>,
    claim: Option<Owner>,
    least: Option<usize>,
    /// The answer that the edge has.
    has: Option<String>,
    stage: Stage,
    before: Option<Label>,
    list: Vec<Id>,
    /// What the answer shows, by whose log.
    shown: Option<Label>,
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
    Later(Visit),
    /// The same, and something was committed.
    Committed(Visit, Message),
    Answer(Response),
}

impl Visit {
    /// Whether nothing was done yet.
    pub fn arrives_only_now(&self) -> bool {
        self.stage == Stage::Arrives
    }

    pub fn new(attempt: &Attempt, deed: Deed, place: crate::client::Place, repeatable: bool, user: usize) -> Self {
        let told = |name: &str| {
            attempt.own.iter().find_map(|edit| match edit {
                Edit::Set(set, value) if *set == name => Some(value.as_str()),
                _ => None,
            })
        };
        let region = |name: &str| REGIONS.iter().position(|region| *region == name);
        let home = told("homing-home").and_then(region);
        let epoch = told("homing-epoch").and_then(|epoch| epoch.parse().ok());
        let least = told("homing-min-position").map(|told| told.split_once('=').unwrap().1.parse().unwrap());
        Self {
            region: region(told("homing-region").unwrap()).unwrap(),
            deed,
            dataset: place.dataset,
            subject: place.subject,
            key: place.key,
            repeatable,
            user,
            named: told("homing-subject").map(str::to_owned),
            claim: home.zip(epoch).map(|(home, epoch)| Owner { home, epoch }),
            least,
            has: told("if-none-match").map(str::to_owned),
            stage: Stage::Arrives,
            before: None,
            list: Vec::new(),
            shown: None,
        }
    }

    pub fn go_on(mut self, datasets: &mut [Dataset], habits: &Habits) -> Next {
        let dataset = &mut datasets[self.dataset];
        match (self.deed, self.stage) {
            (Deed::SignIn, _) => Next::Answer(response(200, &[("homing-subject", USERS[self.user])])),
            (Deed::Fails, _) => Next::Answer(response(502, &[])),
            (Deed::Read, Stage::Arrives) => self.arrives(dataset, habits),
            (Deed::Read, Stage::Acts) => {
                self.list = dataset.list(self.region, self.subject, self.key);
                // In the same snapshot.
                self.shown = self.newest(dataset, habits);
                self.stage = Stage::Measures;
                Next::Later(self)
            }
            (Deed::Read, Stage::Measures) => {
                if habits.bug == Some(Bug::CheckedAfterSnapshot) && !self.reaches(dataset, habits) {
                    return self.behind(dataset, habits);
                }
                let after = self.label(dataset, habits);
                let shown = if habits.bug == Some(Bug::PositionBeforeRead) { self.before.unwrap() } else { after };
                let mut answer = self.page(habits);
                if habits.reads_say {
                    self.state(&mut answer, dataset, shown, habits);
                }
                Next::Answer(answer)
            }
            (Deed::Write(_), Stage::Arrives) => {
                self.before = Some(self.label(dataset, habits));
                self.stage = Stage::Acts;
                self.refused(dataset, habits).map_or_else(|| Next::Later(self), Next::Answer)
            }
            (Deed::Write(id), Stage::Acts) => self.commits(id, dataset, habits),
            (Deed::Write(_), Stage::Measures) => {
                let after = self.label(dataset, habits);
                let at = if habits.bug == Some(Bug::PositionBeforeCommit) { self.before.unwrap() } else { after };
                let mut answer = response(200, &[]);
                if habits.says_wrote {
                    answer.fields.push(("homing-wrote".to_owned(), "1".to_owned()));
                }
                self.before = None;
                self.state(&mut answer, dataset, at, habits);
                Next::Answer(answer)
            }
        }
    }

    /// What was read, or that it is what the edge has.
    fn page(&mut self, habits: &Habits) -> Response {
        let (fresh, during) = (habits.fresh[self.dataset], habits.while_revalidate[self.dataset]);
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
    fn arrives(mut self, dataset: &Dataset, habits: &Habits) -> Next {
        let fenced = habits.fences_reads || !dataset.positions;
        if let (true, Some(claim), Err(owner)) = (fenced, self.claim, dataset.fence(self.region, self.subject))
            && claim.home == self.region
        {
            return Next::Answer(misdirected(owner));
        }
        if habits.bug != Some(Bug::CheckedAfterSnapshot) && !self.reaches(dataset, habits) {
            return self.behind(dataset, habits);
        }
        self.before = Some(self.label(dataset, habits));
        self.stage = Stage::Acts;
        Next::Later(self)
    }

    /// How far the copy is.
    fn label(&self, dataset: &Dataset, habits: &Habits) -> Label {
        let label = dataset.label(self.region, self.subject);
        match (habits.bug, dataset.fence(self.region, self.subject)) {
            (Some(Bug::LabelAheadOfData), Err(told)) if told.epoch > label.owner.epoch => {
                Label { owner: told, ..label }
            }
            _ => label,
        }
    }

    fn reaches(&self, dataset: &Dataset, habits: &Habits) -> bool {
        let (Some(least), Some(claim)) = (self.least, self.claim) else { return true };
        let Label { owner, place } = self.label(dataset, habits);
        match habits.bug {
            Some(Bug::NeverBehind) => true,
            Some(Bug::BarePositions) => place >= least,
            _ if habits.later_epochs_do && owner.epoch > claim.epoch => true,
            _ => owner == claim && place >= least,
        }
    }

    fn behind(&self, dataset: &Dataset, habits: &Habits) -> Next {
        let mut answer = response(503, &[("homing-behind", "1")]);
        let unmeasured = Self { before: None, ..self.clone() };
        unmeasured.state(&mut answer, dataset, self.label(dataset, habits), habits);
        Next::Answer(answer)
    }

    /// A write is refused where this is not the owner, or while its subject moves.
    fn refused(&self, dataset: &Dataset, habits: &Habits) -> Option<Response> {
        if self.names_another() {
            let name = USERS[self.user];
            return Some(response(421, &[("homing-subject", name), ("homing-wrote", "0")]));
        }
        let believes = dataset.label(self.region, self.subject).owner.home == self.region;
        match dataset.fence(self.region, self.subject) {
            Err(_) if habits.bug == Some(Bug::Zombie) && believes && !dataset.split => None,
            Err(owner) => Some(misdirected(owner)),
            Ok(()) if dataset.paused[self.subject] => {
                Some(response(503, &[("homing-wrote", "0"), ("retry-after", "1")]))
            }
            Ok(()) => None,
        }
    }

    /// Whether the router takes the data for another's than who is signed in at the application.
    fn names_another(&self) -> bool {
        let signed_in = SubjectId::of(SubjectKind::User, USERS[self.user]);
        matches!(self.dataset, 2 | 5) && self.named.as_deref() != Some(signed_in.as_str())
    }

    /// The fence holds at the commit, and not only on arrival.
    fn commits(mut self, id: Id, dataset: &mut Dataset, habits: &Habits) -> Next {
        if let Some(refused) = self.refused(dataset, habits) {
            return Next::Answer(refused);
        }
        if self.repeatable && dataset.has(self.region, self.subject, self.key, id) {
            let mut answer = response(200, &[]);
            if habits.says_wrote {
                answer.fields.push(("homing-wrote".to_owned(), "0".to_owned()));
            }
            self.before = None;
            self.state(&mut answer, dataset, self.label(dataset, habits), habits);
            return Next::Answer(answer);
        }
        let message = dataset.commit(self.region, self.subject, self.key, id);
        let owner = dataset.label(self.region, self.subject).owner;
        self.shown = (habits.shows != Shows::Nothing).then_some(Label { owner, place: message.length });
        self.stage = Stage::Measures;
        Next::Committed(self, message)
    }

    /// The newest write that has part in what is read.
    fn newest(&self, dataset: &Dataset, habits: &Habits) -> Option<Label> {
        let key = match habits.shows {
            Shows::Nothing => return None,
            Shows::OfUnit => None,
            Shows::OfKey => Some(self.key),
        };
        let place = dataset.newest(self.region, self.subject, key);
        let place = if habits.bug == Some(Bug::ShowsTooLow) { place.saturating_sub(1) } else { place };
        Some(Label { owner: dataset.label(self.region, self.subject).owner, place })
    }

    /// Says how far the copy is, for a read how far it was before, and what the answer shows.
    fn state(&self, answer: &mut Response, dataset: &Dataset, label: Label, habits: &Habits) {
        if !dataset.positions {
            return;
        }
        let Label { owner, place } = label;
        let before = self.before.filter(|before| before.owner == owner).map(|before| before.place);
        let least = match habits.bug {
            Some(Bug::LeastIsMost) => Some(place),
            _ => before.filter(|_| habits.says_least),
        };
        let least = least.map(|least| format!("; least={least}")).unwrap_or_default();
        let shown = self.shown.filter(|shown| shown.owner == owner).map(|shown| format!("; shows={}", shown.place));
        let shown = shown.unwrap_or_default();
        answer.fields.push(("homing-position".to_owned(), format!("{}={place}{least}{shown}", dataset.name)));
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
