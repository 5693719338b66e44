//! `homing import`: tells the directory where the subjects of an application live that was there before the router. Who has a home
//! already keeps it, so it may be broken off and begun anew at any time.

use std::{
    collections::HashMap,
    io::Read,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    At, Why,
    client::{Client, Unanswered},
    failed,
    show::{list, number},
    subject,
};

/// So many subjects are told at once.
const AT_ONCE: usize = 500;
/// How often a list is sent again that was not answered, and how long is waited before the first time.
const TRIES: u32 = 6;
const PAUSE: Duration = Duration::from_millis(500);
/// How many bad lines, and how many subjects that live elsewhere, are shown.
const SHOWN: usize = 20;
/// How often it says how far it is.
const EVERY: Duration = Duration::from_secs(5);

#[derive(clap::Args)]
pub(crate) struct Import {
    /// The list, one subject a line: `user:NAME`, `tenant:NAME` or `user:#ID`. After a tab comes the region, unless --home gives it.
    /// After another tab comes the epoch, if the regions have one. Or NDJSON: `{"subject":"user:NAME","home":"eu","epoch":3}`.
    /// `-` is standard input.
    file: PathBuf,
    /// The home of each subject whose line names no region.
    #[arg(long)]
    home: Option<String>,
    /// The most subjects to send a second.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Begin with this line, after an import that broke off. Importing a line twice is harmless.
    #[arg(long, default_value_t = 1)]
    from_line: usize,
    /// Do not write the homes to the home store (KV) now: that costs. The edges write each one when its subject sends a request.
    #[arg(long)]
    no_kv: bool,
    #[command(flatten)]
    why: Why,
    #[command(flatten)]
    at: At,
}

/// A line of the list.
struct Resident {
    line: usize,
    named: String,
    kind: &'static str,
    id: String,
    home: String,
    epoch: Option<u64>,
}

/// A line as NDJSON.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    subject: String,
    home: Option<String>,
    epoch: Option<u64>,
}

/// What has come of it so far.
#[derive(Default)]
struct ImportTally {
    added: u64,
    there: u64,
    /// Who has another home: as the list names them, that home, and the list's.
    elsewhere: Vec<(String, String, String)>,
    /// What was put into the home store, and what it did not take; none where nobody was asked to.
    kv: Option<(u64, u64)>,
}

pub(super) fn run(args: &Import) -> ExitCode {
    let read = match read(&args.file) {
        Ok(read) => read,
        Err(error) => return super::super::usage(&format!("{}: {error}", args.file.display())),
    };
    let residents = match residents(&read, args) {
        Ok(residents) => residents,
        Err(message) => return super::super::usage(&message),
    };
    let client = match Client::new(args.at.url.as_deref()) {
        Ok(client) => client,
        Err(message) => return super::super::usage(&message),
    };
    let mut told = ImportTally::default();
    if let Err(message) = tell_all(&client, &residents, args, &mut told) {
        return failed(&message);
    }
    print!("{}", if args.at.json { in_json(&told, args) } else { in_words(&told, args) });
    if told.elsewhere.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn read(file: &Path) -> std::io::Result<String> {
    if file != Path::new("-") {
        return std::fs::read_to_string(file);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// All lines, or what is wrong with the first of those that are wrong: nothing is told of such a list.
fn residents(text: &str, args: &Import) -> Result<Vec<Resident>, String> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim_end()));
    let lines = lines.filter(|(at, line)| *at >= args.from_line && !line.is_empty() && !line.starts_with('#'));
    let (mut residents, mut wrong) = (Vec::new(), Vec::new());
    for (at, line) in lines {
        match resident(at, line, args.home.as_deref()) {
            Ok(resident) => residents.push(resident),
            Err(message) => wrong.push(format!("line {at}: {message}")),
        }
    }
    if wrong.is_empty() {
        return Ok(residents);
    }
    let more = wrong.len().saturating_sub(SHOWN);
    wrong.truncate(SHOWN);
    let more = if more == 0 { String::new() } else { format!("\nand {more} more") };
    Err(format!("nothing was imported, because some lines cannot be read\n{}{more}", wrong.join("\n")))
}

fn resident(line: usize, text: &str, all: Option<&str>) -> Result<Resident, String> {
    let Json { subject: named, home, epoch } = if text.starts_with('{') { in_object(text)? } else { in_columns(text)? };
    let (kind, id) = subject(&named)?;
    let home = home.or(all.map(str::to_owned)).filter(|home| !home.is_empty());
    let home = home.ok_or("no region. Write it after a tab or as \"home\", or give --home for all lines")?;
    if epoch == Some(0) {
        return Err("the epoch is 0; expected 1 or more, or no epoch if the regions have none".to_owned());
    }
    Ok(Resident { line, named, kind: kind.token(), id: id.as_str().to_owned(), home, epoch })
}

