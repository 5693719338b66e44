//! The application: a catalogue, carts, likes and notes, in JSON.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    middleware,
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Region,
    contract::{self, Answer, Asked, Broken, fence, subject_id},
    control,
    position::{position, reaches},
    tools,
};

type Shared = State<Arc<Region>>;
type Reply = Result<Response, Broken>;

pub(crate) fn routes(region: Arc<Region>) -> Router {
    Router::new()
        .route("/api/catalog", get(catalog))
        .route("/api/catalog/{id}", get(item).put(put_item))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/api/cart", get(cart).post(add_to_cart).put(put_cart))
        .route("/api/likes/{id}", get(like).put(put_like))
        .route("/t/{tenant}/notes", get(notes).post(add_note))
        .route("/slow", get(tools::slow))
        .route("/stream", get(tools::stream))
        .route("/echo", any(tools::echo))
        .route("/respond", any(tools::respond))
        .route("/ws", get(tools::websocket))
        .route("/.well-known/homing", get(health))
        .route("/replicate", get(replicate))
        .route("/control", post(control::command).get(control::show))
        .route("/control/seen", get(tools::seen))
        .layer(middleware::from_fn_with_state(Arc::clone(&region), contract::around))
        .with_state(region)
}

/// What a write is about.
struct Part<'a> {
    dataset: &'a str,
    subject: &'a str,
    key: &'a str,
}

/// A read: may this copy answer, then the data, then how far the copy is by now.
fn read(region: &Region, asked: &Asked, part: &Part<'_>, show: impl FnOnce(Value, &str) -> Value) -> Reply {
    let (before, will_do) = reaches(region, asked, part.dataset, part.subject)?;
    if !will_do {
        let behind = Answer::new(region, json!({ "error": "this copy is behind" })).with("homing-behind", "1");
        let behind = behind.at(region, part.dataset, part.subject, None)?;
        return Ok(Answer { status: StatusCode::SERVICE_UNAVAILABLE, ..behind }.into_response());
    }
    let held = region.store.read(part.dataset, part.key)?;
    let (value, version) = held.map_or((Value::Null, String::new()), |held| {
        (serde_json::from_str(&held.value).unwrap_or(Value::Null), held.stamp)
    });
    let answer = Answer::new(region, show(value, &version)).naming(asked);
    Ok(answer.at(region, part.dataset, part.subject, before.as_ref())?.with("homing-wrote", "0").into_response())
}

/// A write: fenced, done once for each Idempotency-Key, and said where it committed.
fn write(
    region: &Region,
    asked: &Asked,
    part: &Part<'_>,
    decide: impl FnOnce(Option<Value>) -> Value,
    show: impl FnOnce(Value, &str) -> Value,
) -> Reply {
    if let Err(refused) = fence(region, asked, part.dataset, part.subject)? {
        return Ok(refused);
    }
    let repeat_key = asked.repeat_key.as_ref().map(|key| format!("{}/{}/{key}", part.dataset, part.key));
    let before = repeat_key.as_deref().map(|key| region.store.repeated(key)).transpose()?.flatten();
    if let Some(answer) = before.and_then(|text| serde_json::from_str(&text).ok()) {
        return Ok(Answer::new(region, answer)
            .at(region, part.dataset, part.subject, None)?
            .with("homing-wrote", "0")
            .into_response());
    }
    let (op, conflicted) = region.store.write(part.dataset, part.key, asked.clock.as_deref(), |held| {
        decide(held.and_then(|text| serde_json::from_str(text).ok())).to_string()
    })?;
    let value = serde_json::from_str(&op.value).unwrap_or(Value::Null);
    let answer = Answer::new(region, show(value, &op.stamp)).naming(asked);
    if let Some(key) = repeat_key {
        region.store.remember(&key, &answer.body.to_string())?;
    }
    let answer = if conflicted { answer.with("homing-conflict", "last-write-wins") } else { answer };
    Ok(answer.at(region, part.dataset, part.subject, None)?.with("homing-wrote", "1").into_response())
}

async fn catalog(State(region): Shared, asked: Asked) -> Reply {
    let items: Vec<Value> = region
        .store
        .list("catalog")?
        .into_iter()
        .map(|(id, value)| json!({ "id": id, "item": serde_json::from_str::<Value>(&value).unwrap_or(Value::Null) }))
        .collect();
    let part = Part { dataset: "catalog", subject: "", key: "" };
    let mut response = read(&region, &asked, &part, |_, _| json!({ "items": items, "version": items.len() }))?;
    cacheable(&mut response, &items.len().to_string());
    Ok(response)
}

async fn item(State(region): Shared, asked: Asked, Path(id): Path<String>) -> Reply {
    let part = Part { dataset: "catalog", subject: "", key: &id };
    let mut tag = String::new();
    let mut response = read(&region, &asked, &part, |item, version| {
        version.clone_into(&mut tag);
        json!({ "id": id, "item": item, "version": version })
    })?;
    cacheable(&mut response, &tag);
    Ok(response)
}

