//! How much goes wrong in a run, and of what kind.

use crate::chance::Chance;
use crate::coverage::CRASH_POINTS;
use crate::coverage::GATING;
use crate::coverage::Moment;
use crate::coverage::PARKING;

/// How far the clock of a far end is wrong at most, in milliseconds. With that
/// of the gateways no two clocks are more than five minutes apart, which is what
/// look-ups by time allow for.
const FAR_END_SKEW_MS: u64 = 120_000;

/// How often things go wrong, in a million at each place where they can.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Calls of the store after or before which the gateway crashes.
    pub store_crash: u32,
    /// A moment of [`CRASH_POINTS`] at which gateways die most of all.
    pub crash_point: Option<usize>,
    /// Calls of the store at which the gateway is paused.
    pub store_pause: u32,
    /// Calls of the store that fail, whether carried out or not.
    pub store_error: u32,
    /// Requests at which the gateway crashes.
    pub network_crash: u32,
    /// Requests at which the gateway is paused.
    pub network_pause: u32,
    /// Requests that do not arrive, or late, or whose answer is lost.
    pub network_loss: u32,
    /// Webhooks that are lost.
    pub webhook_loss: u32,
    /// Webhooks that come again, and late.
    pub webhook_disorder: u32,
    /// How many copies of such a webhook there are at most.
    pub webhook_copies: u64,
    /// How late they are at most, in milliseconds.
    pub webhook_delay_ms: u64,
    /// Seconds in which a phase of refusals begins at a far end.
    pub phases: u32,
    /// Whether it is always a business rule of ServiceNow that refuses.
    pub rules: bool,
    /// Seconds in which the store is rolled back, or wiped.
    pub amnesia: u32,
    /// Seconds in which a clock is set.
    pub clock_steps: u32,
    /// Seconds in which a gateway crashes or pauses, whatever it does.
    pub accidents: u32,
    /// How far the machines' clocks may be off, in milliseconds.
    pub skew_ms: u64,
    /// How far the clock of Flashduty is ahead of what is right, in milliseconds.
    pub flashduty_ahead_ms: i64,
    /// How far that of ServiceNow is.
    pub servicenow_ahead_ms: i64,
    /// Whether the ServiceNow instance takes the `sys_id` that it is given.
    pub honours_sys_id: bool,
    /// How long readers of ServiceNow do not see what is written, in
    /// milliseconds.
    pub read_lag_ms: u64,
    /// How long lists of Flashduty do not show what is written, in
    /// milliseconds.
    pub list_lag_ms: u64,
    /// Whether the gateways get tokens for ServiceNow, rather than use a
    /// password.
    pub oauth: bool,
}

/// How often gateways die where they die most of all, in a million.
const AT_CRASH_POINT: u32 = 200_000;

/// Three in an hour.
const MANY_PHASES: u32 = 800;

impl Profile {
    /// How often a gateway dies at this call because it is where gateways die
    /// most of all, in a million, and when.
    pub(crate) fn crashes_most(&self, call: impl Fn() -> String) -> (u32, Option<Moment>) {
        let point = self.crash_point.and_then(|point| CRASH_POINTS.get(point));
        let moment = point.and_then(|point| point.beside(&call()));
        (moment.map_or(0, |_| AT_CRASH_POINT), moment)
    }

    /// Nothing goes wrong.
    pub fn calm() -> Self {
        Self {
            honours_sys_id: true,
            webhook_copies: 3,
            webhook_delay_ms: 60_000,
            ..Self::default()
        }
    }

    /// What follows from a seed: each kind of trouble is there in some worlds,
    /// and worse in some than in others.
    pub fn of(seed: u64) -> Self {
        let mut chance = Chance::of(seed, &[u64::from_be_bytes(*b"profile_")]);
        let mut level = |share: u32, levels: [u32; 2]| {
            let is_there = chance.hits(share * 10_000);
            let level = chance.within(u64::from(levels[0]), u64::from(levels[1]));
            if is_there { level as u32 } else { 0 }
        };
        // Which clocks are wrong by more than a moment.
        let far = |chance: &mut Chance, most_ms: u64| match chance.below(2) {
            0 => 0,
            _ => chance.below(2 * most_ms + 1) as i64 - most_ms as i64,
        };
        let mut clocks = Chance::of(seed, &[u64::from_be_bytes(*b"clocks__")]);
        let mut point = Chance::of(seed, &[u64::from_be_bytes(*b"point___")]);
        let crash_point = point.below(CRASH_POINTS.len() as u64 * 5 / 4) as usize;
        let crash_point = Some(crash_point).filter(|point| *point < CRASH_POINTS.len());
        // Hardly anything else parks work.
        let rules = crash_point.is_some_and(|point| CRASH_POINTS[point].beside(PARKING).is_some());
        let mut phases = level(50, [100, 1000]);
        let gates = crash_point.is_some_and(|point| CRASH_POINTS[point].beside(GATING).is_some());
        if rules || gates {
            phases = MANY_PHASES;
        }
        Self {
            crash_point,
            rules,
            phases,
            store_crash: level(60, [100, 3000]),
            store_pause: level(40, [100, 1000]),
            store_error: level(50, [200, 10_000]),
            network_crash: level(60, [1000, 15_000]),
            network_pause: level(40, [500, 4000]),
            network_loss: level(60, [2000, 50_000]),
            webhook_loss: level(50, [10_000, 300_000]),
            webhook_disorder: level(60, [10_000, 300_000]),
            webhook_copies: 3,
            webhook_delay_ms: 60_000,
            amnesia: level(25, [50, 300]),
            clock_steps: level(20, [50, 300]),
            accidents: level(50, [100, 2000]),
            skew_ms: u64::from(level(50, [1, 60_000])),
            flashduty_ahead_ms: far(&mut clocks, FAR_END_SKEW_MS),
            servicenow_ahead_ms: far(&mut clocks, FAR_END_SKEW_MS),
            list_lag_ms: u64::from(level(30, [1, 15_000])),
            honours_sys_id: level(60, [1, 1]) == 1,
            read_lag_ms: u64::from(level(20, [1, 2000])),
            oauth: level(40, [1, 1]) == 1,
        }
    }
}
