//! How the command fails, and by which exit status.
//!
//! An error is a type where a caller decides by it: the exit status ([`CliError`]), whether to ask again (`operate::client::Unanswered`),
//! where to point in a file (`document::Unreadable`). Everywhere else it is the sentence itself (`Result<_, String>`), since a person reads it
//! and no code does.

use std::{io::Write, process::ExitCode};

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

/// The exit status when nobody reads the output any more: what a shell says of a program that SIGPIPE has ended.
const UNREAD: i32 = 141;

/// Ends the command without a word if the reader of its output has enough (`homing plan … | head`). The standard library ignores SIGPIPE and
/// panics in `print!` instead, which would look like a defect. A full disk panics there too; that is said, with exit status 1.
pub(super) fn end_when_nobody_reads() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let says = panic.payload().downcast_ref::<String>();
        match says.filter(|text| text.starts_with("failed printing to std")) {
            Some(text) if text.contains("Broken pipe") => std::process::exit(UNREAD),
            Some(text) => {
                // `eprintln!` would panic within the panic if that was what failed.
                let _ = writeln!(std::io::stderr(), "error: {text}");
                std::process::exit(1);
            }
            None => usual(panic),
        }
    }));
}
