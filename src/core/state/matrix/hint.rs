//! Where a vantage point should be.

use crate::model::geo::Location;

/// About the middle of what each of the platform's location hints stands for.
const HINTS: [(&str, f64, f64); 9] = [
    ("wnam", 37.4, -121.9),
    ("enam", 39.0, -77.5),
    ("sam", -23.5, -46.6),
    ("weur", 50.1, 4.5),
    ("eeur", 51.0, 21.0),
    ("apac", 18.0, 112.0),
    ("oc", -33.9, 151.2),
    ("afr", -10.0, 28.0),
    ("me", 25.2, 55.3),
];

/// The jurisdictions that Durable Objects can be held to, and the hints of what may lie in them (Durable Objects, Data location).
const JURISDICTIONS: [(&str, &[&str]); 2] = [("eu", &["weur", "eeur"]), ("fedramp", &["wnam", "enam"])];

/// Whether a place may lie in that jurisdiction; none if there is no such one. Coordinates know no borders, so this only tells continents
/// apart.
#[must_use]
pub fn may_lie_in(jurisdiction: &str, place: &Location) -> Option<bool> {
    let (_, hints) = JURISDICTIONS.iter().find(|(name, _)| *name == jurisdiction)?;
    Some(hints.contains(&location_hint(place)))
}

/// The platform's hint for a Durable Object that should be near that place.
#[must_use]
pub fn location_hint(place: &Location) -> &'static str {
    let here = place.unit();
    let closeness = |lat, lon| Location { lat, lon }.unit().closeness(&here);
    let nearest = HINTS.iter().max_by(|(_, a, b), (_, c, d)| closeness(*a, *b).total_cmp(&closeness(*c, *d)));
    nearest.map_or("", |(hint, ..)| hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_places_have_the_hint_that_anybody_would_give() {
        for (lat, lon, hint) in [
            (45.8, -119.7, "wnam"), // us-west-2
            (39.0, -77.5, "enam"),
            (41.3, -95.9, "enam"), // the middle of the continent
            (53.3, -6.3, "weur"),
            (50.1, 8.7, "weur"),
            (52.2, 21.0, "eeur"),
            (1.35, 103.8, "apac"),
            (35.7, 139.7, "apac"),
            (19.1, 72.9, "me"), // Mumbai: the Gulf is nearer than the South China Sea
            (-33.9, 151.2, "oc"),
            (-33.9, 18.4, "afr"),
            (-23.5, -46.6, "sam"),
            (26.1, 50.6, "me"),
        ] {
            assert_eq!(location_hint(&Location { lat, lon }), hint, "{lat} {lon}");
        }
    }

    #[test]
    fn what_is_on_another_continent_is_in_no_jurisdiction_of_this_one() {
        let place = |lat, lon| Location { lat, lon };
        assert_eq!(may_lie_in("eu", &place(50.1, 8.7)), Some(true));
        assert_eq!(may_lie_in("eu", &place(39.0, -77.5)), Some(false));
        assert_eq!(may_lie_in("fedramp", &place(39.0, -77.5)), Some(true));
        assert_eq!(may_lie_in("europe", &place(50.1, 8.7)), None);
    }
}
