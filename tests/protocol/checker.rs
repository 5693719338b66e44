//! Breadth first over every state that a model can come to. The first counterexample is a shortest one.
//!
//! stateright does this too, and more; it brings 40 packages and a web server that cannot be left out.

use std::{
    collections::{HashSet, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
};

/// What can happen, one thing after the other.
pub trait Model {
    type State: Clone + Hash;
    type Action: Clone;

    fn first(&self) -> Self::State;

    /// What may happen next.
    fn actions(&self, state: &Self::State) -> Vec<Self::Action>;

    /// The state after it; none if it changes nothing.
    ///
    /// # Errors
    /// If something happens that never may.
    fn next(&self, state: &Self::State, action: &Self::Action) -> Result<Option<Self::State>, String>;

    /// Holds a state against what must be true of each.
    ///
    /// # Errors
    /// If it is not.
    fn judge(&self, state: &Self::State) -> Result<(), String>;

    /// An action in words.
    fn tell(&self, action: &Self::Action) -> String;
}

/// What came of a search.
#[derive(Debug, Default)]
pub struct Searched {
    pub states: usize,
    pub steps: usize,
    /// How many actions lie between the first state and the last one that was found.
    pub depth: usize,
    /// Whether every state was found, and not only so many.
    pub whole: bool,
    pub counterexample: Option<Counterexample>,
}

/// How something comes about that never may.
#[derive(Clone, Debug)]
pub struct Counterexample {
    pub why: String,
    pub actions: Vec<String>,
}

/// A number for a state; that two states have the same one is less likely than a fault of the machine.
pub fn fingerprint(state: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

/// Tries everything, up to so many states.
pub fn search<M: Model>(model: &M, most: usize) -> Searched {
    let first = model.first();
    let mut known = HashSet::from([fingerprint(&first)]);
    // How each state was come to: the state before, and what happened.
    let mut ways: Vec<Option<(usize, M::Action)>> = vec![None];
    let mut waiting = VecDeque::from([(first, 0, 0)]);
    let mut searched = Searched { whole: true, ..Searched::default() };
    while let Some((state, at, depth)) = waiting.pop_front() {
        searched.depth = depth;
        if let Err(why) = model.judge(&state) {
            searched.counterexample = Some(Counterexample { why, actions: told(model, &ways, at, None) });
            break;
        }
        for action in model.actions(&state) {
            searched.steps += 1;
            match model.next(&state, &action) {
                Err(why) => {
                    let actions = told(model, &ways, at, Some(&action));
                    searched.counterexample = Some(Counterexample { why, actions });
                    searched.states = known.len();
                    return searched;
                }
                Ok(Some(next)) if known.len() >= most => searched.whole &= known.contains(&fingerprint(&next)),
                Ok(Some(next)) => {
                    if known.insert(fingerprint(&next)) {
                        ways.push(Some((at, action)));
                        waiting.push_back((next, ways.len() - 1, depth + 1));
                    }
                }
                Ok(None) => {}
            }
        }
    }
    searched.states = known.len();
    searched
}

/// Wanders through what is too large to be searched: so many ways of so many steps, by chance, the same ones each time.
pub fn wander<M: Model>(model: &M, ways: u64, steps: usize) -> Searched {
    let mut searched = Searched::default();
    for seed in 1..=ways {
        let mut chance = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let (mut state, mut way) = (model.first(), Vec::new());
        for _ in 0..steps {
            let actions = model.actions(&state);
            if actions.is_empty() {
                break;
            }
            // xorshift64: Marsaglia, 2003.
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            let action = &actions[usize::try_from(chance % actions.len() as u64).unwrap()];
            searched.steps += 1;
            let next = model.next(&state, action).and_then(|next| {
                let next = next.unwrap_or_else(|| state.clone());
                model.judge(&next).map(|()| next)
            });
            way.push(model.tell(action));
            match next {
                Ok(next) => state = next,
                Err(why) => {
                    searched.counterexample = Some(Counterexample { why, actions: way });
                    return searched;
                }
            }
        }
    }
    searched
}

fn told<M: Model>(
    model: &M,
    ways: &[Option<(usize, M::Action)>],
    mut at: usize,
    last: Option<&M::Action>,
) -> Vec<String> {
    let mut actions: Vec<String> = last.iter().map(|action| model.tell(action)).collect();
    while let Some((before, action)) = &ways[at] {
        actions.push(model.tell(action));
        at = *before;
    }
    actions.reverse();
    actions
}
