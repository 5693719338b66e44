//! Repeats: the key by which a client marks a write that it may have to send again, and what is kept of the write.
//!
//! `Idempotency-Key` is as in draft-ietf-httpapi-idempotency-key-header-06, with these differences:
//!
//! * A key is any text of 1 to 255 visible ASCII characters, quoted or not; the draft wants a String (RFC 8941 section 3.3.3). Two
//!   spellings are two keys.
//! * A repeat that comes while the first is still at work waits for it, and gets its answer; the draft answers 409 (section 2.7).
//!   The stores wait anyway, for the rows that both would write.
//! * Of two requests with one key the same are those of one caller, unit, method, target and body; the draft leaves what makes a
//!   key unique to the resource (sections 2.2 and 2.4). So nobody is shown what somebody else was answered.
//! * What the fence or the application refuses is kept by nobody: it may be right the next time. The draft repeats errors, too
//!   (section 2.6).

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{Asked, Refusal, Unit, say};

/// How long a repeat is known for certain. What comes later is a new write.
pub const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest answer that is kept, fields and body, in bytes. Of a longer one a repeat is told that it was given.
pub const LONGEST_ANSWER: usize = 16 * 1024;
const LONGEST_KEY: usize = 255;

/// What a request with an `Idempotency-Key` is, apart from who sent it and what.
#[derive(Clone, Debug)]
pub(crate) struct Keyed {
    method: Method,
    target: String,
    /// The key, or what is wrong with it.
    key: Result<String, &'static str>,
}

impl Keyed {
    pub(crate) fn read(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Box<Self>> {
        let mut all = headers.get_all("idempotency-key").iter();
        let key = match (all.next()?, all.next()) {
            (_, Some(_)) => Err("the request has several fields Idempotency-Key; expected one"),
            (value, None) => value
                .to_str()
                .map(str::trim)
                .ok()
                .filter(|key| (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()))
                .map(str::to_owned)
                .ok_or("the Idempotency-Key is empty, too long, or has other than visible letters; expected 1 to 255 of ASCII"),
        };
        let target = uri.path_and_query().map_or_else(|| uri.path().to_owned(), ToString::to_string);
        Some(Box::new(Self { method: method.clone(), target, key }))
    }
}

/// By what a repeat of a write is known; nothing, where the client has sent no key. [`Asked::key`] makes it; `once` of the stores
/// does the write that it belongs to once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a write is done once by `once` of its store"]
pub struct Key(Option<Known>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    /// Who asks, for what, by which key.
    by: [u8; 32],
    /// What was sent.
    sent: [u8; 32],
}

impl Asked {
    /// By what a repeat of this request is known: `caller` is who asks, as the application knows it, and not the router; `body` is what
    /// was sent, or all of it that matters. A client's key belongs to its caller: where there is none (nobody signs in), whoever
    /// guesses a key is answered by it.
    ///
    /// # Errors
    /// If there is a key that is none, with the answer that says why (400).
    pub fn key(&self, caller: Option<&str>, body: &[u8]) -> Result<Key, Refusal> {
        let Some(keyed) = &self.keyed else { return Ok(Key(None)) };
        let key = keyed.key.as_ref().map_err(|why| Refusal::NoKey(why))?;
        let mut by = Sha256::new();
        let who: [&[u8]; 2] = caller.map_or([b"nobody", b""], |caller| [b"caller", caller.as_bytes()]);
        for part in who.into_iter().chain([keyed.method.as_str().as_bytes(), keyed.target.as_bytes(), key.as_bytes()]) {
            // With its length, so that no two ways of cutting a text are one.
            by.update((part.len() as u64).to_be_bytes());
            by.update(part);
        }
        Ok(Key(Some(Known { by: by.finalize().into(), sent: Sha256::digest(body).into() })))
    }
}

impl Key {
    /// Under what the store keeps a write of that unit; nothing, where the client has sent no key.
    #[must_use]
    pub fn id(&self, unit: &Unit) -> Option<String> {
        let known = self.0.as_ref()?;
        let of_unit = Sha256::new().chain_update(known.by).chain_update(unit.as_str());
        Some(URL_SAFE_NO_PAD.encode(of_unit.finalize()))
    }

