//! Whether a place takes requests, by what became of those before.
//!
//! A gate closes when the far end sets a rate limit or asks to wait, when it
//! rejects the credential or forbids everything, and when it fails again and
//! again; what closed it tells for how long. Then one request goes through as
//! a probe, and the gate opens or closes again by what comes of it.
//!
//! Failures are counted by pieces of work, and not by requests: a single record
//! that makes the far end stumble, however often it is tried, is that record's
//! trouble. Five different ones in a row without a success between them are the
//! far end's. A share of failures is not looked at: where every other request
//! succeeds, trying again gets through, and a closed gate would only keep the
//! other half from working too.

use crate::backoff::doubling;
use crate::backoff::full_jitter;
use serde::Deserialize;
use serde::Serialize;

/// A far end is obeyed up to two hours.
pub(crate) const LONGEST_OBEDIENCE_MS: u64 = 2 * 3600 * 1000;
/// So far apart the clocks of gateways of one store may be.
const CLOCKS_DIFFER_MS: u64 = 300_000;
/// So many different pieces of work in a row close a gate.
const FAILURES: usize = 5;
const SHORTEST_HOLD_MS: u64 = 1000;
/// Of a rejected credential. An account that is locked, or a password that was
/// changed over there, is noticed so late at most; a day makes 123 log-ins.
const REJECTED_MS: (u64, u64) = (60_000, 720_000);
const FAILING_MS: (u64, u64) = (30_000, 300_000);
const LIMITED_MS: (u64, u64) = (1000, 300_000);

/// What a request taught about a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lesson {
    /// It works, whatever it thought of the request.
    Works,
    /// It sets a rate limit, until then if it said so.
    Limits { until_ms: Option<u64> },
    /// It is unavailable, and says until when.
    AsksToWait { until_ms: u64 },
    /// It rejects the credential.
    Rejects,
    /// It knows the credential and forbids what was asked.
    Forbids,
    /// It failed, or did not answer; how.
    Fails(String),
}

/// Why a gate is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Why {
    Limited,
    AskedToWait,
    Rejected,
    Forbidden,
    Failing,
}

impl Why {
    pub(crate) const ALL: [Self; 5] = [
        Self::Limited,
        Self::AskedToWait,
        Self::Rejected,
        Self::Forbidden,
        Self::Failing,
    ];

    /// As a label of a metric.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Limited => "limited",
            Self::AskedToWait => "asked-to-wait",
            Self::Rejected => "rejected",
            Self::Forbidden => "forbidden",
            Self::Failing => "failing",
        }
    }

    /// Whether another secret may change it.
    pub(crate) fn is_about_the_credential(self) -> bool {
        matches!(self, Self::Rejected | Self::Forbidden)
    }
}

/// A gate that is closed. All times are Unix time in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Closed {
    pub(crate) why: Why,
    /// For operators.
    pub(crate) reason: String,
    pub(crate) since: u64,
    pub(crate) until: u64,
    /// When the far end was asked last.
    pub(crate) asked: u64,
    /// How often it closed for this in a row.
    times: u32,
    /// Which gateway has sent a probe, and until when it may be out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) probe: Option<Probe>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Probe {
    pub(crate) by: String,
    pub(crate) until: u64,
}

#[derive(Default)]
pub(crate) struct Gate {
    pub(crate) closed: Option<Closed>,
    /// The pieces of work that failed, and that were forbidden, since the last
    /// success.
    failed: Vec<String>,
    forbidden: Vec<String>,
}

impl Closed {
    /// Whether it is still too early for a probe. One that closed minutes from now, or is
    /// to hold for more than the two hours that any may, was closed by a clock that is
    /// ahead, or was set back since: it holds nothing.
    pub(crate) fn holds(&self, now_ms: u64) -> bool {
        let left_ms = self.until.saturating_sub(now_ms);
        left_ms > 0 && left_ms <= LONGEST_OBEDIENCE_MS && !self.is_from_ahead(now_ms)
    }

    /// Whether it was closed by a clock that is ahead, or was then.
    pub(crate) fn is_from_ahead(&self, now_ms: u64) -> bool {
        self.asked > now_ms + CLOCKS_DIFFER_MS
    }

    /// A process that starts asks a little sooner, since its secret may be
    /// another one than before: a minute after the far end was asked last.
    pub(crate) fn at_a_start(mut self) -> Self {
        if self.why.is_about_the_credential() {
            self.until = self.until.min(self.asked + REJECTED_MS.0);
        }
        self
    }
}

