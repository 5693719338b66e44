//! Lag, pair by pair: how far one region's replica is behind another region's writes, and how long a pin must hold for it.

use std::time::Duration;

use crate::model::{
    ids::RegionId,
    time::{Timestamp, millis},
};

/// How long a pin holds for a pair that nobody has measured.
pub const UNMEASURED: Duration = Duration::from_secs(5);
/// The least and the most that a measured pair makes a pin hold.
pub const SHORTEST: Duration = Duration::from_secs(1);
/// See [`SHORTEST`].
pub const LONGEST: Duration = Duration::from_secs(30);
/// So few samples say nothing of a 99th percentile yet.
const ENOUGH: u32 = 20;
/// At so many samples all counts are halved, so that what was long ago fades.
const FADE: u32 = 1024;
/// How long a measurement counts.
const FRESH: Duration = Duration::from_secs(60);
/// A window shrinks only once it could have been shorter by a quarter for this long; it grows at once.
const CALM: Duration = Duration::from_secs(30);
/// Buckets grow by the fourth root of two, so a percentile is too high by at most 19 %; the last begins beyond two minutes.
const BUCKETS: usize = 70;

/// What was measured between a region and one whose writes it applies.
#[derive(Clone, Debug)]
struct LagHistory {
    region: RegionId,
    source: RegionId,
    latest: Duration,
    at: Timestamp,
    /// Smoothed, and by how much the measurements differ from that, as of round trips in RFC 6298 section 2.
    smoothed: Duration,
    varies: Duration,
    counts: [u32; BUCKETS],
    window: Duration,
    /// Since when the window could have been shorter by a quarter.
    calm_since: Option<Timestamp>,
}

/// How long a pin must hold for a pair, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinWindow {
    /// The region whose replica is behind.
    pub region: RegionId,
    /// How long.
    pub length: Duration,
    /// The 99th percentile of the lag that it was made from; none where too little was measured.
    pub p99: Option<Duration>,
}

/// The lag of every pair that was measured.
#[derive(Clone, Debug, Default)]
pub struct Lags(Vec<LagHistory>);

impl Lags {
    /// Takes in a measurement.
    pub fn observe(&mut self, region: RegionId, source: RegionId, lag: Duration, now: Timestamp) {
        let at = self.0.iter().position(|pair| (pair.region, pair.source) == (region, source));
        match at.and_then(|at| self.0.get_mut(at)) {
            Some(pair) => pair.observe(lag, now),
            None => {
                let mut pair = LagHistory {
                    region,
                    source,
                    latest: lag,
                    at: now,
                    smoothed: lag,
                    varies: lag / 2,
                    counts: [0; BUCKETS],
                    window: UNMEASURED,
                    calm_since: None,
                };
                pair.observe(lag, now);
                self.0.push(pair);
            }
        }
    }

    /// Takes in that a write of that source was missing from a region's replica after so long. It says nothing of how much longer it was,
    /// and is believed only where it is not far from what is usual: what somebody saw long ago and is still missing is out of the
    /// ordinary, and one such session would have everybody else read at home. Of more than the longest window it says nothing in any case: by
    /// then no region should lack it, so perhaps there is no such write.
    pub fn at_least(&mut self, region: RegionId, source: RegionId, lag: Duration) {
        let pair = self.0.iter_mut().find(|pair| (pair.region, pair.source) == (region, source));
        let believed = |pair: &&mut LagHistory| (pair.usual()..=(pair.usual() * 4).max(SHORTEST)).contains(&lag);
        pair.filter(believed).filter(|_| lag <= LONGEST).into_iter().for_each(|pair| pair.smooth(lag));
    }

    /// How long a write at that source usually takes to get into the region's replica, if that was measured lately. It follows what is
    /// measured within a few samples, up and down: whoever counts on it and is wrong has lost one attempt nearby, and nothing else.
    #[must_use]
    pub fn usual(&self, region: RegionId, source: RegionId, now: Timestamp) -> Option<Duration> {
        self.of(region, now).find(|pair| pair.source == source).map(LagHistory::usual)
    }

    /// How far the region was behind that source when it was last measured, if that was lately.
    #[must_use]
    pub fn latest(&self, region: RegionId, source: RegionId, now: Timestamp) -> Option<Duration> {
        self.of(region, now).find(|pair| pair.source == source).map(|pair| pair.latest)
    }

