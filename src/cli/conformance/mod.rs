//! `homing conformance`: holds an origin, in whatever language, against the contract.

mod address;
mod client;
mod fence;
mod keys;
mod pauses;
mod position;
mod report;
mod shows;
mod subject;
mod told;
mod trial;

use std::process::ExitCode;

use client::Origin;
use homing_core::model::keys::Key;
use report::ConformanceReport;
use trial::Trial;

/// What to hold against the contract, and how to write there.
#[derive(clap::Args)]
#[command(
    after_help = "It writes to --path some dozens of times, and moves what is written there away and back, so that its \
                        epoch rises by about ten; at the end this region owns it. Choose a path of a test system, or one \
                        that nobody minds. Without --path it writes nothing."
)]
pub(super) struct ConformanceArgs {
    /// The origin's address: one region, without the router.
    origin: String,
    /// The secret with which the router signs; without it ORIGIN_KEY of the environment. Without either, what concerns
    /// signatures is not tried.
    #[arg(long)]
    key: Option<String>,
    /// A path that can be read and written.
    #[arg(long, requires = "dataset")]
    path: Option<String>,
    /// The dataset that it belongs to.
    #[arg(long, requires = "path")]
    dataset: Option<String>,
    /// The subject whose part it is, as `user:ada` or `tenant:acme`, or an id; of a dataset that is split by subjects.
    #[arg(long)]
    subject: Option<String>,
    /// The region's name, where the health address does not say it.
    #[arg(long)]
    region: Option<String>,
    /// The method that writes.
    #[arg(long, default_value = "PUT")]
    method: String,
    /// What is written.
    #[arg(long, default_value = r#"{"written":"by homing conformance"}"#)]
    body: String,
    /// Also delete what --path names (DELETE), to see that a read shows it is gone; it is written again.
    #[arg(long, requires = "path")]
    delete: bool,
    /// Another path of the dataset, which is written to see that what --path shows does not rise with it.
    #[arg(long, requires = "path", value_name = "PATH")]
    beside: Option<String>,
    /// Another header field, as `Cookie: app_user=ada`; may be repeated.
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Writes there are done once for each Idempotency-Key: their route is to be `idempotent`.
    #[arg(long, requires = "path")]
    idempotent: bool,
    /// What another user sends in place of --header, as `Cookie: app_user=eve`: so that keys are tried by two; may be repeated.
    #[arg(long = "other-header", value_name = "NAME: VALUE", requires = "idempotent")]
    other_headers: Vec<String>,
    /// The subject of that other user, where there is a --subject.
    #[arg(long, requires = "other_headers")]
    other_subject: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ConformanceArgs) -> ExitCode {
    let trial = match Trial::new(args) {
        Ok(trial) => trial,
        Err(message) => return super::usage(&message),
    };
    let report = trial.run();
    if args.json {
        println!("{}", report.json());
    } else {
        print!("{}", report.text());
    }
    if report.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The key, from the command line or the environment.
fn key(given: Option<&str>) -> Result<Option<Key>, String> {
    let secret = given.map(str::to_owned).or_else(|| std::env::var("ORIGIN_KEY").ok().filter(|key| !key.is_empty()));
    let short = |_| "the key is too short; the router takes none of less than 32 characters".to_owned();
    secret.map(|secret| Key::new(&secret).map_err(short)).transpose()
}