fn in_object(text: &str) -> Result<Json, String> {
    let expected = r#"{"subject":"user:NAME","home":"REGION","epoch":N}, with home and epoch where they are needed"#;
    serde_json::from_str(text).map_err(|error| format!("{error}; expected {expected}"))
}

fn in_columns(text: &str) -> Result<Json, String> {
    let mut columns = text.split('\t').map(str::trim);
    let subject = columns.next().unwrap_or_default().to_owned();
    let (home, epoch) = (columns.next().map(str::to_owned), columns.next());
    let number = |text: &str| text.parse().map_err(|_| format!("the epoch is {text:?}; expected a number"));
    let epoch = epoch.map(number).transpose()?;
    match columns.next() {
        Some(more) => Err(format!("{more:?} after the epoch; expected the subject, its region and its epoch")),
        None => Ok(Json { subject, home, epoch }),
    }
}

fn tell_all(client: &Client, residents: &[Resident], args: &Import, told: &mut ImportTally) -> Result<(), String> {
    let (began, mut said) = (Instant::now(), Instant::now());
    let at_once = AT_ONCE.min(usize::try_from(args.rate).unwrap_or(AT_ONCE));
    let all = residents.len();
    let mut sent = 0;
    // One list is of one kind.
    for some in residents.chunk_by(|one, next| one.kind == next.kind).flat_map(|same| same.chunks(at_once)) {
        let note = (sent == 0).then(|| format!("the homes of {all} subjects are imported"));
        tell(client, some, args, (note, told))?;
        sent += some.len();
        if said.elapsed() > EVERY && !args.at.json {
            let line = some.last().map_or(0, |last| last.line);
            eprintln!("line {line}: {sent} of {all} subjects, {} of them elsewhere", told.elsewhere.len());
            said = Instant::now();
        }
        let due = Duration::from_secs_f64(sent as f64 / f64::from(args.rate));
        if sent < all {
            thread::sleep(due.saturating_sub(began.elapsed()));
        }
    }
    Ok(())
}

fn tell(
    client: &Client,
    some: &[Resident],
    args: &Import,
    (note, told): (Option<String>, &mut ImportTally),
) -> Result<(), String> {
    let (Some(first), Some(last)) = (some.first(), some.last()) else { return Ok(()) };
    let mut homes: HashMap<&str, Vec<Value>> = HashMap::new();
    for Resident { home, id, epoch, .. } in some {
        homes.entry(home).or_default().push(epoch.map_or_else(|| json!(id), |epoch| json!([id, epoch])));
    }
    let mut body = json!({
        "kind": first.kind, "homes": homes, "dry_run": args.why.dry_run, "no_kv": args.no_kv,
        "actor": args.why.actor(), "reason": args.why.reason(),
    });
    if let (Some(note), Value::Object(fields)) = (note.filter(|_| !args.why.dry_run), &mut body) {
        fields.insert("note".to_owned(), json!(note));
    }
    let said = send(client, &body).map_err(|message| {
        format!(
            "{message}\nThe import stopped in lines {} to {}. Continue with --from-line {}, or start again.",
            first.line, last.line, first.line
        )
    })?;
    told.added += number(&said, "added").unwrap_or(0);
    told.there += number(&said, "there").unwrap_or(0);
    if let Some(kv) = said.get("kv") {
        let (put, failed) = told.kv.unwrap_or_default();
        told.kv = Some((put + number(kv, "put").unwrap_or(0), failed + number(kv, "failed").unwrap_or(0)));
    }
    let of: HashMap<&str, &Resident> = some.iter().map(|resident| (resident.id.as_str(), resident)).collect();
    for pair in list(&said, "elsewhere") {
        let part = |at: usize| pair.get(at).and_then(Value::as_str).unwrap_or("");
        if let Some(resident) = of.get(part(0)) {
            told.elsewhere.push((resident.named.clone(), part(1).to_owned(), resident.home.clone()));
        }
    }
    Ok(())
}

/// The same list again does no harm, so it is sent again where nobody has answered.
fn send(client: &Client, body: &Value) -> Result<Value, String> {
    let mut pause = PAUSE;
    for left in (0..TRIES).rev() {
        match client.post("homes", body) {
            Ok(said) => return Ok(said),
            Err(Unanswered::Refused(message)) => return Err(message),
            Err(Unanswered::Failed(message)) if left == 0 => return Err(message),
            Err(Unanswered::Failed(_)) => thread::sleep(pause),
        }
        pause *= 2;
    }
    Err("the router does not answer".to_owned())
}

