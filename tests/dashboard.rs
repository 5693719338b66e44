//! The dashboard says of each reason what the core says.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use homing::routing::Reason;

#[test]
fn the_dashboard_knows_every_reason_and_no_other() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/www/_homing/reasons.js");
    let text = std::fs::read_to_string(path).unwrap();
    let line = |reason: Reason| format!("  {:?}: {:?},", reason.token(), reason.sentence().trim());
    let told: Vec<_> = text.lines().filter(|line| line.starts_with("  \"")).collect();
    let known: Vec<_> = Reason::ALL.iter().map(|reason| line(*reason)).collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let (head, _) = text.split_once("  \"").unwrap();
        let (_, tail) = text.rsplit_once(",\n}").unwrap();
        std::fs::write(path, format!("{head}{}\n}}{tail}", known.join("\n"))).unwrap();
        return;
    }
    assert_eq!(told, known, "UPDATE_GOLDEN=1 cargo test --test dashboard writes them anew");
}
