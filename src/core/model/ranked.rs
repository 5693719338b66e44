//! Putting a few things in order.

/// The things in order: each stands before the first that it goes before, so equals stay as they came. By insertion, for a few tens of
/// them at most: a sort of the library's is up to 7 KB of Wasm for each type, for the sake of thousands.
pub(crate) fn ranked<T>(things: impl IntoIterator<Item = T>, goes_before: impl Fn(&T, &T) -> bool) -> Vec<T> {
    let mut ranked = Vec::new();
    for thing in things {
        let place = ranked.iter().position(|other| goes_before(&thing, other)).unwrap_or(ranked.len());
        ranked.insert(place, thing);
    }
    ranked
}

#[cfg(test)]
mod tests {
    use crate::model::ranked::ranked;

    #[test]
    fn the_order_is_that_of_a_stable_sort() {
        let things = [(3, 'a'), (1, 'b'), (2, 'c'), (1, 'd'), (3, 'e'), (0, 'f')];
        let mut sorted = things.to_vec();
        sorted.sort_by_key(|(number, _)| *number);
        assert_eq!(ranked(things, |(one, _), (other, _)| one < other), sorted);
    }
}
