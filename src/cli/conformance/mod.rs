//! `homing conformance`: holds an origin, in whatever language, against the contract.

mod address;
mod client;
mod fence;
mod keys;
mod multi_writer;
mod pauses;
mod position;
mod report;
mod shows;
mod subject;
mod told;
mod trial;

use std::process::ExitCode;

use client::Origin;
use homing_core::Key;
use report::ConformanceReport;
use trial::Trial;

/// What to hold against the contract, and how to write there.
#[derive(clap::Args)]
#[command(after_help = "It writes to --path a few dozen times, and moves its ownership away and back, so that its \
                        epoch rises by about ten. At the end this region owns it. Use a path of a test system. \
                        Without --path it writes nothing.")]
pub(super) struct ConformanceArgs {
    /// The origin's address: one region, without the router.
    origin: String,
    /// The secret with which the router signs. The default is ORIGIN_KEY in the environment. Without either, the rules about
    /// signatures are skipped.
    #[arg(long)]
    key: Option<String>,
    /// A path that supports reads and writes.
    #[arg(long, requires = "dataset")]
    path: Option<String>,
    /// The dataset of --path.
    #[arg(long, requires = "path")]
    dataset: Option<String>,
    /// The subject of --path, as `user:ada`, `tenant:acme` or an id, if the dataset is split by subjects.
    #[arg(long)]
    subject: Option<String>,
    /// The region's name, if the health address does not report it.
    #[arg(long)]
    region: Option<String>,
    /// The method of a write.
    #[arg(long, default_value = "PUT")]
    method: String,
    /// The body of a write.
    #[arg(long, default_value = r#"{"written":"by homing conformance"}"#)]
    body: String,
    /// Also delete --path (DELETE), check that a read shows the deletion, and write it again.
    #[arg(long, requires = "path")]
    delete: bool,
    /// Another path of the dataset. A write there must not raise what --path shows.
    #[arg(long, requires = "path", value_name = "PATH")]
    beside: Option<String>,
    /// Another header field, as `Cookie: app_user=ada`. Repeatable.
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Test that --path does one write for each Idempotency-Key, as an `idempotent` route requires.
    #[arg(long, requires = "path")]
    idempotent: bool,
    /// The header field of a second user, in place of --header, as `Cookie: app_user=eve`, to test keys with two users. Repeatable.
    #[arg(long = "other-header", value_name = "NAME: VALUE", requires = "idempotent")]
    other_headers: Vec<String>,
    /// The subject of the second user, if --subject is given.
    #[arg(long, requires = "other_headers")]
    other_subject: Option<String>,
    /// --path is of a multi-writer dataset: try stamps, positions for each owner and conflicts, instead of the fence and ownership.
    #[arg(long, requires = "path", conflicts_with_all = ["subject", "idempotent", "delete", "beside"])]
    multi_writer: bool,
    /// Another body of a write. If the rule is last-write-wins, test that the later stamp wins.
    #[arg(long, requires = "multi_writer", value_name = "BODY")]
    other_body: Option<String>,
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
    let short = |_| "the key is too short. Use one with 32 characters or more".to_owned();
    secret.map(|secret| Key::new(&secret).map_err(short)).transpose()
}
