//! What operators order and look at: `homing status`, `promote`, `move`, `drain` and the like. The authority decides; this only
//! asks it, and waits for what it began.

pub(super) mod client;
mod conflicts;
mod drill;
mod import;
mod show;
mod wait;

use std::process::ExitCode;

use serde_json::{Value, json};

pub(super) use client::Client;
use homing_core::{ID_LENGTH, SubjectId, SubjectKind};
pub(super) use show::{number, text};
use wait::Wanted;

/// Where the router is, and who asks.
#[derive(clap::Args)]
pub(super) struct At {
    /// The router's address. The default is HOMING_URL, else http://localhost:8787. The token, which is the deployment's
    /// ADMIN_TOKEN, is read from HOMING_TOKEN.
    #[arg(long)]
    url: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Who wants something of the router, and why: for the audit log.
#[derive(clap::Args)]
struct Why {
    /// The reason, for the audit log. Required to drain a region, make it read-only or take it down.
    #[arg(long)]
    reason: Option<String>,
    /// The operator's name, for the audit log. The default is the user of this machine.
    #[arg(long)]
    actor: Option<String>,
    /// Print what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Why {
    fn actor(&self) -> String {
        self.actor.clone().or_else(|| client::variable("USER")).unwrap_or_else(|| "unknown".to_owned())
    }

