//! What a session could see. The judge knows which version of a key is the later one, and holds each answer against what the same session
//! has written and been shown before.
//!
//! Sources of the two guarantees: Terry et al., "Session Guarantees for Weakly Consistent Replicated Data" (PDIS 1994).

use std::collections::HashMap;

/// What is wrong with a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// It lacks what the session itself has written (read your writes).
    OwnWrite,
    /// It is older than what the session was shown before (monotonic reads).
    WentBack,
}

#[derive(Clone, Debug, Default)]
pub struct Judge {
    /// By client and key: the latest own write, and the latest version that was shown.
    known: HashMap<(u32, u32), (u32, u32)>,
}

impl Judge {
    pub fn wrote(&mut self, client: u32, key: u32, version: u32) {
        let known = self.known.entry((client, key)).or_default();
        known.0 = known.0.max(version);
    }

    pub fn read(&mut self, client: u32, key: u32, version: u32) -> Option<Stale> {
        let known = self.known.entry((client, key)).or_default();
        let stale = match version {
            version if version < known.0 => Some(Stale::OwnWrite),
            version if version < known.1 => Some(Stale::WentBack),
            _ => None,
        };
        known.1 = known.1.max(version);
        stale
    }
}
