//! Isolation drills: for a share of the subjects and for some time, regions count as unreachable on purpose. Whoever takes part
//! is answered as if they were gone; everybody else is answered as ever. Nothing is sent, so nothing is learned of their health.

use std::net::IpAddr;

use serde::Serialize;

use crate::{
    model::{
        ids::{RegionId, RegionSet},
        mix::{fnv, mix},
        subject::SubjectId,
        time::Timestamp,
    },
    topology::{Topology, units::Share},
};

/// What is practised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrillKind {
    /// A region without the others: they are unreachable for its subjects.
    Isolate,
    /// The others without a region: it is unreachable for everybody.
    Lose,
}

impl DrillKind {
    /// The word in orders, reports and the view.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::Isolate => "isolate",
            Self::Lose => "lose",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Isolate, Self::Lose].into_iter().find(|kind| kind.token() == text)
    }
}

/// A drill that is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drill {
    /// Its name; it also decides which subjects take part, so that each drill has others.
    pub id: String,
    /// What is practised.
    pub kind: DrillKind,
    /// The region it is about.
    pub region: RegionId,
    /// How many of the subjects take part.
    pub share: Share,
    /// When it ends, even where no news has come since.
    pub until: Timestamp,
    /// The most that may be refused or fail; past it the drill ends.
    pub limit: Option<Share>,
}

/// The drill as the dashboard shows it.
#[derive(Serialize)]
pub struct DrillShown<'a> {
    id: &'a str,
    kind: &'static str,
    region: &'a str,
    /// Of a percent. Only who prints fractions makes percents of it.
    hundredths: u16,
    until: u64,
}

impl Drill {
    /// The regions that count as unreachable for those who take part.
    #[must_use]
    pub fn away(&self, topology: &Topology) -> RegionSet {
        let region = topology.regions().map(|(id, _)| id);
        region
            .filter(|id| (*id == self.region) == (self.kind == DrillKind::Lose))
            .fold(RegionSet::EMPTY, RegionSet::with)
    }

    /// The drill for the dashboard.
    #[must_use]
    pub fn show<'a>(&'a self, topology: &'a Topology) -> DrillShown<'a> {
        let region = &topology.region(self.region).name;
        let hundredths = self.share.hundredths();
        DrillShown { id: &self.id, kind: self.kind.token(), region, hundredths, until: self.until.0 }
    }

    /// Whether that visitor is among the share. Who is among a share is among every larger one.
    #[must_use]
    pub fn picks(&self, visitor: SamplingKey) -> bool {
        let place = mix(fnv(self.id.as_bytes()) ^ visitor.0) % u64::from(Share::WHOLE.hundredths());
        place < self.share.hundredths().into()
    }

    /// Whether it concerns whoever lives in that region, or comes near that one and has no home that is known.
    #[must_use]
    pub fn concerns(&self, home: Option<RegionId>, nearest: Option<RegionId>) -> bool {
        self.kind == DrillKind::Lose || home.or(nearest) == Some(self.region)
    }
}

/// By whom a request is told from others in a drill: a hash of the subject, or of the client's address. It never leaves the isolate.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SamplingKey(u64);

impl SamplingKey {
    /// The visitor at that address. A site is given a network of 56 bits or more (RFC 6177 section 2), so all addresses of one
    /// are one; but for one that holds an IPv4 address (RFC 4291 section 2.5.5.2), which is that visitor.
    #[must_use]
    pub fn at(address: &str) -> Self {
        Self(mix(match address.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
            Ok(IpAddr::V4(ip)) => fnv(&ip.octets()),
            Ok(IpAddr::V6(ip)) => fnv(&ip.octets()[..7]),
            Err(_) => fnv(address.as_bytes()),
        }))
    }

    /// That subject.
    #[must_use]
    pub fn of(subject: &SubjectId) -> Self {
        Self(fnv(subject.as_str().as_bytes()))
    }
}

impl std::fmt::Debug for SamplingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SamplingKey")
    }
}

/// Whether a request takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It does not.
    Out,
    /// It is among the share. Where its subject lives, and so whether the drill concerns it, is yet to be found out.
    Open,
    /// It does.
    In,
}

/// What became of a request that took part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrillOutcome {
    /// A region that was left has answered.
    Alone,
    /// A stored response has.
    Cache,
    /// It was answered, by something that may be older than was promised, and says so.
    Stale,
    /// It was refused because the regions that it needs are unreachable in the drill.
    Refused,
    /// It failed for another reason.
    Failed,
}

