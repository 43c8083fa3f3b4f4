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
    /// When the last one was made, or undone.
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
        self.recover(now_ms);
        if self.settings != *settings {
            self.settings = settings.clone();
            // A line that stood at a slower pace shall not last.
            let longest_us = now_ms * 1000 + self.burst_us() + self.interval_us();
            self.free_us = self.free_us.min(longest_us);
            self.expected_us = self.expected_us.min(longest_us);
        }
        if self.under_way >= self.settings.at_once {
            return Step::Full;
        }
        let wait_ms = self.wait_us(self.free_us, now_ms).div_ceil(1000);
        if wait_ms > patience_ms {
            return Step::TooLong { wait_ms };
        }
        self.free_us = self.free_us.max(now_ms * 1000) + self.interval_us();
        self.under_way += 1;
        Step::Go { wait_ms }
    }

    /// A request that goes whatever the line.
    pub(crate) fn jump_the_line(&mut self, now_ms: u64) {
        self.recover(now_ms);
        self.free_us = self.free_us.max(now_ms * 1000) + self.interval_us();
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
        self.recover(now_ms);
        let line_us = self.expected_us.max(self.free_us);
        let wait_ms = self.wait_us(line_us, now_ms).div_ceil(1000);
        if wait_ms > SHORT_LINE_MS {
            return Err(wait_ms - SHORT_LINE_MS);
        }
        self.expected_us = line_us.max(now_ms * 1000) + self.interval_us();
        Ok(())
    }

    /// The far end has set a rate limit.
    pub(crate) fn halve(&mut self, now_ms: u64) {
        self.recover(now_ms);
        self.halvings = (self.halvings + 1).min(MOST_HALVINGS);
        self.halved_ms = now_ms;
        let empty_us = now_ms * 1000 + self.burst_us();
        self.free_us = self.free_us.max(empty_us);
    }

    /// Undoes the halvings whose time is over. The burst is as many requests as
    /// before, at twice the rate: so what is taken of it takes half as long to come
    /// back, and whoever waits behind it does not wait longer than before.
    fn recover(&mut self, now_ms: u64) {
        while self.halvings > 0 && now_ms.saturating_sub(self.halved_ms) >= RECOVERY_MS {
            self.halved_ms += RECOVERY_MS;
            let (at_us, burst_us) = (self.halved_ms * 1000, self.burst_us());
            for line_us in [&mut self.free_us, &mut self.expected_us] {
                *line_us -= line_us.saturating_sub(at_us).min(burst_us) / 2;
            }
            self.halvings -= 1;
        }
    }

    fn wait_us(&self, free_us: u64, now_ms: u64) -> u64 {
        free_us
            .saturating_sub(self.burst_us())
            .saturating_sub(now_ms * 1000)
    }

    fn burst_us(&self) -> u64 {
        u64::from(self.settings.burst.saturating_sub(1)) * self.interval_us()
    }

    fn interval_us(&self) -> u64 {
        let interval_us = MINUTE_US / u64::from(self.settings.per_minute.max(1));
        interval_us << self.halvings
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
        let intervals = [70_000, 130_000, 190_000, 310_000].map(|ms| {
            pace.recover(ms);
            pace.interval_us()
        });
        assert_eq!(intervals, [1_600_000, 800_000, 400_000, 100_000]);
    }

    #[test]
    fn while_the_rate_comes_back_nobody_waits_longer_than_at_the_rate_before() {
        let settings = PaceSettings {
            per_minute: 300,
            burst: 30,
            at_once: 1,
        };
        let mut pace = Pace {
            settings: settings.clone(),
            ..Pace::default()
        };
        for _ in 0..4 {
            pace.halve(0);
        }
        let (mut now_ms, mut in_minute) = (0, [0; 6]);
        // The next place was found when the last one was taken.
        let mut longest_ms = 0;
        while let Step::Go { wait_ms } = pace.step(&settings, now_ms, u64::MAX) {
            assert!(wait_ms <= longest_ms, "{wait_ms} ms at {now_ms}");
            longest_ms = pace.interval_us() / 1000;
            pace.ended();
            now_ms += wait_ms;
            let Some(went) = in_minute.get_mut(now_ms as usize / 60_000) else {
                break;
            };
            *went += 1;
        }
        assert_eq!(in_minute, [19, 36, 74, 149, 299, 300]);
    }

    #[test]
    fn what_was_taken_of_the_burst_comes_back_at_the_rate_of_the_time() {
        let mut pace = Pace::default();
        waits(&mut pace, 1, 0);
        pace.halve(0);
        // It is whole again after 200 ms, of which half have passed at the end of
        // the minute; 50 ms are left, and then each takes 100 ms.
        assert_eq!(waits(&mut pace, 1, 59_900), [0]);
        assert_eq!(waits(&mut pace, 4, 60_000), [0, 0, 50, 150]);
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
