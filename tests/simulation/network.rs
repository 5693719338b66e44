//! What lies between: links from region to region, from edges to regions and from clients to edges, and what goes wrong there.

use crate::{data::Message, random::Random};

/// From one region to another.
#[derive(Clone, Debug, Default)]
pub struct Link {
    /// Nothing arrives until it is whole again.
    pub cut: bool,
    /// What a burst adds to its lag, in milliseconds.
    pub slow: u64,
    /// When the last message arrives: they keep their order.
    pub busy_until: u64,
    /// What waits for it to be whole, or for its end to live.
    pub held: Vec<Message>,
}

#[derive(Clone, Debug, Default)]
pub struct Network {
    links: [[Link; 3]; 3],
    pub dead: [bool; 3],
    /// What the authority tells them does not arrive.
    pub deaf: [bool; 3],
    /// Of a thousand messages between edges and regions, and of answers to clients.
    pub lossy: u64,
    /// What sends to regions take longer, in milliseconds.
    pub slow: u64,
    /// Look-ups fail.
    pub no_store: bool,
}

impl Network {
    pub fn link(&mut self, from: usize, to: usize) -> &mut Link {
        &mut self.links[from][to]
    }

    pub fn is_open(&self, from: usize, to: usize) -> bool {
        !self.links[from][to].cut && !self.dead[to]
    }

    /// When a message that sets out now arrives.
    pub fn arrival(&mut self, from: usize, to: usize, now: u64, random: &mut Random) -> u64 {
        let link = &mut self.links[from][to];
        let lag = if random.chance(150) { random.within(50, 1500) } else { random.within(5, 60) };
        let at = (now + lag + link.slow).max(link.busy_until);
        link.busy_until = at;
        at
    }

    /// What a message between an edge and a region takes.
    pub fn hop(&self, near: bool, random: &mut Random) -> u64 {
        let distance = if near { random.within(1, 4) } else { random.within(20, 60) };
        distance + if self.slow > 0 && random.chance(300) { random.below(self.slow) } else { 0 }
    }
}