fn in_words(told: &ImportTally, args: &Import) -> String {
    let dry = if args.why.dry_run { "a dry run: " } else { "" };
    let (added, there, elsewhere) = (told.added, told.there, told.elsewhere.len());
    let mut out =
        format!("{dry}{added} subjects got their home, {there} had it already, {elsewhere} keep another home\n");
    for (named, lives, wanted) in told.elsewhere.iter().take(SHOWN) {
        out.push_str(&format!("  {named} has its home in {lives}, not {wanted}\n"));
    }
    if elsewhere > SHOWN {
        out.push_str(&format!("  and {} more (--json shows all)\n", elsewhere - SHOWN));
    }
    if let Some((put, failed @ 1..)) = told.kv {
        out.push_str(&format!(
            "KV stored {put} of them and refused {failed}. The edges store the rest when those subjects send requests. Or import the list again\n"
        ));
    }
    if elsewhere > 0 {
        out.push_str("Run `homing move SUBJECT --to REGION` to move one of them with its data.\n");
    }
    out
}

fn in_json(told: &ImportTally, args: &Import) -> String {
    let elsewhere = told
        .elsewhere
        .iter()
        .map(|(named, lives, wanted)| json!({ "subject": named, "home": lives, "listed": wanted }));
    let elsewhere: Vec<Value> = elsewhere.collect();
    let mut said =
        json!({ "added": told.added, "there": told.there, "elsewhere": elsewhere, "dry_run": args.why.dry_run });
    if let (Some((put, failed)), Value::Object(fields)) = (told.kv, &mut said) {
        fields.insert("kv".to_owned(), json!({ "put": put, "failed": failed }));
    }
    format!("{said}\n")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct ImportLine {
        #[command(flatten)]
        import: Import,
    }

    fn args(more: &[&str]) -> Import {
        ImportLine::parse_from(["import", "-"].iter().chain(more)).import
    }

    #[test]
    fn a_list_is_read_whole_or_not_at_all() {
        let text = "# ours\nuser:ada\nuser:bob b\tus\n\ntenant:acme\r\nuser:#GdAZGkoHV5U4-Bo_P4T8RX\teu\n";
        let args_eu = args(&["--home", "eu"]);
        let read = |text: &str| -> Vec<_> {
            let read = residents(text, &args_eu).unwrap().into_iter();
            read.map(|one| (one.line, one.kind, one.home, one.epoch)).collect()
        };
        let home = |line, kind, home: &str, epoch| (line, kind, home.to_owned(), epoch);
        assert_eq!(
            read(text),
            [
                home(2, "user", "eu", None),
                home(3, "user", "us", None),
                home(5, "tenant", "eu", None),
                home(6, "user", "eu", None)
            ]
        );
        let with_epochs =
            "user:ada\tus\t7\n{\"subject\":\"user:bob\",\"home\":\"us\",\"epoch\":3}\n{\"subject\":\"tenant:acme\"}\n";
        assert_eq!(
            read(with_epochs),
            [home(1, "user", "us", Some(7)), home(2, "user", "us", Some(3)), home(3, "tenant", "eu", None)]
        );
        let from = args(&["--home", "eu", "--from-line", "5"]);
        assert_eq!(residents(text, &from).unwrap().len(), 2);
        let error = residents("ada\nuser:ada\nuser:bob\tus\n", &args(&[])).err().unwrap();
        assert_eq!(
            error,
            "nothing was imported, because some lines cannot be read\n\
             line 1: subject is \"ada\"; expected user:NAME, tenant:NAME, or user:#ID with an id of 22 letters\n\
             line 2: no region. Write it after a tab or as \"home\", or give --home for all lines"
        );
        let wrong = "user:a\teu\tx\nuser:a\teu\t1\t2\nuser:a\teu\t0\n{\"subject\":\"user:a\",\"region\":\"eu\"}\n";
        let error = residents(wrong, &args(&[])).err().unwrap();
        let lines: Vec<_> = error.lines().skip(1).collect();
        assert_eq!(lines[0], "line 1: the epoch is \"x\"; expected a number");
        assert_eq!(lines[1], "line 2: \"2\" after the epoch; expected the subject, its region and its epoch");
        assert_eq!(lines[2], "line 3: the epoch is 0; expected 1 or more, or no epoch if the regions have none");
        assert!(
            lines[3].starts_with("line 4: unknown field `region`") && lines[3].contains("; expected {\"subject\":"),
            "{error}"
        );
    }
}
