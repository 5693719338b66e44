//! One send: where, how long to wait, and what the origin is told (the contract's request headers).

use std::{borrow::Cow, rc::Rc, time::Duration};

use crate::{
    decide::reach::Least,
    http::{
        edits::{Edits, RequestEdits},
        signature::Signed,
        target::Target,
    },
    model::{
        access::{Access, Replay},
        epoch::Epoch,
        ids::RegionId,
        text,
        time::Timestamp,
    },
    ownership::Owner,
    request::Request,
    state::view::View,
    topology::{Topology, dataset::Rule},
};

/// Time to headers for one attempt to read.
pub const READ_ATTEMPT: Duration = Duration::from_secs(10);
/// Time to headers for one attempt to write.
pub const WRITE_ATTEMPT: Duration = Duration::from_secs(30);
/// What a whole request may take longer than one attempt.
pub const SLACK: Duration = Duration::from_secs(5);
/// Time to headers for a read that is tried although the region looks bad.
pub const LAST_RESORT: Duration = Duration::from_secs(2);
/// Less than this is not worth an attempt.
pub const SHORTEST: Duration = Duration::from_millis(20);

/// So many bytes the fields of most sends have.
const ROOM: usize = 256;

/// One send, complete: the edge adds nothing to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The region it goes to.
    pub region: RegionId,
    /// The service binding by which that region is reached, if it is by one.
    pub service: Option<String>,
    /// The whole URL that it is asked for: what was routed and signed is what is sent.
    pub url: String,
    /// Whether it reads or writes.
    pub access: Access,
    /// The method.
    pub method: Cow<'static, str>,
    /// What the client asks for, in its one final form.
    pub target: Rc<Target>,
    /// Time to headers; the edge arms a real timer and reports `TimedOut`.
    pub timeout: Duration,
    /// How long the answer's body may stand still before it is cut, where the route says so; what nobody watches passes through as
    /// the platform's own stream.
    pub idle: Option<Duration>,
    /// Whether a small body is read whole before it is answered, so that a break in it can be repaired elsewhere.
    pub whole: bool,
    /// How long to wait before sending.
    pub delay: Duration,
    /// How often the body can be sent.
    pub replay: Replay,
    /// Whether it is an upgrade.
    pub upgrade: bool,
    /// Whether the driver must hear it at once if the client goes: where others wait for what this send holds. Elsewhere it need not, and the flow is
    /// forgotten in time.
    pub listen: bool,
    /// Header changes that every attempt needs.
    pub common: Rc<RequestEdits>,
    /// Header changes of this attempt, applied after the common ones.
    pub own: RequestEdits,
}

/// Time to headers for one attempt of that request at that region.
#[must_use]
pub fn attempt_deadline(request: &Request, region: RegionId, view: &View) -> Duration {
    let default = match request.access {
        Access::Read => READ_ATTEMPT,
        Access::Write => WRITE_ATTEMPT,
    };
    view.topology().region(region).deadline.or(request.promise.deadline).unwrap_or(default)
}

/// When the whole request ends: 15 s for reads, 35 s for writes; where a route sets its own deadline, half as much again.
#[must_use]
pub fn total_deadline(request: &Request) -> Timestamp {
    let total = match (request.promise.deadline, request.access) {
        (Some(own), _) => own.saturating_mul(3) / 2,
        (None, Access::Read) => READ_ATTEMPT + SLACK,
        (None, Access::Write) => WRITE_ATTEMPT + SLACK,
    };
    request.came.after(total)
}

/// The headers by which an origin knows what it is asked and by which ownership, and that it was the router who asked.
#[must_use]
pub fn contract(
    request: &Request,
    view: &View,
    region: RegionId,
    owner: Option<Owner>,
    least: Least,
    now: Timestamp,
) -> RequestEdits {
    let topology = view.topology();
    let (mut usual, mut own) = (Edits::with_room(ROOM), Edits::default());
    let name = |id| topology.region(id).name.as_str();
    usual.set("homing-region", name(region));
    usual.set("homing-intent", request.access.token());
    // A read that any replica may answer is sent by no ownership, and a request without a dataset has none.
    if let Some(owner) = owner.filter(|owner| owner.epoch() > Epoch::NONE) {
        usual.set("homing-home", name(owner.region()));
        usual.set_by("homing-epoch", |field| text::number(field, owner.epoch().0));
    }
    if let Some(dataset) = request.dataset_in(topology) {
        usual.set("homing-dataset", &dataset.name);
        if let (Rule::GeoPartitioned { .. }, Some(subject)) = (&dataset.rule, &request.subject) {
            own.set("homing-subject", subject.as_str());
        }
        if let Some(least) = least_field(request, topology, least, region) {
            own.set("homing-min-position", &least);
        }
    }
    if let Some(clock) = request.clock {
        own.set("homing-clock", &clock.to_string());
    }
    let mut edits = RequestEdits { usual, own };
    if let Some(key) = &view.settings().origin_key {
        let signed = Signed { method: &request.method, target: request.target.path_and_query(), at: now };
        let signature = signed.signature(key, |name| edits.set_to(name));
        edits.own.set("homing-signature", &signature);
    }
    edits
}

/// `DATASET=POSITION`, or `DATASET@OWNER=POSITION` of each of several owners.
fn least_field(request: &Request, topology: &Topology, least: Least, asked: RegionId) -> Option<String> {
    let dataset = request.dataset_in(topology)?;
    let kind = dataset.position?;
    let mut field = String::new();
    let name = dataset.name.as_str();
    match least {
        Least::Nothing => return None,
        Least::Mark(mark) => text::all(&mut field, &[name, "=", &kind.write(mark.position)]),
        Least::Marks => {
            for (pin, mark) in request.marks(topology)?.all() {
                // Origins that number each owner's writes know no clock of all, by which a session may have begun.
                // Nor does anybody know a log of a region that is no more.
                let owner = topology.region_named(&pin.region);
                let is_spared = owner == Some(asked) && pin.spares_its_owner(request.came);
                if mark.epoch == Epoch::OF_EACH_OWNER && owner.is_some() && !is_spared {
                    let gap = if field.is_empty() { "" } else { ", " };
                    text::all(&mut field, &[gap, name, "@", &pin.region, "=", &kind.write(mark.position)]);
                }
            }
        }
    }
    (!field.is_empty()).then_some(field)
}
