//! The application: a catalogue, carts and notes, which have one owner at a time, in JSON; multi_writer.rs has the rest.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    middleware,
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use homing_origin::{Homing, Refusal, Unit, say, store::sqlite::Sqlite, subject_id};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Region,
    contract::{Answer, Broken, Caller},
    control, multi_writer,
    store::{Entry, Held},
    tools,
};

type Shared = State<Arc<Region>>;
type Reply = Result<Response, Broken>;

/// The application behind the contract; beside it what is for peers and for people at this machine; around both the faults.
pub(crate) fn routes(region: &Arc<Region>, homing: &Homing<Sqlite, Arc<Region>>) -> Router {
    let application = Router::new()
        .route("/api/catalog", get(catalog))
        .route("/api/catalog/{id}", get(item).put(put_item))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/api/cart", get(cart).post(add_to_cart).put(put_cart))
        .route("/api/likes", get(multi_writer::likes))
        .route("/api/likes/{id}", get(multi_writer::like).put(multi_writer::put_like))
        .route("/api/views/{id}", get(multi_writer::views).post(multi_writer::view))
        .route("/api/profile/{id}", get(multi_writer::profile).patch(multi_writer::patch_profile))
        .route("/api/draft/{id}", get(multi_writer::draft).put(multi_writer::put_draft))
        .route("/t/{tenant}/notes", get(notes).post(add_note))
        .route("/slow", get(tools::slow))
        .route("/stream", get(tools::stream))
        .route("/echo", any(tools::echo))
        .route("/respond", any(tools::respond))
        .route("/ws", get(tools::websocket))
        .layer(homing.layer())
        .with_state(Arc::clone(region));
    Router::new()
        .route("/replicate", get(replicate))
        .route("/replicate/operations", get(multi_writer::replicate))
        .route("/control", post(control::command).get(control::show))
        .route("/control/seen", get(tools::seen))
        .fallback_service(application)
        .layer(middleware::from_fn_with_state(Arc::clone(region), control::around))
        .with_state(Arc::clone(region))
}

/// What a request is about.
struct Part<'a> {
    dataset: &'a str,
    unit: Unit,
    key: &'a str,
}

fn read(region: &Region, caller: &Caller, part: &Part<'_>, show: impl FnOnce(Value, &str) -> Value) -> Reply {
    Ok(read_of(region, caller, region.store.read(part.dataset, part.key)?, show).into_response())
}

fn read_of(region: &Region, caller: &Caller, held: Option<Held>, show: impl FnOnce(Value, &str) -> Value) -> Answer {
    let (value, version) = held.map_or((Value::Null, String::new()), |held| {
        (serde_json::from_str(&held.value).unwrap_or(Value::Null), held.stamp)
    });
    Answer::new(region, show(value, &version)).naming(caller).saying(say::wrote(false))
}

/// A write: fenced, and done once for each Idempotency-Key.
fn write(
    region: &Region,
    caller: &Caller,
    part: &Part<'_>,
    sent: Value,
    decide: impl FnOnce(Option<Value>, Value) -> Value,
    show: impl FnOnce(Value, &str) -> Value,
) -> Reply {
    let key = caller.asked.key(caller.user.as_deref(), sent.to_string().as_bytes())?;
    let entry = Entry { dataset: part.dataset, key: part.key };
    let decide = |held: Option<&str>| decide(held.and_then(|text| serde_json::from_str(text).ok()), sent).to_string();
    let written = region.store.write_once((&caller.asked, &part.unit), &key, entry, decide, |op| {
        let value = serde_json::from_str(&op.value).unwrap_or(Value::Null);
        let answer = homing_origin::Answer::json(StatusCode::OK, &Answer::new(region, show(value, &op.stamp)).body);
        // It shows what it wrote, and nothing that was written later elsewhere in this log. Of a repeat, the last write of the unit does.
        op.written().iter().fold(answer, |answer, (_, at)| answer.with(say::shows(at)))
    })?;
    let mut response = written?.into_response();
    response.headers_mut().extend(caller.naming());
    Ok(response)
}

fn catalog_item(key: &str) -> Part<'_> {
    Part { dataset: "catalog", unit: Unit::dataset("catalog"), key }
}

/// What is all of one subject's. It is refused where the router asked about another one: it was sent to that one's home.
fn of_subject<'a>(
    caller: &Caller,
    dataset: &'a str,
    (kind, name): (&str, &str),
    id: &'a str,
) -> Result<Part<'a>, Refusal> {
    Ok(Part { dataset, unit: caller.asked.about(kind, name)?, key: id })
}

