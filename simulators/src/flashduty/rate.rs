//! The rate limit of the Open API, counted over sliding windows.

use std::collections::VecDeque;

use super::options::RateLimit;

const SECOND_MS: u64 = 1000;
const MINUTE_MS: u64 = 60_000;

/// The calls of the last minute.
#[derive(Clone, Debug, Default)]
pub(super) struct RecentCalls {
    times: VecDeque<u64>,
}

impl RecentCalls {
    /// Counts a call, or tells after how many seconds to try again. Refused
    /// calls do not count.
    pub(super) fn admit(&mut self, limit: RateLimit, now_ms: u64) -> Result<(), u64> {
        while self
            .times
            .front()
            .is_some_and(|time| time + MINUTE_MS <= now_ms)
        {
            self.times.pop_front();
        }
        let in_last_second = self
            .times
            .iter()
            .rev()
            .take_while(|time| **time + SECOND_MS > now_ms)
            .count();
        if in_last_second >= limit.per_second {
            return Err(1);
        }
        if self.times.len() >= limit.per_minute {
            let oldest = self.times.front().copied().unwrap_or(now_ms);
            return Err((oldest + MINUTE_MS - now_ms).div_ceil(SECOND_MS));
        }
        self.times.push_back(now_ms);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::RecentCalls;
    use crate::flashduty::options::RateLimit;

    #[test]
    fn the_51st_call_of_a_second_has_to_wait_for_one() {
        let (mut calls, limit) = (RecentCalls::default(), RateLimit::default());
        for _ in 0..50 {
            assert_eq!(calls.admit(limit, 10_000), Ok(()));
        }
        assert_eq!(calls.admit(limit, 10_999), Err(1));
        assert_eq!(calls.admit(limit, 11_000), Ok(()));
    }

    #[test]
    fn the_1001st_call_of_a_minute_waits_for_the_oldest_to_leave() {
        let (mut calls, limit) = (RecentCalls::default(), RateLimit::default());
        for call in 0..1000 {
            assert_eq!(calls.admit(limit, call * 25), Ok(()));
        }
        assert_eq!(calls.admit(limit, 40_000), Err(20));
        assert_eq!(calls.admit(limit, 60_000), Ok(()));
    }
}
