//! The trace: who asks for what, and how long everybody thinks in between. It is made once by its seed, and every strategy plays the same
//! one. Nobody asks while waiting for an answer, so when exactly a request leaves depends on how long the answers before it took.

use crate::{
    HOUR, MINUTE, SECOND,
    chance::{Dice, Zipf, mix},
    earth::{CITIES, scaled},
};

/// What a key of a user is: a cart, a profile, settings.
pub const KEYS_OF_USER: u32 = 3;
/// Pages that everybody shares.
pub const PAGES: u32 = 2000;
/// The share of requests that are about the user's own data. Assumed.
pub const PERSONAL: f64 = 0.55;
/// The share of writes among requests about own data, and among those about pages. Assumed; one request in seven writes.
const PERSONAL_WRITES: f64 = 0.22;
const PAGE_WRITES: f64 = 0.04;
/// After a write that was answered the client looks at what it wrote, so often: the redirect after a POST.
const LOOKS_AGAIN: f64 = 0.8;
/// Think time is exponential with a mean of seven seconds and ends at ten times that (TPC-W specification, clause 5.3.1).
const THINKS: u64 = 7 * SECOND;
/// Requests of one visit, on average.
const VISIT: f64 = 12.0;
/// How unequal pages are: web requests follow Zipf's law with exponents of 0.64 to 0.83 (Breslau et al., INFOCOM 1999).
const ZIPF: f64 = 0.8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// How long the client thinks before it.
    pub think: u64,
    pub key: u32,
    pub write: bool,
    /// The redirect after a write; there is none after one that failed.
    pub follows: bool,
}

/// A client comes, does some things, and goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    pub at: u64,
    pub client: u32,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub struct Trace {
    pub seed: u64,
    /// The city of each client. A client is one user in one browser.
    pub clients: Vec<usize>,
    /// In the order of their times.
    pub visits: Vec<Visit>,
}

/// How much there is of it.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub clients: u32,
    /// Visits from midnight to midnight.
    pub visits: u32,
}

/// Whose key that is; nobody's if it is of a page.
#[must_use]
pub fn user_of(key: u32) -> Option<u32> {
    key.checked_sub(PAGES).map(|key| key / KEYS_OF_USER)
}

impl Trace {
    #[must_use]
    pub fn new(seed: u64, size: Size) -> Self {
        let mut dice = Dice::new(seed, &[1]);
        let shares = CITIES.iter().map(|city| city.share);
        let clients: Vec<usize> = (0..size.clients).map(|_| dice.weighted(shares.clone())).collect();
        let mut of_city: Vec<Vec<u32>> = vec![Vec::new(); CITIES.len()];
        (0..size.clients).zip(&clients).for_each(|(client, city)| of_city[*city].push(client));
        let pages = Zipf::new(PAGES as usize, ZIPF);
        let users: Vec<Zipf> = of_city.iter().map(|of| Zipf::new(of.len(), ZIPF)).collect();
        let mut visits: Vec<Visit> = (0..size.visits)
            .map(|number| {
                let mut dice = Dice::new(seed, &[2, number.into()]);
                let (at, city) = a_time(&mut dice);
                let client = of_city[city][users[city].draw(&mut dice)];
                Visit { at, client, steps: steps(client, &pages, &mut dice) }
            })
            .collect();
        visits.sort_by_key(|visit| (visit.at, visit.client));
        Self { seed, clients, visits }
    }

    /// The visits that begin within that time.
    #[must_use]
    pub fn within(&self, from: u64, until: u64) -> Self {
        let visits = self.visits.iter().filter(|visit| (from..until).contains(&visit.at)).cloned().collect();
        Self { seed: self.seed, clients: self.clients.clone(), visits }
    }

    #[must_use]
    pub fn requests(&self) -> usize {
        self.visits.iter().map(|visit| visit.steps.len()).sum()
    }

    /// What tells one trace from another.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let steps = self.visits.iter().flat_map(|visit| visit.steps.iter().map(move |step| (visit, step)));
        steps.fold(self.seed, |sum, (visit, Step { think, key, write, .. })| {
            [visit.at, visit.client.into(), *think, (*key).into(), (*write).into()].into_iter().fold(sum, mix)
        })
    }
}

/// When a visit begins and in which city, by how busy each is.
fn a_time(dice: &mut Dice) -> (u64, usize) {
    loop {
        let at = scaled(24 * HOUR, dice.roll()) / SECOND * SECOND;
        let city = dice.weighted(CITIES.iter().map(|city| city.share));
        if dice.chance(CITIES[city].busy(at)) {
            return (at + scaled(SECOND, dice.roll()), city);
        }
    }
}

fn steps(client: u32, pages: &Zipf, dice: &mut Dice) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    while steps.is_empty() || (dice.chance(1.0 - 1.0 / VISIT) && steps.len() < 100) {
        let key = a_key(client, pages, dice);
        let writes = if key < PAGES { PAGE_WRITES } else { PERSONAL_WRITES };
        let write = dice.chance(writes);
        let think = scaled(THINKS, dice.exponential()).min(10 * THINKS);
        steps.push(Step { think: if steps.is_empty() { 0 } else { think }, key, write, follows: false });
        if write && dice.chance(LOOKS_AGAIN) {
            // The browser follows a redirect at once.
            steps.push(Step { think: 10_000, key, write: false, follows: true });
        }
    }
    steps
}

fn a_key(client: u32, pages: &Zipf, dice: &mut Dice) -> u32 {
    if dice.chance(PERSONAL) {
        PAGES + client * KEYS_OF_USER + u32::try_from(dice.below(KEYS_OF_USER as usize)).unwrap()
    } else {
        u32::try_from(pages.draw(dice)).unwrap()
    }
}

/// Nobody visits for longer.
pub const LONGEST_VISIT: u64 = 30 * MINUTE;
