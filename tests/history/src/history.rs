//! A whole recording, numbered: keys, ids, sessions and operations by index, so that checking is quick.

use std::collections::{HashMap, HashSet};

use crate::record::{Action, Complaint, Operation, Record, Status, read};

/// A recording while it is read.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    history: History,
    keys: HashMap<String, usize>,
    ids: Vec<HashMap<String, usize>>,
    sessions: HashMap<String, usize>,
    lost: Vec<(usize, usize, Vec<usize>)>,
    removes: Vec<(usize, usize, Vec<usize>)>,
    told: HashSet<(usize, String)>,
}

/// A recording that makes sense as a whole.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub(crate) operations: Vec<Op>,
    pub(crate) keys: Vec<Key>,
    pub(crate) sessions: Vec<Session>,
    pub(crate) finals: Vec<Final>,
}

/// An operation, numbered.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    pub(crate) line: usize,
    pub(crate) session: usize,
    pub(crate) seq: u64,
    pub(crate) key: usize,
    pub(crate) what: What,
    pub(crate) status: Status,
    pub(crate) start: f64,
    pub(crate) end: f64,
    pub(crate) region: Option<String>,
    pub(crate) epoch: Option<u64>,
    pub(crate) stale: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    /// The id, as the key numbers it.
    Write(usize),
    /// The ids that it takes away.
    Remove(Vec<usize>),
    Read(Vec<usize>),
}

#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) multi_writer: bool,
    pub(crate) ids: Vec<Id>,
}

#[derive(Clone, Debug)]
pub(crate) struct Id {
    pub(crate) text: String,
    /// The write that appended it, by operation.
    pub(crate) write: Option<usize>,
    /// A promotion declared it lost.
    pub(crate) lost: bool,
    /// What removes it, by operation, and may have been done.
    pub(crate) removes: Vec<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) name: String,
    /// Its operations in order.
    pub(crate) operations: Vec<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct Final {
    pub(crate) region: String,
    pub(crate) key: usize,
    pub(crate) list: Vec<usize>,
}

impl Recording {
    /// Takes in a record; `line` is where it stands, for complaints.
    ///
    /// # Errors
    /// If an id was written before, or a region's final state of a key was told before.
    pub fn add(&mut self, line: usize, record: Record) -> Result<(), Complaint> {
        match record {
            Record::Operation(operation) => self.operation(line, operation),
            Record::Lost { key, ids } => {
                let key = self.key(key);
                let ids = self.ids(key, ids);
                self.lost.push((line, key, ids));
                Ok(())
            }
            Record::Final { region, key, list } => {
                let key = self.key(key);
                if !self.told.insert((key, region.clone())) {
                    let sentence = format!("the final state of this key at {region} was told before; tell it once");
                    return Err(Complaint { line, field: Some("region"), sentence });
                }
                let list = self.ids(key, list);
                self.history.finals.push(Final { region, key, list });
                Ok(())
            }
            Record::MultiWriter { key } => {
                let key = self.key(key);
                self.history.keys[key].multi_writer = true;
                Ok(())
            }
        }
    }

    fn operation(&mut self, line: usize, operation: Operation) -> Result<(), Complaint> {
        let Operation { session, seq, key, action, status, start, end, region, epoch, stale } = operation;
        let (key, at) = (self.key(key), self.history.operations.len());
        let what = match action {
            Action::Read { list } => What::Read(self.ids(key, list)),
            Action::Write { id } => {
                let id = self.id(key, id);
                let id_of = &mut self.history.keys[key].ids[id];
                if let Some(first) = id_of.write {
                    let first = self.history.operations[first].line;
                    let sentence =
                        format!("{:?} was written in line {first} already; ids of a key are unique", id_of.text);
                    return Err(Complaint { line, field: Some("id"), sentence });
                }
                id_of.write = Some(at);
                What::Write(id)
            }
            Action::Remove { ids } => {
                let ids = self.ids(key, ids);
                for id in ids.iter().filter(|_| status != Status::Fail) {
                    self.history.keys[key].ids[*id].removes.push(at);
                }
                self.removes.push((line, key, ids.clone()));
                What::Remove(ids)
            }
        };
        let session = match self.sessions.get(&session) {
            Some(known) => *known,
            None => {
                let new = self.history.sessions.len();
                self.history.sessions.push(Session { name: session.clone(), operations: Vec::new() });
                self.sessions.insert(session, new);
                new
            }
        };
        self.history.sessions[session].operations.push(at);
        self.history.operations.push(Op { line, session, seq, key, what, status, start, end, region, epoch, stale });
        Ok(())
    }

    fn key(&mut self, name: String) -> usize {
        if let Some(known) = self.keys.get(&name) {
            return *known;
        }
        let new = self.history.keys.len();
        self.history.keys.push(Key { name: name.clone(), multi_writer: false, ids: Vec::new() });
        self.ids.push(HashMap::new());
        self.keys.insert(name, new);
        new
    }

    fn ids(&mut self, key: usize, texts: Vec<String>) -> Vec<usize> {
        texts.into_iter().map(|text| self.id(key, text)).collect()
    }

    fn id(&mut self, key: usize, text: String) -> usize {
        if let Some(known) = self.ids[key].get(&text) {
            return *known;
        }
        let new = self.history.keys[key].ids.len();
        self.history.keys[key].ids.push(Id { text: text.clone(), write: None, lost: false, removes: Vec::new() });
        self.ids[key].insert(text, new);
        new
    }

