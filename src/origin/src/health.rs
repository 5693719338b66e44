//! The health address: how this region is, in JSON.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::{Application, EpochStore, Homing, Unit, multi_writer, refusal::json_response};

pub(crate) const PATH: &str = "/.well-known/homing";

pub(crate) async fn answer<S: EpochStore, A: Application, R: From<Bytes>>(homing: &Homing<S, A>) -> Response<R> {
    let application = homing.application();
    let (mut epochs, mut positions) = (Map::new(), Map::new());
    for dataset in application.datasets() {
        let unit = Unit::dataset(&dataset);
        let Ok(standing) = homing.store().standing(&unit).await else {
            return json_response(StatusCode::SERVICE_UNAVAILABLE, &json!({ "title": "the epoch store failed" }));
        };
        // The two stand beside each other, so a copy of an earlier epoch says nothing: it would pass for one of this.
        let copy = homing.copy(&dataset, &unit).await.ok().flatten();
        let copy = copy.filter(|copy| Some(&copy.owner) == standing.owner.as_ref());
        let position = copy.map(|copy| copy.position);
        epochs.insert(dataset.clone(), json!(standing.owner.map(|owner| owner.epoch)));
        positions.insert(dataset, position.map_or(Value::Null, number));
    }
    let peers = application.peers();
    let lag = peers.iter().map(|peer| (peer.name.clone(), json!(peer.lag.map(|lag| lag.as_millis() as u64))));
    let reachable = peers.iter().map(|peer| (peer.name.clone(), json!(peer.reachable)));
    let mut body = json!({
        "region": homing.region(), "epochs": epochs, "position": positions,
        "lag_ms": lag.collect::<Map<_, _>>(), "reachable": reachable.collect::<Map<_, _>>(),
    });
    if let Value::Object(fields) = &mut body {
        fields.extend(multi_writer::totals(application).await.map(|totals| ("conflicts".to_owned(), totals)));
        fields.extend(application.health().await);
    }
    json_response(StatusCode::OK, &body)
}

/// A counter is shown as a number.
fn number(position: String) -> Value {
    position.parse::<u64>().map_or(Value::String(position), Value::from)
}
