//! `homing doctor`: asks a deployment how it is, and says what to do. What is said of what was heard is [`judge`]'s.

pub mod judge;
mod probe;
mod wrangler;

use std::{collections::BTreeMap, path::Path, process::ExitCode, time::Duration, time::Instant};

use serde_json::{Value, json};

use super::{cost, operate::client::Client};
use crate::doctor::judge::{
    door, examine,
    finding::{Finding, Severity},
    heard::Heard,
    platform::{CASES, Probed, findings},
};
use homing_core::config::is_local_url;

/// How long the deployment may take: it asks regions that may not answer.
const PATIENCE: Duration = Duration::from_secs(90);
/// The load for which it says what the deployment costs, in requests a second.
const REQUESTS: f64 = 100.0;

/// What to ask.
#[derive(clap::Args)]
#[command(
    after_help = "The token is read from HOMING_TOKEN: the ADMIN_TOKEN of the deployment. Exit status: 0 if no check failed \
                        (warnings are allowed), 1 if one failed, 2 for a usage error, 130 if it was interrupted. \
                        docs/doctor.md explains each line. The command changes nothing: it deletes what it puts into the cache, and removes the \
                        probe even when the run is interrupted."
)]
pub(super) struct DoctorArgs {
    /// The router's address. The default is HOMING_URL, else http://localhost:8787.
    url: Option<String>,
    /// Also deploy a small Worker, homing-doctor-probe, with `wrangler deploy`, and remove it afterwards. It tests how the platform
    /// reports failed origins, and which header fields arrive.
    #[arg(long)]
    deploy_probe: bool,
    /// Another origin of this kind for the probe to ask, such as `refused=http://host:81/`. Repeatable. Kinds: refused, nameless,
    /// broken-tls, black-hole, no-http, address.
    #[arg(long = "origin", value_name = "KIND=URL", requires = "deploy_probe", value_parser = origin)]
    origins: Vec<(String, String)>,
    /// Print JSON, with everything that the deployment reported.
    #[arg(long)]
    json: bool,
}

fn origin(text: &str) -> Result<(String, String), String> {
    let kinds = || CASES.iter().filter(|case| !case.url.is_empty()).map(|case| case.name);
    let (kind, url) = text.split_once('=').ok_or("expected KIND=URL")?;
    if !kinds().any(|known| known == kind) {
        return Err(format!("there is no kind {kind:?}. The kinds are {}", kinds().collect::<Vec<_>>().join(", ")));
    }
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(format!("found {url:?}, expected http://… or https://…"));
    }
    Ok((kind.to_owned(), url.to_owned()))
}

/// All that was found and heard.
#[derive(Default)]
struct DoctorReport {
    findings: Vec<Finding>,
    heard: Value,
    probed: Option<Box<Probed>>,
}

pub(super) fn run(args: &DoctorArgs) -> ExitCode {
    let client = match Client::new(args.url.as_deref()) {
        Ok(client) => client,
        Err(message) => return super::usage(&message),
    };
    let mut report = ask(&client);
    if args.deploy_probe && !probe(&args.origins.iter().cloned().collect(), &mut report) {
        eprintln!("interrupted");
        print(&report, &client, args.json);
        return ExitCode::from(130);
    }
    print(&report, &client, args.json);
    if worst(&report) == Severity::Fail { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn worst(report: &DoctorReport) -> Severity {
    report.findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Pass)
}

/// Asks the deployment.
fn ask(client: &Client) -> DoctorReport {
    let mut report = DoctorReport::default();
    let began = Instant::now();
    let health = client.look("healthz", false, PATIENCE);
    report.findings.push(door::answers(client.url(), &health, began.elapsed()));
    if health.is_err() {
        return report;
    }
    match client.look("api/doctor", true, PATIENCE) {
        Ok((200, body)) => match serde_json::from_str::<Value>(&body) {
            Ok(heard) => {
                report.findings.extend(read(&heard));
                report.heard = heard;
            }
            Err(_) => report.findings.push(door::turned_away(200, &body)),
        },
        Ok((status, body)) => report.findings.push(door::turned_away(status, &body)),
        Err(says) => report.findings.push(door::silent(&says)),
    }
    let dollars = cost::supposed(Path::new("wrangler.toml"), REQUESTS);
    report.findings.push(door::cost(dollars.map(|dollars| (REQUESTS, dollars))));
    // On this machine in development it is meant to be open.
    if !is_local_url(client.url()) {
        let stranger = client.look("api/snapshot", false, PATIENCE).ok().map(|(status, _)| status);
        report.findings.extend(stranger.map(door::stranger));
    }
    report
}

fn read(heard: &Value) -> Vec<Finding> {
    match serde_json::from_value::<Heard>(heard.clone()) {
        Ok(heard) => {
            let mut found = vec![door::versions(&heard.version, env!("CARGO_PKG_VERSION"))];
            found.extend(examine(&heard));
            found
        }
        Err(error) => vec![door::unreadable(&error.to_string())],
    }
}

/// Lets the probe ask; false if somebody has ended that.
fn probe(origins: &BTreeMap<String, String>, report: &mut DoctorReport) -> bool {
    let outcome = probe::run(origins);
    let went_on = match outcome.run {
        probe::Run::Told(probed) => {
            report.findings.extend(findings(&probed));
            report.probed = Some(probed);
            true
        }
        probe::Run::Unable(unable) => {
            report.findings.push(Finding::fail("probe", "", unable.says, unable.remedy));
            true
        }
        probe::Run::Interrupted => false,
    };
    report.findings.extend(outcome.left);
    went_on
}

fn print(report: &DoctorReport, client: &Client, as_json: bool) {
    let DoctorReport { findings, heard, probed } = report;
    if as_json {
        let lines: Vec<Value> = findings.iter().map(Finding::json).collect();
        let (healthy, url) = (worst(report) < Severity::Fail, client.url());
        println!("{}", json!({ "url": url, "healthy": healthy, "findings": lines, "heard": heard, "probed": probed }));
        return;
    }
    for finding in findings {
        print!("{}", finding.text());
    }
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let [passed, warned, failed] = [Severity::Pass, Severity::Warn, Severity::Fail].map(count);
    println!("{passed} pass, {warned} warn, {failed} fail");
}
