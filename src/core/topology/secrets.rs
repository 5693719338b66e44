//! What is configured: the vars and the secrets, as the core wants them.

use crate::{
    model::keys::{Key, SessionKeys},
    topology::{error::KeyPath, parse::parse, raw, settings::Settings},
};

/// The secrets as the platform has them; empty where not set.
pub struct Secrets<'a> {
    /// Signs sessions (`SESSION_KEY`).
    pub session_key: &'a str,
    /// Has signed sessions that are still to be read (`SESSION_KEY_OLD`).
    pub session_key_old: &'a str,
    /// Signs requests to origins (`ORIGIN_KEY`).
    pub origin_key: &'a str,
}

/// Reads the settings. `random` gives the key of an isolate in development, which lives as long as that.
///
/// # Errors
/// What is wrong with them, for whoever deploys.
pub fn read(
    vars: &str,
    secrets: &Secrets<'_>,
    flags: &str,
    random: impl FnOnce() -> Option<u128>,
) -> Result<Settings, String> {
    let vars = raw::from_json(vars).map_err(|error| format!("the vars cannot be read: {error}"))?;
    let (topology, _warnings) = parse(&vars, &KeyPath::default().key("vars")).map_err(|all| all.to_string())?;
    let dev = flags.split(',').any(|flag| flag == "dev");
    Ok(Settings {
        topology,
        session_keys: SessionKeys::new(
            session_key(secrets.session_key, dev, random)?,
            optional_key("SESSION_KEY_OLD", secrets.session_key_old)?,
        ),
        origin_key: optional_key("ORIGIN_KEY", secrets.origin_key)?,
        dev,
    })
}

fn session_key(secret: &str, dev: bool, random: impl FnOnce() -> Option<u128>) -> Result<Key, String> {
    if secret.is_empty() && dev {
        // In development a key that lives as long as the isolate will do.
        return key("SESSION_KEY", &format!("{:032x}", random().ok_or("no randomness")?));
    }
    if secret.is_empty() {
        let remedy = "set it: `openssl rand -base64 32 | npx wrangler secret put SESSION_KEY`";
        return Err(format!("SESSION_KEY: found nothing, expected a secret of at least 32 characters; {remedy}"));
    }
    key("SESSION_KEY", secret)
}

fn optional_key(name: &str, secret: &str) -> Result<Option<Key>, String> {
    if secret.is_empty() { Ok(None) } else { key(name, secret).map(Some) }
}

fn key(name: &str, secret: &str) -> Result<Key, String> {
    Key::new(secret).map_err(|short| {
        let found = short.length;
        format!("{name}: found {found} characters, expected at least 32; make one with `openssl rand -base64 32`")
    })
}
