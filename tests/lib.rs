//! What all tests share.

use std::path::{Path, PathBuf};

/// That place in the repository.
#[must_use]
pub fn at(place: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(place)
}
