//! Holds back requests to a place that does not want any right now.
//!
//! There is one gate for each origin and credential. It closes when the far
//! end sets a rate limit, when it rejects the credential, and when it fails
//! again and again; what closed it tells for how long. Then one request goes
//! through as a probe, and the gate opens or closes again by what comes of it.
//! While a gate is closed the plugin is told so and nothing is sent: a far end
//! that locks accounts after a few bad log-ins sees very few.
//!
//! The answer that closed a gate still goes to the plugin as the answer it is.
//! State is in memory: after a restart each gate is open, and learns again
//! from the first answer.

use crate::authentication::header;
use crate::backoff::doubling;
use crate::backoff::full_jitter;
use crate::contract::Headers;
use crate::contract::Hold;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::UNIX_EPOCH;

/// A far end is obeyed up to two hours.
const LONGEST_OBEDIENCE_MS: u64 = 2 * 3600 * 1000;
/// Failures in a row that close a gate.
const FAILURES: u32 = 5;
/// While a probe is out, look again after this.
const PROBE_MS: u64 = 1000;

/// Why a gate is closed whose credential does not hold.
const REJECTED: &str = "the far end rejects the credential (401); check its secret";

/// What a gate guards.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) origin: String,
    pub(crate) credential: Option<String>,
    /// The token endpoint of the credential, and not what the token opens.
    pub(crate) token_endpoint: bool,
}

/// What a request taught about a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lesson {
    /// It works, whatever it thought of the request.
    Works,
    /// It sets a rate limit, until then if it said so.
    Limits { until_ms: Option<u64> },
    /// It rejects the credential.
    Rejects,
    /// It failed, or did not answer.
    Fails,
}

/// A closed gate, for operators.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ClosedGate {
    /// The origin that nothing is sent to.
    pub origin: String,
    /// The credential that nothing is sent with, if requests carry one.
    pub credential: Option<String>,
    /// Until when, in Unix milliseconds; then one request goes as a probe.
    pub until_ms: u64,
    /// Why.
    pub reason: String,
}

#[derive(Default)]
pub(crate) struct Gates(Mutex<BTreeMap<Place, Gate>>);

#[derive(Default)]
struct Gate {
    closed: Option<Hold>,
    probing: bool,
    limits: u32,
    rejections: u32,
    failures: u32,
    openings: u32,
}

/// Leave to send one request. Dropped without a lesson, it teaches nothing.
pub(crate) struct Pass<'a> {
    gates: &'a Gates,
    place: Place,
    probe: bool,
}

impl Gates {
    /// Asks to send one request.
    pub(crate) fn enter(&self, place: Place, now_ms: u64) -> Result<Pass<'_>, Hold> {
        let mut gates = self.lock();
        let gate = gates.entry(place.clone()).or_default();
        if let Some(hold) = &gate.closed {
            // No gate closes for longer, so a longer wait means that the clock
            // was set back: then it is time for a probe.
            let left_ms = hold.until_ms.saturating_sub(now_ms);
            if left_ms > 0 && left_ms <= LONGEST_OBEDIENCE_MS {
                return Err(hold.clone());
            }
            if gate.probing {
                return Err(Hold {
                    until_ms: now_ms + PROBE_MS,
                    reason: format!("{}; a single request is trying again", hold.reason),
                });
            }
            gate.probing = true;
        }
        let probe = gate.probing;
        drop(gates);
        Ok(Pass {
            gates: self,
            place,
            probe,
        })
    }

    /// Gates that are closed. One that waits for its probe is closed still.
    pub(crate) fn closed(&self) -> Vec<ClosedGate> {
        self.lock()
            .iter()
            .filter_map(|(place, gate)| {
                let hold = gate.closed.as_ref()?;
                Some(ClosedGate {
                    origin: place.origin.clone(),
                    credential: place.credential.clone(),
                    until_ms: hold.until_ms,
                    reason: hold.reason.clone(),
                })
            })
            .collect()
    }

    /// Forgets the gates of origins that are not used any more, and those that
    /// are closed because a credential was rejected that has been replaced.
    pub(crate) fn forget(&self, used: impl Fn(&str) -> bool, replaced: impl Fn(&str) -> bool) {
        self.lock().retain(|place, gate| {
            let rejected = gate.closed.as_ref().is_some_and(|c| c.reason == REJECTED);
            let replaced = place.credential.as_deref().is_some_and(&replaced);
            used(&place.origin) && !(rejected && replaced)
        });
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Place, Gate>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// Tells what came of the request, and whether the gate is closed now.
    pub(crate) fn learn(self, lesson: &Lesson, now_ms: u64, random: u64) -> Option<Hold> {
        let mut gates = self.gates.lock();
        let gate = gates.entry(self.place.clone()).or_default();
        gate.learn(lesson, self.probe, now_ms, random);
        gate.closed.clone()
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.gates
                .lock()
                .entry(self.place.clone())
                .or_default()
                .probing = false;
        }
    }
}