    /// What is to be kept of a write of that unit that was answered so, at that Unix time in milliseconds; nothing, where the client
    /// has sent no key.
    #[must_use]
    pub fn keep(&self, unit: &Unit, answer: &Answer, at: u64) -> Option<Kept> {
        let (id, known) = (self.id(unit)?, self.0.as_ref()?);
        Some(Kept { id, sent: URL_SAFE_NO_PAD.encode(known.sent), at, answer: answer.to_keep() })
    }

    /// What a repeat is answered, by what is kept.
    pub(crate) fn answered(&self, kept: Kept) -> Result<Answer, Refusal> {
        let sent = self.0.as_ref().map(|known| URL_SAFE_NO_PAD.encode(known.sent));
        if sent.as_deref() == Some(&kept.sent) {
            Ok(Answer { is_repeat: true, ..kept.answer })
        } else {
            Err(Refusal::OtherBody)
        }
    }
}

/// What is kept of a write that had a key. An application that replicates a log of its own sends it along in the operation that
/// it belongs to, so that whoever has the write knows its repeat; with a database that replicates itself, nobody needs to see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Who asked, for what, by which key.
    pub(crate) id: String,
    /// What was sent.
    pub(crate) sent: String,
    /// When it was done, in Unix milliseconds.
    pub(crate) at: u64,
    pub(crate) answer: Answer,
}

impl Kept {
    /// As text for a log.
    #[must_use]
    pub fn to_json(&self) -> String {
        let (status, fields, body) = self.answer.parts();
        json!({ "id": self.id, "sent": self.sent, "at": self.at, "status": status, "fields": fields, "body": URL_SAFE_NO_PAD.encode(body) })
            .to_string()
    }

    /// From such a text.
    #[must_use]
    pub fn from_json(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let text = |name: &str| Some(value.get(name)?.as_str()?.to_owned());
        let status = value.get("status")?.as_u64()?.try_into().ok()?;
        let body = URL_SAFE_NO_PAD.decode(text("body")?).ok()?;
        let answer = Answer::of_parts(status, &text("fields")?, body)?;
        Some(Self { id: text("id")?, sent: text("sent")?, at: value.get("at")?.as_u64()?, answer })
    }
}

/// What a write was answered, or its repeat: status, fields and body. As a response it says `Homing-Wrote: 1` unless the
/// application has said something else, and of a repeat always: the session that repeats a write has to see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    status: StatusCode,
    fields: HeaderMap,
    body: Bytes,
    is_repeat: bool,
}

impl Answer {
    /// An answer with that body.
    #[must_use]
    pub fn new(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self { status, fields: HeaderMap::new(), body: body.into(), is_repeat: false }
    }

    /// An answer of JSON.
    #[must_use]
    pub fn json(status: StatusCode, body: &Value) -> Self {
        Self::new(status, body.to_string()).with((header::CONTENT_TYPE, HeaderValue::from_static("application/json")))
    }

    /// With another field. A repeat has it, too, but for the contract's own (`Homing-*`), which speak of one request alone.
    #[must_use]
    pub fn with(mut self, (name, value): say::Field) -> Self {
        self.fields.append(name, value);
        self
    }

    /// Whether it is the answer of an earlier request with the same key, and nothing was done.
    #[must_use]
    pub fn is_repeat(&self) -> bool {
        self.is_repeat
    }

    /// The response.
    #[must_use]
    pub fn into_response<B: From<Bytes>>(self) -> Response<B> {
        let mut response = Response::new(B::from(self.body));
        *response.status_mut() = self.status;
        let (name, wrote) = say::wrote(true);
        if self.is_repeat || !self.fields.contains_key(&name) {
            response.headers_mut().insert(name, wrote);
        }
        response.headers_mut().extend(self.fields);
        response
    }

    /// What is kept of it: nothing that speaks of one request alone, and no more than there is room for.
    fn to_keep(&self) -> Self {
        let is_own = |name: &HeaderName| !name.as_str().starts_with("homing-");
        let mut fields = self.fields.clone();
        for name in self.fields.keys().filter(|name| !is_own(name)) {
            fields.remove(name);
        }
        let kept = Self { fields, is_repeat: false, ..self.clone() };
        let (_, text, body) = kept.parts();
        let length = text.len() + body.len();
        if length <= LONGEST_ANSWER {
            return kept;
        }
        let detail = format!(
            "This was done before, and is not done again. Its answer, of {length} bytes, was too long to be kept."
        );
        Self::json(self.status, &json!({ "title": "done before", "detail": detail }))
    }

