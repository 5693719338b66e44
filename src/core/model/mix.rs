//! Two small hashes that are the same in every isolate and every version of this program. Neither withstands anybody who chooses what
//! is hashed: they spread, no more.

/// FNV-1a in 64 bits (Fowler, Noll, Vo; RFC 9923 section 6).
#[must_use]
pub fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// The last step of `SplitMix64` (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014): every bit that goes in
/// counts for every bit that comes out, and no two numbers give the same.
#[must_use]
pub fn mix(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_give_what_their_authors_publish() {
        assert_eq!(
            [&b""[..], b"a", b"foobar"].map(fnv),
            [0xcbf2_9ce4_8422_2325, 0xaf63_dc4c_8601_ec8c, 0x8594_4171_f739_67e8]
        );
        // The first number of SplitMix64 from the seed 0.
        assert_eq!(mix(0x9e37_79b9_7f4a_7c15), 0xe220_a839_7b1d_cdaf);
    }
}
