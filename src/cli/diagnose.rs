//! Complaints as a compiler would print them: what, where, the line, and what to do.

use std::{fmt::Write, ops::Range};

use serde_json::{Value, json};

use super::document::Source;
use homing_core::config::error::{Complaint, Severity};

/// A complaint with its place in the file.
pub(super) struct Diagnosis<'a> {
    pub(super) complaint: &'a Complaint,
    place: Option<Span>,
}

struct Span {
    file: String,
    line: usize,
    column: usize,
    text: String,
    width: usize,
}

impl<'a> Diagnosis<'a> {
    pub(super) fn of(complaint: &'a Complaint, source: &Source) -> Self {
        let place =
            source.span(&complaint.path, complaint.of_name).map(|span| place(&source.name, &source.text, &span));
        Self { complaint, place }
    }

    pub(super) fn json(&self) -> Value {
        let Complaint { path, found, expected, remedy, severity, .. } = self.complaint;
        json!({
            "severity": if *severity == Severity::Error { "error" } else { "warning" },
            "path": path.to_string(), "found": found, "expected": expected, "remedy": remedy,
            "file": self.place.as_ref().map(|place| &place.file),
            "line": self.place.as_ref().map(|place| place.line),
            "column": self.place.as_ref().map(|place| place.column),
        })
    }

    pub(super) fn text(&self) -> String {
        let Complaint { path, found, expected, remedy, severity, .. } = self.complaint;
        let word = if *severity == Severity::Error { "error" } else { "warning" };
        let mut text = format!("{word}: {path}: found {found}, expected {expected}\n");
        if let Some(place) = &self.place {
            text.push_str(&place.frame());
        }
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  = help: {remedy}");
        text
    }
}

impl Span {
    fn frame(&self) -> String {
        let Self { file, line, column, text, width } = self;
        let margin = " ".repeat(line.to_string().len());
        let (indent, carets) = (" ".repeat(column - 1), "^".repeat(*width));
        format!("{margin}--> {file}:{line}:{column}\n{margin} |\n{line} | {text}\n{margin} | {indent}{carets}\n")
    }
}

/// Line, column and carets of a span; a span over several lines is marked to the end of its first.
fn place(file: &str, text: &str, span: &Range<usize>) -> Span {
    let start = span.start.min(text.len());
    let before = text.get(..start).unwrap_or("");
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line_text = text.get(line_start..).unwrap_or("").lines().next().unwrap_or("");
    let column = before.get(line_start..).unwrap_or("").chars().count() + 1;
    let marked = text.get(start..span.end.min(text.len())).unwrap_or("").lines().next().unwrap_or("");
    Span {
        file: file.to_owned(),
        line: before.matches('\n').count() + 1,
        column,
        text: line_text.to_owned(),
        width: marked.chars().count().max(1),
    }
}

/// A syntax error, in the same form.
pub(super) fn syntax(file: &str, text: &str, message: &str, span: &Range<usize>) -> String {
    format!("error: {file} is not TOML: {message}\n{}", place(file, text, span).frame())
}
