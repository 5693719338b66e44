//! A read waits at the nearest replica until that has the client's last write: LiteFS with its proxy, on Fly.io.
//!
//! * After a write the primary's proxy sets the cookie `__txid`, for five minutes; a read with it waits at the replica until that has
//!   reached it, polling every millisecond, for five seconds at most, and is then answered 504 (<https://fly.io/docs/litefs/proxy/>;
//!   `http/proxy_server.go` at a51e72d, `DefaultPollTXIDInterval`, `DefaultPollTXIDTimeout`, `DefaultCookieExpiry`).
//! * A write at a replica is answered with `fly-replay`, and Fly's proxy sends it to the primary
//!   (<https://fly.io/docs/networking/dynamic-request-routing/>). Which proxy does is left open: here the one beside the replica
//!   or the one at the edge, whichever has the shorter way, with no time lost at the replica. If no primary is known, the replica waits for one for five seconds, then answers 503
//!   (`DefaultPrimaryRedirectTimeout`).
//! * The lease of a primary that is gone lapses after 10 s, and for 1 s more nobody may take it (`consul/consul.go`, `DefaultTTL`,
//!   `DefaultLockDelay`); replicas try every second (`store.go`, `DefaultReconnectDelay`). The documentation recommends candidates in the
//!   primary's region alone, whose loss then ends all writes. Here every region has a candidate, so that writes go on 11.5 s after.
//!   What the new primary lacks is lost. The old one comes back as a replica.
//! * `/litefs/health` fails at a replica that is more than 10 s behind (`DefaultMaxLag`), so Fly's proxy sends nobody there.
//! * One database has one primary for all its data (<https://github.com/superfly/litefs/issues/412>).
//!
//! Which region a read fails over to is left open; here Fly's proxy does what the router does.

use std::collections::HashMap;

use super::{DEADLINE, PRIMARY, Proxy, send};
use crate::{
    MILLI, MINUTE, SECOND,
    data::Data,
    earth::{CITIES, EU, round_trip},
    strategy::{Answer, Asked, Back, Job, Next, Send, Strategy},
    trouble::Trouble,
};

const WAITS: u64 = 5 * SECOND;
const COOKIE_LIVES: u64 = 5 * MINUTE;
const ELECTED: u64 = 11_500 * MILLI;
const MAX_LAG: u64 = 10 * SECOND;
/// The candidate that is nearest to the old primary.
const SECOND_PRIMARY: usize = EU;

/// A request at its edge.
#[derive(Clone, Debug)]
enum At {
    /// A read, which may still try these regions.
    Read(Vec<usize>),
    /// A write at a replica, which may still try these, and for how long it has waited there.
    Replica(Vec<usize>, u64),
    /// A write at the primary.
    Primary(usize),
}

pub struct Txid {
    trouble: Trouble,
    proxy: Proxy,
    /// The cookie of a client: which place, and until when.
    cookies: HashMap<u32, (usize, u64)>,
    requests: HashMap<u32, At>,
    has_failed_over: bool,
    lost: usize,
}

impl Txid {
    #[must_use]
    pub fn new(trouble: Trouble) -> Self {
        let (cookies, requests) = (HashMap::new(), HashMap::new());
        Self { trouble, proxy: Proxy::new(trouble), cookies, requests, has_failed_over: false, lost: 0 }
    }

    /// The primary, as replicas know it.
    fn primary(&mut self, now: u64, data: &mut Data) -> Option<usize> {
        let Some(lost) = self.trouble.lost(PRIMARY) else { return Some(PRIMARY) };
        if now < lost.from {
            return Some(PRIMARY);
        }
        if now < lost.from + ELECTED {
            return None;
        }
        if !std::mem::replace(&mut self.has_failed_over, true) {
            self.lost = data.cut(0, SECOND_PRIMARY, now);
        }
        Some(SECOND_PRIMARY)
    }

    fn order(&self, asked: &Asked, data: &mut Data) -> Vec<usize> {
        let lags: Vec<bool> = (0..3).map(|at| data.lag(0, at, asked.now).is_some_and(|lag| lag > MAX_LAG)).collect();
        self.proxy.order(asked.city, asked.now, |region| !lags[region])
    }

