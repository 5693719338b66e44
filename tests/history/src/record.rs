//! What a line of a recording says, and reading it. Whatever cannot be meant is a complaint that names line and field.

use std::fmt;

use serde_json::{Map, Value};

/// One line of a recording.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A read or a write of a client.
    Operation(Operation),
    /// Writes of a key that a forced promotion gave up, as it declared: nothing is promised of them.
    Lost {
        /// The key.
        key: String,
        /// The ids.
        ids: Vec<String>,
    },
    /// What a region holds of a key once all is healed and replicated.
    Final {
        /// The region.
        region: String,
        /// The key.
        key: String,
        /// Its list.
        list: Vec<String>,
    },
    /// The key has many writers: its lists are sets, their order means nothing, and what is in them may be removed.
    MultiWriter {
        /// The key.
        key: String,
    },
}

/// A read or a write as its client saw it.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// Whose it is. The operations of a session do not overlap.
    pub session: String,
    /// Its place in the session.
    pub seq: u64,
    /// The key.
    pub key: String,
    /// What it did.
    pub action: Action,
    /// What its client knows of it.
    pub status: Status,
    /// When the client began it, in milliseconds.
    pub start: f64,
    /// When the client had its answer, or gave up.
    pub end: f64,
    /// Who answered.
    pub region: Option<String>,
    /// The generation of the ownership by which it was answered.
    pub epoch: Option<u64>,
    /// The answer said of itself that it may be stale (`Homing-Consistency: stale`), so it breaks no promise by being so.
    pub stale: bool,
}

/// What an operation did.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Appended this id.
    Write {
        /// The id; no other write of the key has it.
        id: String,
    },
    /// Removed these ids, which its client had seen, from a key with many writers. Who adds the same element again writes a new id.
    Remove {
        /// The ids.
        ids: Vec<String>,
    },
    /// Returned this list; empty where it failed.
    Read {
        /// The ids.
        list: Vec<String>,
    },
}

/// What a client knows of its operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It was done.
    Ok,
    /// It was not, and will not be.
    Fail,
    /// Nobody can say.
    Unknown,
}

impl Status {
    /// The word in recordings.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
        }
    }
}

/// Something wrong with a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The line, from 1.
    pub line: usize,
    /// The field, unless the line as a whole is wrong.
    pub field: Option<&'static str>,
    /// What was found, what was expected.
    pub sentence: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field {
            Some(field) => write!(f, "line {}, field `{field}`: {}", self.line, self.sentence),
            None => write!(f, "line {}: {}", self.line, self.sentence),
        }
    }
}

impl std::error::Error for Complaint {}

/// Reads one line.
///
/// # Errors
/// With what is wrong with it: no JSON object, a field that is missing, unknown or of the wrong type, an end before the start.
pub fn read(line: usize, text: &str) -> Result<Record, Complaint> {
    let complain = |sentence: String| Complaint { line, field: None, sentence };
    let map = match serde_json::from_str(text) {
        Ok(Value::Object(map)) => map,
        Ok(other) => return Err(complain(format!("found {}, expected a JSON object", shown(&other)))),
        Err(error) => return Err(complain(format!("expected a JSON object; {error}"))),
    };
    let mut fields = Fields { line, map };
    // For people who read the recording; nothing here looks at it.
    fields.map.remove("note");
    let record = match fields.word("kind", &["read", "write", "remove", "lost", "final", "multi-writer"])? {
        "lost" => Record::Lost { key: fields.text("key")?, ids: fields.list("ids")? },
        "final" => {
            Record::Final { region: fields.text("region")?, key: fields.text("key")?, list: fields.list("list")? }
        }
        "multi-writer" => Record::MultiWriter { key: fields.text("key")? },
        kind => Record::Operation(operation(&mut fields, kind)?),
    };
    match fields.map.keys().next() {
        Some(unknown) => {
            Err(complain(format!("found the unknown field `{unknown}`; remove it, or put it into `note`")))
        }
        None => Ok(record),
    }
}

