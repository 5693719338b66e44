//! What every region writes: who likes an item, how often it was viewed, profiles, and drafts.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, Query, State},
    http::{HeaderValue, StatusCode, header::CACHE_CONTROL},
    response::{IntoResponse, Response},
};
use homing_origin::{
    Unit,
    merge::{Change, Write},
    subject_id,
};
use serde_json::{Map, Value, json};

use crate::{
    Region,
    contract::{Answer, Broken, Caller},
    control::Fence,
};

type Shared = State<Arc<Region>>;
type Reply = Result<Response, Broken>;

/// Who does not sign in is one of these, all together.
const ANYBODY: &str = "anybody";

/// What one key shows.
fn read(region: &Region, caller: &Caller, (dataset, key): (&str, &str), show: impl FnOnce(&Value) -> Value) -> Reply {
    let shown = region.store.shown(dataset, key)?;
    let answer = Answer::new(region, show(&shown.value)).naming(caller);
    Ok(shown.fields().into_iter().fold(answer, Answer::saying).into_response())
}

/// A write, and what the key shows then. Of a conflict the story tells who, by id, and what they did.
fn write(
    region: &Region,
    caller: &Caller,
    (dataset, key): (&str, &str),
    (change, what): (Change, &str),
    show: impl FnOnce(&Value) -> Value,
) -> Reply {
    let who = caller.user.as_deref().map(|user| format!("~{}", subject_id("user", user)));
    let told = Write::new(dataset, key, change).told(who.as_deref(), what);
    let fence = match region.faults.fence(dataset) {
        None => None,
        Some(Fence::Whole) => Some(Unit::dataset(dataset)),
        Some(Fence::ByUser) => Some(caller.asked.about("user", caller.user())?),
    };
    let written = region.store.merge(&caller.asked, told, fence.as_ref())??;
    let mut body = show(&written.shown.value);
    if let Value::Object(fields) = &mut body {
        fields.insert("version".to_owned(), json!(written.stamp.as_str()));
    }
    let answer = Answer::new(region, body).naming(caller);
    Ok(written.fields().into_iter().fold(answer, Answer::saying).into_response())
}

fn liked(item: &str, user: &str, members: &Value) -> Value {
    let members = members.as_array().map_or(&[][..], Vec::as_slice);
    json!({ "id": item, "liked": members.iter().any(|member| member == user), "count": members.len(), "by": members })
}

/// One user's, so nobody else is shown it from a cache.
fn private(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    response
}

pub(crate) async fn likes(State(region): Shared, caller: Caller) -> Reply {
    let items = region.store.all_shown("likes")?;
    let items: Vec<_> = items.iter().map(|(id, shown)| liked(id, caller.user(), &shown.value)).collect();
    Ok(private(Answer::new(&region, json!({ "items": items })).naming(&caller).into_response()))
}

pub(crate) async fn like(State(region): Shared, caller: Caller, Path(id): Path<String>) -> Reply {
    read(&region, &caller, ("likes", &id), |members| liked(&id, caller.user(), members)).map(private)
}

/// Of the user, or `"as"` somebody, as tests want it.
pub(crate) async fn put_like(
    State(region): Shared,
    caller: Caller,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Reply {
    let user = body.get("as").and_then(Value::as_str).unwrap_or_else(|| caller.user());
    let done = match body.get("liked").and_then(Value::as_bool) {
        Some(true) => (Change::add(user), "like"),
        _ => (Change::remove(user), "unlike"),
    };
    write(&region, &caller, ("likes", &id), done, |members| liked(&id, user, members))
}

pub(crate) async fn views(State(region): Shared, caller: Caller, Path(id): Path<String>) -> Reply {
    read(&region, &caller, ("views", &id), |count| json!({ "id": id, "views": count }))
}

/// `{"by": 5}`, or one.
pub(crate) async fn view(
    State(region): Shared,
    caller: Caller,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Reply {
    let by = body.get("by").and_then(Value::as_i64).unwrap_or(1);
    write(&region, &caller, ("views", &id), (Change::count(by), "view"), |count| json!({ "id": id, "views": count }))
}

pub(crate) async fn profile(State(region): Shared, caller: Caller, Path(id): Path<String>) -> Reply {
    read(&region, &caller, ("profile", &id), |fields| json!({ "id": id, "profile": fields }))
}

/// The fields that change; null takes one away.
pub(crate) async fn patch_profile(
    State(region): Shared,
    caller: Caller,
    Path(id): Path<String>,
    Json(fields): Json<Map<String, Value>>,
) -> Reply {
    let change = (Change(Value::Object(fields)), "edit");
    write(&region, &caller, ("profile", &id), change, |fields| json!({ "id": id, "profile": fields }))
}

pub(crate) async fn draft(State(region): Shared, caller: Caller, Path(id): Path<String>) -> Reply {
    read(&region, &caller, ("draft", &id), |drafts| json!({ "id": id, "drafts": drafts }))
}

/// `{"text": "…"}` replaces all that this region or this session has seen.
pub(crate) async fn put_draft(
    State(region): Shared,
    caller: Caller,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Reply {
    let text = body.get("text").cloned().unwrap_or_default();
    write(&region, &caller, ("draft", &id), (Change::put(text), "save"), |drafts| json!({ "id": id, "drafts": drafts }))
}

impl Caller {
    fn user(&self) -> &str {
        self.user.as_deref().unwrap_or(ANYBODY)
    }
}

/// `GET /replicate/operations?from=PEER&likes=12&views=3`: this region's own operations after those places in its logs.
pub(crate) async fn replicate(State(region): Shared, Query(mut asked): Query<BTreeMap<String, String>>) -> Reply {
    if asked.remove("from").is_some_and(|peer| region.faults.is_cut(&peer)) {
        return Ok(StatusCode::SERVICE_UNAVAILABLE.into_response());
    }
    let places = asked.into_iter().filter_map(|(dataset, after)| Some((dataset, after.parse().ok()?))).collect();
    Ok(Json(region.store.own_operations_after(&places)?).into_response())
}