    /// The write goes to the primary, waits for one, or is refused.
    fn forward(&mut self, asked: &Asked, tries: Vec<usize>, waited: u64, data: &mut Data) -> Next {
        if let Some(primary) = self.primary(asked.now, data) {
            self.requests.insert(asked.client, At::Primary(primary));
            return send(primary, DEADLINE, 0, 0);
        }
        if waited >= WAITS {
            return Next::Answer(Answer::FAILED);
        }
        self.requests.insert(asked.client, At::Replica(tries, waited + 100 * MILLI));
        Next::Wait(100 * MILLI)
    }

    fn read(&mut self, asked: &Asked, tries: Vec<usize>) -> Next {
        let cookie = self.cookies.get(&asked.client).filter(|(_, until)| *until > asked.now);
        let least = cookie.map_or(0, |(place, _)| *place);
        let first = tries[0];
        self.requests.insert(asked.client, At::Read(tries));
        send(first, WAITS + DEADLINE, least, WAITS)
    }
}

/// Whether the way by the replica is shorter than the edge's own one.
fn is_shorter(city: usize, replica: usize, primary: usize) -> bool {
    round_trip(replica, primary) < CITIES[city].to[primary]
}

/// The write goes to the primary from beside the replica.
fn replayed(region: usize, primary: usize) -> Next {
    let job = Job::Serve { log: 0, least: 0, patience: 0, forward: Some(primary) };
    Next::Send(Send { region, delay: 0, timeout: DEADLINE, connect: DEADLINE, job })
}

/// Asks a replica, which says to ask the primary.
fn redirect(region: usize) -> Next {
    Next::Send(Send { region, delay: 0, timeout: DEADLINE, connect: DEADLINE, job: Job::Redirect })
}

impl Strategy for Txid {
    fn log(&self, _key: u32) -> usize {
        0
    }

    fn arrive(&mut self, asked: &Asked, data: &mut Data) -> Next {
        let (primary, tries) = (self.primary(asked.now, data), self.order(asked, data));
        if !asked.write {
            return self.read(asked, tries);
        }
        let first = tries[0];
        if primary == Some(first) {
            self.requests.insert(asked.client, At::Primary(first));
            return send(first, DEADLINE, 0, 0);
        }
        self.requests.insert(asked.client, At::Replica(tries, 0));
        match primary.filter(|primary| is_shorter(asked.city, first, *primary)) {
            Some(primary) => replayed(first, primary),
            None => redirect(first),
        }
    }

    fn back(&mut self, asked: &Asked, back: Back, data: &mut Data) -> Next {
        match (self.requests.remove(&asked.client).unwrap(), back) {
            (At::Read(tries), Back::Served(seen)) => {
                self.proxy.answered(asked.city, tries[0]);
                Next::Answer(Answer::of(seen))
            }
            (At::Read(mut tries), Back::TimedOut) => {
                self.proxy.failed(asked.city, tries.remove(0), asked.now);
                if tries.is_empty() { Next::Answer(Answer::FAILED) } else { self.read(asked, tries) }
            }
            (At::Primary(region), Back::Served(seen)) => {
                self.proxy.answered(asked.city, region);
                Next::Answer(Answer::of(seen))
            }
            (At::Primary(region), _) => {
                self.proxy.failed(asked.city, region, asked.now);
                Next::Answer(Answer::FAILED)
            }
            (At::Replica(tries, _), Back::Served(seen)) => {
                self.proxy.answered(asked.city, tries[0]);
                Next::Answer(Answer::of(seen))
            }
            (At::Replica(tries, waited), Back::Redirected | Back::Waited) => self.forward(asked, tries, waited, data),
            (At::Replica(mut tries, _), Back::TimedOut) => {
                self.proxy.failed(asked.city, tries.remove(0), asked.now);
                let Some(next) = tries.first().copied() else { return Next::Answer(Answer::FAILED) };
                self.requests.insert(asked.client, At::Replica(tries, 0));
                redirect(next)
            }
            _ => Next::Answer(Answer::FAILED),
        }
    }

    fn done(&mut self, asked: &Asked, answer: &Answer) {
        if let Some(seen) = answer.seen.filter(|_| asked.write) {
            self.cookies.insert(asked.client, (seen.position, asked.now + COOKIE_LIVES));
        }
    }

    fn lost(&self) -> usize {
        self.lost
    }
}