/// What a request that took part shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drilled {
    /// What became of it.
    pub ending: DrillOutcome,
    /// Which region it would have asked first, if that was unreachable.
    pub needed: Option<(RegionId, Need)>,
    /// Whose it was: an address where one is known, for a client can name any subject.
    pub by: SamplingKey,
}

/// For what a region was needed that was unreachable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It owns the data.
    Home,
    /// Its replica would have been read.
    Copy,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drill(id: &str, share: &str) -> Drill {
        Drill {
            id: id.to_owned(),
            kind: DrillKind::Isolate,
            region: RegionId(1),
            share: Share::parse(share).unwrap(),
            until: Timestamp(1),
            limit: None,
        }
    }

    #[test]
    fn the_share_is_kept_over_many_and_grows_by_more_only() {
        let visitors: Vec<_> =
            (0..20_000).map(|n| SamplingKey::at(&format!("192.0.{}.{}", n / 256, n % 256))).collect();
        let mut before: Vec<SamplingKey> = Vec::new();
        for (share, of) in [("0.1%", 0.001), ("5%", 0.05), ("33.33%", 0.3333), ("100%", 1.0)] {
            let drill = drill("drill-7", share);
            let picked: Vec<_> = visitors.iter().copied().filter(|visitor| drill.picks(*visitor)).collect();
            #[allow(clippy::cast_precision_loss, reason = "small numbers")]
            let found = picked.len() as f64 / visitors.len() as f64;
            assert!((found - of).abs() < 0.01, "{share}: {found}");
            assert!(before.iter().all(|visitor| picked.contains(visitor)));
            before = picked;
        }
        let picks = |id: &str| -> Vec<bool> { visitors.iter().map(|each| drill(id, "50%").picks(*each)).collect() };
        let both = picks("drill-1").into_iter().zip(picks("drill-2")).filter(|(one, other)| *one && *other).count();
        assert!((4_000..6_000).contains(&both), "each drill has subjects of its own: {both}");
    }

    /// Every isolate and every version must draw the same ones: else a drill would move on to others with each deployment.
    #[test]
    fn who_takes_part_is_the_same_for_ever() {
        let ada = SamplingKey(fnv(b"AAAAAAAAAAAAAAAAAAAAAA"));
        for (id, key, place) in [
            ("drill-7", SamplingKey::at("192.0.2.1"), 8720),
            ("drill-7", SamplingKey::at("192.0.2.2"), 6360),
            ("drill-8", SamplingKey::at("192.0.2.1"), 2784),
            ("drill-7", SamplingKey::at("2001:db8::1"), 4174),
            ("drill-7", ada, 9492),
        ] {
            let picks = |share| Drill { share: Share::new(share).unwrap(), ..drill(id, "0.1%") }.picks(key);
            assert!(!picks(place) && picks(place + 1), "{id} {place}");
        }
    }

    #[test]
    fn a_network_of_56_bits_is_one_visitor() {
        let [one, other, next] = ["2001:db8::1", "2001:db8:0:ff:ffff::9", "2001:db8:0:100::1"].map(SamplingKey::at);
        assert!(one == other && one != next);
        assert!(SamplingKey::at("192.0.2.1") != SamplingKey::at("192.0.2.2"));
    }

    #[test]
    fn an_ipv4_address_is_one_visitor_in_either_form() {
        // Else all who come in the long form would be one, and one of them could spend what is there for each.
        assert!(SamplingKey::at("::ffff:192.0.2.1") == SamplingKey::at("192.0.2.1"));
        assert!(SamplingKey::at("::ffff:c000:201") == SamplingKey::at("192.0.2.1"));
        assert!(SamplingKey::at("::ffff:192.0.2.1") != SamplingKey::at("::ffff:192.0.2.2"));
    }

    #[test]
    fn a_drill_concerns_who_lives_there_or_who_is_near_and_lives_nowhere_known() {
        let (eu, us) = (Some(RegionId(1)), Some(RegionId(0)));
        let isolate = drill("drill-1", "5%");
        assert!(isolate.concerns(eu, us) && isolate.concerns(None, eu));
        assert!(!isolate.concerns(us, eu) && !isolate.concerns(None, us));
        assert!(Drill { kind: DrillKind::Lose, ..isolate }.concerns(us, us));
    }
}
