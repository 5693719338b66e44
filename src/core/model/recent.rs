//! A small memory of what was worked out lately.

/// So many things are remembered at most.
const PLACES: usize = 64;

/// Up to 64 things, each in a place that a byte of it says; the next one of that place takes it.
#[derive(Clone, Debug)]
pub(crate) struct Recent<T>(Vec<Option<T>>);

impl<T> Recent<T> {
    /// What is remembered in that byte's place.
    pub(crate) fn get(&self, byte: u8) -> Option<&T> {
        self.0.get(usize::from(byte) % PLACES)?.as_ref()
    }

    /// Remembers it there, in the place of another.
    pub(crate) fn keep(&mut self, byte: u8, one: T) {
        // Nothing is taken up before there is something to remember.
        self.0.resize_with(PLACES, || None);
        if let Some(place) = self.0.get_mut(usize::from(byte) % PLACES) {
            *place = Some(one);
        }
    }
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_one_of_a_place_takes_it() {
        let mut recent = Recent::default();
        assert_eq!(recent.get(7), None);
        (0..=255).for_each(|byte| recent.keep(byte, byte));
        assert_eq!((recent.get(7), recent.get(199)), (Some(&199), Some(&199)));
        assert_eq!(recent.0.len(), PLACES);
    }
}
