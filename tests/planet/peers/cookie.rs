//! A cookie that sends a client's reads to the primary for ten seconds after it wrote: MediaWiki in several data centres.
//!
//! * "Web requests that use the POST verb, or carry a `UseDC=master` cookie, must be routed to the primary DC only"; both cookies live "about
//!   ten seconds"; afterwards requests "will be routed to the nearest and possibly different DC", since "the client's own writes are
//!   expected to have been applied here by now" (MediaWiki, `includes/libs/Rdbms/ChronologyProtector.php`, class documentation).
//! * Ten is the default of `$wgDataCenterUpdateStickTTL` (<https://www.mediawiki.org/wiki/Manual:$wgDataCenterUpdateStickTTL>).
//! * The edge decides: `modules/profile/files/trafficserver/multi-dc.lua` in Wikimedia's operations/puppet.
//!
//! Within the primary region ChronologyProtector waits for a replica that has the write, so reads there are taken as current. Which region a
//! read fails over to is left open; here the edge's proxy does what the router does. A primary that is lost is replaced by people, with
//! the steps of a switchover (<https://wikitech.wikimedia.org/wiki/Switch_Datacenter>), and not within ten minutes here.

use std::collections::HashMap;

use super::{DEADLINE, PRIMARY, Proxy, send};
use crate::{
    SECOND,
    data::Data,
    strategy::{Answer, Asked, Back, Next, Strategy},
    trouble::Trouble,
};

/// How long the cookie lives.
const LIVES: u64 = 10 * SECOND;

pub struct Cookie {
    proxy: Proxy,
    /// Until when a client's cookie lives.
    until: HashMap<u32, u64>,
    /// What a request may still try, the region that it is at first.
    tries: HashMap<u32, Vec<usize>>,
}

impl Cookie {
    #[must_use]
    pub fn new(trouble: Trouble) -> Self {
        Self { proxy: Proxy::new(trouble), until: HashMap::new(), tries: HashMap::new() }
    }
}

impl Strategy for Cookie {
    fn log(&self, _key: u32) -> usize {
        0
    }

    fn arrive(&mut self, asked: &Asked, _data: &mut Data) -> Next {
        let is_pinned = self.until.get(&asked.client).is_some_and(|until| *until > asked.now);
        let tries = match asked.write || is_pinned {
            true => vec![PRIMARY],
            false => self.proxy.order(asked.city, asked.now, |_| true),
        };
        let first = tries[0];
        self.tries.insert(asked.client, tries);
        send(first, DEADLINE, 0, 0)
    }

    fn back(&mut self, asked: &Asked, back: Back, _data: &mut Data) -> Next {
        let tries = self.tries.get_mut(&asked.client).unwrap();
        let region = tries.remove(0);
        if let Back::Served(seen) = back {
            self.proxy.answered(asked.city, region);
            return Next::Answer(Answer::of(seen));
        }
        self.proxy.failed(asked.city, region, asked.now);
        tries.first().map_or(Next::Answer(Answer::FAILED), |next| send(*next, DEADLINE, 0, 0))
    }

    fn done(&mut self, asked: &Asked, answer: &Answer) {
        if asked.write && answer.seen.is_some() {
            self.until.insert(asked.client, asked.now + LIVES);
        }
    }
}
