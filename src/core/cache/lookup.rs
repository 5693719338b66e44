//! How the cache is asked.

use crate::cache::{
    coding::Coding,
    directives::{Directives, FieldScope},
    vary::SelectingFields,
};

/// How the cache is asked.
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    /// GET or HEAD.
    pub method: Method,
    /// What the client can decode.
    pub coding: Coding,
    /// What it says of the stored responses that will do; `Pragma: no-cache` is among it (RFC 9111 section 5.4).
    pub wants: Directives,
    /// The request carries `Authorization`.
    pub authorized: bool,
    /// The request carries cookies besides the session.
    pub cookies: bool,
    /// Its own preconditions and range.
    pub conditions: Conditions,
    /// The data is personal: a stored response is for its subject alone, and for those who show the credentials that it was made with.
    pub personal: bool,
    /// Its header fields, for `Vary`.
    pub fields: SelectingFields,
}

impl Lookup {
    /// Whether it could wait for another request of the same address: what that one fills is of use to this one, too.
    #[must_use]
    pub fn can_wait(&self) -> bool {
        let alone = self.method == Method::Head
            || self.authorized
            || self.conditions.range.is_some()
            || self.wants.only_if_cached
            || self.wants.no_cache != FieldScope::None
            // Another of the same subject may have other credentials, and what that one fills answers nobody else.
            || self.personal;
        !alone
    }
}

/// A method that a stored response can answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// GET.
    #[default]
    Get,
    /// HEAD: the same without the body.
    Head,
}

/// A request's preconditions (RFC 9110 section 13) and range, as far as a cache has to do with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// `If-None-Match`.
    pub if_none_match: Option<String>,
    /// `If-Modified-Since`.
    pub if_modified_since: Option<String>,
    /// `Range`, of a GET.
    pub range: Option<String>,
    /// `If-Range`.
    pub if_range: Option<String>,
}
