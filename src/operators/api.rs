//! `/_homing/*`: the operators' side. Rare, so it is async Rust.

use std::time::Duration;

use futures_util::{
    StreamExt,
    future::{Either, select},
    stream,
};
use serde_json::{Value, json};
use wasm_bindgen_futures::JsFuture;
use worker::{
    AbortSignal, Date, Delay, Env, Fetch, Headers, Method, Request, RequestInit, RequestRedirect, Response, Result,
};

use super::{
    authority,
    exports::{self, Router},
};
use homing_core::{
    Timestamp, Url,
    config::{Region, pace, warnings::warnings},
    millis,
    operate::{
        admin::{Call, Door, TurnedAway},
        authority::effect::{RegionCall, nonced},
        conflicts::{ConflictQuestion, ConflictReply, LONGEST_ANSWER, PATIENCE_MS},
        doctor::{asks, hints},
        is_stored, prober,
        problem_details::{MEDIA_TYPE, ProblemDetails},
        snapshot::{complete, fingerprint},
        suggest::Suggestions,
    },
};

/// What is under this is not for everybody.
const API: &str = "/_homing/api/";
/// How long a health address may take.
const HEALTH_TIMEOUT_MS: u32 = 1000;
/// How long what it says may be, in bytes.
const LONGEST_HEALTH: usize = 64 * 1024;

/// Answers a request to `/_homing/*`.
pub(super) async fn answer(request: web_sys::Request, env: &Env, router: &Router) -> Result<Response> {
    // Not `Request::url`: it brings a second URL parser into the Wasm, a third of its size.
    let url = request.url();
    let path = Url::parse(&url).map_or("", |url| url.path);
    if let Err(turned_away) = permitted(&request, (&url, path), env) {
        return turned(turned_away);
    }
    let request = Request::from(request);
    match path {
        "/_homing" => redirect("/_homing/"),
        "/_homing/healthz" => Response::from_json(&json!({ "status": "ok" })),
        "/_homing/api/snapshot" => snapshot(&request, env, router).await,
        "/_homing/api/doctor" => doctor(router, env).await,
        "/_homing/api/conflicts" => conflicts(&url, env).await,
        "/_homing/api/suggestions" => suggestions(router, false),
        "/_homing/api/suggestions.toml" => suggestions(router, true),
        "/_homing/api/homes" if request.method() == Method::Post => authority::homes(router, request).await,
        path if path.starts_with(API) => match authority::input(path, request).await? {
            Some(input) => authority::put(router, &input).await,
            None => problem(404, &unknown(path)),
        },
        _ => match env.assets("ASSETS") {
            Ok(assets) => assets.fetch_request(request).await,
            Err(_) => problem(404, &unknown("the dashboard: no [assets] binding ASSETS")),
        },
    }
}

/// Whether the request may go on: all of them must come to the operators' host, those to the API must show who they are of.
fn permitted(request: &web_sys::Request, (url, path): (&str, &str), env: &Env) -> std::result::Result<(), TurnedAway> {
    let fields = Call::FIELDS.map(|name| request.headers().get(name).ok().flatten().map(|value| (name, value)));
    let fields = fields.iter().flatten().map(|(name, value)| (*name, value.as_str())).collect();
    // The raw method: the crate's own takes every one that it does not know for a GET.
    let (method, now) = (request.method(), Timestamp(Date::now().as_millis()));
    let call = Call { method: &method, url, headers: homing_core::Headers(fields), now };
    let (token, host) = (said(env, "ADMIN_TOKEN").filter(|token| !token.is_empty()), said(env, "ADMIN_HOST"));
    let dev = exports::settings().is_some_and(|settings| settings.dev);
    let door = Door { token: token.as_deref(), host: host.as_deref(), dev };
    if path.starts_with(API) { exports::permit(&call, &door) } else { door.is_at(&call) }
}

