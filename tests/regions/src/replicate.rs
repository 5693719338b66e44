//! Asynchronous replication: each region follows each peer's log over HTTP and applies it in order.

use std::{sync::Arc, time::Duration};

use http_body_util::{BodyExt, Empty};
use hyper::{Request, body::Bytes};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

use crate::{
    Region,
    store::{Op, now},
};

const PAUSE: Duration = Duration::from_millis(40);
const PATIENCE: Duration = Duration::from_secs(2);

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
        let uri = format!("{url}/replicate?from={}&after={after}", region.name);
        let Ok(request) = Request::get(uri).body(Empty::new()) else { return };
        match tokio::time::timeout(PATIENCE, fetch(&client, request)).await {
            Ok(Some(ops)) => take(&region, &peer, &ops, asked),
            _ => region.faults.unreachable(&peer),
        }
    }
}

type Http = Client<hyper_util::client::legacy::connect::HttpConnector, Empty<Bytes>>;

async fn fetch(client: &Http, request: Request<Empty<Bytes>>) -> Option<Vec<Op>> {
    let response = client.request(request).await.ok().filter(|response| response.status().is_success())?;
    let body = response.into_body().collect().await.ok()?.to_bytes();
    serde_json::from_slice(&body).ok()
}

/// Applies what is old enough for the lag that was asked for, and notes how far behind that leaves this region.
fn take(region: &Region, peer: &str, ops: &[Op], asked: i64) {
    let ripe = now() - region.faults.lag_ms();
    for op in ops.iter().take_while(|op| op.at <= ripe) {
        if region.store.receive(op).is_err() {
            return;
        }
    }
    region.faults.caught_up(peer, asked.min(ripe));
}