    fn reason(&self) -> &str {
        self.reason.as_deref().unwrap_or("none given")
    }
}

/// What every order says.
#[derive(clap::Args)]
pub(super) struct Saying {
    #[command(flatten)]
    why: Why,
    /// The id of this order. An order that is sent again with the same id is carried out once.
    #[arg(long)]
    request: Option<String>,
    /// Refuse the order unless the view has this version (`homing status` shows it).
    #[arg(long)]
    version: Option<u64>,
    #[command(flatten)]
    at: At,
}

/// Where a home moves, and how.
#[derive(clap::Args)]
pub(super) struct Moving {
    /// The new home.
    #[arg(long)]
    to: String,
    /// Promote without the old home, because it is lost. Acknowledged writes that it has not replicated are lost too. If it is only
    /// cut off, it accepts writes by its old epoch until it learns the new one.
    #[arg(long)]
    accept_loss: bool,
    /// The longest pause of writes, such as 5s (1s to 60s). After it the old home takes writes again. The default is the dataset's
    /// `max_pause` in wrangler.toml, else 5s. In an evacuation it holds for each part.
    #[arg(long)]
    max_pause: Option<String>,
    /// Return at once. `homing change ID` shows the outcome.
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    saying: Saying,
}

#[derive(clap::Args)]
pub(super) struct Promote {
    /// The single-writer dataset.
    #[arg(required_unless_present = "region", conflicts_with = "region")]
    dataset: Option<String>,
    /// Instead of a dataset: evacuate this region, with its datasets and subjects.
    #[arg(long)]
    region: Option<String>,
    #[command(flatten)]
    moving: Moving,
}

#[derive(clap::Args)]
pub(super) struct Move {
    /// `user:NAME` or `tenant:NAME`; `user:#ID` if only the id is known.
    subject: String,
    #[command(flatten)]
    moving: Moving,
}

#[derive(clap::Args)]
pub(super) struct State {
    /// The region.
    region: String,
    /// The duration, such as 30m or 2h; at most 72h. It ends by itself.
    #[arg(long = "for")]
    span: String,
    /// Do it even if datasets cannot be written meanwhile.
    #[arg(long)]
    accept_loss: bool,
    #[command(flatten)]
    saying: Saying,
}

#[derive(clap::Args)]
pub(super) struct Undrain {
    /// The region.
    region: String,
    #[command(flatten)]
    saying: Saying,
}

#[derive(clap::Args)]
pub(super) struct Abort {
    /// The change, such as change-7 or sweep-8.
    id: String,
    /// Return the ownership to the old home, because the new owner is lost. Writes that the new owner accepted are lost.
    #[arg(long)]
    accept_loss: bool,
    #[command(flatten)]
    saying: Saying,
}

/// What operators ask for.
#[derive(clap::Subcommand)]
pub(super) enum Operation {
    /// Show the regions, the owners, and the changes under way.
    Status(At),
    /// Promote another region to home of a dataset, or of all that a region owns. Writes get 503 meanwhile. No acknowledged
    /// write is lost.
    Promote(Promote),
    /// Move one user or tenant to another home.
    Move(Move),
    /// Import the homes that subjects have already. Use it when the router is put in front of an existing application and its
    /// directory is empty. It changes no home.
    Import(import::Import),
    /// Give a region no new work: it is read last and gets no new subjects. It keeps serving what it owns.
    Drain(State),
    /// Return a region to service. This ends a drain, read-only or down state.
    Undrain(Undrain),
    /// Make a region read-only.
    ReadOnly(State),
    /// Take a region down: send it no requests.
    Down(State),
    /// Run an isolation drill: regions count as unreachable for a share of the subjects.
    #[command(subcommand)]
    Drill(drill::Drill),
    /// Abort a change that is under way: the old home keeps the ownership, or gets it back.
    Abort(Abort),
    /// Show a change.
    Change {
        /// Its id.
        id: String,
        #[command(flatten)]
        at: At,
    },
    /// Show the audit log: each order with its operator, time, reason and outcome.
    Audit(At),
    /// Tell what became of writes to a multi-writer dataset at two regions at once: each conflict as a sentence.
    Conflicts(conflicts::ConflictArgs),
}

pub(super) fn run(operation: &Operation) -> ExitCode {
    match operation {
        Operation::Status(at) => look("authority", at, show::status),
        Operation::Audit(at) => look("audit", at, show::audit),
        Operation::Conflicts(args) => conflicts::run(args),
        Operation::Change { id, at } => look(&format!("changes/{id}"), at, show::change),
        Operation::Promote(args) => {
            let order = match &args.region {
                Some(region) => json!({ "command": "promote-region", "region": region, "to": args.moving.to }),
                None => json!({ "command": "promote", "dataset": args.dataset, "to": args.moving.to }),
            };
            begin(order, &args.moving)
        }
        Operation::Move(args) => match subject(&args.subject) {
            Ok((kind, id)) => {
                let order =
                    json!({ "command": "move", "kind": kind.token(), "subject": id.as_str(), "to": args.moving.to });
                begin(order, &args.moving)
            }
            Err(message) => super::usage(&message),
        },
        Operation::Import(args) => import::run(args),
        Operation::Drain(args) => state("draining", args),
        Operation::ReadOnly(args) => state("read-only", args),
        Operation::Down(args) => state("down", args),
        Operation::Undrain(args) => {
            let order = json!({ "command": "state", "region": args.region, "state": "active" });
            order_it(order, &args.saying, false, Wanted::Done)
        }
        Operation::Drill(drill) => drill::run(drill),
        Operation::Abort(args) => {
            let order = json!({ "command": "abort", "change": args.id });
            order_it(order, &args.saying, args.accept_loss, Wanted::GivenUp)
        }
    }
}

fn begin(mut order: Value, moving: &Moving) -> ExitCode {
    if let (Value::Object(fields), Some(pause)) = (&mut order, &moving.max_pause) {
        fields.insert("max_pause".to_owned(), json!(pause));
    }
    let wanted = if moving.no_wait { Wanted::Begun } else { Wanted::Done };
    order_it(order, &moving.saying, moving.accept_loss, wanted)
}

fn state(state: &str, args: &State) -> ExitCode {
    if args.saying.why.reason.is_none() {
        return super::usage(
            "--reason is missing. Add it: it tells the operator at 3 am why the region is in this state",
        );
    }
    let order = json!({ "command": "state", "region": args.region, "state": state, "for": args.span });
    order_it(order, &args.saying, args.accept_loss, Wanted::Done)
}

/// `user:ada`, `tenant:acme`, `user:#GdAZGkoHV5U4-Bo_P4T8RX`.
fn subject(text: &str) -> Result<(SubjectKind, SubjectId), String> {
    let expected = || {
        format!("subject is {text:?}; expected user:NAME, tenant:NAME, or user:#ID with an id of {ID_LENGTH} letters")
    };
    let (kind, name) = text.split_once(':').filter(|(_, name)| !name.is_empty()).ok_or_else(expected)?;
    let kind = SubjectKind::parse(kind).ok_or_else(expected)?;
    let id = match name.strip_prefix('#') {
        Some(id) => SubjectId::parse(id).ok_or_else(expected)?,
        None => SubjectId::of(kind, name),
    };
    Ok((kind, id))
}

fn with(mut order: Value, saying: &Saying, accept_loss: bool) -> Value {
    if let Value::Object(fields) = &mut order {
        let actor = saying.why.actor();
        let request = saying.request.clone().unwrap_or_else(|| client::request_id(&actor));
        fields.insert("request".to_owned(), json!(request));
        fields.insert("actor".to_owned(), json!(actor));
        fields.insert("reason".to_owned(), json!(saying.why.reason()));
        fields.insert("dry_run".to_owned(), json!(saying.why.dry_run));
        fields.insert("accept_loss".to_owned(), json!(accept_loss));
        fields.extend(saying.version.map(|version| ("version".to_owned(), json!(version))));
    }
    order
}

/// Shows what there is at an address of the API.
fn look(what: &str, at: &At, show: impl Fn(&Value) -> String) -> ExitCode {
    let client = match Client::new(at.url.as_deref()) {
        Ok(client) => client,
        Err(message) => return super::usage(&message),
    };
    match client.get(what) {
        Ok(body) => {
            print!("{}", if at.json { format!("{body}\n") } else { show(&body) });
            ExitCode::SUCCESS
        }
        Err(message) => failed(&message),
    }
}

/// Gives an order, and waits for what it began.
fn order_it(order: Value, saying: &Saying, accept_loss: bool, wanted: Wanted) -> ExitCode {
    let client = match Client::new(saying.at.url.as_deref()) {
        Ok(client) => client,
        Err(message) => return super::usage(&message),
    };
    if accept_loss {
        eprintln!(
            "--accept-loss: acknowledged writes that the old home has not replicated may be lost. The audit log records who accepted this"
        );
    }
    let order = with(order, saying, accept_loss);
    match client.order(&order).and_then(|reply| wait::out(&client, &reply, saying.at.json, wanted)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => failed(&message),
    }
}

fn failed(message: &str) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::FAILURE
}
