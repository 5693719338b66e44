//! Where the results stand in the repository.

use std::path::{Path, PathBuf};

pub const PAGE: &str = "docs/planet.md";
pub const FIGURE: &str = "docs/planet.svg";
const BEGIN: &str = "<!-- begin: written by make planet -->";
const END: &str = "<!-- end: written by make planet -->";

/// That place in the repository.
#[must_use]
pub fn at(place: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(place)
}

/// What stands between the markers.
#[must_use]
pub fn between(page: &str) -> &str {
    let (_, rest) = page.split_once(BEGIN).unwrap();
    rest.split_once(END).unwrap().0.trim()
}

/// The page with that between its markers.
#[must_use]
pub fn replaced(page: &str, tables: &str) -> String {
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", tables.trim())
}