impl Gate {
    /// Takes a lesson, and tells whether that closed the gate, longer than
    /// before perhaps, or opened it.
    pub(crate) fn learn(
        &mut self,
        lesson: &Lesson,
        work: &str,
        probe: bool,
        now_ms: u64,
        random: u64,
    ) -> bool {
        // Requests that went out before the gate closed come back after. They
        // all tell of the same event, and must not make it look like several;
        // nor may one of them that still went well open the gate.
        if !probe && let Some(closed) = &mut self.closed {
            if let Lesson::Limits {
                until_ms: Some(until_ms),
            }
            | Lesson::AsksToWait { until_ms } = lesson
            {
                let until_ms = (*until_ms).min(now_ms + LONGEST_OBEDIENCE_MS);
                let longer = until_ms > closed.until;
                closed.until = closed.until.max(until_ms);
                return longer;
            }
            return false;
        }
        let obeyed = |until_ms: u64| {
            until_ms.clamp(now_ms + SHORTEST_HOLD_MS, now_ms + LONGEST_OBEDIENCE_MS)
        };
        let growing =
            |times: u32, (base_ms, cap_ms): (u64, u64)| now_ms + doubling(times, base_ms, cap_ms);
        match lesson {
            Lesson::Works => return self.open(),
            Lesson::Limits { until_ms } => self.close(Why::Limited, now_ms, |times| {
                let (base_ms, cap_ms) = LIMITED_MS;
                let jittered = now_ms + full_jitter(times, base_ms, cap_ms, random);
                let reason = "the far end sets a rate limit (429)".to_owned();
                (obeyed(until_ms.unwrap_or(jittered)), reason)
            }),
            Lesson::AsksToWait { until_ms } => self.close(Why::AskedToWait, now_ms, |_| {
                let reason = "the far end is unavailable and says until when (503)".to_owned();
                (obeyed(*until_ms), reason)
            }),
            Lesson::Rejects => self.close(Why::Rejected, now_ms, |times| {
                let reason = "the far end rejects the credential (401); check its secret";
                (growing(times, REJECTED_MS), reason.to_owned())
            }),
            Lesson::Forbids => {
                let again = self.was(Why::Forbidden);
                // It answers, so it is not failing.
                self.failed.clear();
                let opened = !again && self.closed.take().is_some();
                note(&mut self.forbidden, work);
                if self.forbidden.len() < FAILURES && !again {
                    return opened;
                }
                self.close(Why::Forbidden, now_ms, |times| {
                    let reason = "the far end forbids everything (403); check the rights of the \
                                  credential's user";
                    (growing(times, REJECTED_MS), reason.to_owned())
                });
            }
            Lesson::Fails(how) => {
                self.forbidden.clear();
                note(&mut self.failed, work);
                if self.failed.len() < FAILURES && !probe {
                    return false;
                }
                self.close(Why::Failing, now_ms, |times| {
                    let reason = format!("the far end fails again and again; the last time: {how}");
                    (growing(times, FAILING_MS), reason)
                });
            }
        }
        true
    }

    fn was(&self, why: Why) -> bool {
        self.closed.as_ref().is_some_and(|closed| closed.why == why)
    }

    pub(crate) fn open(&mut self) -> bool {
        self.failed.clear();
        self.forbidden.clear();
        self.closed.take().is_some()
    }

    fn close(&mut self, why: Why, now_ms: u64, until: impl FnOnce(u32) -> (u64, String)) {
        self.failed.clear();
        self.forbidden.clear();
        let before = self.closed.take();
        let same = before.as_ref().filter(|closed| closed.why == why);
        let times = same.map_or(0, |closed| closed.times).saturating_add(1);
        let (until, reason) = until(times);
        self.closed = Some(Closed {
            why,
            reason,
            since: before.map_or(now_ms, |closed| closed.since),
            until,
            asked: now_ms,
            times,
            probe: None,
        });
    }
}

