//! The ownership address: what the authority of the router asks of a region. `docs/ownership.md` has the protocol.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, StatusCode, header, request::Parts};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use crate::{
    Application, Denied, EpochStore, Failure, Homing, Mark, Ownership, Standing, Unit, asked::epoch,
    refusal::json_response,
};

pub(crate) const PATH: &str = "/.well-known/homing/ownership";

/// How long a pause or a lease may last at most.
const LONGEST: Duration = Duration::from_secs(600);
/// How long a pause waits at most for writes in flight.
const DRAIN: Duration = Duration::from_secs(10);

/// Status and body.
type Reply = (StatusCode, Value);
/// Answers and refusals alike; what failed in between may be asked for again.
type Outcome = Result<Reply, Failure>;

pub(crate) async fn answer<S: EpochStore, A: Application, R: From<Bytes>>(
    homing: &Homing<S, A>,
    request: &Parts,
    now: u64,
) -> Response<R> {
    let Parts { method, uri, headers, .. } = request;
    if let Err(refusal) = homing.shared.keys.verify(method, uri, headers, now) {
        return refusal.into_response();
    }
    let query = Query::of(uri.query().unwrap_or_default());
    let outcome = match *method {
        Method::GET => look(homing, &query).await,
        Method::POST => act(homing, &query).await,
        _ => Ok((
            StatusCode::METHOD_NOT_ALLOWED,
            json!({ "state": "malformed", "error": "only GET and POST are known" }),
        )),
    };
    let (status, body) = outcome.unwrap_or_else(|error| failed("failed", &error.to_string()));
    let mut response = json_response(status, &body);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, 1.into());
    }
    response
}

async fn look<S: EpochStore, A: Application>(homing: &Homing<S, A>, query: &Query) -> Outcome {
    if let Some(dataset) = query.get("reached") {
        return reached(homing, query, dataset).await;
    }
    let mut units = Vec::new();
    for name in query.all("unit") {
        let Some(unit) = Unit::parse(name) else { return malformed("unit") };
        let Standing { owner, pause, .. } = homing.standing(&unit).await?;
        let (home, epoch) = owner.map(|owner| (owner.home, owner.epoch)).unzip();
        let left = epoch.and_then(|epoch| homing.shared.leases.left(&unit, epoch));
        units.push(json!({
            "unit": unit.as_str(), "home": home, "epoch": epoch.unwrap_or(0),
            "pause": pause.filter(|pause| !pause.left.is_zero()).map(|pause| pause.id),
            "lease_ms": left.map(|left| left.as_millis() as u64),
        }));
    }
    Ok((StatusCode::OK, json!({ "region": homing.region(), "units": units })))
}

async fn reached<S: EpochStore, A: Application>(homing: &Homing<S, A>, query: &Query, dataset: &str) -> Outcome {
    let (Some(home), Some(epoch), Some(position)) =
        (query.get("of"), query.get("epoch").and_then(epoch), query.get("position"))
    else {
        return malformed("of, epoch or position");
    };
    // Of a dataset that is split, whose part of it; without that, the log as a whole.
    let Some(unit) = Unit::parse(query.get("unit").unwrap_or(dataset)) else { return malformed("unit") };
    let mark = Mark { owner: Ownership::new(home, epoch), position: position.to_owned() };
    let reached = homing.reached(dataset, &unit, &mark).await?;
    let at = homing.copy(dataset, &unit).await?.map(|copy| copy.position);
    Ok((StatusCode::OK, json!({ "reached": reached, "position": at })))
}

