//! A small memory of what was worked out lately.

/// Up to so many things, each in a place that a number says; the next one of that place takes it.
#[derive(Clone, Debug)]
pub(crate) struct Recent<T, const PLACES: usize>(Vec<Option<T>>);

impl<T, const PLACES: usize> Recent<T, PLACES> {
    /// What is remembered in that number's place.
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        self.0.get(place(number, PLACES))?.as_ref()
    }

    /// Remembers it there, in the place of another.
    pub(crate) fn keep(&mut self, number: u32, one: T) {
        // Nothing is taken up before there is something to remember.
        self.0.resize_with(PLACES, || None);
        if let Some(place) = self.0.get_mut(place(number, PLACES)) {
            *place = Some(one);
        }
    }

    /// Forgets all of which that holds.
    pub(crate) fn forget(&mut self, of: impl Fn(&T) -> bool) {
        for place in &mut self.0 {
            place.take_if(|one| of(one));
        }
    }
}

fn place(number: u32, places: usize) -> usize {
    usize::try_from(number).unwrap_or_default() % places
}

impl<T, const PLACES: usize> Default for Recent<T, PLACES> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_one_of_a_place_takes_it() {
        let mut recent = Recent::<u32, 64>::default();
        assert_eq!(recent.get(7), None);
        (0..=255).for_each(|number| recent.keep(number, number));
        assert_eq!((recent.get(7), recent.get(199)), (Some(&199), Some(&199)));
        assert_eq!(recent.0.len(), 64);
        recent.forget(|number| *number == 199);
        assert_eq!((recent.get(7), recent.get(8)), (None, Some(&200)));
    }
}
