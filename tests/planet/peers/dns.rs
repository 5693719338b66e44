//! DNS answers with the nearest region, and nothing is promised. Each region has a replica; its application sends writes on to the primary
//! database.
//!
//! Route 53, latency-based routing with health checks: a region is taken out after three looks, ten seconds apart, and the records live for
//! 60 s, as AWS advises
//! (<https://aws.amazon.com/blogs/aws/route-53-health-check-improvements-faster-interval-and-configurable-failover/>). So a client follows
//! between 30 and 90 s after a loss. Nothing stands between client and region that could ask another one.

use super::{DEADLINE, FOUND_OUT, PRIMARY};
use crate::{
    SECOND,
    chance::Dice,
    data::Data,
    earth::{CITIES, scaled},
    strategy::{Answer, Asked, Back, Job, Next, Send, Strategy},
    trouble::Trouble,
    world::PATIENCE,
};

/// How long a record lives.
const LIVES: u64 = 60 * SECOND;

pub struct Dns {
    pub trouble: Trouble,
    pub seed: u64,
}

impl Dns {
    /// Where the client's resolver sends it.
    fn region(&self, asked: &Asked) -> usize {
        let mut dice = Dice::new(self.seed, &[6, asked.client.into()]);
        let [down, up] = [(); 2].map(|()| FOUND_OUT + scaled(LIVES, dice.roll()));
        let is_out = |region: usize| {
            self.trouble.lost(region).is_some_and(|span| (span.from + down..span.until + up).contains(&asked.now))
        };
        CITIES[asked.city].order().into_iter().find(|region| !is_out(*region)).unwrap()
    }
}

impl Strategy for Dns {
    fn log(&self, _key: u32) -> usize {
        0
    }

    fn arrive(&mut self, asked: &Asked, _data: &mut Data) -> Next {
        let region = self.region(asked);
        let forward = asked.write.then_some(PRIMARY);
        // An application gives its database up sooner than a browser gives up its application.
        let forwards = forward.is_some_and(|to| to != region);
        let timeout = if forwards && !self.trouble.is_down(region, asked.now) { DEADLINE } else { PATIENCE };
        let job = Job::Serve { log: 0, least: 0, patience: 0, forward };
        Next::Send(Send { region, delay: 0, timeout, connect: timeout, job })
    }

    fn back(&mut self, _asked: &Asked, back: Back, _data: &mut Data) -> Next {
        let Back::Served(seen) = back else { return Next::Answer(Answer::FAILED) };
        Next::Answer(Answer::of(seen))
    }
}
