//! What others do, as their documentation says. Where it leaves something open, the choice is the best one for them.
//!
//! All of them have what no documentation forbids: connections that are open already, the nearest of the ten cities' edges in front, and
//! the same application.

pub mod cookie;
pub mod dns;
pub mod one_region;
pub mod txid;

use crate::{
    SECOND,
    earth::CITIES,
    strategy::{Job, Next, Send},
    trouble::{Span, Trouble},
};

/// The region with the primary database.
pub const PRIMARY: usize = crate::earth::US;

/// How long a proxy waits for an answer before it tries another region. The router's routes say the same.
pub const DEADLINE: u64 = 2 * SECOND;
/// After so many failures in a row a proxy asks a region no more, and tries it again after so long. The router does the same
/// (`docs/failure.md`).
const FAILS: u32 = 5;
const AGAIN: u64 = 10 * SECOND;
/// A health check takes a region out after this: three looks, ten seconds apart (Route 53's fast interval and default threshold,
/// <https://aws.amazon.com/blogs/aws/route-53-health-check-improvements-faster-interval-and-configurable-failover/>).
pub const FOUND_OUT: u64 = 30 * SECOND;

/// When everybody who follows health checks takes a region for lost.
#[must_use]
pub fn found_out(trouble: Trouble, region: usize) -> Option<Span> {
    trouble.lost(region).map(|span| Span { from: span.from + FOUND_OUT, until: span.until + FOUND_OUT })
}

/// A proxy at the edge of each city that fails reads over.
pub struct Proxy {
    trouble: Trouble,
    /// By city and region: failures in a row, and until when it is not asked.
    seen: Vec<[(u32, u64); 3]>,
}

impl Proxy {
    #[must_use]
    pub fn new(trouble: Trouble) -> Self {
        Self { trouble, seen: vec![Default::default(); CITIES.len()] }
    }

    /// The regions that a read may try, nearest first; two at most.
    #[must_use]
    pub fn order(&self, city: usize, now: u64, is_fit: impl Fn(usize) -> bool) -> Vec<usize> {
        let order = CITIES[city].order();
        let is_out = |region: usize| found_out(self.trouble, region).is_some_and(|span| span.has(now));
        let well =
            order.into_iter().filter(|region| self.seen[city][*region].1 <= now && !is_out(*region) && is_fit(*region));
        let well: Vec<usize> = well.take(2).collect();
        if well.is_empty() { vec![order[0]] } else { well }
    }

    pub fn failed(&mut self, city: usize, region: usize, now: u64) {
        let (failures, until) = &mut self.seen[city][region];
        *failures += 1;
        if *failures >= FAILS {
            *until = now + AGAIN;
        }
    }

    pub fn answered(&mut self, city: usize, region: usize) {
        self.seen[city][region] = (0, 0);
    }
}

/// Sends it there at once.
fn send(region: usize, timeout: u64, least: usize, patience: u64) -> Next {
    // A lost region takes no connection; a proxy need not wait for more than that.
    let connect = if patience > 0 { DEADLINE } else { timeout };
    let job = Job::Serve { log: 0, least, patience, forward: None };
    Next::Send(Send { region, delay: 0, timeout, connect, job })
}
