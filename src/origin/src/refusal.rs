//! Why a request is refused before anything was done, and the one mapping from that to an answer.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::{Ownership, Unit, say};

/// Why a request was refused; nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// This region does not own the unit by the epoch that was claimed; that one does. 421.
    Misdirected(Ownership),
    /// It is that subject's, and the request was about somebody else or nobody: 421 with `Homing-Subject`. The router finds that
    /// one's home and asks once more.
    OfSubject(Unit),
    /// The same where the request was about nobody, and this region knows where that subject's data is.
    OfSubjectIn(Unit, Ownership),
    /// The dataset is split by subjects, so it has no owner as a whole. 421.
    Split(Unit),
    /// This region may not write the unit, and the request is about another one, so the router cannot help. 421.
    NotAbout(Unit),
    /// Writes of the unit are held back for so long at most. 503.
    Paused(Duration),
    /// This region owns the unit, but its lease has run out: its ownership may have moved without it. 503.
    NoLease,
    /// This copy has not reached the position that the reader has seen. 503, and the router asks home.
    Behind,
    /// The `Idempotency-Key` is none. 400.
    NoKey(&'static str),
    /// The `Idempotency-Key` is that of a write with another body. 422.
    OtherBody,
    /// The write does something that the dataset's rule cannot apply. 422.
    NoChange(&'static str),
    /// Other regions have more of this region's log than it has itself, so it would give numbers away a second time. 503.
    LogLost,
    /// The request is not the router's. 403.
    Unsigned(&'static str),
    /// The read was done, and how far this copy is cannot be read any more: nobody could say what the answer shows. 503, so that it is
    /// asked elsewhere.
    Unplaced,
    /// The epoch store failed, so nobody knows who owns the unit. 503.
    Unknown(String),
}

impl Refusal {
    /// The refusal of a write whose ownership cannot be read.
    pub fn unknown(error: impl std::fmt::Display) -> Self {
        Self::Unknown(error.to_string())
    }

    /// The answer.
    #[must_use]
    pub fn into_response<B: From<Bytes>>(self) -> Response<B> {
        let mut response = json_response(self.status(), &self.body());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.extend([if self == Self::Behind { say::behind() } else { say::wrote(false) }]);
        match &self {
            Self::Misdirected(owner) => headers.extend(say::ownership(owner)),
            Self::OfSubject(unit) => headers.extend([say::subject(unit.as_str())]),
            Self::OfSubjectIn(unit, owner) => {
                headers.extend([say::subject(unit.as_str())]);
                headers.extend(say::ownership(owner));
            }
            _ => {}
        }
        if let Some(seconds) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Misdirected(_) | Self::OfSubject(_) | Self::OfSubjectIn(..) | Self::Split(_) | Self::NotAbout(_) => {
                StatusCode::MISDIRECTED_REQUEST
            }
            Self::Unsigned(_) => StatusCode::FORBIDDEN,
            Self::NoKey(_) => StatusCode::BAD_REQUEST,
            Self::OtherBody | Self::NoChange(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Paused(_) | Self::NoLease | Self::Behind | Self::LogLost | Self::Unplaced | Self::Unknown(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    /// In seconds. It may be over at any time: what is left of a pause is the most that it can last, and it seldom lasts so long. A client
    /// that was sent away until then would wait for what is done.
    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Paused(_) | Self::NoLease | Self::Unplaced | Self::Unknown(_) => Some(1),
            _ => None,
        }
    }

    fn body(&self) -> Value {
        let detail = match self {
            Self::Misdirected(owner) => {
                return json!({
                    "status": 421, "title": "not the owner", "home": owner.home, "epoch": owner.epoch,
                    "detail": format!("{} owns this, since epoch {}. Nothing was written.", owner.home, owner.epoch),
                });
            }
            Self::OfSubject(unit) | Self::OfSubjectIn(unit, _) => {
                return json!({
                    "status": 421, "title": "another subject's", "subject": unit.as_str(),
                    "detail": format!("This is {unit}'s, and was asked about somebody else or nobody. Nothing was done."),
                });
            }
            Self::Split(_) => "This dataset is split by subjects, and the request names none. Nothing was written.",
            Self::NotAbout(_) => "This region may not write what the request is not about. Nothing was written.",
            Self::Paused(_) => "Writes to this are paused for a moment, while its home moves. Nothing was written.",
            Self::NoLease => "This region has not heard from the authority for too long. Nothing was written.",
            Self::Behind => "This copy has not reached what the session has seen.",
            Self::Unsigned(why) | Self::NoKey(why) | Self::NoChange(why) => why,
            Self::OtherBody => {
                "A write with this Idempotency-Key was done before, and had another body. Nothing was written; use a new key."
            }
            Self::LogLost => {
                "Other regions have more of this region's log than it has itself. Nothing was written. Give the region another name, or insert the rows of homing_ops that it lacks from a region that still has them."
            }
            Self::Unplaced => {
                "How far this replica is cannot be read at present, so nobody can say what the answer shows. Ask again, or look why Application::position, mark or progress fails."
            }
            Self::Unknown(_) => "Who owns this cannot be read at present. Nothing was written.",
        };
        let title = match self {
            Self::Misdirected(_) | Self::NotAbout(_) => "not the owner",
            Self::OfSubject(_) | Self::OfSubjectIn(..) => "another subject's",
            Self::Split(_) => "no unit",
            Self::Paused(_) => "paused",
            Self::NoLease => "no lease",
            Self::Behind => "this copy is behind",
            Self::Unsigned(_) => "not from the router",
            Self::NoKey(_) => "no key",
            Self::OtherBody => "the key of another write",
            Self::NoChange(_) => "not a change of this dataset",
            Self::LogLost => "the end of the log is lost",
            Self::Unplaced => "the position is not known",
            Self::Unknown(_) => "the owner is not known",
        };
        json!({ "status": self.status().as_u16(), "title": title, "detail": detail })
    }
}

/// An answer of JSON.
pub(crate) fn json_response<B: From<Bytes>>(status: StatusCode, body: &Value) -> Response<B> {
    let mut response = Response::new(B::from(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // It is true of this moment alone.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