    /// How far the region was behind the source that it was furthest behind.
    #[must_use]
    pub fn worst(&self, region: RegionId, now: Timestamp) -> Option<Duration> {
        self.of(region, now).map(|pair| pair.latest).max()
    }

    /// How long a write at the source may be missing from the region's replica.
    #[must_use]
    pub fn window(&self, region: RegionId, source: RegionId) -> PinWindow {
        let pair = self.0.iter().find(|pair| (pair.region, pair.source) == (region, source));
        let length = pair.map_or(UNMEASURED, |pair| pair.window);
        PinWindow { region, length, p99: pair.and_then(LagHistory::p99) }
    }

    fn of(&self, region: RegionId, now: Timestamp) -> impl Iterator<Item = &LagHistory> {
        self.0.iter().filter(move |pair| pair.region == region && now.since(pair.at) < FRESH)
    }
}

impl LagHistory {
    fn observe(&mut self, lag: Duration, now: Timestamp) {
        (self.latest, self.at) = (lag, now);
        self.smooth(lag);
        if let Some(count) = self.counts.get_mut(bucket(lag)) {
            *count += 1;
        }
        if self.samples() >= FADE {
            self.counts.iter_mut().for_each(|count| *count /= 2);
        }
        self.adapt(now);
    }

    /// RFC 6298 section 2.3, with its gains of an eighth and a quarter.
    fn smooth(&mut self, lag: Duration) {
        self.varies = (self.varies * 3 + self.smoothed.abs_diff(lag)) / 4;
        self.smoothed = (self.smoothed * 7 + lag) / 8;
    }

    /// Twice the mean deviation above the mean, and not the four times of a retransmission: that costs more than a try here.
    fn usual(&self) -> Duration {
        self.smoothed + self.varies * 2
    }

    fn samples(&self) -> u32 {
        self.counts.iter().sum()
    }

    fn p99(&self) -> Option<Duration> {
        (self.samples() >= ENOUGH).then(|| self.highest(self.samples() / 100))
    }

    /// The upper end of the bucket above which lie at most so many samples.
    fn highest(&self, above: u32) -> Duration {
        let mut left = above;
        for (at, count) in self.counts.iter().enumerate().rev() {
            match left.checked_sub(*count) {
                Some(rest) => left = rest,
                None => return upper_end(at),
            }
        }
        Duration::ZERO
    }

    /// Moves the window towards twice the percentile: up at once, down with hysteresis, so that it does not swing.
    fn adapt(&mut self, now: Timestamp) {
        let target = match self.p99() {
            Some(p99) => p99.saturating_mul(2).clamp(SHORTEST, LONGEST),
            None => self.highest(0).saturating_mul(2).clamp(UNMEASURED, LONGEST),
        };
        if target >= self.window {
            (self.window, self.calm_since) = (target, None);
        } else if target > self.window.mul_f32(0.75) {
            self.calm_since = None;
        } else {
            let since = *self.calm_since.get_or_insert(now);
            if now.since(since) >= CALM {
                (self.window, self.calm_since) = (target, None);
            }
        }
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the logarithm of a lag is small and positive"
)]
#[allow(clippy::cast_precision_loss, reason = "a bucket is far wider than what is lost")]
fn bucket(lag: Duration) -> usize {
    let at = (millis(lag).max(1) as f64).log2() * 4.0;
    (at as usize).min(BUCKETS - 1)
}

