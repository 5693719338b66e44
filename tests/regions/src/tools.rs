//! What tests and curious people need: slow answers, streams, any answer at all, an echo, a WebSocket.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{
        Query, Request, State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures_util::stream;
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Region, contract::Answer};

#[derive(Deserialize)]
pub(crate) struct Slow {
    #[serde(default)]
    ms: u64,
}

/// `GET /slow?ms=`: headers after that time.
pub(crate) async fn slow(State(region): State<Arc<Region>>, Query(slow): Query<Slow>) -> Answer {
    tokio::time::sleep(Duration::from_millis(slow.ms)).await;
    Answer::new(&region, json!({ "slept_ms": slow.ms, "version": 1 }))
}

#[derive(Deserialize)]
pub(crate) struct Stream {
    #[serde(default = "three")]
    chunks: u64,
    #[serde(default)]
    ms: u64,
    /// After the chunks nothing more comes, and no end either.
    #[serde(default)]
    hang: u8,
}

fn three() -> u64 {
    3
}

/// `GET /stream?chunks=&ms=&hang=`: a body in pieces, without a length.
pub(crate) async fn stream(State(region): State<Arc<Region>>, Query(asked): Query<Stream>) -> Response {
    let name = region.name.clone();
    let chunks = stream::unfold(0, move |at| {
        let line = format!("{{\"region\": \"{name}\", \"chunk\": {at}}}\n");
        let Stream { chunks, ms, hang } = asked;
        async move {
            if at >= chunks {
                if hang == 1 {
                    std::future::pending::<()>().await;
                }
                return None;
            }
            if at > 0 {
                tokio::time::sleep(Duration::from_millis(ms)).await;
            }
            Some((Ok::<_, Infallible>(Bytes::from(line)), at + 1))
        }
    });
    ([("content-type", "application/x-ndjson")], Body::from_stream(chunks)).into_response()
}

/// A body that promises more than it gives: the connection breaks in its middle.
pub(crate) fn broken_body() -> Response {
    let half = stream::iter([Ok(Bytes::from_static(b"{\"half\":")), Err(std::io::Error::other("broken on purpose"))]);
    ([("content-length", "1000"), ("content-type", "application/json")], Body::from_stream(half)).into_response()
}

/// `/echo`: what the origin saw, whatever the method.
pub(crate) async fn echo(State(region): State<Arc<Region>>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let headers: Vec<Value> = parts
        .headers
        .iter()
        .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]))
        .collect();
    let seen = json!({
        "method": parts.method.as_str(), "target": parts.uri.to_string(), "headers": headers,
        "body": String::from_utf8_lossy(&body), "version": 1,
    });
    Answer::new(&region, seen)
}

/// `/respond?status=&header=Name:Value&body=`: any answer, with the number of requests that this region has had.
pub(crate) async fn respond(State(region): State<Arc<Region>>, Query(asked): Query<Vec<(String, String)>>) -> Response {
    let values =
        |wanted: &'static str| asked.iter().filter(move |(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let count = region.faults.note(json!({ "target": "/count" }));
    let status = values("status").next().and_then(|status| status.parse::<StatusCode>().ok()).unwrap_or(StatusCode::OK);
    let body = values("body")
        .next()
        .map_or_else(|| json!({ "region": region.name, "count": count, "version": count }).to_string(), str::to_owned);
    let mut response = (status, body).into_response();
    for (name, value) in values("header").filter_map(|field| field.split_once(':')) {
        let pair = (name.trim().parse::<axum::http::HeaderName>(), value.trim().parse());
        if let (Ok(name), Ok(value)) = pair {
            if name == "content-type" {
                response.headers_mut().insert(name, value);
            } else {
                response.headers_mut().append(name, value);
            }
        }
    }
    response
}

/// `/ws`: says the region's name, then echoes.
pub(crate) async fn websocket(State(region): State<Arc<Region>>, upgrade: WebSocketUpgrade) -> Response {
    let name = region.name.clone();
    upgrade.on_upgrade(|socket| talk(socket, name))
}

async fn talk(mut socket: WebSocket, name: String) {
    if socket.send(Message::Text(name.into())).await.is_err() {
        return;
    }
    while let Some(Ok(message)) = socket.recv().await {
        if matches!(message, Message::Text(_) | Message::Binary(_)) && socket.send(message).await.is_err() {
            return;
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct Path {
    #[serde(default)]
    path: String,
}

/// `GET /control/seen?path=`: the requests that came, newest first.
pub(crate) async fn seen(State(region): State<Arc<Region>>, Query(asked): Query<Path>) -> Json<Value> {
    Json(json!(region.faults.seen(&asked.path)))
}
