//! `IDENTITY`.

use crate::topology::parse::names::Names;
use crate::topology::parse::table::KeyTable;
use crate::{
    http::syntax::is_token,
    model::{
        ids::{RegionId, RegionSet},
        subject::SubjectKind,
    },
    topology::{
        dataset::{Dataset, Rule},
        error::{Complaints, KeyPath, quoted},
        identity::{Identity, IdentitySource},
        pattern::{HostPattern, PathPattern},
        raw::Raw,
    },
};

const SOURCES: [&str; 5] = ["response_header", "header", "cookie", "path", "host"];
/// What else stands beside a source.
const FIRST_HOME: &str = "first_home";

pub(super) fn read(raw: Option<&Raw>, path: &KeyPath, log: &mut Complaints) -> Identity {
    let Some(table) = raw.and_then(|raw| KeyTable::of(raw, path, log)) else { return Identity::default() };
    table.only(&["user", "tenant", "hosts"], log);
    let mut of = |kind: SubjectKind| {
        let path = path.key(kind.token());
        source(kind, &KeyTable::of(table.get(kind.token())?, &path, log)?, log)
    };
    let (user, tenant) = (of(SubjectKind::User), of(SubjectKind::Tenant));
    if let (Some(IdentitySource::ResponseHeader(user)), Some(IdentitySource::ResponseHeader(tenant))) = (&user, &tenant)
        && user == tenant
    {
        let path = path.key("tenant").key("response_header");
        let (expected, remedy) =
            ("another field than the user's", "let the application name each in a field of its own");
        log.error(&path, format!("{tenant:?}"), expected, remedy);
    }
    Identity { user, tenant, hosts: hosts(&table, log), first_homes: Vec::new() }
}

/// The first home of subjects that the directory does not know: for each kind, a region where all of its data may live.
pub(super) fn first_homes(
    raw: Option<&Raw>,
    path: &KeyPath,
    (regions, datasets): (&Names, &[Dataset]),
    log: &mut Complaints,
) -> Vec<(SubjectKind, RegionId)> {
    let mut read = |kind: SubjectKind| {
        let Raw::Table(_) = raw?.get(kind.token())? else { return None };
        let path = path.key(kind.token()).key(FIRST_HOME);
        let name = match raw?.get(kind.token())?.get(FIRST_HOME)? {
            Raw::Text(name) => name,
            other => {
                log.error(&path, other.describe(), "the name of a region", "put it in quotes");
                return None;
            }
        };
        let home = regions.region(name, &path, log)?;
        let of_kind = datasets.iter().filter_map(|dataset| match dataset.rule {
            Rule::GeoPartitioned { subject, regions } if subject == kind => Some(regions),
            _ => None,
        });
        let token = kind.token();
        let Some(allowed) = of_kind.reduce(RegionSet::and) else {
            let expected = format!("first_home only where a dataset is split by {token}");
            log.error(&path, format!("{name:?}"), expected, "leave it out");
            return None;
        };
        if !allowed.contains(home) {
            let expected = format!("a region where all data of a {token} may live");
            log.error(&path, format!("{name:?}"), expected, "name one of the datasets' regions");
        }
        Some((kind, home))
    };
    SubjectKind::ALL.into_iter().filter_map(&mut read).collect()
}

fn hosts(table: &KeyTable<'_>, log: &mut Complaints) -> Vec<HostPattern> {
    let named = if table.has("hosts") { table.texts("hosts", log).unwrap_or_default() } else { Vec::new() };
    let mut read = |(text, path): &(&str, KeyPath)| {
        let complain =
            |expected: &str| log.error(path, format!("{text:?}"), expected, "name a host that this router serves");
        HostPattern::parse(text).map_err(complain).ok()
    };
    named.iter().filter_map(&mut read).collect()
}

fn source(kind: SubjectKind, table: &KeyTable<'_>, log: &mut Complaints) -> Option<IdentitySource> {
    let known = [SOURCES.as_slice(), &[FIRST_HOME]].concat();
    table.only(&known, log);
    let mut given = SOURCES.into_iter().filter(|key| table.has(key));
    let (Some(key), None) = (given.next(), given.next()) else {
        let found = quoted(SOURCES.into_iter().filter(|key| table.has(key)));
        let found = if found.is_empty() { "nothing".to_owned() } else { found };
        // A slip in the one key has had its complaint.
        if found != "nothing" || table.entries().all(|(key, _)| key == FIRST_HOME) {
            let expected = format!("exactly one of {}", quoted(SOURCES));
            log.error(&table.path, found, expected, "say one place to read it from");
        }
        return None;
    };
    let text = table.text(key, log)?;
    let path = table.path.key(key);
    let place = format!("{{{}}}", kind.token());
    let token = |text: &str| !text.is_empty() && text.bytes().all(is_token);
    let read = match key {
        "path" => match PathPattern::parse(text) {
            Ok(path) if path.names(kind.token()) => Ok(IdentitySource::Path(path)),
            Ok(_) => Err(format!("a path with {place}")),
            Err(wrong) => Err(wrong.to_owned()),
        },
        "host" => host(text, &place).ok_or_else(|| format!("a host that contains {place}, without a port")),
        _ if !token(text) => Err(format!("the name of a {}", key.replace('_', " "))),
        "response_header" => Ok(IdentitySource::ResponseHeader(text.to_ascii_lowercase())),
        "header" => Ok(IdentitySource::Header(text.to_ascii_lowercase())),
        _ => Ok(IdentitySource::Cookie(text.to_owned())),
    };
    let complain = |expected: String| {
        let remedy = match key {
            "path" => format!("write it like \"/t/{place}/*\""),
            "host" => format!("write it like \"{place}.example.com\""),
            _ => "use letters, digits and hyphens".to_owned(),
        };
        log.error(&path, format!("{text:?}"), expected, remedy);
    };
    read.map_err(complain).ok()
}

/// A host with the subject for one part of it.
fn host(text: &str, place: &str) -> Option<IdentitySource> {
    let legal = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    let (prefix, suffix) = text.split_once(place)?;
    let whole = prefix.len() + suffix.len() > 0 && legal(prefix) && legal(suffix);
    whole.then(|| IdentitySource::Host { prefix: prefix.to_ascii_lowercase(), suffix: suffix.to_ascii_lowercase() })
}
