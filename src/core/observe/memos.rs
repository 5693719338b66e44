//! The memos that an isolate has given out: which answers may be given again, and what is then to be told of them.

use std::rc::Rc;

use crate::{
    model::{recent::Recent, time::Timestamp},
    settle::record::Record,
    state::memory::Observation,
};

/// What a memo is called by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoId(pub u32);

/// An answer that may be given again.
#[derive(Clone, Debug)]
pub(crate) struct Memo {
    /// The stored response that it is of, by its key in short.
    pub(crate) key: u64,
    /// From when on it was given.
    pub(crate) from: Timestamp,
    /// Until when it may be.
    pub(crate) until: Timestamp,
    /// Whether its client's place is known, by which the nearest region is found.
    pub(crate) is_placed: bool,
    /// What was told of it.
    pub(crate) record: Rc<Record>,
}

/// The latest 1024 memos: the next one takes the place of the oldest, which is given no more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memos {
    kept: Recent<(MemoId, Memo), 1024>,
    last: u32,
}

impl Memos {
    /// Keeps one. By what it is called.
    pub(crate) fn keep(&mut self, memo: Memo) -> MemoId {
        self.last = self.last.wrapping_add(1);
        let id = MemoId(self.last);
        self.kept.keep(self.last, (id, memo));
        id
    }

    /// The memo of that name, if it may be given now. A clock that was set back makes nothing younger.
    pub(crate) fn get(&self, id: MemoId, now: Timestamp) -> Option<&Memo> {
        let (of, memo) = self.kept.get(id.0)?;
        (*of == id && memo.from <= now && now < memo.until).then_some(memo)
    }

    /// Forgets those for which the core would decide otherwise from now on.
    pub(crate) fn learn(&mut self, observation: &Observation) {
        match observation {
            Observation::Moved(..) | Observation::Published(_) | Observation::DrillOver(_) => self.forget(|_| true),
            Observation::Uncacheable(key) | Observation::Refused(key) => self.forget(|memo| memo.key == *key),
            Observation::InVain(wait) => self.forget(|memo| memo.key == wait.key || memo.record.route == wait.route),
            Observation::Home(..)
            | Observation::NamedSubject(_)
            | Observation::Sent(_)
            | Observation::Heard(..)
            | Observation::Lag { .. }
            | Observation::Applied(..)
            | Observation::Behind { .. }
            | Observation::Cacheable(_)
            | Observation::OfUse(_)
            | Observation::Purged(..)
            | Observation::Measured(_) => {}
        }
    }

    fn forget(&mut self, of: impl Fn(&Memo) -> bool) {
        self.kept.forget(|(_, memo)| of(memo));
    }
}
