//! One line of an access log: the Common or Combined Log Format, or JSON. Which of them it is, is told line by line.

use serde::Deserialize;
use serde_json::Value;

use super::moment;
use homing_core::{RegionId, Timestamp, Url, config::Topology};

/// What is understood.
pub(super) const FORMATS: &str = "the Common or Combined Log Format of nginx and Apache (ADDRESS - USER [TIME] \"GET /path \
     HTTP/1.1\" STATUS …), or an object of JSON with \"method\" and \"path\" (or \"request\") in each line";

/// A request as the log tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    pub(super) host: Option<String>,
    pub(super) status: Option<u16>,
    pub(super) time: Option<Timestamp>,
    /// The client's address.
    pub(super) client: Option<String>,
    pub(super) user: Option<String>,
    pub(super) tenant: Option<String>,
    /// The region beside which the client was.
    pub(super) near: Option<RegionId>,
    /// Where its subject lived.
    pub(super) home: Option<RegionId>,
}

impl Line {
    /// Reads a line, or says why it cannot be read.
    pub(super) fn read(text: &str, topology: &Topology) -> Result<Self, String> {
        if text.starts_with('{') { json(text, topology) } else { common(text) }
    }
}

fn common(text: &str) -> Result<Line, String> {
    let wrong = || format!("found {}, expected a line of the Common Log Format or an object of JSON", short(text));
    let (head, rest) = text.split_once(" [").ok_or_else(wrong)?;
    let (time, rest) = rest.split_once("] \"").ok_or_else(wrong)?;
    let (request, rest) = quoted(rest).ok_or_else(wrong)?;
    let mut head = head.splitn(3, ' ');
    let (client, user) = (head.next(), head.nth(1).ok_or_else(wrong)?);
    let (method, host, target) = request_line(request)?;
    let status = rest.split_whitespace().next().unwrap_or("-");
    Ok(Line {
        method,
        target,
        host,
        status: if status == "-" { None } else { Some(read_status(status)?) },
        time: Some(moment::common(time).ok_or_else(|| {
            format!("found the time {}, expected a value such as 10/Oct/2026:13:55:36 -0700", short(time))
        })?),
        client: said(client.map(str::to_owned)),
        user: said(Some(user.to_owned())),
        ..Line::default()
    })
}

/// The text up to the quote that ends it, and what comes after. Servers write a quote within as `\"` or `\x22`.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let mut is_escaped = false;
    let end = text.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })?;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

/// The fields of a line of JSON; others are passed over. Numbers may stand in quotes.
#[derive(Deserialize)]
struct Fields {
    method: Option<String>,
    path: Option<String>,
    request: Option<String>,
    host: Option<String>,
    status: Option<Value>,
    time: Option<Value>,
    #[serde(alias = "remote_addr")]
    client: Option<String>,
    user: Option<String>,
    tenant: Option<String>,
    near: Option<String>,
    home: Option<String>,
}

fn json(text: &str, topology: &Topology) -> Result<Line, String> {
    let fields: Fields = serde_json::from_str(text).map_err(|error| {
        format!("found JSON that does not fit: {error}; expected \"method\" and \"path\", or \"request\"")
    })?;
    let (method, host, target) = match (fields.method, fields.path, fields.request) {
        (Some(method), Some(path), _) => {
            let (host, target) = target(&path)?;
            (read_method(&method)?, host, target)
        }
        (_, _, Some(request)) => request_line(&request)?,
        _ => {
            return Err("found no \"method\" and \"path\", and no \"request\"; expected one of the two".to_owned());
        }
    };
    let status = fields.status.as_ref().map(plain).filter(|status| is_said(status));
    let time = fields.time.as_ref().map(plain).filter(|time| is_said(time));
    let expected = "Unix time in seconds or milliseconds, or ISO 8601";
    Ok(Line {
        method,
        target,
        host: said(fields.host).or(host),
        status: status.map(|status| read_status(&status)).transpose()?,
        time: time
            .map(|time| {
                moment::any(&time).ok_or_else(|| format!("found the time {}, expected {expected}", short(&time)))
            })
            .transpose()?,
        client: said(fields.client),
        user: said(fields.user),
        tenant: said(fields.tenant),
        near: region("near", fields.near, topology)?,
        home: region("home", fields.home, topology)?,
    })
}

/// The value as it would stand without quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Servers write a hyphen, or nothing, for what they do not know.
fn is_said(text: &str) -> bool {
    !matches!(text, "" | "-" | "null")
}

fn said(text: Option<String>) -> Option<String> {
    text.filter(|text| is_said(text))
}

fn region(key: &str, name: Option<String>, topology: &Topology) -> Result<Option<RegionId>, String> {
    let Some(name) = said(name) else { return Ok(None) };
    let known = || topology.regions().map(|(_, region)| region.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = topology.region_named(&name);
    found.map(Some).ok_or_else(|| format!("found {key} {}, expected a region: {}", short(&name), known()))
}

/// Method, host if there is one, and target of `GET /path HTTP/1.1`; the version may be missing.
fn request_line(text: &str) -> Result<(String, Option<String>, String), String> {
    let wrong = || format!("found the request {}, expected a value such as \"GET /path HTTP/1.1\"", short(text));
    let mut parts = text.split_ascii_whitespace();
    let (method, asked) = (parts.next().ok_or_else(wrong)?, parts.next().ok_or_else(wrong)?);
    let (host, target) = target(asked)?;
    Ok((read_method(method)?, host, target))
}

/// A method is a token (RFC 9110 section 9.1); what else clients send in its place is no HTTP.
fn read_method(text: &str) -> Result<String, String> {
    let legal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if legal {
        Ok(text.to_owned())
    } else {
        Err(format!("found the method {}, expected a value such as GET", short(text)))
    }
}

/// A path with its query, behind scheme and host if the client spoke as to a proxy.
fn target(text: &str) -> Result<(Option<String>, String), String> {
    if text.starts_with('/') {
        return Ok((None, text.to_owned()));
    }
    let url = Url::parse(text)
        .ok_or_else(|| format!("found the path {}, expected one that begins with a slash", short(text)))?;
    let query = url.query.map(|query| format!("?{query}")).unwrap_or_default();
    Ok((Some(url.authority.to_owned()), format!("{}{query}", url.path)))
}

fn read_status(text: &str) -> Result<u16, String> {
    let status = text.parse().ok().filter(|status| (100..=599).contains(status));
    status.ok_or_else(|| format!("found the status {}, expected a number from 100 to 599", short(text)))
}

/// The beginning of a text, in quotes.
fn short(text: &str) -> String {
    let begin: String = text.chars().take(40).collect();
    format!("{begin:?}{}", if begin.len() < text.len() { "…" } else { "" })
}
