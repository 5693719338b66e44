//! The native command.
