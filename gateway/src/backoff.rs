/// A random delay of up to `base_ms`, doubled for every try after the first,
/// and never beyond `cap_ms`.
///
/// The whole range is random ("full jitter"), since what failed together would
/// otherwise come back together.
pub(crate) fn full_jitter(tries: u32, base_ms: u64, cap_ms: u64, random: u64) -> u64 {
    let longest = doubling(tries, base_ms, cap_ms);
    // The high half of the product is uniform in 0..=longest.
    ((u128::from(random) * (u128::from(longest) + 1)) >> 64) as u64
}

/// `base_ms`, doubled for every try after the first, and at most `cap_ms`.
pub(crate) fn doubling(tries: u32, base_ms: u64, cap_ms: u64) -> u64 {
    let doublings = tries.saturating_sub(1).min(32);
    base_ms.saturating_mul(1 << doublings).min(cap_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_delay_doubles_up_to_the_cap() {
        let longest: Vec<u64> = (0..=12)
            .map(|n| full_jitter(n, 1000, 300_000, u64::MAX))
            .collect();
        assert_eq!(
            longest,
            [
                1000, 1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000,
                300_000, 300_000
            ]
        );
        assert_eq!(full_jitter(u32::MAX, 1000, 300_000, u64::MAX), 300_000);
    }

    #[test]
    fn the_delay_may_be_anything_below() {
        assert_eq!(full_jitter(4, 1000, 300_000, 0), 0);
        assert_eq!(full_jitter(4, 1000, 300_000, u64::MAX / 2), 4000);
    }
}
