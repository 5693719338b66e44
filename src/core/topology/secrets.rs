//! What is configured: the vars and the secrets, as the core wants them.

use thiserror::Error;

use crate::{
    model::keys::{Key, SecretTooShort, SessionKeys},
    topology::{
        Topology, compiled,
        error::{Complaints, KeyPath},
        parse::{parse, parse_to_serve},
        raw,
        settings::Settings,
    },
};

/// What is wrong with a configuration, for the operator who deploys it.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The vars are no JSON.
    #[error("the vars cannot be read: {0}")]
    Vars(#[from] serde_json::Error),
    /// The topology breaks rules.
    #[error("{0}")]
    Topology(#[from] Complaints),
    /// The rest of it.
    #[error(transparent)]
    Unserved(#[from] Unserved),
}

/// Why a topology that was checked is not served all the same.
#[derive(Debug, Error)]
pub enum Unserved {
    /// Its compiled form is none of this build's.
    #[error("the compiled configuration is of another build")]
    Compiled,
    /// There is no secret to sign sessions with.
    #[error(
        "SESSION_KEY: found nothing, expected a secret of at least 32 characters; set it: `openssl rand -base64 32 | npx wrangler secret \
         put SESSION_KEY`"
    )]
    NoSessionKey,
    /// That secret is too short to be one.
    #[error("{0}: {1}")]
    ShortSecret(&'static str, SecretTooShort),
    /// In development a key is drawn, and nothing gives randomness.
    #[error("no randomness")]
    NoRandomness,
}

/// The secrets as the platform has them; empty where not set.
pub struct Secrets<'a> {
    /// Signs sessions (`SESSION_KEY`).
    pub session_key: &'a str,
    /// Has signed sessions that are still to be read (`SESSION_KEY_OLD`).
    pub session_key_old: &'a str,
    /// Signs requests to origins (`ORIGIN_KEY`).
    pub origin_key: &'a str,
}

/// Reads the settings. `random` gives both halves of the key of an isolate in development, which lives as long as that.
///
/// # Errors
/// With the first of them that is wrong; all that is wrong with the topology.
pub fn read(
    vars: &str,
    secrets: &Secrets<'_>,
    flags: &str,
    random: impl FnMut() -> Option<u64>,
) -> Result<Settings, ConfigError> {
    let (topology, _warnings) = parse(&raw::from_json(vars)?, &KeyPath::default().key("vars"))?;
    Ok(made(topology, secrets, flags, random)?)
}

/// Checks the vars for what serves requests, and compiles them for [`of_compiled`]. What changes no request is not read ([`parse_to_serve`]).
///
/// # Errors
/// With all that is wrong with the topology.
pub fn compile(vars: &str) -> Result<String, ConfigError> {
    let (topology, _warnings) = parse_to_serve(&raw::from_json(vars)?, &KeyPath::default().key("vars"))?;
    Ok(compiled::write(&topology))
}

/// Reads the settings of vars that [`compile`] has checked, as [`read`] does.
///
/// # Errors
/// With the first of the secrets that is wrong.
pub fn of_compiled(
    compiled: &str,
    secrets: &Secrets<'_>,
    flags: &str,
    random: impl FnMut() -> Option<u64>,
) -> Result<Settings, Unserved> {
    made(compiled::read(compiled).ok_or(Unserved::Compiled)?, secrets, flags, random)
}

fn made(
    topology: Topology,
    secrets: &Secrets<'_>,
    flags: &str,
    random: impl FnMut() -> Option<u64>,
) -> Result<Settings, Unserved> {
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

fn session_key(secret: &str, dev: bool, mut random: impl FnMut() -> Option<u64>) -> Result<Key, Unserved> {
    const NAME: &str = "SESSION_KEY";
    match (secret, dev) {
        // In development a key that lives as long as the isolate will do.
        ("", true) => {
            let mut half = || random().ok_or(Unserved::NoRandomness);
            key(NAME, &format!("{:016x}{:016x}", half()?, half()?))
        }
        ("", false) => Err(Unserved::NoSessionKey),
        (secret, _) => key(NAME, secret),
    }
}

fn optional_key(name: &'static str, secret: &str) -> Result<Option<Key>, Unserved> {
    if secret.is_empty() { Ok(None) } else { key(name, secret).map(Some) }
}

fn key(name: &'static str, secret: &str) -> Result<Key, Unserved> {
    Key::new(secret).map_err(|short| Unserved::ShortSecret(name, short))
}