fn cacheable(response: &mut Response, tag: &str) {
    let fields = [("cache-control", "public, max-age=10".to_owned()), ("etag", format!("\"{tag}\""))];
    for (name, value) in fields {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
}

async fn put_item(State(region): Shared, asked: Asked, Path(id): Path<String>, Json(body): Json<Value>) -> Reply {
    let part = Part { dataset: "catalog", subject: "", key: &id };
    write(&region, &asked, &part, |_| body, |item, version| json!({ "id": id, "item": item, "version": version }))
}

#[derive(Deserialize)]
struct Login {
    user: String,
}

async fn login(State(region): Shared, Json(body): Json<Login>) -> Response {
    Answer::new(&region, json!({ "user": body.user, "version": 1 }))
        .with("set-cookie", &format!("app_user={}; Path=/; HttpOnly", body.user))
        .with("homing-subject", &body.user)
        .with("homing-wrote", "0")
        .into_response()
}

async fn logout(State(region): Shared) -> Response {
    Answer::new(&region, json!({ "user": null, "version": 1 }))
        .with("set-cookie", "app_user=; Path=/; Max-Age=0")
        .with("homing-subject", "")
        .into_response()
}

fn nobody(region: &Region) -> Response {
    let body = json!({ "error": "log in first: POST /login with {\"user\": \"ada\"}" });
    Answer { status: StatusCode::UNAUTHORIZED, ..Answer::new(region, body) }.into_response()
}

fn show_cart(user: &str, items: Value, version: &str) -> Value {
    let items = if items.is_null() { json!([]) } else { items };
    json!({ "user": user, "items": items, "version": version })
}

async fn cart(State(region): Shared, asked: Asked) -> Reply {
    let Some(user) = &asked.user else { return Ok(nobody(&region)) };
    let id = subject_id("user", user);
    let part = Part { dataset: "cart", subject: &id, key: &id };
    let mut response = read(&region, &asked, &part, |items, version| show_cart(user, items, version))?;
    response.headers_mut().insert("cache-control", axum::http::HeaderValue::from_static("private, no-store"));
    Ok(response)
}

#[derive(Deserialize)]
struct Add {
    item: Value,
}

async fn add_to_cart(State(region): Shared, asked: Asked, Json(body): Json<Add>) -> Reply {
    let Some(user) = &asked.user else { return Ok(nobody(&region)) };
    let id = subject_id("user", user);
    let part = Part { dataset: "cart", subject: &id, key: &id };
    write(&region, &asked, &part, |held| appended(held, body.item), |items, version| show_cart(user, items, version))
}

async fn put_cart(State(region): Shared, asked: Asked, Json(items): Json<Value>) -> Reply {
    let Some(user) = &asked.user else { return Ok(nobody(&region)) };
    let id = subject_id("user", user);
    let part = Part { dataset: "cart", subject: &id, key: &id };
    write(&region, &asked, &part, |_| items, |items, version| show_cart(user, items, version))
}

fn appended(held: Option<Value>, item: Value) -> Value {
    let mut items = held.and_then(|held| held.as_array().cloned()).unwrap_or_default();
    items.push(item);
    Value::Array(items)
}

async fn like(State(region): Shared, asked: Asked, Path(id): Path<String>) -> Reply {
    let held = region.store.read("likes", &id)?;
    let liked = held.as_ref().is_some_and(|held| held.value.contains("true"));
    let version = held.map_or_else(String::new, |held| held.stamp);
    Ok(Answer::new(&region, json!({ "id": id, "liked": liked, "version": version })).naming(&asked).into_response())
}

async fn put_like(State(region): Shared, asked: Asked, Path(id): Path<String>, Json(body): Json<Value>) -> Reply {
    let liked = body.get("liked").and_then(Value::as_bool) == Some(true);
    let stamp = asked.clock.clone().unwrap_or_else(|| format!("{:012x}-0000-00000000", crate::store::now()));
    let (op, conflicted) = region.store.write("likes", &id, Some(&stamp), |_| json!({ "liked": liked }).to_string())?;
    let held = region.store.read("likes", &id)?.map_or(op.value, |held| held.value);
    let answer = Answer::new(&region, json!({ "id": id, "liked": held.contains("true"), "version": op.stamp }));
    let answer = if conflicted { answer.with("homing-conflict", "last-write-wins") } else { answer };
    Ok(answer.with("homing-wrote", "1").into_response())
}

async fn notes(State(region): Shared, asked: Asked, Path(tenant): Path<String>) -> Reply {
    let id = subject_id("tenant", &tenant);
    let part = Part { dataset: "notes", subject: &id, key: &id };
    read(&region, &asked, &part, |notes, version| json!({ "tenant": tenant, "notes": notes, "version": version }))
}

async fn add_note(State(region): Shared, asked: Asked, Path(tenant): Path<String>, Json(note): Json<Value>) -> Reply {
    let id = subject_id("tenant", &tenant);
    let part = Part { dataset: "notes", subject: &id, key: &id };
    let show = |notes, version: &str| json!({ "tenant": tenant, "notes": notes, "version": version });
    write(&region, &asked, &part, |held| appended(held, note), show)
}

async fn health(State(region): Shared) -> Reply {
    let peers = || region.peers.iter().map(|(peer, _)| peer);
    let lag: serde_json::Map<_, _> = peers().map(|peer| (peer.clone(), json!(region.faults.lag(peer)))).collect();
    let reachable: serde_json::Map<_, _> =
        peers().map(|peer| (peer.clone(), json!(region.faults.reachable(peer)))).collect();
    let at = position(&region, "catalog", "")?;
    let epoch = region.store.owner("catalog", "")?.map(|owner| owner.epoch);
    let body = json!({
        "epochs": { "catalog": epoch }, "position": { "catalog": at.map(|at| at.place) },
        "lag_ms": lag, "reachable": reachable, "conflicts": region.store.count("conflicts")?,
    });
    Ok(Answer::new(&region, body).into_response())
}

#[derive(Deserialize)]
struct After {
    from: String,
    after: i64,
}

async fn replicate(State(region): Shared, Query(asked): Query<After>) -> Reply {
    if region.faults.is_cut(&asked.from) {
        return Ok(StatusCode::SERVICE_UNAVAILABLE.into_response());
    }
    Ok(Json(region.store.own_ops_after(asked.after)?).into_response())
}
