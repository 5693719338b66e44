//! What is wrong with a topology: all of it at once, each as a sentence that says where, what, and what to do.

use std::fmt;

/// Where in the configuration: names of tables and keys, and numbers of list members from 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPath(pub Vec<KeySegment>);

/// One step of a key path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySegment {
    /// A key of a table.
    Name(String),
    /// A member of a list.
    At(usize),
}

impl KeyPath {
    /// The path of that key below this one.
    #[must_use]
    pub fn key(&self, name: &str) -> Self {
        let mut path = self.0.clone();
        path.push(KeySegment::Name(name.to_owned()));
        Self(path)
    }

    /// The path of that member below this one.
    #[must_use]
    pub fn at(&self, index: usize) -> Self {
        let mut path = self.0.clone();
        path.push(KeySegment::At(index));
        Self(path)
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, key) in self.0.iter().enumerate() {
            match key {
                KeySegment::At(index) => write!(f, "[{index}]")?,
                KeySegment::Name(name) => {
                    f.write_str(if place == 0 { "" } else { "." })?;
                    if is_bare(name) { f.write_str(name)? } else { write!(f, "{name:?}")? }
                }
            }
        }
        Ok(())
    }
}

/// Whether TOML lets a key stand without quotes.
fn is_bare(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Whether a topology with this may ship.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It may not.
    Error,
    /// It may, but somebody should look.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Where.
    pub path: KeyPath,
    /// What stands there.
    pub found: String,
    /// What should.
    pub expected: String,
    /// What to do.
    pub remedy: String,
    /// How bad it is.
    pub severity: Severity,
    /// Whether the name at the end of the path is wrong, and not what stands there.
    pub of_name: bool,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, found, expected, remedy, .. } = self;
        write!(f, "{path}: found {found}, expected {expected}; {remedy}")
    }
}

impl std::error::Error for Complaint {}

/// Everything that is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Complaints(pub Vec<Complaint>);

impl Complaints {
    /// Adds an error.
    pub fn error(
        &mut self,
        path: &KeyPath,
        found: impl Into<String>,
        expected: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(Severity::Error, path, found.into(), expected.into(), remedy.into());
    }

    /// Adds a warning.
    pub fn warn(
        &mut self,
        path: &KeyPath,
        found: impl Into<String>,
        expected: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(Severity::Warning, path, found.into(), expected.into(), remedy.into());
    }

    fn add(&mut self, severity: Severity, path: &KeyPath, found: String, expected: String, remedy: String) {
        self.0.push(Complaint { path: path.clone(), found, expected, remedy, severity, of_name: false });
    }

    /// The last complaint is about the name at the end of its path, and not about what stands there.
    pub fn of_name(&mut self) {
        if let Some(last) = self.0.last_mut() {
            last.of_name = true;
        }
    }

    /// Whether any of them forbids shipping.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|complaint| complaint.severity == Severity::Error)
    }
}

impl fmt::Display for Complaints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|complaint| writeln!(f, "{complaint}"))
    }
}

impl std::error::Error for Complaints {}

/// The names joined as `"a", "b"`.
#[must_use]
pub fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| format!("{name:?}")).collect();
    names.join(", ")
}
