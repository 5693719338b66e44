//! Chance out of a seed. What happens to a request is drawn from its own numbers and not from a common stream: so every strategy meets
//! the same weather, whatever it does in between.

/// The finaliser of splitmix64 (Steele, Lea and Flood, OOPSLA 2014).
#[must_use]
pub fn mix(seed: u64, number: u64) -> u64 {
    let mut mixed = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Numbers of one thing that happens.
#[derive(Clone, Copy, Debug)]
pub struct Dice(u64);

impl Dice {
    #[must_use]
    pub fn new(seed: u64, of: &[u64]) -> Self {
        Self(of.iter().fold(seed, |seed, number| mix(seed, *number)))
    }

    /// From 0 up to, but not, 1.
    #[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub fn roll(&mut self) -> f64 {
        self.0 = mix(self.0, 1);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn chance(&mut self, of: f64) -> bool {
        self.roll() < of
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "small")]
    pub fn below(&mut self, count: usize) -> usize {
        ((self.roll() * count as f64) as usize).min(count - 1)
    }

    /// One of a list, as often as its weight says.
    pub fn weighted(&mut self, weights: impl Iterator<Item = f64> + Clone) -> usize {
        let mut left = self.roll() * weights.clone().sum::<f64>();
        let found = weights.clone().position(|weight| {
            left -= weight;
            left < 0.0
        });
        found.unwrap_or_else(|| weights.count() - 1)
    }

    /// Exponential, with mean 1.
    pub fn exponential(&mut self) -> f64 {
        -(1.0 - self.roll()).ln()
    }

    /// Log-normal: half of them below 1. The larger `spread`, the longer the tail: the 99th percentile is `exp(2.33 * spread)`.
    pub fn log_normal(&mut self, spread: f64) -> f64 {
        let (one, other) = (self.roll(), self.roll());
        let normal = (-2.0 * (1.0 - one).ln()).sqrt() * (std::f64::consts::TAU * other).cos();
        (normal * spread).exp()
    }
}

/// Ranks by Zipf's law: the `n`-th is drawn as often as `1 / n^exponent` says.
#[derive(Clone, Debug)]
pub struct Zipf(Vec<f64>);

impl Zipf {
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "small")]
    pub fn new(count: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let upto = (1..=count).map(|rank| {
            sum += (rank as f64).powf(-exponent);
            sum
        });
        Self(upto.collect())
    }

    pub fn draw(&self, dice: &mut Dice) -> usize {
        let wanted = dice.roll() * self.0.last().copied().unwrap_or_default();
        self.0.partition_point(|upto| *upto <= wanted).min(self.0.len() - 1)
    }
}