fn operation(fields: &mut Fields, kind: &str) -> Result<Operation, Complaint> {
    let status = match fields.word("status", &["ok", "fail", "unknown"])? {
        "ok" => Status::Ok,
        "fail" => Status::Fail,
        _ => Status::Unknown,
    };
    let action = match kind {
        "write" => Action::Write { id: fields.text("id")? },
        "remove" => Action::Remove { ids: fields.list("ids")? },
        _ if status == Status::Ok || fields.map.contains_key("list") => Action::Read { list: fields.list("list")? },
        _ => Action::Read { list: Vec::new() },
    };
    let (start, end) = (fields.time("start")?, fields.time("end")?);
    if end < start {
        return Err(fields.complain("end", &format!("found {end}, which is before `start` ({start})")));
    }
    Ok(Operation {
        session: fields.text("session")?,
        seq: fields.count("seq")?,
        key: fields.text("key")?,
        action,
        status,
        start,
        end,
        region: fields.has("region").then(|| fields.text("region")).transpose()?,
        epoch: fields.has("epoch").then(|| fields.count("epoch")).transpose()?,
        stale: fields.has("stale").then(|| fields.truth("stale")).transpose()?.unwrap_or(false),
    })
}

/// The fields of a line that were not read yet.
struct Fields {
    line: usize,
    map: Map<String, Value>,
}

impl Fields {
    fn complain(&self, field: &'static str, sentence: &str) -> Complaint {
        Complaint { line: self.line, field: Some(field), sentence: sentence.to_owned() }
    }

    /// Whether the field is there; `null` is not.
    fn has(&mut self, field: &'static str) -> bool {
        if self.map.get(field).is_some_and(Value::is_null) {
            self.map.remove(field);
        }
        self.map.contains_key(field)
    }

    fn take<T>(
        &mut self,
        field: &'static str,
        expected: &str,
        convert: impl FnOnce(Value) -> Result<T, Value>,
    ) -> Result<T, Complaint> {
        match self.map.remove(field) {
            None => Err(self.complain(field, &format!("is missing, expected {expected}"))),
            Some(value) => convert(value)
                .map_err(|value| self.complain(field, &format!("found {}, expected {expected}", shown(&value)))),
        }
    }

    fn text(&mut self, field: &'static str) -> Result<String, Complaint> {
        self.take(field, "a string that is not empty", |value| match value {
            Value::String(text) if !text.is_empty() => Ok(text),
            other => Err(other),
        })
    }

    fn word(&mut self, field: &'static str, words: &[&'static str]) -> Result<&'static str, Complaint> {
        self.take(field, &format!("one of {}", words.join(", ")), |value| {
            words.iter().copied().find(|word| value.as_str() == Some(word)).ok_or(value)
        })
    }

    fn count(&mut self, field: &'static str) -> Result<u64, Complaint> {
        self.take(field, "a whole number from 0", |value| value.as_u64().ok_or(value))
    }

    fn time(&mut self, field: &'static str) -> Result<f64, Complaint> {
        self.take(field, "a time in milliseconds", |value| value.as_f64().filter(|time| *time >= 0.0).ok_or(value))
    }

    fn truth(&mut self, field: &'static str) -> Result<bool, Complaint> {
        self.take(field, "true or false", |value| value.as_bool().ok_or(value))
    }

    fn list(&mut self, field: &'static str) -> Result<Vec<String>, Complaint> {
        let id = |value: Value| match value {
            Value::String(text) if !text.is_empty() => Ok(text),
            other => Err(other),
        };
        self.take(field, "an array of strings that are not empty", |value| match value {
            Value::Array(members) => members.into_iter().map(id).collect(),
            other => Err(other),
        })
    }
}