/// A var or secret; what is there and is no text is an unreadable one, and not none, so that it opens nothing.
fn said(env: &Env, name: &str) -> Option<String> {
    let value = js_sys::Reflect::get(env, &name.into()).ok().filter(|value| !value.is_undefined())?;
    Some(value.as_string().unwrap_or_else(|| "?".to_owned()))
}

fn turned(away: TurnedAway) -> Result<Response> {
    let response = problem(away.status(), &away.body())?;
    match away {
        // RFC 9110 section 15.5.2.
        TurnedAway::Unauthorized => response.headers().set("www-authenticate", "Bearer")?,
        TurnedAway::TooMany => response.headers().set("retry-after", "60")?,
        _ => {}
    }
    Ok(response)
}

/// The snapshot; with an `ETag` over all but the time, so that a page that polls an idle router gets 304.
async fn snapshot(request: &Request, env: &Env, router: &Router) -> Result<Response> {
    let Some(settings) = exports::settings() else { return Response::error("not configured", 500) };
    // A few at once, in their order; none of them has begun, nor has its time, before it is its turn.
    let asked = settings.topology.regions().map(|(_, region)| health(region, env));
    let health: Vec<_> = stream::iter(asked).buffered(pace::AT_ONCE).collect().await;
    let read = |text: String| serde_json::from_str::<Value>(&text);
    let (Ok(mut snapshot), Ok(cache)) = (read(router.snapshot()), read(router.cache())) else {
        return Response::error("not configured", 500);
    };
    complete(&mut snapshot, &settings, health, cache);
    let tag = format!("\"{:016x}\"", fingerprint(&snapshot));
    let known = request.headers().get("if-none-match")?.is_some_and(|tags| tags.contains(&tag));
    let response =
        if known { Response::empty()?.with_status(304) } else { text(snapshot.to_string(), "application/json")? };
    response.headers().set("etag", &tag)?;
    response.headers().set("cache-control", "no-store")?;
    Ok(response)
}

/// Route lines to add, as JSON or as TOML.
fn suggestions(router: &Router, as_toml: bool) -> Result<Response> {
    let Some(settings) = exports::settings() else { return Response::error("not configured", 500) };
    let seen: Suggestions = serde_json::from_str(&router.suggestions())?;
    if as_toml {
        return text(seen.toml(&settings.topology), "text/plain");
    }
    text(serde_json::to_string(&seen.show(&settings.topology))?, "application/json")
}

/// How often probers ask, in milliseconds; 0 is never. What is no such setting counts as none.
fn probes_every(said: &str) -> u64 {
    let every = prober::every(said).unwrap_or(Some(pace::ROUND));
    every.map_or(0, millis)
}

/// What this deployment tells of itself, for `homing doctor`; where its configuration is wrong, that.
async fn doctor(router: &Router, env: &Env) -> Result<Response> {
    let version = env!("CARGO_PKG_VERSION");
    let told = match exports::settings() {
        Some(settings) => json!({
            "version": version, "dev": settings.dev, "warnings": warnings(&settings),
            "probes_every": probes_every(&said(env, "PROBES").unwrap_or_default()),
            "asks": asks(&settings, Timestamp(Date::now().as_millis())), "hints": hints(&settings),
        }),
        None => json!({ "version": version }),
    };
    let heard = JsFuture::from(router.examine(&told.to_string())?).await?;
    text(heard.as_string().unwrap_or_default(), "application/json")
}

/// One isolate's word, which nobody may keep.
fn text(body: String, kind: &str) -> Result<Response> {
    let response = Response::from_bytes(body.into_bytes())?;
    response.headers().set("content-type", &format!("{kind}; charset=utf-8"))?;
    response.headers().set("cache-control", "no-store")?;
    Ok(response)
}

