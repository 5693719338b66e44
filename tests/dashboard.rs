//! The dashboard says of each reason what the core says, and leaves nothing where another page could find it.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::time::Duration;

use homing_core::testing::{
    model::token::Token,
    observe::locality::{ENOUGH, ENOUGH_BACK},
    state::matrix::{ALL_LEAVE, SESSIONS_LEAVE},
};

/// What the dashboard knows by heart, as the core says it.
fn catalogue() -> String {
    let sentence = |token: &Token| format!("  {:?}: {:?},\n", token.as_str(), token.sentence());
    let trouble = |token: &Token| format!("  {:?},\n", token.as_str());
    let sentences: String = Token::ALL.iter().map(sentence).collect();
    let trouble: String = Token::ALL.iter().filter(|token| token.is_trouble()).map(trouble).collect();
    let ms = |limit: Duration| limit.as_millis();
    format!(
        "// What the core says, written by tests/dashboard.rs. Do not edit it.\n\n\
         // One sentence for each token. A token that is missing here is shown without one.\n\
         export const sentences = {{\n{sentences}}};\n\n\
         // Tokens that tell of trouble, even where the request was answered.\n\
         export const trouble = new Set([\n{trouble}]);\n\n\
         // A replica that lags by more than the first, in ms, is not read for sessions; by more than the second, it is read last.\n\
         export const lagLimits = {{ sessions: {}, all: {} }};\n\n\
         // So many requests must be in the window by which a budget is judged, before a route can be over it.\n\
         export const enough = {ENOUGH};\n\n\
         // And so many, before a route that is over it can have come back.\n\
         export const enoughBack = {ENOUGH_BACK};\n",
        ms(SESSIONS_LEAVE),
        ms(ALL_LEAVE),
    )
}

#[test]
fn the_dashboard_knows_what_the_core_says_and_nothing_else() {
    let path = homing_tests::at("www/_homing/catalogue.js");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return std::fs::write(path, catalogue()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap();
    assert_eq!(written, catalogue(), "UPDATE_GOLDEN=1 cargo test -p homing-tests --test dashboard writes it");
}

/// The application, or whoever can put a page or a script into it, may share the dashboard's origin: what is stored there, it reads,
/// and what the dashboard takes for markup, it is made to run.
#[test]
fn the_dashboard_stores_nothing_and_makes_no_markup_of_data() {
    let directory = homing_tests::at("www/_homing");
    let files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() > 5, "{files:?}");
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        for never in [
            "sessionStorage",
            "localStorage",
            "indexedDB",
            "document.cookie",
            "caches.",
            "serviceWorker",
            "window.name",
            "history.",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "postMessage",
            " style=",
            "<style",
            "onclick=",
            "javascript:",
        ] {
            assert!(!text.contains(never), "{never} in {}", path.display());
        }
        let scripts = text.matches("<script").count();
        assert_eq!(scripts, text.matches("<script type=\"module\" src=\"").count(), "a script in {}", path.display());
    }
}
