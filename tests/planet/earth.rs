//! The planet: three regions, ten cities on five continents, and how far they are from each other.
//!
//! **Round trips between places** are public: cloudping.co's medians of a year between AWS regions, in milliseconds, over TCP, as
//! captured on 2025-05-29 (<https://www.cloudping.co/api/latencies?percentile=p_50&timeframe=1Y>, kept at
//! <https://github.com/oaustegard/oaustegard.github.io/blob/main/web-utilities/aws-ping-p50-1y.json>). Where a city has users, the AWS
//! region of that city stands in for the edge there. Figures are rounded to a millisecond.
//!
//! **The last mile**, from a user to the edge in the city, is estimated: see [`Continent::last_mile`].

use crate::{HOUR, chance::Dice};

pub const REGIONS: [&str; 3] = ["us", "eu", "ap"];
pub const US: usize = 0;
pub const EU: usize = 1;
pub const AP: usize = 2;

/// The AWS region of each, and where it is.
pub const PLACES: [(&str, f64, f64); 3] =
    [("us-east-1", 39.0, -77.5), ("eu-central-1", 50.1, 8.7), ("ap-southeast-1", 1.35, 103.8)];

/// From region to region; within one, from zone to zone.
const BETWEEN: [[u64; 3]; 3] = [[5, 93, 219], [93, 4, 161], [219, 161, 4]];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Continent {
    NorthAmerica,
    SouthAmerica,
    Europe,
    Africa,
    Asia,
}

impl Continent {
    pub const ALL: [Self; 5] = [Self::NorthAmerica, Self::SouthAmerica, Self::Europe, Self::Africa, Self::Asia];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NorthAmerica => "North America",
            Self::SouthAmerica => "South America",
            Self::Europe => "Europe",
            Self::Africa => "Africa",
            Self::Asia => "Asia",
        }
    }

    /// The median round trip in milliseconds from a user to the nearest edge. Estimated: access networks differ more than continents do.
    /// A tenth of users have twice that, one in a hundred four times ([`LAST_MILE_SPREAD`]).
    #[must_use]
    pub fn last_mile(self) -> f64 {
        match self {
            Self::NorthAmerica | Self::Europe => 15.0,
            Self::SouthAmerica => 22.0,
            Self::Asia => 25.0,
            Self::Africa => 35.0,
        }
    }
}

/// See [`Dice::log_normal`].
pub const LAST_MILE_SPREAD: f64 = 0.6;

pub struct City {
    pub name: &'static str,
    pub continent: Continent,
    /// The AWS region there.
    pub aws: &'static str,
    pub lat: f64,
    pub lon: f64,
    /// From UTC, in hours.
    pub zone: f64,
    /// Its share of the users, in hundredths. Assumed.
    pub share: f64,
    /// Round trips in milliseconds to each region.
    pub to: [u64; 3],
}

#[allow(clippy::too_many_arguments, reason = "a row of a table")]
const fn city(
    name: &'static str,
    continent: Continent,
    aws: &'static str,
    (lat, lon): (f64, f64),
    zone: f64,
    share: f64,
    to: [u64; 3],
) -> City {
    City { name, continent, aws, lat, lon, zone, share, to }
}

use Continent::{Africa, Asia, Europe, NorthAmerica, SouthAmerica};

#[rustfmt::skip]
pub const CITIES: [City; 10] = [
    city("Columbus",      NorthAmerica, "us-east-2",      (40.0, -83.0),  -5.0, 15.0, [16, 104, 204]),
    city("San Francisco", NorthAmerica, "us-west-1",      (37.8, -122.4), -8.0, 10.0, [64, 153, 170]),
    city("São Paulo",     SouthAmerica, "sa-east-1",      (-23.6, -46.6), -3.0, 10.0, [115, 205, 327]),
    city("London",        Europe,       "eu-west-2",      (51.5, -0.1),    0.0, 13.0, [77, 18, 172]),
    city("Madrid",        Europe,       "eu-south-2",     (40.4, -3.7),    1.0,  6.0, [107, 35, 173]),
    city("Stockholm",     Europe,       "eu-north-1",     (59.3, 18.1),    1.0,  6.0, [112, 23, 181]),
    city("Cape Town",     Africa,       "af-south-1",     (-33.9, 18.4),   2.0,  8.0, [226, 154, 316]),
    city("Mumbai",        Asia,         "ap-south-1",     (19.1, 72.9),    5.5, 14.0, [190, 129, 63]),
    city("Tokyo",         Asia,         "ap-northeast-1", (35.7, 139.7),   9.0, 10.0, [149, 228, 70]),
    city("Jakarta",       Asia,         "ap-southeast-3", (-6.2, 106.8),   7.0,  8.0, [235, 179, 19]),
];

/// How busy people are in each hour of their own day. Assumed: the usual shape of an application for consumers, least at four in the
/// morning, most at nine in the evening.
const CURVE: [f64; 24] = [
    0.45, 0.32, 0.25, 0.21, 0.20, 0.22, 0.30, 0.42, 0.55, 0.65, 0.72, 0.76, 0.80, 0.80, 0.79, 0.79, 0.80, 0.83, 0.88,
    0.94, 0.99, 1.00, 0.88, 0.65,
];

impl City {
    /// How busy its people are at that time of the simulated day.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "an hour")]
    pub fn busy(&self, at: u64) -> f64 {
        let hour = (at as f64 / HOUR as f64 + self.zone).rem_euclid(24.0);
        CURVE[hour as usize % 24]
    }

    /// The regions, nearest first by round trip.
    #[must_use]
    pub fn order(&self) -> [usize; 3] {
        let mut order = [US, EU, AP];
        order.sort_by_key(|region| self.to[*region]);
        order
    }

    #[must_use]
    pub fn nearest(&self) -> usize {
        self.order()[0]
    }
}

/// What a way takes on top of the least: on average a twentieth, one in a hundred a fifth. Estimated.
fn jittered(millis: u64, dice: &mut Dice) -> u64 {
    scaled(500 * millis, 1.0 + 0.05 * dice.exponential())
}

/// One way between an edge and a region.
#[must_use]
pub fn to_region(city: usize, region: usize, dice: &mut Dice) -> u64 {
    jittered(CITIES[city].to[region], dice)
}

/// One way between two regions.
#[must_use]
pub fn between(from: usize, to: usize, dice: &mut Dice) -> u64 {
    jittered(BETWEEN[from][to], dice)
}

/// A round trip between two regions, in milliseconds.
#[must_use]
pub fn round_trip(from: usize, to: usize) -> u64 {
    BETWEEN[from][to]
}

/// One way between a user and the edge of the city.
#[must_use]
pub fn last_mile(city: usize, dice: &mut Dice) -> u64 {
    let millis = CITIES[city].continent.last_mile();
    scaled(500, millis * dice.log_normal(LAST_MILE_SPREAD))
}

/// That many microseconds, so many times.
#[must_use]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "below hours")]
pub fn scaled(micros: u64, by: f64) -> u64 {
    (micros as f64 * by) as u64
}
