//! `/_homing/*`: the operators' side. Rare, so it is async Rust.

use std::time::Duration;

use futures_util::{
    StreamExt,
    future::{Either, select},
    stream,
};
use serde_json::{Value, json};
use wasm_bindgen_futures::JsFuture;
use worker::{AbortSignal, Date, Delay, Env, Fetch, Method, Request, RequestInit, RequestRedirect, Response, Result};

use super::{
    authority,
    exports::{self, Router},
};
use homing_core::{
    Headers, Timestamp, Url,
    config::{Region, pace, warnings::warnings},
    millis,
    operate::{
        admin::{Call, Door, TurnedAway},
        authority::effect::nonced,
        doctor::{asks, hints},
        is_stored, prober,
        problem_details::{MEDIA_TYPE, ProblemDetails},
        snapshot::{complete, fingerprint},
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
        "/_homing/api/suggestions" => text(router.suggestions(false), "application/json"),
        "/_homing/api/suggestions.toml" => text(router.suggestions(true), "text/plain"),
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
    let call = Call { method: &method, url, headers: Headers(fields), now };
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
    complete(&mut snapshot, health, cache);
    let tag = format!("\"{:016x}\"", fingerprint(&snapshot));
    let known = request.headers().get("if-none-match")?.is_some_and(|tags| tags.contains(&tag));
    let response =
        if known { Response::empty()?.with_status(304) } else { text(snapshot.to_string(), "application/json")? };
    response.headers().set("etag", &tag)?;
    response.headers().set("cache-control", "no-store")?;
    Ok(response)
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

/// What a region's health address says; nothing if it has not said all of it in time.
async fn health(region: &Region, env: &Env) -> Option<Value> {
    let said = std::pin::pin!(asked(region, env));
    // A binding takes no signal, and a body of its may never end.
    match select(said, Delay::from(Duration::from_millis(HEALTH_TIMEOUT_MS.into()))).await {
        Either::Left((said, _)) => said,
        Either::Right(_) => None,
    }
}

async fn asked(region: &Region, env: &Env) -> Option<Value> {
    let path = &nonced(&region.health, Timestamp(Date::now().as_millis()));
    let (service, url) = region.origin.url(path);
    let mut response = match service {
        None => {
            let signal = AbortSignal::from(web_sys::AbortSignal::timeout_with_u32(HEALTH_TIMEOUT_MS));
            let mut init = RequestInit::new();
            init.with_redirect(RequestRedirect::Manual);
            init.cf.cache_ttl = Some(-1);
            let request = Request::new_with_init(&url, &init).ok()?;
            Fetch::Request(request).send_with_signal(&signal).await.ok()?
        }
        Some(name) => env.service(name).ok()?.fetch(url, None).await.ok()?,
    };
    // What a cache says in its place is of some time before.
    let stored = response.headers().get("cf-cache-status").ok()?.is_some_and(|said| is_stored(&said));
    if response.status_code() == 200 && !stored { read(&mut response).await } else { None }
}

/// An answer in JSON, of which no more is read than it may have.
async fn read(response: &mut Response) -> Option<Value> {
    let mut body = response.stream().ok()?;
    let mut text = Vec::new();
    while let Some(piece) = body.next().await {
        text.extend_from_slice(&piece.ok()?);
        if text.len() > LONGEST_HEALTH {
            return None;
        }
    }
    serde_json::from_slice(&text).ok()
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
