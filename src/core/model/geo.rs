//! Places on the globe, and which of two is nearer.

use std::f64::consts::FRAC_PI_2;

/// A place.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Location {
    /// Degrees north, -90 to 90.
    pub lat: f64,
    /// Degrees east, -180 to 180.
    pub lon: f64,
}

impl Location {
    /// The place, if the coordinates are on the globe.
    #[must_use]
    pub fn new(lat: f64, lon: f64) -> Option<Self> {
        ((-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon)).then_some(Self { lat, lon })
    }

    /// The place as a vector of length one from the middle of the globe.
    #[must_use]
    pub fn unit(&self) -> UnitVector {
        let (lat, lon) = (self.lat.to_radians(), self.lon.to_radians());
        UnitVector { x: cos(lat) * cos(lon), y: cos(lat) * sin(lon), z: sin(lat) }
    }
}

/// The sine of an angle from -π to π, by its series: the library's can do angles of any size, which is 7 KB of Wasm.
fn sin(angle: f64) -> f64 {
    let square = angle * angle;
    // The fifteenth term would be below 1e-16.
    let series = (1..=13).map(|n| f64::from(2 * n)).rev().fold(1.0, |sum, n| 1.0 - square / (n * (n + 1.0)) * sum);
    angle * series
}

/// The cosine of an angle from -π to π.
fn cos(angle: f64) -> f64 {
    sin(FRAC_PI_2 - angle.abs())
}

/// A direction from the middle of the globe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnitVector {
    x: f64,
    y: f64,
    z: f64,
}

impl UnitVector {
    /// From -1 (antipodes) to 1 (the same place); the greater, the shorter the great circle between the two.
    #[must_use]
    pub fn closeness(&self, other: &Self) -> f64 {
        self.x * other.x + self.y * other.y + self.z * other.z
    }
}

/// About where most people of a continent live, for clients of whom the platform knows no more than that.
#[must_use]
pub fn continent_centre(code: &str) -> Option<Location> {
    let (lat, lon) = match code {
        "AF" => (5.0, 18.0),
        "AN" => (-80.0, 0.0),
        "AS" => (28.0, 95.0),
        "EU" => (50.0, 12.0),
        "NA" => (38.0, -92.0),
        "OC" => (-30.0, 148.0),
        "SA" => (-15.0, -56.0),
        _ => return None,
    };
    Some(Location { lat, lon })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn haversine(a: Location, b: Location) -> f64 {
        let half = |x: f64| (x.to_radians() / 2.0).sin().powi(2);
        let h = half(b.lat - a.lat) + a.lat.to_radians().cos() * b.lat.to_radians().cos() * half(b.lon - a.lon);
        2.0 * h.sqrt().min(1.0).asin()
    }

    proptest! {
        #[test]
        fn sine_and_cosine_are_the_librarys(degrees in -180.0..=180.0) {
            let angle = f64::to_radians(degrees);
            prop_assert!((sin(angle) - angle.sin()).abs() < 1e-14 && (cos(angle) - angle.cos()).abs() < 1e-14);
        }

        #[test]
        fn closeness_orders_as_the_great_circle_does(
            here in (-90.0..90.0, -180.0..180.0), a in (-90.0..90.0, -180.0..180.0), b in (-90.0..90.0, -180.0..180.0),
        ) {
            let place = |(lat, lon)| Location { lat, lon };
            let (to_a, to_b) = (haversine(place(here), place(a)), haversine(place(here), place(b)));
            prop_assume!((to_a - to_b).abs() > 1e-6);
            let unit = place(here).unit();
            prop_assert_eq!(to_a < to_b, unit.closeness(&place(a).unit()) > unit.closeness(&place(b).unit()));
        }
    }
}