async fn catalog(State(region): Shared, caller: Caller) -> Reply {
    let items: Vec<Value> = region
        .store
        .list("catalog")?
        .into_iter()
        .map(|(id, value)| json!({ "id": id, "item": serde_json::from_str::<Value>(&value).unwrap_or(Value::Null) }))
        .collect();
    let part = catalog_item("");
    let mut response = read(&region, &caller, &part, |_, _| json!({ "items": items, "version": items.len() }))?;
    cacheable(&mut response, &items.len().to_string());
    Ok(response)
}

async fn item(State(region): Shared, caller: Caller, Path(id): Path<String>) -> Reply {
    let part = catalog_item(&id);
    let held = region.store.read(part.dataset, part.key)?;
    // More exactly than the layer's question, which is for the last write of the whole catalogue.
    let shows = region.store.shows_of(&part.unit, held.as_ref())?;
    let tag = held.as_ref().map_or_else(String::new, |held| held.stamp.clone());
    let answer = read_of(&region, &caller, held, |item, version| json!({ "id": id, "item": item, "version": version }));
    let mut response = shows.iter().fold(answer, |answer, at| answer.saying(say::shows(at))).into_response();
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

async fn put_item(State(region): Shared, caller: Caller, Path(id): Path<String>, Json(body): Json<Value>) -> Reply {
    let part = catalog_item(&id);
    write(
        &region,
        &caller,
        &part,
        body,
        |_, item| item,
        |item, version| json!({ "id": id, "item": item, "version": version }),
    )
}

#[derive(Deserialize)]
struct Login {
    user: String,
}

async fn login(State(region): Shared, Json(body): Json<Login>) -> Response {
    Answer::new(&region, json!({ "user": body.user, "version": 1 }))
        .with("set-cookie", &format!("app_user={}; Path=/; HttpOnly", body.user))
        .saying(say::subject(&body.user))
        .saying(say::wrote(false))
        .into_response()
}

async fn logout(State(region): Shared) -> Response {
    Answer::new(&region, json!({ "user": null, "version": 1 }))
        .with("set-cookie", "app_user=; Path=/; Max-Age=0")
        .saying(say::subject(""))
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

async fn cart(State(region): Shared, caller: Caller) -> Reply {
    let Some(user) = &caller.user else { return Ok(nobody(&region)) };
    let id = subject_id("user", user);
    let part = of_subject(&caller, "cart", ("user", user), &id)?;
    let mut response = read(&region, &caller, &part, |items, version| show_cart(user, items, version))?;
    response.headers_mut().insert("cache-control", axum::http::HeaderValue::from_static("private, no-store"));
    Ok(response)
}

#[derive(Deserialize)]
struct Add {
    item: Value,
}

async fn add_to_cart(State(region): Shared, caller: Caller, Json(body): Json<Add>) -> Reply {
    let Some(user) = &caller.user else { return Ok(nobody(&region)) };
    let id = subject_id("user", user);
    let part = of_subject(&caller, "cart", ("user", user), &id)?;
    write(&region, &caller, &part, body.item, appended, |items, version| show_cart(user, items, version))
}

async fn put_cart(State(region): Shared, caller: Caller, Json(items): Json<Value>) -> Reply {
    let Some(user) = &caller.user else { return Ok(nobody(&region)) };
    let id = subject_id("user", user);
    let part = of_subject(&caller, "cart", ("user", user), &id)?;
    write(&region, &caller, &part, items, |_, items| items, |items, version| show_cart(user, items, version))
}

fn appended(held: Option<Value>, item: Value) -> Value {
    let mut items = held.and_then(|held| held.as_array().cloned()).unwrap_or_default();
    items.push(item);
    Value::Array(items)
}

async fn notes(State(region): Shared, caller: Caller, Path(tenant): Path<String>) -> Reply {
    let id = subject_id("tenant", &tenant);
    let part = of_subject(&caller, "notes", ("tenant", &tenant), &id)?;
    read(&region, &caller, &part, |notes, version| json!({ "tenant": tenant, "notes": notes, "version": version }))
}

async fn add_note(State(region): Shared, caller: Caller, Path(tenant): Path<String>, Json(note): Json<Value>) -> Reply {
    let id = subject_id("tenant", &tenant);
    let part = of_subject(&caller, "notes", ("tenant", &tenant), &id)?;
    let show = |notes, version: &str| json!({ "tenant": tenant, "notes": notes, "version": version });
    write(&region, &caller, &part, note, appended, show)
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