    /// Its status, its fields in lines, and its body.
    pub(crate) fn parts(&self) -> (u16, String, &[u8]) {
        let line = |(name, value): (&HeaderName, &HeaderValue)| Some(format!("{name}: {}\n", value.to_str().ok()?));
        (self.status.as_u16(), self.fields.iter().filter_map(line).collect(), &self.body)
    }

    pub(crate) fn of_parts(status: u16, fields: &str, body: Vec<u8>) -> Option<Self> {
        let field = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            Some((name.parse::<HeaderName>().ok()?, value.parse::<HeaderValue>().ok()?))
        };
        let mut answer = Self::new(StatusCode::from_u16(status).ok()?, body);
        answer.fields = fields.lines().filter_map(field).collect();
        Some(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyed(target: &str, key: &str) -> Option<Box<Keyed>> {
        let headers = [(HeaderName::from_static("idempotency-key"), HeaderValue::from_str(key).unwrap())];
        Keyed::read(&Method::POST, &target.parse().unwrap(), &headers.into_iter().collect())
    }

    #[test]
    fn an_answer_comes_back_from_a_log_as_it_went_in() {
        let answer = Answer::json(StatusCode::CREATED, &json!({ "id": 7 }))
            .with((header::LOCATION, HeaderValue::from_static("/orders/7")))
            .with((HeaderName::from_static("homing-conflict"), HeaderValue::from_static("merge")));
        let known = Known { by: [1; 32], sent: [2; 32] };
        let key = Key(Some(known));
        let kept = key.keep(&Unit::subject("ada"), &answer, 42).unwrap();
        let back = Kept::from_json(&kept.to_json()).unwrap();
        assert_eq!(back, kept);
        let repeat = key.answered(back).unwrap();
        let response = repeat.into_response::<Bytes>();
        let field = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        assert_eq!(
            (response.status(), field("location"), field("homing-conflict")),
            (StatusCode::CREATED, Some("/orders/7"), None)
        );
        assert_eq!((field("homing-wrote"), response.body()), (Some("1"), &answer.body));
        let other = Key(Some(Known { by: [1; 32], sent: [3; 32] }));
        assert_eq!(other.answered(kept), Err(Refusal::OtherBody));
    }

    #[test]
    fn a_repeat_says_that_it_wrote_whatever_the_first_has_said() {
        let silent = Answer::new(StatusCode::OK, "")
            .with((HeaderName::from_static("homing-wrote"), HeaderValue::from_static("0")));
        let wrote = |answer: Answer| {
            answer.into_response::<Bytes>().headers().get_all("homing-wrote").iter().cloned().collect::<Vec<_>>()
        };
        assert_eq!(wrote(silent.clone()), ["0"]);
        let key = Key(Some(Known { by: [1; 32], sent: [2; 32] }));
        let kept = key.keep(&Unit::dataset("catalog"), &silent, 0).unwrap();
        assert_eq!(wrote(key.answered(kept).unwrap()), ["1"]);
    }

    #[test]
    fn of_an_answer_that_is_too_long_a_repeat_is_told_that_it_was_given() {
        let (longest, longer) = ("x".repeat(LONGEST_ANSWER), "x".repeat(LONGEST_ANSWER + 1));
        assert_eq!(Answer::new(StatusCode::OK, longest.clone()).to_keep().body, longest);
        let kept = Answer::new(StatusCode::CREATED, longer).to_keep();
        assert!(kept.status == StatusCode::CREATED && kept.body.len() < 200, "{kept:?}");
    }

    #[test]
    fn keys_are_one_to_255_visible_letters() {
        let ok = |key: &str| keyed("/", key).unwrap().key.is_ok();
        assert!(ok("a") && ok("\"8e03978e-40d5-43dd-bc93-6f894f55ec72\"") && ok(&"k".repeat(255)));
        assert!(!ok("") && !ok("two words") && !ok(&"k".repeat(256)));
        let several = ["a", "b"].map(|key| (HeaderName::from_static("idempotency-key"), HeaderValue::from_static(key)));
        let read = Keyed::read(&Method::POST, &Uri::from_static("/"), &several.into_iter().collect()).unwrap();
        assert!(read.key.is_err());
        assert!(Keyed::read(&Method::POST, &Uri::from_static("/"), &HeaderMap::new()).is_none());
    }
}