async fn act<S: EpochStore, A: Application>(homing: &Homing<S, A>, query: &Query) -> Outcome {
    let op = query.get("op").unwrap_or_default();
    let id = query.get("id").and_then(|id| id.parse().ok());
    if op == "resume" {
        let Some(id) = id else { return malformed("id") };
        return resume(homing, id, query.get("unit").and_then(claimed)).await;
    }
    let Some((unit, epoch)) = query.get("unit").and_then(claimed) else { return malformed("unit") };
    if homing.is_split(&unit) {
        return malformed("a unit (this dataset is split by subjects, whose units are ~ID)");
    }
    let held = Ownership::new(homing.region(), epoch);
    match (op, id, query.time(), query.get("to")) {
        ("pause", Some(id), Some(time), _) => pause(homing, &unit, &held, id, time).await,
        ("depose", Some(id), _, Some(to)) => depose(homing, &unit, &held, id, to).await,
        ("grant", ..) => grant(homing, &unit, &held, query.lease()).await,
        ("learn", ..) => learn(homing, query, &unit, epoch).await,
        ("renew", ..) => match query.lease() {
            Some(lease) => renew(homing, &unit, &held, lease).await,
            None => malformed("for_ms"),
        },
        ("pause" | "depose", ..) => malformed("id, to or for_ms"),
        _ => malformed("op"),
    }
}

/// Holds writes back, waits for those in flight, and says how far the data is then.
async fn pause<S: EpochStore, A: Application>(
    homing: &Homing<S, A>,
    unit: &Unit,
    held: &Ownership,
    id: u64,
    time: Duration,
) -> Outcome {
    // By a guess nothing is paused here and given away.
    if let Some(elsewhere) = homing.standing(unit).await?.lives_elsewhere(homing.region()) {
        return Ok(conflict(Denied::NotOwner(Some(elsewhere.clone()))));
    }
    // The authority knows who owns what; a region that has not heard of its subject yet hears of it so, and tells its peers.
    homing.learn(unit, held).await?;
    if let Err(denied) = homing.store().change(unit, |standing| standing.pause(held, id, time)).await? {
        return Ok(conflict(denied));
    }
    if timeout(time.min(DRAIN), homing.shared.gate.drained(unit)).await.is_err() {
        return Ok(failed("busy", "writes in flight have not ended yet; the pause holds"));
    }
    let mut positions = Map::new();
    for dataset in homing.application().within(unit) {
        if let Some(position) = homing.settled(&dataset, unit).await? {
            positions.insert(dataset, position.into());
        }
    }
    Ok((StatusCode::OK, json!({ "positions": positions })))
}

/// Ends a pause wherever it holds, and for the unit that is named also where it has yet to arrive.
async fn resume<S: EpochStore, A: Application>(homing: &Homing<S, A>, id: u64, of: Option<(Unit, u64)>) -> Outcome {
    if let Some((unit, epoch)) = of.filter(|(unit, _)| !homing.is_split(unit)) {
        if homing.standing(&unit).await?.lives_elsewhere(homing.region()).is_none() {
            homing.learn(&unit, &Ownership::new(homing.region(), epoch)).await?;
        }
        homing.store().change(&unit, |standing| standing.resume(id)).await?;
    }
    for unit in homing.store().paused_by(id).await? {
        homing.store().change(&unit, |standing| standing.resume(id)).await?;
    }
    Ok((StatusCode::OK, json!({})))
}

/// Gives the unit away. Whether the pause holds and who owns the unit then is one step of the store.
async fn depose<S: EpochStore, A: Application>(
    homing: &Homing<S, A>,
    unit: &Unit,
    held: &Ownership,
    id: u64,
    to: &str,
) -> Outcome {
    match homing.store().change(unit, |standing| standing.depose(held, id, to)).await? {
        Err(denied) => Ok(conflict(denied)),
        Ok(next) => {
            // Once more if the authority asks once more: the first time may not have come this far.
            homing.application().announce(unit, &next).await?;
            homing.application().deposed(unit, &next).await;
            Ok((StatusCode::OK, owner(Some(&next))))
        }
    }
}

