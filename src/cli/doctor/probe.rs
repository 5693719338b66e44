//! The probe: a Worker of our own that is deployed beside the router, asked, and removed again, whatever happens in between.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    super::document::Source,
    wrangler::{Unable, Wrangler},
};
use crate::doctor::judge::{
    fields::{CODINGS, LOOP, SENT, VIA},
    finding::Finding,
    platform::{CASES, Case, DATED, Probed},
};
use homing_core::{config::raw::Raw, millis};

/// Its name: one that a run has left behind is replaced by the next.
pub(super) const NAME: &str = "homing-doctor-probe";
const SCRIPT: &str = include_str!("probe.mjs");
/// So long it answers anybody at all.
const LIVES: Duration = Duration::from_secs(600);
/// So long it may take until it is there, everywhere.
const APPEARS: Duration = Duration::from_secs(90);
const AGAIN: Duration = Duration::from_millis(500);
/// So long it may take to answer, beyond what it waits itself.
const PATIENCE: Duration = Duration::from_secs(40);
/// So many questions at a time.
const AT_ONCE: usize = 5;

/// What came of a run.
pub(super) enum Run {
    /// The probe has told.
    Told(Box<Probed>),
    /// It could not be deployed or asked.
    Unable(Unable),
    /// Somebody has ended the run.
    Interrupted,
}

/// The run, and whether the probe has gone again.
pub(super) struct Outcome {
    pub(super) run: Run,
    pub(super) left: Option<Finding>,
}

/// Deploys it, asks it, removes it. `urls`: other origins than the known ones, by the kind's name.
pub(super) fn run(urls: &BTreeMap<String, String>) -> Outcome {
    match prepared() {
        Ok((folder, token)) => deployed(&folder, &token, urls),
        Err(says) => {
            let remedy = "make the folder for temporary files writable (TMPDIR)".to_owned();
            Outcome { run: Run::Unable(Unable { says, remedy }), left: None }
        }
    }
}

/// Whether somebody wants this to end (Ctrl-C, SIGTERM, SIGHUP).
fn interruption() -> Arc<AtomicBool> {
    let wanted = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&wanted);
    // It fails only where there is a handler already, and nobody else sets one.
    let _ = ctrlc::set_handler(move || noted.store(true, Ordering::SeqCst));
    wanted
}

fn deployed(folder: &Folder, token: &str, urls: &BTreeMap<String, String>) -> Outcome {
    let interrupted = interruption();
    let mut worker = Worker { wrangler: Wrangler::new(&folder.0, NAME), is_gone: false };
    eprintln!("deploying {NAME}, which is removed afterwards …");
    let (run, is_there) = match worker.wrangler.deploy() {
        Err(unable) => (Run::Unable(unable), false),
        Ok(url) => (asked(&url, token, urls, &interrupted), true),
    };
    eprintln!("removing {NAME} …");
    let left = worker.remove().err().map(|unable| left_behind(&unable, is_there));
    let run = if interrupted.load(Ordering::SeqCst) { Run::Interrupted } else { run };
    Outcome { run, left }
}

/// It is still there, or may be.
fn left_behind(unable: &Unable, is_there: bool) -> Finding {
    let remedy = format!("check whether it exists, and remove it: `npx wrangler delete --name {NAME}`");
    let minutes = LIVES.as_secs() / 60;
    let says =
        format!("the Worker {NAME} may still exist ({}); it stops answering after {minutes} minutes", unable.says);
    // What was never deployed cannot be removed either.
    if is_there { Finding::fail("probe", "", says, remedy) } else { Finding::warn("probe", "", says, remedy) }
}

/// The Worker, from before it is deployed on: it is removed however this ends.
struct Worker {
    wrangler: Wrangler,
    is_gone: bool,
}

impl Worker {
    fn remove(&mut self) -> Result<(), Unable> {
        self.is_gone = true;
        self.wrangler.delete()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.is_gone {
            let _ = self.remove();
        }
    }
}

/// A folder of temporary files, for this user alone.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays holds no secret: the token's hash.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The Worker's files, and the token that it will want.
fn prepared() -> Result<(Folder, String), String> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| format!("no randomness: {error}"))?;
    let token = hex(&random);
    let name = format!("{NAME}-{}-{}", std::process::id(), token.get(..8).unwrap_or_default());
    let folder = Folder(std::env::temp_dir().join(name));
    let wrong = |error: std::io::Error| format!("{}: {error}", folder.0.display());
    fs::create_dir(&folder.0).map_err(wrong)?;
    fs::write(folder.0.join("probe.mjs"), SCRIPT).map_err(wrong)?;
    fs::write(folder.0.join("wrangler.toml"), configuration(&token, account())).map_err(wrong)?;
    Ok((folder, token))
}

/// The account that the router's configuration names, where the command runs beside it.
fn account() -> Option<String> {
    let raw = Source::read(Path::new("wrangler.toml")).ok()?.raw();
    raw.get("account_id").and_then(Raw::text).map(str::to_owned)
}

