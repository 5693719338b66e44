//! The entry in the driver's hands, as far as the core needs it later: for revalidation, for stale-if-error, and for the next store.

use super::{
    Probed,
    entry::{self, Variant},
};

/// An entry that was found and could not answer at once.
#[derive(Clone, Debug)]
pub struct StoredEntry {
    text: String,
    lengths: String,
    /// The place of the variant that the request selects.
    pub at: Option<usize>,
}

impl StoredEntry {
    /// Keeps what was found.
    #[must_use]
    pub fn new(probed: &Probed<'_>, at: Option<usize>) -> Self {
        let text = probed.entry.unwrap_or_default().to_owned();
        Self { text, lengths: probed.lengths.to_owned(), at }
    }

    /// Its variants, the newest first.
    #[must_use]
    pub fn variants(&self) -> Vec<Variant<'_>> {
        entry::read(&self.text).unwrap_or_default()
    }

    /// The variant that the request selects, and its place.
    #[must_use]
    pub fn selected(&self) -> Option<(usize, Variant<'_>)> {
        let at = self.at?;
        Some((at, self.variants().into_iter().nth(at)?))
    }

    /// The length of the body of that variant, where it is known.
    #[must_use]
    pub fn length(&self, at: usize) -> Option<u64> {
        length(&self.lengths, at)
    }
}

/// The length of the body in that place.
#[must_use]
pub(crate) fn length(lengths: &str, at: usize) -> Option<u64> {
    lengths.split(',').nth(at)?.trim().parse().ok()
}