#[allow(clippy::cast_precision_loss, reason = "there are 70 buckets")]
fn upper_end(bucket: usize) -> Duration {
    Duration::from_secs_f64(((bucket + 1) as f64 / 4.0).exp2() / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EU: RegionId = RegionId(0);
    const US: RegionId = RegionId(1);

    fn learned(lags: &mut Lags, millis: u64, times: u64, from: u64) -> Timestamp {
        (0..times).for_each(|n| lags.observe(EU, US, Duration::from_millis(millis), Timestamp(from + n * 1000)));
        Timestamp(from + times * 1000)
    }

    #[test]
    fn a_pair_nobody_measured_holds_five_seconds() {
        let lags = Lags::default();
        assert_eq!(lags.window(EU, US), PinWindow { region: EU, length: UNMEASURED, p99: None });
    }

    #[test]
    fn a_window_is_twice_the_percentile_and_never_under_a_second() {
        let mut lags = Lags::default();
        learned(&mut lags, 40, 100, 0);
        assert_eq!(lags.window(EU, US).length, SHORTEST);
        learned(&mut lags, 1000, 20, 100_000);
        let window = lags.window(EU, US);
        let p99 = window.p99.unwrap();
        assert!(p99 >= Duration::from_secs(1) && p99 <= Duration::from_millis(1190), "{p99:?}");
        assert_eq!(window.length, p99 * 2);
        learned(&mut lags, 60_000, 20, 200_000);
        assert_eq!(lags.window(EU, US).length, LONGEST);
    }

    #[test]
    fn few_samples_only_lengthen_it() {
        let mut lags = Lags::default();
        learned(&mut lags, 5, 19, 0);
        assert_eq!(lags.window(EU, US), PinWindow { region: EU, length: UNMEASURED, p99: None });
        learned(&mut lags, 8000, 1, 19_000);
        assert!(lags.window(EU, US).length > Duration::from_secs(15));
    }

    #[test]
    fn it_grows_at_once_and_shrinks_after_half_a_minute_of_calm() {
        let mut lags = Lags::default();
        let then = learned(&mut lags, 4000, 40, 0);
        let high = lags.window(EU, US).length;
        assert!(high >= Duration::from_secs(8));
        // Calm begins once the high samples are under a hundredth of all.
        let then = learned(&mut lags, 5, 4000, then.0);
        let low = lags.window(EU, US).length;
        assert_eq!(low, SHORTEST);
        lags.observe(EU, US, Duration::from_secs(20), then);
        assert_eq!(lags.window(EU, US).length, low, "one sample of a thousand is no percentile");
        learned(&mut lags, 20_000, 30, then.0);
        assert_eq!(lags.window(EU, US).length, LONGEST);
        let calm = learned(&mut lags, 5, 25, then.0 + 30_000);
        assert_eq!(lags.window(EU, US).length, LONGEST, "still at {calm:?}");
    }

    #[test]
    fn what_a_write_usually_takes_follows_what_is_measured_within_a_few_samples() {
        let mut lags = Lags::default();
        let usual = |lags: &Lags, at: Timestamp| lags.usual(EU, US, at).map(|usual| usual.as_millis());
        assert_eq!(usual(&lags, Timestamp(0)), None);
        // As a region measures that polls every 60 ms.
        let mut now = Timestamp(0);
        for millis in [40, 100, 70, 55, 85, 60, 95, 45, 80, 65, 50, 90] {
            now = learned(&mut lags, millis, 1, now.0);
        }
        let calm = usual(&lags, now).unwrap();
        assert!((80..=115).contains(&calm), "{calm}");
        now = learned(&mut lags, 5000, 3, now.0);
        let slow = usual(&lags, now).unwrap();
        assert!(slow > 4000, "{slow}");
        now = learned(&mut lags, 70, 40, now.0);
        let healed = usual(&lags, now).unwrap();
        assert!(healed < 150, "{healed}");
        lags.at_least(EU, US, Duration::from_millis(20));
        assert_eq!(usual(&lags, now), Some(healed), "it was missing for 20 ms at least, which is nothing new");
        lags.at_least(EU, US, Duration::from_secs(3600));
        assert_eq!(usual(&lags, now), Some(healed), "an hour is out of the ordinary");
        for millis in [200, 400, 800, 1600] {
            lags.at_least(EU, US, Duration::from_millis(millis));
        }
        assert!(usual(&lags, now).unwrap() > 700, "{:?}", usual(&lags, now));
        assert_eq!(usual(&lags, now.after(FRESH)), None);
        // Whoever replays what a region has once said wrongly of another's log must not have its way little by little.
        learned(&mut lags, 9000, 40, now.0);
        let now = Timestamp(now.0 + 40_000);
        let slow = usual(&lags, now);
        lags.at_least(EU, US, LONGEST + Duration::from_millis(1));
        assert_eq!(usual(&lags, now), slow);
        lags.at_least(EU, US, LONGEST);
        assert!(usual(&lags, now) > slow);
        lags.at_least(US, EU, Duration::from_secs(2));
        assert_eq!(lags.usual(US, EU, now), None, "nobody has measured it");
    }

    #[test]
    fn what_is_old_is_not_the_latest() {
        let mut lags = Lags::default();
        lags.observe(EU, US, Duration::from_millis(7), Timestamp(0));
        assert_eq!(lags.latest(EU, US, Timestamp(59_999)), Some(Duration::from_millis(7)));
        assert_eq!(lags.worst(EU, Timestamp(60_000)), None);
    }
}