fn configuration(token: &str, account: Option<String>) -> String {
    let until = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + LIVES;
    let account = account.map_or_else(String::new, |account| format!("account_id = {account:?}\n"));
    format!(
        "# Made by `homing doctor --deploy-probe`, which removes the Worker again.\n\
         name = \"{NAME}\"\nmain = \"probe.mjs\"\n{account}compatibility_date = \"2026-07-01\"\n\
         compatibility_flags = [\"global_fetch_strictly_public\"]  # it asks itself, and is to come by the front door\n\
         workers_dev = true\npreview_urls = false\n\n[vars]\nTOKEN_SHA256 = \"{}\"\nUNTIL = \"{}\"\n",
        hex(&Sha256::digest(token)),
        millis(until),
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Asks for all there is to be asked, from other threads, so that who wants this to end is heard at once.
fn asked(url: &str, token: &str, urls: &BTreeMap<String, String>, interrupted: &AtomicBool) -> Run {
    let probe = Probe::new(url, token);
    let end = Instant::now() + APPEARS;
    while let Err(why) = probe.ask(&json!({ "do": "ready" })) {
        if interrupted.load(Ordering::SeqCst) {
            return Run::Interrupted;
        }
        if Instant::now() > end {
            let says = format!("the probe is deployed but does not answer at {url}: {why}");
            let remedy = "check whether Access protects workers.dev in this account, or this network blocks it";
            return Run::Unable(Unable { says, remedy: remedy.to_owned() });
        }
        thread::sleep(AGAIN);
    }
    eprintln!("asking it: at most 30 s …");
    let (tell, told) = mpsc::channel();
    let urls = urls.clone();
    // Nobody hears it where the run was broken off.
    thread::spawn(move || drop(tell.send(probe.ask_all(&urls).map(Box::new))));
    loop {
        match told.recv_timeout(AGAIN) {
            Ok(Ok(probed)) => return Run::Told(probed),
            Ok(Err(says)) => {
                let remedy = "run it again. If it fails again, report it".to_owned();
                return Run::Unable(Unable { says, remedy });
            }
            Err(RecvTimeoutError::Timeout) if !interrupted.load(Ordering::SeqCst) => {}
            Err(_) => return Run::Interrupted,
        }
    }
}

struct Probe {
    agent: ureq::Agent,
    url: String,
    token: String,
}

impl Probe {
    fn new(url: &str, token: &str) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0);
        let agent = config.timeout_global(Some(PATIENCE)).build().into();
        Self { agent, url: format!("{url}/ask"), token: token.to_owned() }
    }

    fn ask(&self, order: &Value) -> Result<Value, String> {
        let request = self.agent.post(&self.url).header("homing-doctor-token", &self.token);
        let sent = request.header("content-type", "application/json").send(order.to_string());
        let mut answer = sent.map_err(|error| format!("the probe does not answer: {error}"))?;
        let status = answer.status();
        let text = answer.body_mut().read_to_string().map_err(|error| format!("the probe's answer broke: {error}"))?;
        if !status.is_success() {
            return Err(format!("the probe answered {status}"));
        }
        serde_json::from_str(&text).map_err(|_| "the probe answered without JSON".to_owned())
    }

    /// Every question, some at a time; an error of one is an error of all.
    fn ask_all(&self, urls: &BTreeMap<String, String>) -> Result<Probed, String> {
        let headers: BTreeMap<&str, &str> = SENT.into_iter().chain([LOOP, VIA, CODINGS]).collect();
        let mut orders: Vec<(&str, Value)> = vec![
            ("fields", json!({ "do": "fields", "headers": headers })),
            ("kept", json!({ "do": "kept" })),
            ("dated", json!({ "do": "dated", "date": DATED })),
        ];
        // Those that take long first.
        let mut cases: Vec<&Case> = CASES.iter().collect();
        cases.sort_by_key(|case| std::cmp::Reverse(case.patience));
        orders.extend(cases.iter().rev().map(|case| {
            let url = urls.get(case.name).map_or(case.url, String::as_str);
            (case.name, json!({ "do": "origin", "url": url, "patience": case.patience }))
        }));
        let told = self.at_once(orders)?;
        let of = |name: &str| told.get(name).cloned().unwrap_or(Value::Null);
        let origins: serde_json::Map<_, _> = CASES.iter().map(|case| (case.name.to_owned(), of(case.name))).collect();
        let probed = json!({ "origins": origins, "arrived": of("fields"), "kept": of("kept"), "dated": of("dated") });
        serde_json::from_value(probed).map_err(|error| format!("the probe's answer cannot be read: {error}"))
    }

    fn at_once(&self, orders: Vec<(&str, Value)>) -> Result<BTreeMap<String, Value>, String> {
        let left = Mutex::new(orders);
        let next = || left.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let work = || {
            let mut told = Vec::new();
            while let Some((name, order)) = next() {
                told.push((name.to_owned(), self.ask(&order)?));
            }
            Ok::<_, String>(told)
        };
        thread::scope(|scope| {
            let all: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
            let mut told = BTreeMap::new();
            for one in all {
                told.extend(one.join().map_err(|_| "a thread broke".to_owned())??);
            }
            Ok::<_, String>(told)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_is_deployed_with_the_hash_of_its_token_and_without_the_token() {
        let (folder, token) = prepared().unwrap();
        let text = fs::read_to_string(folder.0.join("wrangler.toml")).unwrap();
        assert!(!text.contains(&token) && text.contains(&hex(&Sha256::digest(&token))), "{text}");
        assert_eq!(token.len(), 64);
        assert!(text.contains("name = \"homing-doctor-probe\"\nmain = \"probe.mjs\"\ncompatibility_date"), "{text}");
        assert!(configuration("t", Some("abc".to_owned())).contains("\naccount_id = \"abc\"\n"));
        assert_eq!(fs::read_to_string(folder.0.join("probe.mjs")).unwrap(), SCRIPT);
        let path = folder.0.clone();
        drop(folder);
        assert!(!path.exists());
    }
}
