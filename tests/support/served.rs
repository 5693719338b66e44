//! Origins that tests of `homing conformance` hold against the contract, and what it finds.

use std::{net::SocketAddr, sync::mpsc, thread};

use axum::Router;
use serde_json::Value;

use crate::command::Run;

/// Starts an origin, which stays until the test's process ends.
pub fn start(routes: impl FnOnce() -> Router + Send + 'static) -> SocketAddr {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(listener.local_addr().unwrap()).unwrap();
            axum::serve(listener, routes()).await.unwrap();
        });
    });
    receiver.recv().unwrap()
}

/// The rules of which a run with `--json` found that.
pub fn found(run: &Run, finding: &str) -> Vec<String> {
    let report: Value = serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{}", run.whole()));
    let of = |rule: &&Value| rule["finding"] == finding;
    report["rules"]
        .as_array()
        .unwrap()
        .iter()
        .filter(of)
        .map(|rule| rule["rule"].as_str().unwrap().to_owned())
        .collect()
}