    /// Ends the recording.
    ///
    /// # Errors
    /// If two operations of a session have one `seq` or overlap in time, a loss or a removal names what nobody wrote, or something is
    /// removed from a key that has one writer.
    pub fn seal(mut self) -> Result<History, Complaint> {
        for (line, key, ids) in std::mem::take(&mut self.lost) {
            for id in ids {
                let id = &mut self.history.keys[key].ids[id];
                if id.write.is_none() {
                    let sentence = format!("found {:?}, which no write of this key has; losses are of writes", id.text);
                    return Err(Complaint { line, field: Some("ids"), sentence });
                }
                id.lost = true;
            }
        }
        for (line, key, ids) in std::mem::take(&mut self.removes) {
            let key = &self.history.keys[key];
            if !key.multi_writer {
                let sentence =
                    format!("{:?} is not said to be multi-writer; only from such a key can be removed", key.name);
                return Err(Complaint { line, field: Some("key"), sentence });
            }
            if let Some(id) = ids.iter().map(|id| &key.ids[*id]).find(|id| id.write.is_none()) {
                let sentence = format!("found {:?}, which no write of this key has; removals are of writes", id.text);
                return Err(Complaint { line, field: Some("ids"), sentence });
            }
        }
        let History { operations, sessions, .. } = &mut self.history;
        for session in sessions {
            session.operations.sort_by_key(|at| operations[*at].seq);
            for pair in session.operations.windows(2) {
                in_order(&session.name, &operations[pair[0]], &operations[pair[1]])?;
            }
        }
        Ok(self.history)
    }
}

fn in_order(name: &str, earlier: &Op, later: &Op) -> Result<(), Complaint> {
    let (first, line) = (earlier.line, later.line);
    if earlier.seq == later.seq {
        let sentence =
            format!("session {name:?} has {} in line {first} too; number its operations in their order", later.seq);
        return Err(Complaint { line, field: Some("seq"), sentence });
    }
    if later.start < earlier.end {
        let (start, end) = (later.start, earlier.end);
        let sentence = format!(
            "found {start}, before the session's operation in line {first} ended ({end}); \
             the operations of a session follow each other, concurrent ones belong to sessions of their own"
        );
        return Err(Complaint { line, field: Some("start"), sentence });
    }
    Ok(())
}

impl History {
    /// Reads a recording of one JSON object a line; empty lines count for nothing.
    ///
    /// # Errors
    /// With the first thing that is wrong with it.
    pub fn read(text: &str) -> Result<Self, Complaint> {
        let mut recording = Recording::default();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            recording.add(at + 1, read(at + 1, line)?)?;
        }
        recording.seal()
    }

    /// How many operations there are of a kind and with a status; removals are writes.
    #[must_use]
    pub fn count(&self, writes: bool, status: Status) -> usize {
        let is = |op: &&Op| matches!(op.what, What::Read(_)) != writes && op.status == status;
        self.operations.iter().filter(is).count()
    }

    /// How many answers said of themselves that they may be stale.
    #[must_use]
    pub fn declared_stale(&self) -> usize {
        self.operations.iter().filter(|op| op.stale).count()
    }

    /// How many writes were declared lost.
    #[must_use]
    pub fn declared_lost(&self) -> usize {
        self.keys.iter().flat_map(|key| &key.ids).filter(|id| id.lost).count()
    }

    /// How many sessions, keys and final states there are.
    #[must_use]
    pub fn extent(&self) -> [usize; 3] {
        [self.sessions.len(), self.keys.len(), self.finals.len()]
    }

    /// The write that appended an id of a key, unless it was declared lost.
    pub(crate) fn write(&self, key: usize, id: usize) -> Option<&Op> {
        let id = &self.keys[key].ids[id];
        id.write.filter(|_| !id.lost).map(|at| &self.operations[at])
    }

    /// Whether an id may be missing from what was answered by then, since somebody may have removed it.
    pub(crate) fn may_be_gone(&self, key: usize, id: usize, by: f64) -> bool {
        self.keys[key].ids[id].removes.iter().any(|at| self.operations[*at].start <= by)
    }

    /// The acknowledged removal of an id, if there is one.
    pub(crate) fn removal(&self, key: usize, id: usize) -> Option<usize> {
        self.keys[key].ids[id].removes.iter().copied().find(|at| self.operations[*at].status == Status::Ok)
    }

    /// An operation as sentences name it.
    pub(crate) fn name(&self, at: usize) -> String {
        let op = &self.operations[at];
        let session = &self.sessions[op.session].name;
        let what = match &op.what {
            Write(id) => format!("write of {:?}", self.keys[op.key].ids[*id].text),
            What::Remove(ids) => {
                let texts = ids.iter().map(|id| format!("{:?}", self.keys[op.key].ids[*id].text));
                format!("removal of {}", texts.collect::<Vec<_>>().join(", "))
            }
            What::Read(_) => "read".to_owned(),
        };
        let place = op.region.as_ref().map(|region| format!(" at {region}")).unwrap_or_default();
        let epoch = op.epoch.map(|epoch| format!(" in epoch {epoch}")).unwrap_or_default();
        format!("{session}#{} ({what}{place}{epoch}, {} to {} ms)", op.seq, op.start, op.end)
    }
}
use What::Write;
