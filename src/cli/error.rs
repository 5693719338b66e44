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

/// The exit status when nobody reads the output any more: what a shell says of a program that SIGPIPE has ended.
const UNREAD: i32 = 141;

/// Ends the command without a word if whoever reads its output has enough (`homing plan … | head`). The standard library ignores SIGPIPE and
/// panics in `print!` instead, which would look like a defect.
pub(super) fn end_when_nobody_reads() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let says = panic.payload().downcast_ref::<String>();
        if says.is_some_and(|text| text.starts_with("failed printing to std")) {
            std::process::exit(UNREAD);
        }
        usual(panic);
    }));
}