/// A value as it is quoted in a complaint: a long one in part.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", text.split_at(at).0),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: &str =
        r#"{"kind":"read","session":"a","seq":1,"key":"k","list":["x"],"status":"ok","start":1,"end":2.5}"#;

    #[test]
    fn every_kind_of_line_is_read() {
        let Record::Operation(read_operation) = read(1, READ).unwrap() else { panic!("no operation") };
        assert_eq!(read_operation.action, Action::Read { list: vec!["x".to_owned()] });
        assert_eq!((read_operation.end, read_operation.stale, read_operation.region), (2.5, false, None));
        let write = r#"{"kind":"write","session":"a","seq":1,"key":"k","id":"x","status":"unknown","start":1,"end":2,
            "region":"eu","epoch":3,"note":{"any":"thing"}}"#;
        let Record::Operation(write) = read(1, write).unwrap() else { panic!("no operation") };
        assert_eq!((write.region.as_deref(), write.epoch, write.status), (Some("eu"), Some(3), Status::Unknown));
        assert_eq!(
            read(1, r#"{"kind":"lost","key":"k","ids":["x"]}"#),
            Ok(Record::Lost { key: "k".to_owned(), ids: vec!["x".to_owned()] })
        );
        assert!(matches!(read(1, r#"{"kind":"final","region":"eu","key":"k","list":[]}"#), Ok(Record::Final { .. })));
        assert!(matches!(read(1, r#"{"kind":"multi-writer","key":"k"}"#), Ok(Record::MultiWriter { .. })));
        let remove = r#"{"kind":"remove","session":"a","seq":1,"key":"k","ids":["x"],"status":"ok","start":1,"end":2}"#;
        let Record::Operation(remove) = read(1, remove).unwrap() else { panic!("no operation") };
        assert_eq!(remove.action, Action::Remove { ids: vec!["x".to_owned()] });
        let failed =
            r#"{"kind":"read","session":"a","seq":1,"key":"k","status":"fail","start":1,"end":2,"region":null}"#;
        assert!(matches!(read(1, failed), Ok(Record::Operation(_))));
    }

    #[test]
    fn a_wrong_line_is_met_with_its_line_and_field() {
        let with = |old: &str, new: &str| {
            assert!(READ.contains(old), "{old}");
            read(7, &READ.replace(old, new)).unwrap_err().to_string()
        };
        assert_eq!(with(r#""seq":1"#, r#""seq":-1"#), "line 7, field `seq`: found -1, expected a whole number from 0");
        assert_eq!(with(r#""seq":1,"#, ""), "line 7, field `seq`: is missing, expected a whole number from 0");
        assert_eq!(
            with(r#""ok""#, r#""done""#),
            "line 7, field `status`: found \"done\", expected one of ok, fail, unknown"
        );
        assert_eq!(
            with(r#"["x"]"#, r#"["x",1]"#),
            "line 7, field `list`: found 1, expected an array of strings that are not empty"
        );
        assert_eq!(with(r#""end":2.5"#, r#""end":0"#), "line 7, field `end`: found 0, which is before `start` (1)");
        assert_eq!(
            with(r#""start":1"#, r#""start":"now""#),
            "line 7, field `start`: found \"now\", expected a time in milliseconds"
        );
        assert_eq!(
            with(r#""read""#, r#""look""#),
            "line 7, field `kind`: found \"look\", expected one of read, write, remove, lost, final, multi-writer"
        );
        assert_eq!(
            with(r#""end":2.5"#, r#""end":2,"ned":1"#),
            "line 7: found the unknown field `ned`; remove it, or put it into `note`"
        );
        assert_eq!(
            with(r#""key":"k""#, r#""key":"""#),
            "line 7, field `key`: found \"\", expected a string that is not empty"
        );
        assert_eq!(read(3, "[1]").unwrap_err().to_string(), "line 3: found [1], expected a JSON object");
        assert!(read(3, "{").unwrap_err().to_string().starts_with("line 3: expected a JSON object; EOF"));
    }
}
