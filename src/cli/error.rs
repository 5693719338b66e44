//! How the command fails, and by which exit status.
//!
//! An error is a type where a caller decides by it: the exit status ([`CliError`]), whether to ask again (`operate::client::Unanswered`),
//! where to point in a file (`document::Unreadable`). Everywhere else it is the sentence itself (`Result<_, String>`), since a person reads it
//! and no code does.

use std::process::ExitCode;

/// Why the command stops. Its text is the whole of what is said on standard error.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// It was called wrongly: exit status 2, as of clap's own errors.
    #[error("{0}")]
    Usage(String),
    /// It was called rightly, and what it was to do cannot be done: exit status 1.
    #[error("{0}")]
    Failed(String),
}

impl CliError {
    /// Says it, and gives the exit status.
    pub(super) fn exit(&self) -> ExitCode {
        eprintln!("error: {self}");
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::FAILURE,
        }
    }
}
