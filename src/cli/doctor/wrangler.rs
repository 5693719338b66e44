//! Calls of wrangler, which deploys the probe and removes it.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// How long wrangler may take.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(50);
/// So many of its last lines are shown where it fails.
const SHOWN: usize = 4;

/// Why wrangler could not do it, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unable {
    pub(super) says: String,
    pub(super) remedy: String,
}

/// Wrangler, with the configuration of a Worker of ours: it is named in every call, so that no other one is meant.
pub(super) struct Wrangler {
    folder: PathBuf,
    name: &'static str,
}

impl Wrangler {
    /// The folder holds the Worker's `wrangler.toml`.
    pub(super) fn new(folder: &Path, name: &'static str) -> Self {
        Self { folder: folder.to_owned(), name }
    }

    /// Deploys the Worker; where it is to be asked.
    pub(super) fn deploy(&self) -> Result<String, Unable> {
        let said = self.run(&["deploy"])?;
        let targets = fs::read_to_string(self.folder.join("output.ndjson")).unwrap_or_default();
        target(&targets, &said).ok_or_else(|| Unable {
            says: format!("wrangler deployed {}, but printed no address", self.name),
            remedy: "update wrangler, and check that the account has a workers.dev subdomain, which the probe needs"
                .to_owned(),
        })
    }

    /// Removes the Worker.
    pub(super) fn delete(&self) -> Result<(), Unable> {
        self.run(&["delete", "--name", self.name, "--force"]).map(drop)
    }

    /// Runs it to its end; what it said.
    fn run(&self, arguments: &[&str]) -> Result<String, Unable> {
        let said = self.folder.join("said.txt");
        let mut child = self.start(arguments, &said).map_err(|error| cannot_start(&error))?;
        let end = Instant::now() + PATIENCE;
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < end => thread::sleep(LOOK),
                Ok(None) => {
                    // It may have gone by itself meanwhile.
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(late(arguments));
                }
                Err(error) => return Err(cannot_start(&error)),
            }
        };
        let said = plain(&fs::read_to_string(&said).unwrap_or_default());
        if status.success() { Ok(said) } else { Err(why(arguments, &said)) }
    }

    fn start(&self, arguments: &[&str], said: &Path) -> io::Result<Child> {
        // The one on PATH, else that of the project in which the command runs.
        let own = self.spawn(Command::new("wrangler").args(arguments), said);
        match own {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.spawn(Command::new("npx").args(["--no-install", "wrangler"]).args(arguments), said)
            }
            started => started,
        }
    }

    fn spawn(&self, command: &mut Command, said: &Path) -> io::Result<Child> {
        let out = File::create(said)?;
        apart(command)
            .arg("--config")
            .arg(self.folder.join("wrangler.toml"))
            .env("WRANGLER_OUTPUT_FILE_PATH", self.folder.join("output.ndjson"))
            .env("WRANGLER_SEND_METRICS", "false")
            // Nobody is asked anything.
            .stdin(Stdio::null())
            .stderr(out.try_clone()?)
            .stdout(out)
            .spawn()
    }
}

/// In a group of its own: Ctrl-C is for us, who see to it that what was begun is undone.
#[cfg(unix)]
fn apart(command: &mut Command) -> &mut Command {
    std::os::unix::process::CommandExt::process_group(command, 0)
}

#[cfg(not(unix))]
fn apart(command: &mut Command) -> &mut Command {
    command
}

/// Where a Worker was deployed: from wrangler's output for programs, else from its words.
fn target(output: &str, said: &str) -> Option<String> {
    let lines = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let deployed = lines.filter(|line| line.get("type").and_then(Value::as_str) == Some("deploy"));
    let mut targets = deployed.filter_map(|line| line.get("targets")?.get(0)?.as_str().map(str::to_owned));
    let words = || said.split_whitespace().find(|word| word.starts_with("https://") && word.contains(".workers.dev"));
    targets.next_back().or_else(|| words().map(str::to_owned)).map(|url| url.trim_end_matches('/').to_owned())
}

