//! What operators order and look at: `homing status`, `promote`, `move`, `drain` and the like. The authority decides; this only
//! asks it, and waits for what it began.

pub(super) mod client;
mod drill;
mod import;
mod show;
mod wait;

use std::process::ExitCode;

use serde_json::{Value, json};

pub(super) use client::Client;
use homing_core::model::subject::{ID_LENGTH, SubjectId, SubjectKind};
pub(super) use show::{number, text};
use wait::Wanted;

/// Where the router is, and who asks.
#[derive(clap::Args)]
pub(super) struct At {
    /// The router's address; without it HOMING_URL, else http://localhost:8787. The token is read from HOMING_TOKEN: the
    /// ADMIN_TOKEN of the deployment.
    #[arg(long)]
    url: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Who wants something of the router, and why: for the audit log.
#[derive(clap::Args)]
struct Why {
    /// Why; it stands in the audit log. What is said of a region needs one.
    #[arg(long)]
    reason: Option<String>,
    /// Who; without it the user of this machine.
    #[arg(long)]
    actor: Option<String>,
    /// Only say what would be done.
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
    /// The id of this request. The same id again is the same order, and is carried out once.
    #[arg(long)]
    request: Option<String>,
    /// Refuse the order unless the view still has this version (`homing status` shows it).
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
    /// Go on without the old home, which is gone. Writes that it acknowledged and had not handed on are lost, and if it is not
    /// gone but cut off, it accepts writes by its old epoch until it hears of the new one.
    #[arg(long)]
    accept_loss: bool,
    /// How long writers may be refused at most, such as 5s (1s to 60s): then the old home serves on. Without it as wrangler.toml says
    /// (`max_pause` of the dataset), else 5s. Of a region's share it is each part's own.
    #[arg(long)]
    max_pause: Option<String>,
    /// Return at once; `homing change ID` says what became of it.
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
    /// In place of a dataset: everything whose home this region is, subjects too.
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
    /// For how long, such as 30m or 2h; 72h at most. It ends by itself.
    #[arg(long = "for")]
    span: String,
    /// Go on although datasets cannot be written meanwhile.
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
    /// Give it back to the old home although the new one, which has been made the owner and is gone, may have accepted writes.
    #[arg(long)]
    accept_loss: bool,
    #[command(flatten)]
    saying: Saying,
}

/// What operators ask for.
#[derive(clap::Subcommand)]
pub(super) enum Operation {
    /// Show regions, who owns what, and what is under way.
    Status(At),
    /// Make another region the home of a dataset, or of all that a region is the home of. Writes wait meanwhile (503), and
    /// nothing that was acknowledged is lost.
    Promote(Promote),
    /// Give one user or tenant another home.
    Move(Move),
    /// Tell the router where subjects live already: on the day on which it is put in front of an application, and its directory is
    /// empty. Nobody gets another home by that.
    Import(import::Import),
    /// Give a region no new work: it is read last and gets no new subjects; what it owns it goes on serving.
    Drain(State),
    /// Let a region take part again, whatever was said of it.
    Undrain(Undrain),
    /// Let a region serve reads only.
    ReadOnly(State),
    /// Send a region nothing.
    Down(State),
    /// Practise a failure: let regions count as unreachable for a share of the subjects, and see what that does.
    #[command(subcommand)]
    Drill(drill::Drill),
    /// Give up a change that is under way: the old home goes on, or gets it back.
    Abort(Abort),
    /// Show a change.
    Change {
        /// Its id.
        id: String,
        #[command(flatten)]
        at: At,
    },
    /// Show the audit log: who has ordered what, when and why, and what came of it.
    Audit(At),
}

pub(super) fn run(operation: &Operation) -> ExitCode {
    match operation {
        Operation::Status(at) => look("authority", at, show::status),
        Operation::Audit(at) => look("audit", at, show::audit),
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
        return super::usage("--reason is missing: say why, for whoever finds the region like that at 3 am");
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
            "--accept-loss: what the old home acknowledged and had not handed on may be lost; the audit log says who accepted it"
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
