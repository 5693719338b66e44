//! The edge cache, decided here and kept by the edge: RFC 9111 as a shared cache, with RFC 5861 (use of expired stored responses),
//! RFC 9213 (targeted cache control) and RFC 9211 (`Cache-Status`). Its face is [`policy`]; behind that, in the order of a request:
//! [`key`], [`select`], [`validate`], [`range`], [`storing`], and what they are made of.

mod beside;
pub mod coding;
pub mod directives;
pub mod entry;
pub mod freshness;
pub mod key;
pub mod lookup;
pub mod policy;
pub(crate) mod range;
pub mod select;
pub mod slice;
pub(crate) mod state;
pub(crate) mod stored;
pub mod storing;
pub(crate) mod targeted;
pub(crate) mod validate;
pub mod vary;

pub use crate::cache::coding::Coding;
pub use crate::cache::directives::{Directives, FieldScope};
pub use crate::cache::entry::{ENTRY, Variant, is_coded};
pub use crate::cache::key::{CacheKey, KeyParts};
pub use crate::cache::select::Usability;
pub use crate::cache::state::CacheState;
pub use crate::cache::stored::StoredEntry;
pub use crate::cache::storing::{NotStorable, Storing, store};
pub use crate::cache::vary::SelectingFields;

/// What the driver found under a key.
#[derive(Clone, Copy, Debug, Default)]
pub struct Probed<'a> {
    /// The text of the entry, if there is one.
    pub entry: Option<&'a str>,
    /// The lengths of its bodies, as far as they are known: joined by commas, in the order of the variants.
    pub lengths: &'a str,
    /// Whether it came after waiting for another request of the same key.
    pub waited: bool,
}

/// What the driver has in its own memory, and most likely is what the request is about: it brings that along before anybody asks.
#[derive(Clone, Copy, Debug)]
pub struct Offered<'a> {
    /// Under which key.
    pub key: &'a str,
    /// What lies there.
    pub probed: Probed<'a>,
}

/// The example of its README, which is a test.
#[cfg(doctest)]
#[doc = include_str!("README.md")]
pub struct Readme;
