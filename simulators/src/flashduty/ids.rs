//! Identifiers that look like the real ones and are the same in every run.
//!
//! Everything comes from a seed and a counter, so a failing test can be
//! repeated. Random decisions (webhook faults) draw from the same source.

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A source of identifiers.
#[derive(Clone, Debug)]
pub(super) struct Ids {
    state: u64,
    machine: u64,
    objects: u64,
}

impl Ids {
    pub(super) fn new(seed: u64) -> Ids {
        let mut ids = Ids {
            state: seed,
            machine: 0,
            objects: 0,
        };
        ids.machine = ids.draw() & 0xff_ffff_ffff;
        ids.objects = ids.draw() & 0x00ff_ffff;
        ids
    }

    /// The next number of the SplitMix64 sequence.
    pub(super) fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 24 hex digits: seconds, machine, counter, as MongoDB makes them.
    pub(super) fn object(&mut self, now_ms: u64) -> String {
        self.objects = (self.objects + 1) & 0x00ff_ffff;
        format!(
            "{:08x}{:010x}{:06x}",
            (now_ms / 1000) & 0xffff_ffff,
            self.machine,
            self.objects
        )
    }

    /// 32 hex digits: the deduplication key of an event.
    pub(super) fn event(&mut self) -> String {
        format!("{:016x}{:016x}", self.draw(), self.draw())
    }

    /// 26 characters, as the ids of requests are.
    pub(super) fn request(&mut self, now_ms: u64) -> String {
        let mut digits = Vec::with_capacity(26);
        for place in (0..10).rev() {
            digits.push(now_ms >> (place * 5));
        }
        for _ in 0..16 {
            digits.push(self.draw());
        }
        digits
            .into_iter()
            .map(|digit| char::from(CROCKFORD[(digit & 31) as usize]))
            .collect()
    }

    /// 22 characters, as the ids of assignments are.
    pub(super) fn short(&mut self) -> String {
        (0..22)
            .map(|_| char::from(CROCKFORD[(self.draw() & 31) as usize]))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Ids;

    #[test]
    fn the_same_seed_gives_the_same_ids() {
        let (mut one, mut other) = (Ids::new(7), Ids::new(7));
        assert_eq!(
            one.object(1_780_300_804_000),
            other.object(1_780_300_804_000)
        );
        assert_eq!(one.event(), other.event());
        assert_ne!(one.event(), Ids::new(8).event());
    }

    #[test]
    fn object_ids_sort_by_age_and_have_24_hex_digits() {
        let mut ids = Ids::new(1);
        let early = ids.object(1_780_300_804_000);
        let late = ids.object(1_780_300_805_000);
        assert!(early < late);
        assert_eq!(early.len(), 24);
        assert_eq!(ids.event().len(), 32);
        assert_eq!(ids.request(1_780_300_804_000).len(), 26);
    }
}