/// Adds a piece of work, once.
fn note(pieces: &mut Vec<String>, work: &str) {
    if !pieces.iter().any(|piece| piece == work) {
        pieces.push(work.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn fails() -> Lesson {
        Lesson::Fails("it answered 500".to_owned())
    }

    /// Probes again and again, and returns how many seconds it held each time.
    fn holds(lesson: &Lesson, count: usize) -> Vec<u64> {
        let mut gate = Gate::default();
        let mut now = NOW;
        let mut delays = Vec::new();
        for _ in 0..count {
            gate.learn(lesson, "pair", true, now, u64::MAX);
            let until = gate.closed.as_ref().unwrap().until;
            delays.push((until - now) / 1000);
            now = until;
        }
        delays
    }

    fn taught(lessons: &[(Lesson, &str)]) -> Gate {
        let mut gate = Gate::default();
        for (lesson, work) in lessons {
            gate.learn(lesson, work, false, NOW, u64::MAX);
        }
        gate
    }

    #[test]
    fn a_rate_limit_is_obeyed_to_the_millisecond() {
        let until_ms = Some(NOW + 5000);
        let gate = taught(&[(Lesson::Limits { until_ms }, "a")]);
        let closed = gate.closed.unwrap();
        assert!(closed.holds(NOW + 4999));
        assert!(!closed.holds(NOW + 5000));
    }

    #[test]
    fn holds_grow_up_to_a_cap() {
        let limit = Lesson::Limits { until_ms: None };
        assert_eq!(
            holds(&limit, 11),
            [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
        );
        let rejected = [60, 120, 240, 480, 720, 720];
        assert_eq!(holds(&Lesson::Rejects, 6), rejected);
        assert_eq!(holds(&fails(), 6), [30, 60, 120, 240, 300, 300]);
    }

    #[test]
    fn a_far_end_is_not_obeyed_for_ever_nor_for_less_than_a_second() {
        for (asked, held) in [
            (u64::MAX, 7_200_000),
            (NOW + 7_200_001, 7_200_000),
            (NOW, 1000),
            (0, 1000),
        ] {
            for lesson in [
                Lesson::Limits {
                    until_ms: Some(asked),
                },
                Lesson::AsksToWait { until_ms: asked },
            ] {
                let closed = taught(&[(lesson, "a")]).closed.unwrap();
                assert_eq!(closed.until, NOW + held, "{asked}");
            }
        }
    }

    #[test]
    fn five_pieces_of_work_that_fail_in_a_row_close_it_and_four_do_not() {
        let four = ["a", "b", "c", "d"].map(|work| (fails(), work));
        assert_eq!(taught(&four).closed, None);
        let works = [(Lesson::Works, "x")];
        assert_eq!(taught(&[&four[..], &works, &four].concat()).closed, None);
        let gate = taught(&[&four[..], &[(fails(), "e")]].concat());
        let closed = gate.closed.unwrap();
        assert_eq!(closed.until, NOW + 30_000);
        assert!(closed.reason.ends_with("it answered 500"));
    }

    #[test]
    fn one_piece_of_work_that_always_fails_closes_nothing() {
        let poison: Vec<_> = (0..100).map(|_| (fails(), "poison")).collect();
        assert_eq!(taught(&poison).closed, None);
    }

    #[test]
    fn five_pieces_of_work_that_are_forbidden_in_a_row_close_it() {
        let forbidden = ["a", "b", "c", "d", "e"].map(|work| (Lesson::Forbids, work));
        assert_eq!(taught(&forbidden[..4]).closed, None);
        let mut between = forbidden.to_vec();
        between.insert(3, (Lesson::Works, "f"));
        assert_eq!(taught(&between).closed, None);
        let gate = taught(&forbidden);
        assert_eq!(gate.closed.unwrap().why, Why::Forbidden);
    }

    #[test]
    fn a_probe_that_is_forbidden_shows_that_it_neither_fails_nor_rejects() {
        for lesson in [Lesson::Rejects, Lesson::Limits { until_ms: None }] {
            let mut gate = taught(&[(lesson, "a")]);
            assert!(gate.learn(&Lesson::Forbids, "a", true, NOW, 0));
            assert_eq!(gate.closed, None);
        }
        let mut gate = taught(&["a", "b", "c", "d", "e"].map(|work| (Lesson::Forbids, work)));
        gate.learn(&Lesson::Forbids, "a", true, NOW, 0);
        assert_eq!(gate.closed.unwrap().until, NOW + 120_000);
    }

    #[test]
    fn answers_that_were_under_way_when_it_closed_neither_lengthen_nor_open() {
        let late = [Lesson::Rejects, fails(), Lesson::Works].map(|lesson| (lesson, "late"));
        let gate = taught(&[&[(Lesson::Rejects, "a")], &late[..], &late].concat());
        assert_eq!(gate.closed.unwrap().until, NOW + 60_000);
        // Unless they bring a time: then the latest counts.
        let until_ms = Some(NOW + 300_000);
        let limit = (Lesson::Limits { until_ms }, "late");
        let gate = taught(&[(Lesson::Rejects, "a"), limit]);
        assert_eq!(gate.closed.unwrap().until, NOW + 300_000);
    }

    #[test]
    fn a_clock_that_is_set_back_holds_nothing() {
        let closed = taught(&[(Lesson::Rejects, "a")]).closed.unwrap();
        assert!(!closed.holds(NOW - 86_400_000));
        assert!(!closed.holds(NOW - 3_600_000));
        // Gateways of one store agree to some minutes only.
        assert!(closed.holds(NOW - 300_000));
    }
}
