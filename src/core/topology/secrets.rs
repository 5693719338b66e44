//! What is configured: the vars and the secrets, as the core wants them.

use thiserror::Error;

use crate::{
    model::keys::{Key, SecretTooShort, SessionKeys},
    topology::{
        Topology,
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
    made(topology, secrets, flags, random)
}

/// The same for what serves requests: what changes none of them is not read ([`parse_to_serve`]).
///
/// # Errors
/// As [`read`].
pub fn read_to_serve(
    vars: &str,
    secrets: &Secrets<'_>,
    flags: &str,
    random: impl FnMut() -> Option<u64>,
) -> Result<Settings, ConfigError> {
    let (topology, _warnings) = parse_to_serve(&raw::from_json(vars)?, &KeyPath::default().key("vars"))?;
    made(topology, secrets, flags, random)
}

fn made(
    topology: Topology,
    secrets: &Secrets<'_>,
    flags: &str,
    random: impl FnMut() -> Option<u64>,
) -> Result<Settings, ConfigError> {
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

fn session_key(secret: &str, dev: bool, mut random: impl FnMut() -> Option<u64>) -> Result<Key, ConfigError> {
    const NAME: &str = "SESSION_KEY";
    match (secret, dev) {
        // In development a key that lives as long as the isolate will do.
        ("", true) => {
            let mut half = || random().ok_or(ConfigError::NoRandomness);
            key(NAME, &format!("{:016x}{:016x}", half()?, half()?))
        }
        ("", false) => Err(ConfigError::NoSessionKey),
        (secret, _) => key(NAME, secret),
    }
}

fn optional_key(name: &'static str, secret: &str) -> Result<Option<Key>, ConfigError> {
    if secret.is_empty() { Ok(None) } else { key(name, secret).map(Some) }
}

fn key(name: &'static str, secret: &str) -> Result<Key, ConfigError> {
    Key::new(secret).map_err(|short| ConfigError::ShortSecret(name, short))
}
