//! What the operators' side is called for: `/_homing/*` ([`super::api`]) and the turns of the authority.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use serde_json::Value;
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use worker::Env;

use crate::api;
use homing_core::{
    Secrets, Settings,
    config::{build, pace, secrets},
    millis,
    operate::{
        Published,
        admin::{Call, Door, Guard, TurnedAway},
        authority::{self, Input},
        prober,
    },
    timestamp,
};

thread_local! {
    static SETTINGS: RefCell<Option<Rc<Settings>>> = const { RefCell::new(None) };
    static GUARD: RefCell<Guard> = RefCell::default();
    static SAID: Cell<bool> = const { Cell::new(false) };
    /// What this version is, for operators who have several at once.
    static BUILD: RefCell<Value> = const { RefCell::new(Value::Null) };
}

#[wasm_bindgen]
extern "C" {
    /// What JavaScript hands over: the authority, and what the router's own Wasm knows.
    pub type Router;

    /// Puts an input to the authority, and promises its reply as JSON.
    #[wasm_bindgen(method, catch)]
    pub fn ask(this: &Router, input: &str) -> Result<js_sys::Promise, JsValue>;

    /// Tells the directory of homes that are known beforehand, and promises its reply as JSON.
    #[wasm_bindgen(method, catch, js_name = keepHomes)]
    pub fn keep_homes(this: &Router, list: &str) -> Result<js_sys::Promise, JsValue>;

    /// The isolate's part of the snapshot, as JSON.
    #[wasm_bindgen(method)]
    pub fn snapshot(this: &Router) -> String;

    /// What is known of the platform's cache, as JSON.
    #[wasm_bindgen(method)]
    pub fn cache(this: &Router) -> String;

    /// Asks all that belongs to this deployment how it is, and promises what was heard, as JSON.
    #[wasm_bindgen(method, catch)]
    pub fn examine(this: &Router, told: &str) -> Result<js_sys::Promise, JsValue>;

    /// What the isolate has seen that suggests route lines, as JSON.
    #[wasm_bindgen(method)]
    pub fn suggestions(this: &Router) -> String;
}

/// Sets this side up, once. Returns an empty text, or what is wrong with the configuration.
#[wasm_bindgen]
pub fn configure(vars: &str, session_key: &str, session_key_old: &str, origin_key: &str, flags: &str) -> String {
    console_error_panic_hook::set_once();
    let secrets = Secrets { session_key, session_key_old, origin_key };
    match secrets::read(vars, &secrets, flags, || getrandom::u64().ok()) {
        Ok(settings) => {
            BUILD.replace(build::of(vars));
            SETTINGS.replace(Some(Rc::new(settings)));
            String::new()
        }
        Err(wrong) => wrong.to_string(),
    }
}

/// Checks the vars, and compiles them for the Wasm that serves requests.
///
/// # Errors
/// With what is wrong with the configuration.
#[wasm_bindgen]
pub fn compiled(vars: &str) -> Result<String, String> {
    console_error_panic_hook::set_once();
    secrets::compile(vars).map_err(|wrong| wrong.to_string())
}

/// Answers a request to `/_homing/*`.
///
/// # Errors
/// If the platform fails.
#[wasm_bindgen]
pub async fn api(request: web_sys::Request, env: Env, router: Router) -> Result<web_sys::Response, JsValue> {
    Ok(api::answer(request, &env, &router).await?.into())
}

/// One turn of the authority: its ledger and what comes in, and what it comes to as JSON.
///
/// # Errors
/// If the ledger or the input cannot be read; then nothing may be stored or done.
#[wasm_bindgen]
pub fn authority(ledger: &str, input: &str, now: f64) -> Result<String, String> {
    let settings = settings().ok_or("not configured")?;
    let mut outcome =
        authority::take_text(ledger, input, &settings, timestamp(now)).map_err(|error| error.to_string())?;
    // Operators see which version the authority is of.
    if Input::parse(input) == Ok(Input::Show)
        && let Some(Value::Object(body)) = outcome.reply.as_mut().map(|reply| &mut reply.body)
    {
        body.insert("build".to_owned(), this_build());
    }
    Ok(outcome.text())
}

/// What a prober does, as JSON: how often in milliseconds (`every`, 0 means never), where it asks (`targets`), whether it needs the
/// `view`; and what is `wrong` with the setting that says how often, which then counts as none.
#[wasm_bindgen]
pub fn probe_plan(said: &str) -> String {
    let Some(settings) = settings() else { return String::new() };
    let (every, wrong) = match prober::every(said) {
        Ok(every) => (every, None),
        Err(wrong) => (Some(pace::ROUND), Some(wrong.to_string())),
    };
    serde_json::json!({
        "every": every.map_or(0, millis), "targets": prober::targets(&settings.topology),
        "view": pace::needs_view(&settings.topology), "wrong": wrong,
    })
    .to_string()
}

/// What a prober makes of the answers of one round: its state, the report, and whether to put that into the store, as JSON.
///
/// # Errors
/// If the answers cannot be read.
#[wasm_bindgen]
pub fn probed(state: &str, from: &str, answers: &str, view: &str, every: f64, now: f64) -> Result<String, String> {
    let settings = settings().ok_or("not configured")?;
    // One that an earlier version has left may not be readable; losing it costs a round or two.
    let mut state: prober::Prober = read(state).unwrap_or_default();
    let published = Published::read(view, &settings.topology).unwrap_or_default();
    let every = std::time::Duration::from_millis(timestamp(every).0);
    let world = prober::World { topology: &settings.topology, published: &published, every };
    let round = state.round(from, &read(answers)?, world, timestamp(now));
    let state = serde_json::to_string(&state).map_err(|error| error.to_string())?;
    Ok(serde_json::json!({ "state": state, "report": round.report, "put": round.put }).to_string())
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// What this version is.
pub(crate) fn this_build() -> Value {
    BUILD.with_borrow(Clone::clone)
}

pub(crate) fn settings() -> Option<Rc<Settings>> {
    SETTINGS.with_borrow(Clone::clone)
}

/// Whether a call to the API may go on.
pub(crate) fn permit(call: &Call<'_>, door: &Door<'_>) -> Result<(), TurnedAway> {
    GUARD.with_borrow_mut(|guard| guard.permit(call, door)).inspect_err(|turned_away| {
        // Once: a caller must not fill the log.
        if *turned_away == TurnedAway::ShortToken && !SAID.replace(true) {
            let message = "ADMIN_TOKEN has fewer than 32 characters: the operators' API is closed";
            worker::console_error!("{}", serde_json::json!({ "level": "error", "message": message }));
        }
    })
}
