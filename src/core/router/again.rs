//! Answers that are given again: [`crate::flow::memo`] says which, and until when.

use std::rc::Rc;

use super::{MemoId, Router, Turn, changing};
use crate::{
    cache::key::in_short,
    flow::{Step, memo},
    model::{geo::Location, time::Timestamp},
    observe::memos::Memo,
    request::{incoming::IncomingRequest, near},
    settle::record::Record,
};

impl Router {
    /// Keeps a memo of an answer that may be given again, of which nothing is told but what is counted. By what it is called.
    pub(super) fn memo(&self, turn: &Turn, incoming: &IncomingRequest<'_>, key: &str) -> Option<MemoId> {
        let Step::Finish(settlement) = &turn.step else { return None };
        let client = &incoming.client;
        // Who says where it stands may say something else next time.
        let says_where = client.beside.is_some() || incoming.headers.has("homing-dev-near");
        if says_where || !turn.log.is_empty() || turn.view_is_outdated {
            return None;
        }
        let (key, is_placed, record) = (in_short(key), client.location.is_some(), Rc::clone(&settlement.record));
        let memo = Memo { key, from: incoming.now, until: settlement.same_until?, is_placed, record };
        Some(changing(&self.memos, |memos| memos.keep(memo)))
    }

    /// Whether the answer of that memo may be given again, to a client in that place who asks alike. If so, it counts as given.
    pub fn again(&self, id: MemoId, location: Option<Location>, now: Timestamp) -> bool {
        let record = changing(&self.memos, |memos| {
            let memo = memos.get(id, now).filter(|memo| memo.is_placed == location.is_some())?;
            Some(Record { at: now, took: 0, ..Record::clone(&memo.record) })
        });
        let Some(mut record) = record else { return false };
        if let Some(location) = location {
            record.nearest = near::nearest(location, &self.settings.topology);
        }
        let record = Rc::new(record);
        let alerts = self.report(&record);
        changing(&self.untold, |untold| untold.extend(alerts));
        true
    }

    /// The header fields in which those who ask alike may differ.
    pub fn passed_over(&self) -> impl Iterator<Item = &'static str> {
        memo::passed_over(&self.settings.topology)
    }

    /// The cookies that are read: those who ask alike may differ in others, if `cookie` is among the fields in which they may.
    pub fn cookies_read(&self) -> impl Iterator<Item = &str> {
        memo::cookies_read(&self.settings.topology)
    }
}
