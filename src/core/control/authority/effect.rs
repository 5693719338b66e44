//! What the authority wants done. Its driver does each effect, which may be done again, and hands back what came of it
//! ([`Heard`](super::input::Heard)) with the effect's tag.

use serde::{Deserialize, Serialize};

use super::ledger::{
    Owned,
    change::{Change, ChangePhase},
};
use crate::{
    http::signature::Signed,
    model::{ids::RegionId, time::Timestamp},
    topology::settings::Settings,
};

/// The address at which an origin takes commands.
pub const ADDRESS: &str = "/.well-known/homing/ownership";

/// One thing to do. In JSON `do` names it; `src/operators/authority.mjs` has a branch for each.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Effect {
    /// Ask or command a region.
    Call(RegionCall),
    /// Come back later.
    After {
        /// After so many milliseconds.
        millis: u64,
        /// To whom the time belongs.
        tag: Tag,
    },
    /// Ask the directory where a subject lives.
    Find {
        /// The subject's id.
        subject: String,
        /// To whom the answer belongs.
        tag: Tag,
    },
    /// Let the directory give a subject its first home, unless it has one; answered like [`Effect::Find`].
    Assign {
        /// The subject's id.
        subject: String,
        /// `user` or `tenant`.
        kind: String,
        /// The region.
        home: String,
        /// To whom the answer belongs.
        tag: Tag,
        /// Where the subject has exactly this home, the new one replaces it.
        #[serde(skip_serializing_if = "Option::is_none")]
        instead_of: Option<Owned>,
    },
    /// Tell the directory of a later home.
    Record {
        /// The subject's id.
        subject: String,
        /// `user` or `tenant`.
        kind: String,
        /// The region.
        home: String,
        /// By which epoch.
        epoch: u64,
        /// To whom the answer belongs.
        tag: Tag,
    },
    /// Ask the directory how many subjects live in a region.
    Count {
        /// The region.
        home: String,
        /// To whom the answer belongs.
        tag: Tag,
    },
    /// Ask the directory who lives in a region, in the order of their ids.
    List {
        /// The region.
        home: String,
        /// Only those behind this id.
        after: String,
        /// So many at most.
        most: u64,
        /// To whom the answer belongs.
        tag: Tag,
    },
    /// Write into the home store (KV), for the edges.
    Publish {
        /// The key.
        key: String,
        /// The text.
        value: String,
        /// To whom the outcome belongs.
        tag: Tag,
    },
    /// Write into the audit log. It is done with the storing of the ledger, and nothing comes of it.
    Audit {
        /// What is written.
        line: AuditLine,
    },
}

/// A call to a region, signed like every request of the router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RegionCall {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The service binding, if the region has one.
    pub service: Option<String>,
    /// Where.
    pub url: String,
    /// The value of `Homing-Signature`, if the deployment has a key for origins.
    pub signature: Option<String>,
    /// To whom the answer belongs.
    pub tag: Tag,
    /// After so many milliseconds the call counts as lost; without it the driver's own bound holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
}

/// To whom the outcome of an effect belongs. It travels with the effect and comes back with the outcome; the authority keeps no
/// list of what is under way. By its form in JSON `src/operators/turns.mjs` tells a lease from other calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Tag {
    /// A step of a change.
    Change {
        /// The change.
        change: String,
        /// The outcome of an earlier step is of no interest any more.
        step: u32,
        /// Which of the step's questions it is: `from`, `to`, `from-health`, `to-health`, `command`, `directory`, `time`, or the
        /// dataset whose position is compared.
        slot: String,
    },
    /// A question of an evacuation to the directory.
    Evacuation {
        /// The evacuation.
        sweep: String,
        /// The outcome of an earlier step is of no interest any more.
        step: u32,
    },
    /// A pending notice.
    Notice {
        /// The region.
        told: String,
        /// What is owned.
        unit: String,
        /// By which epoch.
        epoch: u64,
        /// The region is asked, and not told.
        asks: bool,
    },
    /// The view of that version.
    View {
        /// The version.
        view: u64,
    },
    /// The renewal of a lease.
    Lease {
        /// The dataset.
        lease: String,
    },
    /// Nobody.
    #[default]
    Nobody,
}