/// Without colours.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' {
            // ECMA-48 section 5.4: to the final byte.
            letters.by_ref().skip_while(|letter| *letter == '[').find(|letter| letter.is_ascii_alphabetic());
        } else {
            plain.push(letter);
        }
    }
    plain
}

fn cannot_start(error: &io::Error) -> Unable {
    Unable {
        says: format!("wrangler cannot be run: {error}"),
        remedy: "install Node and wrangler (`npm install wrangler`), and run this where `npx wrangler` works"
            .to_owned(),
    }
}

fn late(arguments: &[&str]) -> Unable {
    let what = arguments.first().unwrap_or(&"");
    Unable {
        says: format!("`wrangler {what}` did not end within {} s", PATIENCE.as_secs()),
        remedy: "run it by hand to see what it waits for".to_owned(),
    }
}

/// What its words mean.
fn why(arguments: &[&str], said: &str) -> Unable {
    let what = arguments.first().unwrap_or(&"");
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(SHOWN)..).unwrap_or_default().join(" ");
    let any = |texts: &[&str]| texts.iter().any(|text| said.contains(text));
    let remedy = if any(&["not authenticated", "not logged in", "CLOUDFLARE_API_TOKEN", "wrangler login"]) {
        "log in with `npx wrangler login`, or set CLOUDFLARE_API_TOKEN to a token that may edit Workers"
    } else if any(&["More than one account"]) {
        "set CLOUDFLARE_ACCOUNT_ID, or account_id in wrangler.toml"
    } else if any(&["could not determine executable", "npm error"]) {
        "install wrangler here (`npm install wrangler`), or put it on PATH"
    } else if any(&["workers.dev subdomain"]) {
        "register a workers.dev subdomain (Workers & Pages in Cloudflare's dashboard). The probe needs it"
    } else {
        "follow its message, and run this again"
    };
    Unable { says: format!("`wrangler {what}` failed: {last}"), remedy: remedy.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrangler_says_where_it_has_deployed() {
        let output =
            "{\"type\":\"wrangler-session\"}\n{\"type\":\"deploy\",\"targets\":[\"https://p.me.workers.dev/\"]}\n";
        let said = "Uploaded p\nDeployed p triggers\n  https://p.you.workers.dev\n";
        assert_eq!(target(output, said).as_deref(), Some("https://p.me.workers.dev"));
        assert_eq!(target("", said).as_deref(), Some("https://p.you.workers.dev"));
        assert_eq!(target("{\"type\":\"deploy\",\"targets\":[]}", "Deployed"), None);
    }

    #[test]
    fn what_wrangler_says_comes_with_what_to_do() {
        let of = |said: &str| why(&["deploy"], &plain(said));
        let unable = of("\u{1b}[31m✘ \u{1b}[41;31m[ERROR]\u{1b}[0m You are not logged in.\n\n");
        assert_eq!(unable.says, "`wrangler deploy` failed: ✘ [ERROR] You are not logged in.");
        assert!(unable.remedy.starts_with("log in with `npx wrangler login`"), "{unable:?}");
        let token =
            of("In a non-interactive environment, it's necessary to set a CLOUDFLARE_API_TOKEN environment variable");
        assert!(token.remedy.contains("set CLOUDFLARE_API_TOKEN"), "{token:?}");
        assert!(of("More than one account available").remedy.contains("CLOUDFLARE_ACCOUNT_ID"));
        assert!(of("You need to register a workers.dev subdomain").remedy.starts_with("register"));
        assert!(of("npm error could not determine executable to run").remedy.starts_with("install wrangler"));
        let other = of("one\ntwo\nthree\nfour\nfive");
        assert_eq!(
            (other.says.as_str(), other.remedy.as_str()),
            ("`wrangler deploy` failed: two three four five", "follow its message, and run this again")
        );
        assert_eq!(of("").says, "`wrangler deploy` failed: ");
    }
}
