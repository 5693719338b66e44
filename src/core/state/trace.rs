//! The trace of one request: what decided something, in order. It is written and shown; nothing decides by it.

use crate::{
    cache::state::CacheState,
    model::{
        ids::RegionId,
        reasons::{Choice, Exclusion, Failure, HomeSource, HomeTrouble, Note, Refusal, Verdict},
        token::Token,
    },
    topology::Topology,
};

/// One thing that decided something, or that is worth telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceEvent {
    /// What was found of the session.
    Session(Verdict),
    /// What the edge cache holds, or does.
    Cache(CacheState),
    /// Where the home is, and who says so.
    Home(HomeSource, RegionId),
    /// Why no home was found.
    HomeTrouble(HomeTrouble),
    /// What speaks against a region.
    Excluded(RegionId, Exclusion),
    /// A region is asked, and why that one.
    Chosen(RegionId, Choice),
    /// A region was asked, and how that failed.
    Failed(RegionId, Failure),
    /// What is refused; the region because of which, where there is one.
    Refused(Refusal, Option<RegionId>),
    /// Anything else.
    Noted(Note, Option<RegionId>),
}

impl TraceEvent {
    /// By which it is told.
    #[must_use]
    pub fn token(self) -> Token {
        match self {
            Self::Session(verdict) => verdict.token(),
            Self::Cache(state) => state.token(),
            Self::Home(source, _) => source.token(),
            Self::HomeTrouble(trouble) => trouble.token(),
            Self::Excluded(_, exclusion) => exclusion.token(),
            Self::Chosen(_, choice) => choice.token(),
            Self::Failed(_, failure) => failure.token(),
            Self::Refused(refusal, _) => refusal.token(),
            Self::Noted(note, _) => note.token(),
        }
    }

    /// The region of which it tells.
    #[must_use]
    pub fn region(self) -> Option<RegionId> {
        match self {
            Self::Home(_, region) | Self::Excluded(region, _) | Self::Chosen(region, _) | Self::Failed(region, _) => {
                Some(region)
            }
            Self::Refused(_, region) | Self::Noted(_, region) => region,
            Self::Session(_) | Self::Cache(_) | Self::HomeTrouble(_) => None,
        }
    }
}

/// The events in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace(Vec<TraceEvent>);

impl Trace {
    /// Notes an event.
    pub fn note(&mut self, event: TraceEvent) {
        self.0.push(event);
    }

    /// Adds what another part of the same request noted.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// The token of each event, and the region of which it tells.
    pub fn tokens(&self) -> impl Iterator<Item = (Token, Option<RegionId>)> {
        self.0.iter().map(|event| (event.token(), event.region()))
    }

    /// A line for each event: the token, and the region's name.
    pub fn lines<'a>(&'a self, topology: &'a Topology) -> impl Iterator<Item = String> + 'a {
        self.tokens().map(|(token, region)| match region {
            Some(region) => format!("{token} {}", topology.region(region).name),
            None => token.to_string(),
        })
    }
}

/// What was answered, and by which of the reasons: `Homing-Reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A region's answer, and why that one was asked.
    Chosen(Choice),
    /// The last region's own words, since none that may answer did better.
    Exhausted,
    /// A stored response.
    Stored(CacheState),
    /// The router's own refusal.
    Refused(Refusal),
    /// The browser is sent on to the address without what another host carried along in it.
    SentOn,
}

impl Decision {
    /// By which it is told.
    #[must_use]
    pub fn token(self) -> Token {
        match self {
            Self::Chosen(choice) => choice.token(),
            Self::Exhausted => Token::AllRegionsFailed,
            Self::Stored(state) => state.token(),
            Self::Refused(refusal) => refusal.token(),
            Self::SentOn => Token::AddressCleaned,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::reasons::Crossing;

    const CACHE: [CacheState; 12] = [
        CacheState::Hit,
        CacheState::Updating,
        CacheState::Stale,
        CacheState::Miss,
        CacheState::Expired,
        CacheState::TooOld,
        CacheState::VaryMiss,
        CacheState::Partial,
        CacheState::Undecodable,
        CacheState::NotWanted,
        CacheState::Method,
        CacheState::Bypass,
    ];

    /// The code decides by enums. A token that none of them has could only be noted for itself.
    #[test]
    fn every_token_tells_of_something_typed() {
        let mut told = vec![Crossing::Residency.token()];
        told.extend(Choice::ALL.iter().map(|it| it.token()));
        told.extend(CACHE.map(CacheState::token));
        told.extend(Failure::ALL.iter().map(|it| it.token()));
        told.extend(Exclusion::ALL.iter().map(|it| it.token()));
        told.extend(Refusal::ALL.iter().map(|it| it.token()));
        told.extend(Verdict::ALL.iter().map(|it| it.token()));
        told.extend(HomeSource::ALL.iter().map(|it| it.token()));
        told.extend(HomeTrouble::ALL.iter().map(|it| it.token()));
        told.extend(Note::ALL.iter().map(|it| it.token()));
        let untyped: Vec<_> = Token::ALL.iter().filter(|token| !told.contains(token)).collect();
        assert!(untyped.is_empty(), "{untyped:?}");
    }

    #[test]
    fn a_failure_and_the_choice_after_it_are_two_events_and_one_token() {
        let (eu, us) = (RegionId(1), RegionId(0));
        let mut trace = Trace::default();
        trace.note(TraceEvent::Failed(eu, Failure::Timeout));
        trace.note(TraceEvent::Chosen(us, Choice::After(Failure::Timeout)));
        let token = Failure::Timeout.token();
        assert_eq!(trace.tokens().collect::<Vec<_>>(), [(token, Some(eu)), (token, Some(us))]);
    }
}