impl Tag {
    /// A question of the step that the change is at.
    pub(crate) fn of(change: &Change, slot: &str) -> Self {
        Self::Change { change: change.id.clone(), step: change.step, slot: slot.to_owned() }
    }
}

/// A line of the audit log: who, when, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[allow(missing_docs, reason = "the fields are those of an order, a change, an evacuation, a drill")]
pub enum AuditLine {
    /// An order, carried out or refused.
    Order {
        at: Timestamp,
        request: String,
        actor: String,
        reason: String,
        dry_run: bool,
        accept_loss: bool,
        command: String,
        what: String,
        version: u64,
    },
    /// A change is over.
    Change {
        at: Timestamp,
        change: String,
        actor: String,
        what: String,
        unit: String,
        from: String,
        to: String,
        phase: ChangePhase,
        paused_ms: Option<u64>,
        version: u64,
    },
    /// An evacuation is over.
    Evacuation { at: Timestamp, change: String, actor: String, what: String, from: String, to: String, version: u64 },
    /// A drill has ended by itself.
    Drill { at: Timestamp, drill: String, actor: String, reason: String, what: String, region: String, version: u64 },
    /// Something that nobody has ordered.
    Noted { at: Timestamp, actor: String, what: String },
}

impl RegionCall {
    /// A call: method and target. No two questions have the same URL, so that no cache on the way has an answer to it.
    pub(crate) fn new(
        settings: &Settings,
        region: RegionId,
        (method, target): (&'static str, &str),
        tag: Tag,
        now: Timestamp,
    ) -> Self {
        let target = &match method {
            "GET" => nonced(target, now),
            _ => target.to_owned(),
        };
        let (service, url) = settings.topology.region(region).origin.url(target);
        // A command has none of the fields of the contract.
        let signed = Signed { method, target, at: now };
        let signature = settings.origin_key.as_ref().map(|key| signed.signature(key, |_| None));
        Self { method, service: service.map(str::to_owned), url, signature, tag, timeout: None }
    }

    /// The same call, given up after so many milliseconds: what is lost is asked for again.
    pub(crate) fn within(self, millis: u64) -> Self {
        Self { timeout: Some(millis), ..self }
    }
}

/// A question's target that nobody has asked for before; a region takes no notice of the parameter.
#[must_use]
pub fn nonced(target: &str, now: Timestamp) -> String {
    format!("{target}{}n={}", if target.contains('?') { '&' } else { '?' }, now.0)
}

impl Effect {
    /// Come back after so many milliseconds.
    pub(crate) fn after(millis: u64, tag: Tag) -> Self {
        Self::After { millis, tag }
    }

    /// Give a subject its first home, unless it has one.
    pub(crate) fn assign(change: &Change, home: &str, tag: Tag) -> Self {
        let (subject, kind) = (change.subject().unwrap_or("").to_owned(), change.kind.clone());
        Self::Assign { subject, kind, home: home.to_owned(), tag, instead_of: None }
    }

    /// Give the subject another home in place of one that nobody has written to: that region's own word.
    pub(crate) fn correct(change: &Change, home: &str) -> Self {
        let (subject, kind) = (change.subject().unwrap_or("").to_owned(), change.kind.clone());
        let instead_of = Some(Owned { home: change.from.clone(), epoch: change.epoch });
        Self::Assign { subject, kind, home: home.to_owned(), tag: Tag::Nobody, instead_of }
    }

    /// Tell the directory of the ownership that the change comes to.
    pub(crate) fn record(change: &Change, tag: Tag) -> Self {
        let (subject, kind) = (change.subject().unwrap_or("").to_owned(), change.kind.clone());
        Self::Record { subject, kind, home: change.to.clone(), epoch: change.epoch + 1, tag }
    }
}
