//! What the router asked: the contract's request headers, parsed.

use std::sync::Arc;

use http::{HeaderMap, Method, Uri};

use crate::{Ownership, Refusal, Standing, Unit, key::Keyed, lease::Leases, subject_id};

/// The contract's headers that a signature covers, in its order.
pub(crate) const COVERED: [&str; 8] = [
    "homing-region",
    "homing-home",
    "homing-epoch",
    "homing-dataset",
    "homing-subject",
    "homing-intent",
    "homing-min-position",
    "homing-clock",
];

/// Whether a request reads or writes, whatever its method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// It reads.
    Read,
    /// It writes.
    Write,
}

/// What is known of a request. The layer puts it into the request's extensions; the fences inside of transactions take it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// This region.
    pub here: Arc<str>,
    /// Whether it reads or writes.
    pub intent: Intent,
    /// The dataset that it concerns.
    pub dataset: Option<String>,
    /// The subject whose part of the dataset it concerns, by id.
    pub subject: Option<String>,
    /// The ownership by which the router sent it: the fencing token of a write.
    pub claim: Option<Ownership>,
    /// A copy of the dataset that has not reached this position must not answer.
    pub min_position: Option<String>,
    /// What the session has seen of a dataset that several regions write: owners, and a position in each one's log. Of a read, a replica
    /// that has not reached all of them must not answer; of a write, its context.
    pub marks: Vec<(String, String)>,
    /// The hybrid logical clock stamp of a multi-writer write; later stamps are greater as text.
    pub clock: Option<String>,
    /// What has an `Idempotency-Key`.
    pub(crate) keyed: Option<Box<Keyed>>,
    pub(crate) rules: Rules,
}

/// What the fence has to know besides.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) leases: Arc<Leases>,
    /// The datasets that are split by subjects.
    pub(crate) split: Arc<[String]>,
    /// The datasets that several regions write.
    pub(crate) multi_writer: Arc<[String]>,
    /// Where the data is of subjects of whom nobody has told an owner.
    pub(crate) first_home: Option<Arc<str>>,
}