impl Gate {
    fn learn(&mut self, lesson: &Lesson, probe: bool, now_ms: u64, random: u64) {
        // Requests that went out before the gate closed come back after. They
        // all tell of the same event, and must not make it look like several;
        // nor may one of them that still went well open the gate.
        if self.closed.is_some() && !probe {
            if let (
                Lesson::Limits {
                    until_ms: Some(until_ms),
                },
                Some(hold),
            ) = (lesson, &mut self.closed)
            {
                let until_ms = (*until_ms).min(now_ms + LONGEST_OBEDIENCE_MS);
                hold.until_ms = hold.until_ms.max(until_ms);
            }
            return;
        }
        let closed = match lesson {
            Lesson::Works => {
                *self = Self::default();
                return;
            }
            Lesson::Limits { until_ms } => {
                self.limits += 1;
                self.failures = 0;
                let until_ms = match until_ms {
                    Some(until_ms) => (*until_ms).min(now_ms + LONGEST_OBEDIENCE_MS),
                    None => now_ms + full_jitter(self.limits, 1000, 300_000, random),
                };
                Hold {
                    until_ms: until_ms.max(now_ms + 1000),
                    reason: "the far end sets a rate limit (429)".to_owned(),
                }
            }
            Lesson::Rejects => {
                self.rejections += 1;
                self.failures = 0;
                Hold {
                    until_ms: now_ms + doubling(self.rejections, 60_000, 600_000),
                    reason: REJECTED.to_owned(),
                }
            }
            Lesson::Fails => {
                self.failures += 1;
                if self.failures < FAILURES && !probe {
                    return;
                }
                self.openings += 1;
                Hold {
                    until_ms: now_ms + doubling(self.openings, 30_000, 300_000),
                    reason: "the far end failed several times in a row".to_owned(),
                }
            }
        };
        self.closed = Some(closed);
    }
}

