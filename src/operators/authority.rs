//! The operators' side of the authority: what comes in over HTTP, as its inputs.

use serde_json::{Value, json};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use worker::{Method, Request, Response, Result};

use super::{
    api::problem,
    exports::{self, Router, this_build},
};
use homing_core::operate::{
    authority::{Input, OrderRefusal, homes},
    problem_details::ProblemDetails,
};

/// The longest order, and the longest list of homes, in bytes.
const LONGEST_ORDER: usize = 16 * 1024;
const LONGEST_LIST: usize = 64 * 1024;

/// What a request asks of the authority; none if it asks nothing that there is.
pub(super) async fn input(path: &str, mut request: Request) -> Result<Option<String>> {
    let reads = request.method() == Method::Get;
    Ok(match path {
        "/_homing/api/orders" if request.method() == Method::Post => {
            let mut order = request.text().await?;
            if order.len() > LONGEST_ORDER {
                order.clear();
            }
            Some(Input::Order { order }.text())
        }
        "/_homing/api/authority" if reads => Some(Input::Show.text()),
        "/_homing/api/drills" if reads => Some(Input::Drills { id: String::new() }.text()),
        "/_homing/api/audit" if reads => Some("audit".to_owned()),
        path if reads => {
            let below = |what: &str| path.strip_prefix(what).map(str::to_owned);
            let change = below("/_homing/api/changes/").map(|id| Input::Change { id });
            change.or_else(|| below("/_homing/api/drills/").map(|id| Input::Drills { id })).map(|input| input.text())
        }
        _ => None,
    })
}

/// Tells the directory of homes that are known beforehand.
pub(super) async fn homes(router: &Router, mut request: Request) -> Result<Response> {
    let text = request.text().await?;
    let read = match exports::settings() {
        Some(settings) if text.len() <= LONGEST_LIST => homes::read(&text, &settings.topology),
        Some(_) => Err(OrderRefusal {
            status: 400,
            detail: format!("The list is longer than {LONGEST_LIST} bytes. Send several lists."),
        }),
        None => return Response::error("not configured", 500),
    };
    match read {
        Ok(list) => answer(router.keep_homes(&json!(list).to_string()), None).await,
        Err(refusal) => problem(refusal.status, &refusal.body().to_string()),
    }
}

/// Puts an input to the authority, and answers with its reply.
pub(super) async fn put(router: &Router, input: &str) -> Result<Response> {
    let edge = (Input::parse(input) == Ok(Input::Show)).then(this_build);
    answer(router.ask(input), edge).await
}

/// Answers with what an object has promised; `edge`: which build this one is, for who is shown the other.
async fn answer(promised: std::result::Result<js_sys::Promise, JsValue>, edge: Option<Value>) -> Result<Response> {
    let reply = match promised {
        Ok(promise) => JsFuture::from(promise).await,
        Err(error) => Err(error),
    };
    let reply = reply.ok().and_then(|reply| reply.as_string());
    let reply = reply.and_then(|text| serde_json::from_str::<Value>(&text).ok()).unwrap_or(Value::Null);
    let status = reply.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
    let Some(status) = status else {
        let detail = "The authority or the directory does not answer. Requests continue with the last view. Try again; the log has the cause.";
        let response = problem(503, &ProblemDetails::new(503, detail).body())?;
        response.headers().set("retry-after", "5")?;
        return Ok(response);
    };
    let mut body = reply.get("body").cloned().unwrap_or(Value::Null);
    if let (Some(edge), Value::Object(fields)) = (edge, &mut body) {
        fields.insert("edge".to_owned(), edge);
    }
    let response = match status {
        400.. => problem(status, &body.to_string())?,
        _ => Response::from_json(&body)?.with_status(status),
    };
    response.headers().set("cache-control", "no-store")?;
    Ok(response)
}
