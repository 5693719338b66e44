//! A finding.

use serde_json::{Value, json};

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Pass,
    /// It works, and costs something, or may not work tomorrow.
    Warn,
    /// Something does not work, or lets in who should not come in.
    Fail,
}

impl Severity {
    /// Its name in the report.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was looked at. What is not as it should be cannot be said without what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at: a stable token.
    pub check: &'static str,
    /// Whose, where there are several: a region, a binding, a field. Else empty.
    pub about: String,
    /// How it is.
    pub severity: Severity,
    /// That in a sentence.
    pub says: String,
    /// What to do; empty where nothing is to be done.
    pub remedy: String,
}

impl Finding {
    /// It is as it should be.
    #[must_use]
    pub fn pass(check: &'static str, about: &str, says: impl Into<String>) -> Self {
        Self { check, about: about.to_owned(), severity: Severity::Pass, says: says.into(), remedy: String::new() }
    }

    /// It could be better; and how.
    #[must_use]
    pub fn warn(check: &'static str, about: &str, says: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Warn, remedy: remedy.into(), ..Self::pass(check, about, says) }
    }

    /// It is wrong; and what to do.
    #[must_use]
    pub fn fail(check: &'static str, about: &str, says: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Fail, ..Self::warn(check, about, says, remedy) }
    }

    /// As a line of the report, and a second one with what to do.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { check, about, severity, says, remedy } = self;
        let mark = if *severity == Severity::Fail { "FAIL" } else { severity.token() };
        let name = if about.is_empty() { (*check).to_owned() } else { format!("{check} {about}") };
        let line = format!("{mark}  {name:24} {says}\n");
        if remedy.is_empty() { line } else { format!("{line}      {:24} do: {remedy}\n", "") }
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let Self { check, about, severity, says, remedy } = self;
        json!({ "check": check, "about": about, "severity": severity.token(), "says": says, "remedy": remedy })
    }
}

/// A span as people say it.
pub(super) fn span(millis: u64) -> String {
    match millis {
        0..=9_999 => format!("{millis} ms"),
        10_000..=599_999 => format!("{} s", millis / 1000),
        600_000..=35_999_999 => format!("{} min", millis / 60_000),
        _ => format!("{} h", millis / 3_600_000),
    }
}
