//! `IDENTITY`.

use super::Table;
use crate::routing::{
    headers::is_token,
    topology::{
        Identity, IdentitySource, SubjectKind,
        error::{Complaints, KeyPath, quoted},
        pattern::PathPattern,
        raw::Raw,
    },
};

const SOURCES: [&str; 5] = ["response_header", "header", "cookie", "path", "host"];

pub(super) fn read(raw: Option<&Raw>, path: &KeyPath, log: &mut Complaints) -> Identity {
    let Some(table) = raw.and_then(|raw| Table::of(raw, path, log)) else { return Identity::default() };
    table.only(&["user", "tenant"], log);
    let mut of = |kind: SubjectKind| {
        let path = path.key(kind.token());
        source(kind, &Table::of(table.get(kind.token())?, &path, log)?, log)
    };
    Identity { user: of(SubjectKind::User), tenant: of(SubjectKind::Tenant) }
}

fn source(kind: SubjectKind, table: &Table<'_>, log: &mut Complaints) -> Option<IdentitySource> {
    table.only(&SOURCES, log);
    let mut given = SOURCES.into_iter().filter(|key| table.has(key));
    let (Some(key), None) = (given.next(), given.next()) else {
        let found = table.entries().map(|(name, _)| name).collect::<Vec<_>>();
        let found = if found.is_empty() { "nothing".to_owned() } else { quoted(found) };
        log.error(&table.path, found, format!("exactly one of {}", quoted(SOURCES)), "say one place to read it from");
        return None;
    };
    let text = table.text(key, log)?;
    let path = table.path.key(key);
    let place = format!("{{{}}}", kind.token());
    let token = |text: &str| !text.is_empty() && text.bytes().all(is_token);
    let read = match key {
        "response_header" | "header" if token(text) => {
            let name = text.to_ascii_lowercase();
            Some(if key == "header" { IdentitySource::Header(name) } else { IdentitySource::ResponseHeader(name) })
        }
        "cookie" if token(text) => Some(IdentitySource::Cookie(text.to_owned())),
        "path" => PathPattern::parse(text).ok().filter(|path| path.names(kind.token())).map(IdentitySource::Path),
        "host" => text.split_once(&place).filter(|(before, after)| !(before.is_empty() && after.is_empty())).map(
            |(prefix, suffix)| IdentitySource::Host {
                prefix: prefix.to_ascii_lowercase(),
                suffix: suffix.to_ascii_lowercase(),
            },
        ),
        _ => None,
    };
    if read.is_none() {
        let (expected, remedy) = match key {
            "path" => (format!("a path with {place}"), format!("write it like \"/t/{place}/*\"")),
            "host" => (format!("a host with {place}"), format!("write it like \"{place}.example.com\"")),
            _ => (format!("the name of a {}", key.replace('_', " ")), "use letters, digits and hyphens".to_owned()),
        };
        log.error(&path, format!("{text:?}"), expected, remedy);
    }
    read
}
