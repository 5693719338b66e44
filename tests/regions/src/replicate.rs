//! Asynchronous replication: each region follows each peer's logs over HTTP and applies them in order.

use std::{sync::Arc, time::Duration};

use homing_origin::merge::Operation;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, body::Bytes};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde::de::DeserializeOwned;

use crate::{
    Region,
    store::{Op, now},
};

const PAUSE: Duration = Duration::from_millis(40);
const PATIENCE: Duration = Duration::from_secs(2);
const TEND: Duration = Duration::from_secs(2);

/// Follows one peer for good.
pub(crate) async fn follow(region: Arc<Region>, peer: String, url: String) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    loop {
        tokio::time::sleep(PAUSE).await;
        if region.faults.is_cut(&peer) {
            region.faults.unreachable(&peer);
            continue;
        }
        let after = region.store.applied(&peer).unwrap_or(0);
        let asked = now();
        let places = region.store.places_in(&peer).unwrap_or_default();
        let places: String = places.iter().map(|(dataset, after)| format!("&{dataset}={after}")).collect();
        let owned = fetch::<Op>(&client, format!("{url}/replicate?from={}&after={after}", region.name));
        let written = fetch::<Operation>(&client, format!("{url}/replicate/operations?from={}{places}", region.name));
        match tokio::time::timeout(PATIENCE, async { Some((owned.await?, written.await?)) }).await {
            Ok(Some(news)) => take(&region, &peer, &news, asked),
            _ => region.faults.unreachable(&peer),
        }
    }
}

/// Says at times how far this region is, for all to forget what everybody has.
pub(crate) async fn tend(region: Arc<Region>) {
    loop {
        tokio::time::sleep(TEND).await;
        let _ = region.store.tend();
    }
}

type Http = Client<hyper_util::client::legacy::connect::HttpConnector, Empty<Bytes>>;

async fn fetch<T: DeserializeOwned>(client: &Http, uri: String) -> Option<Vec<T>> {
    let request = Request::get(uri).body(Empty::new()).ok()?;
    let response = client.request(request).await.ok().filter(|response| response.status().is_success())?;
    let body = response.into_body().collect().await.ok()?.to_bytes();
    serde_json::from_slice(&body).ok()
}

/// Applies what is old enough for the lag that was asked for, and notes how far behind that leaves this region.
fn take(region: &Region, peer: &str, (ops, operations): &(Vec<Op>, Vec<Operation>), asked: i64) {
    let ripe = now() - region.faults.lag_ms();
    for op in ops.iter().take_while(|op| op.at <= ripe) {
        if region.store.receive(op).is_err() {
            return;
        }
    }
    // Of each log what is ripe comes first; a clock that was set back holds up what is behind, and no more.
    let is_ripe = |operation: &&Operation| i64::try_from(operation.at).is_ok_and(|at| at <= ripe);
    let of_each = operations.chunk_by(|one, other| one.dataset == other.dataset);
    let ripe_ones: Vec<_> = of_each.flat_map(|log| log.iter().take_while(is_ripe)).cloned().collect();
    if region.store.take_in(&ripe_ones).is_ok() {
        region.faults.caught_up(peer, asked.min(ripe));
    }
}