/// What the regions tell of a dataset's conflicts, as one. Each has its own time, so that one that hangs holds up no other's story.
async fn conflicts(url: &str, env: &Env) -> Result<Response> {
    let Some(settings) = exports::settings() else { return Response::error("not configured", 500) };
    let query = Url::parse(url).and_then(|url| url.query).unwrap_or_default();
    let question = match ConflictQuestion::read(query, &settings.topology) {
        Ok(question) => question,
        Err(wrong) => return problem(wrong.status(), &wrong.body()),
    };
    let calls = question.calls(&settings, Timestamp(Date::now().as_millis()));
    let replies = calls.into_iter().map(async |(id, call)| (id, told(&call, env).await));
    let replies: Vec<_> = stream::iter(replies).buffered(pace::AT_ONCE).collect().await;
    text(question.told(replies, &settings.topology).to_string(), "application/json")
}

async fn told(call: &RegionCall, env: &Env) -> ConflictReply {
    let region = (call.service.as_deref(), call.url.clone(), call.signature.as_deref());
    // What is given up here says so; the platform gives up a little later, and says less.
    match in_time(PATIENCE_MS, asked(region, 2 * PATIENCE_MS, LONGEST_ANSWER, env)).await {
        None => Err("It does not answer within 2 s."),
        Some(None) => Err("It cannot be reached, or its answer broke off, came from a cache, or is longer than 1 MiB."),
        Some(Some(answer)) => Ok(answer),
    }
}

/// What a region's health address says; nothing if it has not said all of it in time.
async fn health(region: &Region, env: &Env) -> Option<Value> {
    let path = &nonced(&region.health, Timestamp(Date::now().as_millis()));
    let (service, url) = region.origin.url(path);
    let answer = in_time(HEALTH_TIMEOUT_MS, asked((service, url, None), HEALTH_TIMEOUT_MS, LONGEST_HEALTH, env));
    let (status, body) = answer.await??;
    serde_json::from_slice(&body).ok().filter(|_| status == 200)
}

/// What comes of it in that time. A binding takes no signal, and a body of its may never end.
async fn in_time<T>(millis: u32, work: impl Future<Output = T>) -> Option<T> {
    match select(std::pin::pin!(work), Delay::from(Duration::from_millis(millis.into()))).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}

/// Asks a region at a service binding or a URL, with a signature if there is one. Returns its answer if that comes from no cache
/// and has at most `longest` bytes.
async fn asked(
    (service, url, signature): (Option<&str>, String, Option<&str>),
    millis: u32,
    longest: usize,
    env: &Env,
) -> Option<(u16, Vec<u8>)> {
    let mut init = RequestInit::new();
    init.with_redirect(RequestRedirect::Manual);
    if let Some(signature) = signature {
        let headers = Headers::new();
        headers.set("homing-signature", signature).ok()?;
        init.with_headers(headers);
    }
    let mut response = match service {
        None => {
            let signal = AbortSignal::from(web_sys::AbortSignal::timeout_with_u32(millis));
            init.cf.cache_ttl = Some(-1);
            let request = Request::new_with_init(&url, &init).ok()?;
            Fetch::Request(request).send_with_signal(&signal).await.ok()?
        }
        Some(name) => env.service(name).ok()?.fetch(url, Some(init)).await.ok()?,
    };
    // What a cache says in its place is of some time before.
    if response.headers().get("cf-cache-status").ok()?.is_some_and(|said| is_stored(&said)) {
        return None;
    }
    let status = response.status_code();
    // An answer without a body has no stream.
    let Ok(mut body) = response.stream() else { return Some((status, Vec::new())) };
    let mut text = Vec::new();
    while let Some(piece) = body.next().await {
        text.extend_from_slice(&piece.ok()?);
        if text.len() > longest {
            return None;
        }
    }
    Some((status, text))
}

fn redirect(to: &str) -> Result<Response> {
    let response = Response::empty()?.with_status(308);
    response.headers().set("location", to)?;
    Ok(response)
}

fn unknown(what: &str) -> String {
    ProblemDetails::new(404, format!("There is no {what}.")).body()
}

pub(super) fn problem(status: u16, body: &str) -> Result<Response> {
    let response = Response::from_bytes(body.as_bytes().to_vec())?.with_status(status);
    response.headers().set("content-type", MEDIA_TYPE)?;
    Ok(response)
}
