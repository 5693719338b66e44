//! What the edge cache did with a request, as it is told: by a token, in records, and in `Cache-Status` (RFC 9211).

use super::policy::NotUsable;
use crate::model::token::Token;

/// What the edge cache did, or holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheState {
    /// It answered.
    Hit,
    /// It answered with an expired response while a new one is fetched.
    Updating,
    /// It answered with an expired response, since the client takes one (`max-stale`).
    Tolerated,
    /// It answered with an expired response, since every region failed.
    Stale,
    /// It holds nothing.
    Miss,
    /// It holds something expired.
    Expired,
    /// It holds something that predates the session's write or the dataset's bound.
    TooOld,
    /// It holds nothing for a request with these fields.
    VaryMiss,
    /// It holds parts, and not the one that the request asks for.
    Partial,
    /// It holds something coded in a way that the client cannot decode.
    Undecodable,
    /// It holds something that is not new enough for the client.
    NotWanted,
    /// It was not asked: the method's answers never come from it.
    Method,
    /// It took no part.
    Bypass,
}

impl From<NotUsable> for CacheState {
    fn from(why: NotUsable) -> Self {
        match why {
            NotUsable::Absent => Self::Miss,
            NotUsable::Partial => Self::Partial,
            NotUsable::Vary => Self::VaryMiss,
            NotUsable::Undecodable => Self::Undecodable,
            NotUsable::NotWanted => Self::NotWanted,
            NotUsable::NotShown => Self::TooOld,
            NotUsable::Expired => Self::Expired,
        }
    }
}

impl CacheState {
    /// Whether a fresh stored response answered.
    #[must_use]
    pub fn is_hit(self) -> bool {
        self == Self::Hit
    }

    /// By which it is told.
    #[must_use]
    pub fn token(self) -> Token {
        match self {
            Self::Hit | Self::Tolerated => Token::CacheHit,
            Self::Updating => Token::CacheUpdating,
            Self::Stale => Token::CacheStale,
            Self::Miss => Token::CacheMiss,
            Self::Expired => Token::CacheExpired,
            Self::TooOld => Token::CacheTooOld,
            Self::Undecodable => Token::CacheUndecodable,
            Self::VaryMiss => Token::CacheVaryMiss,
            Self::Partial => Token::CachePartial,
            Self::NotWanted => Token::CacheNotWanted,
            Self::Method => Token::CacheMethod,
            Self::Bypass => Token::CacheBypass,
        }
    }

    /// The word in records: `hit`, `stale`, `miss` or `bypass`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale | Self::Updating | Self::Tolerated => "stale",
            Self::Miss
            | Self::Expired
            | Self::TooOld
            | Self::VaryMiss
            | Self::Partial
            | Self::Undecodable
            | Self::NotWanted => "miss",
            Self::Method | Self::Bypass => "bypass",
        }
    }

    /// Why a response answered that is not fresh; a detail of `Cache-Status`.
    pub(crate) fn stale_reason(self) -> Option<&'static str> {
        match self {
            Self::Updating => Some("stale-while-revalidate"),
            Self::Tolerated => Some("max-stale"),
            Self::Stale => Some("stale-if-error"),
            _ => None,
        }
    }

    /// Why a request was forwarded, as a parameter of `Cache-Status` (RFC 9211 section 2.2).
    pub(crate) fn forwarded(self) -> &'static str {
        match self {
            Self::Miss => "; fwd=uri-miss",
            Self::Expired | Self::Stale => "; fwd=stale",
            Self::TooOld | Self::NotWanted => "; fwd=request",
            Self::VaryMiss | Self::Undecodable => "; fwd=vary-miss",
            Self::Partial => "; fwd=partial",
            Self::Method => "; fwd=method",
            Self::Bypass | Self::Hit | Self::Updating | Self::Tolerated => "; fwd=bypass",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_one_of_four_words_and_counts_only_what_was_fresh_as_a_hit() {
        for (state, word) in [
            (CacheState::Hit, "hit"),
            (CacheState::Stale, "stale"),
            (CacheState::Updating, "stale"),
            (CacheState::Tolerated, "stale"),
            (CacheState::Miss, "miss"),
            (CacheState::Expired, "miss"),
            (CacheState::VaryMiss, "miss"),
            (CacheState::Method, "bypass"),
            (CacheState::Bypass, "bypass"),
        ] {
            assert_eq!((state.word(), state.is_hit()), (word, word == "hit"), "{state:?}");
        }
    }
}
