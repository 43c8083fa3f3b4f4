//! How fast requests go to one place, however many want to.
//!
//! Requests stand in one line: each takes the next moment that the rate leaves
//! free, so whoever comes first is served first. A quiet account has a burst
//! in hand and nobody waits. After a rate limit the burst is gone and the rate
//! is halved, down to a sixteenth; each minute without one doubles it again.
//!
//! Everything is measured on the steady clock, so a clock that is set has no
//! effect on it.

use crate::settings::PaceSettings;

/// A rate limit halves the rate so often, at most.
const MOST_HALVINGS: u32 = 4;
/// After so long without a rate limit, one halving is undone.
const RECOVERY_MS: u64 = 60_000;
/// Work that waits for its turn is taken up when the line is shorter.
const SHORT_LINE_MS: u64 = 1000;
/// While too many requests are under way, look again after this.
const FULL_MS: u64 = 200;
const MINUTE_US: u64 = 60_000_000;

#[derive(Default)]
pub(crate) struct Pace {
    settings: PaceSettings,
    /// When the next request would go if there were no burst, in microseconds.
    free_us: u64,
    /// The same, with the work that was taken up since.
    expected_us: u64,
    under_way: u32,
    halvings: u32,
    halved_ms: u64,
}

/// What a request hears that wants to go.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It may, after so many milliseconds.
    Go { wait_ms: u64 },
    /// Too many are under way.
    Full,
    /// The line is longer than it is willing to wait.
    TooLong { wait_ms: u64 },
}

impl Pace {
    /// Asks to send one request. Whoever may go reports back with
    /// [`ended`](Self::ended).
    pub(crate) fn step(&mut self, settings: &PaceSettings, now_ms: u64, patience_ms: u64) -> Step {
        if self.settings != *settings {
            self.settings = settings.clone();
            // A line that stood at a slower pace shall not last.
            let longest_us = now_ms * 1000 + self.burst_us(now_ms) + self.interval_us(now_ms);
            self.free_us = self.free_us.min(longest_us);
            self.expected_us = self.expected_us.min(longest_us);
        }
        if self.under_way >= self.settings.at_once {
            return Step::Full;
        }
        let interval_us = self.interval_us(now_ms);
        let wait_ms = self.wait_us(self.free_us, now_ms).div_ceil(1000);
        if wait_ms > patience_ms {
            return Step::TooLong { wait_ms };
        }
        self.free_us = self.free_us.max(now_ms * 1000) + interval_us;
        self.under_way += 1;
        Step::Go { wait_ms }
    }

    /// A request that goes whatever the line.
    pub(crate) fn jump_the_line(&mut self, now_ms: u64) {
        self.free_us = self.free_us.max(now_ms * 1000) + self.interval_us(now_ms);
        self.under_way += 1;
    }

    pub(crate) fn ended(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// Whether to take up work that waits for this place; if not, how many
    /// milliseconds to wait.
    pub(crate) fn admit(&mut self, now_ms: u64) -> Result<(), u64> {
        if self.under_way >= self.settings.at_once {
            return Err(FULL_MS);
        }
        let line_us = self.expected_us.max(self.free_us);
        let wait_ms = self.wait_us(line_us, now_ms).div_ceil(1000);
        if wait_ms > SHORT_LINE_MS {
            return Err(wait_ms - SHORT_LINE_MS);
        }
        self.expected_us = line_us.max(now_ms * 1000) + self.interval_us(now_ms);
        Ok(())
    }

    /// The far end has set a rate limit.
    pub(crate) fn halve(&mut self, now_ms: u64) {
        self.halvings = (self.halvings_at(now_ms) + 1).min(MOST_HALVINGS);
        self.halved_ms = now_ms;
        let empty_us = now_ms * 1000 + self.burst_us(now_ms);
        self.free_us = self.free_us.max(empty_us);
    }

    fn wait_us(&self, free_us: u64, now_ms: u64) -> u64 {
        free_us
            .saturating_sub(self.burst_us(now_ms))
            .saturating_sub(now_ms * 1000)
    }

    fn burst_us(&self, now_ms: u64) -> u64 {
        u64::from(self.settings.burst.saturating_sub(1)) * self.interval_us(now_ms)
    }

    fn interval_us(&self, now_ms: u64) -> u64 {
        let interval_us = MINUTE_US / u64::from(self.settings.per_minute.max(1));
        interval_us << self.halvings_at(now_ms)
    }

    fn halvings_at(&self, now_ms: u64) -> u32 {
        let undone = now_ms.saturating_sub(self.halved_ms) / RECOVERY_MS;
        let undone = u32::try_from(undone).unwrap_or(u32::MAX);
        self.halvings.saturating_sub(undone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: PaceSettings = PaceSettings {
        per_minute: 600,
        burst: 3,
        at_once: 100,
    };

    fn waits(pace: &mut Pace, count: usize, now_ms: u64) -> Vec<u64> {
        let mut wait = || match pace.step(&SETTINGS, now_ms, u64::MAX) {
            Step::Go { wait_ms } => wait_ms,
            other => panic!("{other:?}"),
        };
        (0..count).map(|_| wait()).collect()
    }

    #[test]
    fn a_burst_goes_at_once_and_the_rest_in_line() {
        let mut pace = Pace::default();
        assert_eq!(waits(&mut pace, 6, 5000), [0, 0, 0, 100, 200, 300]);
        // The line goes on where it ended, and the burst comes back with time.
        assert_eq!(waits(&mut pace, 1, 5200), [200]);
        assert_eq!(waits(&mut pace, 4, 9000), [0, 0, 0, 100]);
    }

    #[test]
    fn whoever_does_not_want_to_wait_takes_no_place_in_the_line() {
        let mut pace = Pace::default();
        waits(&mut pace, 4, 0);
        for _ in 0..3 {
            let step = pace.step(&SETTINGS, 0, 150);
            assert_eq!(step, Step::TooLong { wait_ms: 200 });
        }
        assert_eq!(waits(&mut pace, 1, 0), [200]);
    }

    #[test]
    fn only_so_many_are_under_way_at_a_time() {
        let settings = PaceSettings {
            at_once: 2,
            ..SETTINGS
        };
        let mut pace = Pace::default();
        for _ in 0..2 {
            assert_eq!(pace.step(&settings, 0, 0), Step::Go { wait_ms: 0 });
        }
        assert_eq!(pace.step(&settings, 0, 0), Step::Full);
        pace.ended();
        assert_eq!(pace.step(&settings, 0, 0), Step::Go { wait_ms: 0 });
    }

    #[test]
    fn a_rate_limit_halves_the_rate_and_minutes_without_one_restore_it() {
        let mut pace = Pace::default();
        waits(&mut pace, 1, 0);
        pace.halve(0);
        assert_eq!(waits(&mut pace, 3, 0), [0, 200, 400]);
        assert_eq!(waits(&mut pace, 4, 60_000), [0, 0, 0, 100]);
        for _ in 0..9 {
            pace.halve(70_000);
        }
        let intervals = [70_000, 130_000, 190_000, 310_000].map(|ms| pace.interval_us(ms));
        assert_eq!(intervals, [1_600_000, 800_000, 400_000, 100_000]);
    }

    #[test]
    fn work_is_taken_up_no_faster_than_the_rate() {
        let mut pace = Pace::default();
        waits(&mut pace, 1, 0);
        let taken = (0..100).take_while(|_| pace.admit(0).is_ok()).count();
        // The burst that is left, and a second's worth of line.
        assert_eq!(taken, 12);
        assert_eq!(pace.admit(0), Err(100));
        assert_eq!(pace.admit(100), Ok(()));
    }
}