impl Asked {
    /// Reads the headers of a request that came through the router.
    pub(crate) fn read(here: Arc<str>, method: &Method, uri: &Uri, headers: &HeaderMap, rules: Rules) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let dataset =
            text("homing-dataset").filter(|name| Unit::parse(name).is_some_and(|unit| unit.as_subject().is_none()));
        let min_position = text("homing-min-position").and_then(|value| value.split_once('='));
        let marks = headers.get_all("homing-min-position").iter().filter_map(|value| value.to_str().ok());
        let marks = marks.flat_map(|list| list.split(',')).filter_map(|mark| owners_mark(mark.trim(), dataset?));
        let intent = match text("homing-intent") {
            Some("read") => Intent::Read,
            Some("write") => Intent::Write,
            _ => by_method(method),
        };
        Self {
            intent,
            subject: text("homing-subject").filter(|id| Unit::parse(&format!("~{id}")).is_some()).map(str::to_owned),
            claim: text("homing-home")
                .zip(text("homing-epoch").and_then(epoch))
                .map(|(home, epoch)| Ownership::new(home, epoch)),
            min_position: min_position.filter(|(of, _)| Some(*of) == dataset).map(|(_, position)| position.to_owned()),
            marks: marks.collect(),
            clock: text("homing-clock").map(str::to_owned),
            keyed: Keyed::read(method, uri, headers),
            dataset: dataset.map(str::to_owned),
            here,
            rules,
        }
    }

    /// What is known of a request that did not come through the router: nothing but its method.
    pub(crate) fn direct(here: Arc<str>, method: &Method, rules: Rules) -> Self {
        Self {
            here,
            intent: by_method(method),
            dataset: None,
            subject: None,
            claim: None,
            min_position: None,
            marks: Vec::new(),
            clock: None,
            keyed: None,
            rules,
        }
    }

    /// The unit that it concerns: the subject if there is one, else the dataset.
    #[must_use]
    pub fn unit(&self) -> Option<Unit> {
        let dataset = self.dataset.as_deref()?;
        Some(self.subject.as_deref().map_or_else(|| Unit::dataset(dataset), Unit::subject))
    }

    /// The unit of a subject, by who the application says this request is by: `about("user", "ada")`. Ask it before anything is
    /// read or written that is this subject's, and pass the fence of the unit that it gives.
    ///
    /// # Errors
    /// If the router asked about somebody else: it took the request for another subject's, sent it to that one's home, and pins
    /// that one's session. The answer names the right one, and the router asks once more.
    pub fn about(&self, kind: &str, name: &str) -> Result<Unit, Refusal> {
        let id = subject_id(kind, name);
        match &self.subject {
            Some(asked) if *asked != id => Err(Refusal::OfSubject(Unit::subject(&id))),
            _ => Ok(Unit::subject(&id)),
        }
    }

    /// The unit whose fence it has to pass: that of a write, unless several regions may write the dataset. Then it has a
    /// clock, and the region that it was sent to is no owner. Of a split dataset and nobody in particular, the application alone
    /// knows whose it is: the fence is the handler's.
    pub(crate) fn fenced(&self) -> Option<Unit> {
        let fenced = |unit: &Unit| {
            self.intent == Intent::Write && self.clock.is_none() && !self.is_split(unit) && !self.is_multi_writer()
        };
        self.unit().filter(fenced)
    }

    /// Whether it concerns a dataset that several regions write.
    pub(crate) fn is_multi_writer(&self) -> bool {
        self.dataset.as_ref().is_some_and(|dataset| self.rules.multi_writer.contains(dataset))
    }

    /// What its session has seen of the dataset that it concerns: empty of another one.
    #[cfg(feature = "merge")]
    #[must_use]
    pub fn context(&self, dataset: &str) -> crate::merge::Vector {
        let marks = self.marks.iter().filter(|_| self.dataset.as_deref() == Some(dataset));
        marks.filter_map(|(owner, position)| Some((owner, position.parse().ok()?))).collect()
    }

    fn is_split(&self, unit: &Unit) -> bool {
        unit.as_dataset().is_some_and(|dataset| self.rules.split.iter().any(|split| split == dataset))
    }

    /// That it is a unit at all.
    pub(crate) fn must_be_one(&self, unit: &Unit) -> Result<(), Refusal> {
        if self.is_split(unit) { Err(Refusal::Split(unit.clone())) } else { Ok(()) }
    }

    /// The ownership by which it would write that unit. A claim says nothing of another unit than its own.
    pub(crate) fn claim_of(&self, unit: &Unit) -> Option<&Ownership> {
        self.claim.as_ref().filter(|_| self.unit().as_ref() == Some(unit))
    }

    /// The fence, for whoever keeps units in a store of their own: whether this request may write the unit now. Read the
    /// standing in the transaction that writes, so that it cannot change before the commit.
    ///
    /// # Errors
    /// If it may not, with the answer that says why.
    pub fn admit(&self, unit: &Unit, standing: &Standing) -> Result<(), Refusal> {
        self.must_be_one(unit)?;
        let first = standing.owner.is_none().then(|| standing.clone().or_first(unit, self.rules.first_home.as_deref()));
        let standing = first.as_ref().unwrap_or(standing);
        // The router names the owner of whatever has one owner, so where it names none, and nobody's part, the dataset is split.
        let is_whole = unit.as_dataset().is_some() && self.unit().as_ref() == Some(unit);
        if is_whole
            && self.intent == Intent::Write
            && self.claim.is_none()
            && self.clock.is_none()
            && !self.is_multi_writer()
            && standing.owner.is_none()
        {
            return Err(Refusal::Split(unit.clone()));
        }
        standing.admit(unit, &self.here, self.claim_of(unit)).map_err(|refusal| self.said_of(unit, refusal))?;
        standing.owner.as_ref().map_or(Ok(()), |owner| self.rules.leases.hold(unit, owner.epoch))
    }

    /// A 421 speaks of what the request is about: the router would take the owner of anything else for the owner of that. So of a
    /// subject, where the request is about nobody, it says whose this is; of any other unit it names nobody.
    fn said_of(&self, unit: &Unit, refusal: Refusal) -> Refusal {
        let about = self.unit();
        match refusal {
            Refusal::Misdirected(_) | Refusal::OfSubject(_) if about.is_some() && about.as_ref() != Some(unit) => {
                match unit.as_subject() {
                    Some(_) if self.subject.is_none() => match refusal {
                        Refusal::Misdirected(owner) => Refusal::OfSubjectIn(unit.clone(), owner),
                        _ => Refusal::OfSubject(unit.clone()),
                    },
                    _ => Refusal::NotAbout(unit.clone()),
                }
            }
            other => other,
        }
    }
}

/// `likes@us=17`: an owner, and a position in its log.
fn owners_mark(text: &str, dataset: &str) -> Option<(String, String)> {
    let (owner, position) = text.strip_prefix(dataset)?.strip_prefix('@')?.split_once('=')?;
    Some((owner.to_owned(), position.to_owned()))
}

/// An epoch as it is written on the wire. A database's integers are signed, so half of the numbers must do.
pub(crate) fn epoch(text: &str) -> Option<u64> {
    text.parse().ok().filter(|epoch| i64::try_from(*epoch).is_ok())
}

fn by_method(method: &Method) -> Intent {
    if matches!(method.as_str(), "GET" | "HEAD" | "QUERY" | "OPTIONS" | "TRACE") { Intent::Read } else { Intent::Write }
}