async fn grant<S: EpochStore, A: Application>(
    homing: &Homing<S, A>,
    unit: &Unit,
    held: &Ownership,
    lease: Option<(Duration, u64)>,
) -> Outcome {
    let later = |known: &Ownership| known.epoch > held.epoch || (known.epoch == held.epoch && known != held);
    let known = homing.store().standing(unit).await?.owner;
    if let Some(known) = known.filter(later) {
        return Ok((StatusCode::CONFLICT, with_state("later", owner(Some(&known)))));
    }
    homing.application().granted(unit, held).await?;
    let counts = homing.own(unit, held).await?;
    if counts != *held {
        return Ok((StatusCode::CONFLICT, with_state("later", owner(Some(&counts)))));
    }
    if let Some((time, asked)) = lease {
        homing.shared.leases.renew(unit, held.epoch, time, asked);
    }
    Ok((StatusCode::OK, owner(Some(held))))
}

/// Somebody else owns it, of which this region may not have heard: it was not there.
async fn learn<S: EpochStore, A: Application>(
    homing: &Homing<S, A>,
    query: &Query,
    unit: &Unit,
    epoch: u64,
) -> Outcome {
    let Some(home) = query.get("home").filter(|home| !home.is_empty()) else { return malformed("home") };
    homing.learn(unit, &Ownership::new(home, epoch)).await?;
    let known = homing.store().standing(unit).await?.owner;
    Ok((StatusCode::OK, owner(known.as_ref())))
}

async fn renew<S: EpochStore, A: Application>(
    homing: &Homing<S, A>,
    unit: &Unit,
    held: &Ownership,
    (time, asked): (Duration, u64),
) -> Outcome {
    let known = homing.store().standing(unit).await?.owner;
    if known.as_ref() != Some(held) {
        return Ok(conflict(Denied::NotOwner(known)));
    }
    homing.shared.leases.renew(unit, held.epoch, time, asked);
    Ok((StatusCode::OK, json!({ "lease_ms": time.as_millis() as u64 })))
}

fn conflict(denied: Denied) -> Reply {
    let body = match denied {
        Denied::NotOwner(known) => with_state("not-owner", owner(known.as_ref())),
        Denied::Paused(id) => json!({ "state": "paused", "id": id }),
        Denied::NotPaused => json!({ "state": "not-paused" }),
        Denied::Over => json!({ "state": "over" }),
    };
    (StatusCode::CONFLICT, body)
}

fn owner(owner: Option<&Ownership>) -> Value {
    json!({ "home": owner.map(|owner| &owner.home), "epoch": owner.map_or(0, |owner| owner.epoch) })
}

fn with_state(state: &str, mut body: Value) -> Value {
    if let Value::Object(fields) = &mut body {
        fields.insert("state".to_owned(), state.into());
    }
    body
}

fn failed(state: &str, error: &str) -> Reply {
    (StatusCode::SERVICE_UNAVAILABLE, json!({ "state": state, "error": error }))
}

fn malformed(what: &str) -> Outcome {
    let error = format!("{what} is missing or cannot be read");
    Ok((StatusCode::BAD_REQUEST, json!({ "state": "malformed", "error": error })))
}

/// `UNIT@EPOCH`.
fn claimed(text: &str) -> Option<(Unit, u64)> {
    let (unit, of) = text.rsplit_once('@')?;
    Some((Unit::parse(unit)?, epoch(of)?))
}

/// The query, decoded.
struct Query(Vec<(String, String)>);

impl Query {
    fn of(text: &str) -> Self {
        Self(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// How long a lease lasts from now, and when it was asked for: what was late on its way lasts the less.
    fn lease(&self) -> Option<(Duration, u64)> {
        let now = crate::layer::now();
        let asked = self.get("at").and_then(epoch).unwrap_or(now);
        Some((self.time()?.saturating_sub(Duration::from_millis(now.saturating_sub(asked))), asked))
    }

    fn time(&self) -> Option<Duration> {
        let time = Duration::from_millis(self.get("for_ms")?.parse().ok()?);
        (!time.is_zero() && time <= LONGEST).then_some(time)
    }
}