/// When a far end wants to be asked again, in Unix milliseconds: the header
/// `retry-after` in seconds or as a date, else `x-ratelimit-reset`, which is
/// Unix time in seconds at some far ends and seconds from now at others.
pub(crate) fn retry_at(headers: &Headers, now_ms: u64) -> Option<u64> {
    let after = |seconds: u64| now_ms.saturating_add(seconds.saturating_mul(1000));
    if let Some(value) = header(headers, "retry-after") {
        let value = value.trim();
        if let Ok(seconds) = value.parse() {
            return Some(after(seconds));
        }
        if let Ok(date) = httpdate::parse_http_date(value) {
            let since = date.duration_since(UNIX_EPOCH).unwrap_or_default();
            return u64::try_from(since.as_millis()).ok();
        }
    }
    let reset: u64 = header(headers, "x-ratelimit-reset")?.trim().parse().ok()?;
    const EARLIEST_UNIX_TIME: u64 = 1_000_000_000;
    Some(if reset >= EARLIEST_UNIX_TIME {
        reset.saturating_mul(1000)
    } else {
        after(reset)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn place() -> Place {
        Place {
            origin: "https://a".to_owned(),
            credential: Some("c".to_owned()),
            token_endpoint: false,
        }
    }

    fn try_once(gates: &Gates, lesson: &Lesson, now_ms: u64) {
        gates
            .enter(place(), now_ms)
            .unwrap_or_else(|h| panic!("{h:?}"))
            .learn(lesson, now_ms, u64::MAX);
    }

    fn held_until(gates: &Gates, now_ms: u64) -> Option<u64> {
        gates.enter(place(), now_ms).err().map(|hold| hold.until_ms)
    }

    #[test]
    fn a_rate_limit_is_obeyed_to_the_millisecond_then_probed_once() {
        let gates = Gates::default();
        let limit = Lesson::Limits {
            until_ms: Some(NOW + 5000),
        };
        try_once(&gates, &limit, NOW);
        assert_eq!(held_until(&gates, NOW + 4999), Some(NOW + 5000));
        let probe = gates.enter(place(), NOW + 5000).ok().unwrap();
        assert_eq!(held_until(&gates, NOW + 5001), Some(NOW + 6001));
        probe.learn(&Lesson::Works, NOW + 5002, 0);
        assert_eq!(held_until(&gates, NOW + 5003), None);
        assert_eq!(gates.closed(), []);
    }

    #[test]
    fn a_rate_limit_without_a_time_grows_and_ends_below_five_minutes() {
        let gates = Gates::default();
        let mut now = NOW;
        let mut delays = Vec::new();
        for _ in 0..11 {
            try_once(&gates, &Lesson::Limits { until_ms: None }, now);
            let until = held_until(&gates, now).unwrap();
            delays.push((until - now) / 1000);
            now = until;
        }
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    }

    #[test]
    fn a_far_end_is_not_obeyed_for_ever() {
        let gates = Gates::default();
        try_once(
            &gates,
            &Lesson::Limits {
                until_ms: Some(u64::MAX),
            },
            NOW,
        );
        assert_eq!(held_until(&gates, NOW), Some(NOW + 7_200_000));
    }

    #[test]
    fn a_rejected_credential_is_tried_every_ten_minutes_at_most() {
        let gates = Gates::default();
        let mut now = NOW;
        let mut delays = Vec::new();
        for _ in 0..6 {
            try_once(&gates, &Lesson::Rejects, now);
            let until = held_until(&gates, now).unwrap();
            delays.push((until - now) / 60_000);
            now = until;
        }
        assert_eq!(delays, [1, 2, 4, 8, 10, 10]);
    }

    #[test]
    fn five_failures_in_a_row_close_the_gate_and_four_do_not() {
        let gates = Gates::default();
        for _ in 0..4 {
            try_once(&gates, &Lesson::Fails, NOW);
        }
        try_once(&gates, &Lesson::Works, NOW);
        for _ in 0..4 {
            try_once(&gates, &Lesson::Fails, NOW);
        }
        assert_eq!(held_until(&gates, NOW), None);
        try_once(&gates, &Lesson::Fails, NOW);
        assert_eq!(held_until(&gates, NOW), Some(NOW + 30_000));
        // A probe that fails closes at once, and for longer.
        try_once(&gates, &Lesson::Fails, NOW + 30_000);
        assert_eq!(held_until(&gates, NOW + 30_000), Some(NOW + 90_000));
    }

    #[test]
    fn answers_that_were_under_way_when_it_closed_neither_lengthen_nor_open() {
        let gates = Gates::default();
        let passes: Vec<_> = (0..8)
            .map(|_| gates.enter(place(), NOW).ok().unwrap())
            .collect();
        for pass in passes.into_iter().skip(1) {
            pass.learn(&Lesson::Rejects, NOW, 0);
        }
        assert_eq!(held_until(&gates, NOW), Some(NOW + 60_000));
        let gates = Gates::default();
        let late = gates.enter(place(), NOW).ok().unwrap();
        try_once(&gates, &Lesson::Rejects, NOW);
        late.learn(&Lesson::Works, NOW, 0);
        assert_eq!(held_until(&gates, NOW), Some(NOW + 60_000));
    }

    #[test]
    fn a_probe_that_was_given_up_makes_room_for_another() {
        let gates = Gates::default();
        try_once(&gates, &Lesson::Rejects, NOW);
        drop(gates.enter(place(), NOW + 60_000).ok().unwrap());
        assert!(gates.enter(place(), NOW + 60_000).is_ok());
    }

    #[test]
    fn a_clock_that_is_set_back_a_day_keeps_no_gate_closed() {
        let gates = Gates::default();
        try_once(&gates, &Lesson::Rejects, NOW);
        assert_eq!(held_until(&gates, NOW - 86_400_000), None);
    }

    #[test]
    fn one_credential_does_not_close_the_gate_of_another() {
        let gates = Gates::default();
        try_once(&gates, &Lesson::Rejects, NOW);
        let other = Place {
            credential: Some("d".to_owned()),
            ..place()
        };
        assert!(gates.enter(other, NOW).is_ok());
        assert_eq!(gates.closed().len(), 1);
    }

    #[test]
    fn a_replaced_credential_opens_what_the_old_one_closed_and_nothing_else() {
        let gates = Gates::default();
        for (credential, lesson) in [
            ("old", Lesson::Rejects),
            ("kept", Lesson::Rejects),
            ("busy", Lesson::Limits { until_ms: None }),
        ] {
            let place = Place {
                credential: Some(credential.to_owned()),
                ..place()
            };
            let pass = gates.enter(place, NOW).ok().unwrap();
            pass.learn(&lesson, NOW, 0);
        }
        let closed = |gates: &Gates| -> Vec<String> {
            let closed = gates.closed().into_iter();
            closed.filter_map(|gate| gate.credential).collect()
        };
        gates.forget(|_| true, |name| name != "kept");
        assert_eq!(closed(&gates), ["busy", "kept"]);
        gates.forget(|origin| origin != place().origin, |_| false);
        assert_eq!(closed(&gates), [""; 0]);
    }

    #[test]
    fn the_time_to_ask_again_is_read_from_either_header() {
        let at =
            |name: &str, value: &str| retry_at(&vec![(name.to_owned(), value.to_owned())], NOW);
        assert_eq!(at("retry-after", "5"), Some(NOW + 5000));
        assert_eq!(at("Retry-After", " 0 "), Some(NOW));
        assert_eq!(
            at("retry-after", "Tue, 14 Nov 2023 22:13:30 GMT"),
            Some(NOW + 10_000)
        );
        assert_eq!(at("x-ratelimit-reset", "1700000010"), Some(NOW + 10_000));
        assert_eq!(at("x-ratelimit-reset", "10"), Some(NOW + 10_000));
        for nonsense in ["", "-1", "soon", "1e9"] {
            assert_eq!(at("retry-after", nonsense), None, "{nonsense}");
        }
        assert_eq!(at("retry-after", "99999999999999999999"), None);
        assert_eq!(at("retry-after", "18446744073709551615"), Some(u64::MAX));
    }
}
