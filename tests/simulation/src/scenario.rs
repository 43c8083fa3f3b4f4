//! Trouble of one kind that lasts for long, and what must come of it: in full by
//! command, for a part of the time in the tests.

use crate::Native;
use crate::chance::Chance;
use crate::far_ends::Side;
use crate::people::Deed;
use crate::people::Habits;
use crate::people::Pace;
use crate::people::What;
use crate::people::script;
use crate::profile::Profile;
use crate::report::Report;
use crate::setup::Setup;
use crate::trouble::Refusal;
use crate::trouble::Spell;
use crate::world::Outcome;
use crate::world::Plan;
use crate::world::run;
use std::panic::resume_unwind;
use std::thread;

/// A minute of virtual time, in milliseconds.
pub const MINUTE_MS: u64 = 60_000;

/// An hour of virtual time, in milliseconds.
pub const HOUR_MS: u64 = 60 * MINUTE_MS;

/// How many requests a minute an account takes, unless configured otherwise.
const PACE: u64 = 900;

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Figures, for people.
    pub figures: Vec<String>,
    /// What is not as it must be.
    pub broken: Vec<String>,
}

impl Summary {
    fn of(outcome: &Outcome) -> Self {
        let broken = outcome.violations.iter().map(ToString::to_string);
        let mut summary = Self {
            figures: Vec::new(),
            broken: broken.collect(),
        };
        let parked = count(&outcome.report, "work parked");
        summary.require(parked == 0, &format!("{parked} times work was parked"));
        summary
    }

    fn require(&mut self, holds: bool, what: &str) {
        self.figures.push(what.to_owned());
        if !holds {
            self.broken.push(what.to_owned());
        }
    }

    fn add(&mut self, name: &str, other: Self) {
        let named = |what: String| format!("{name}: {what}");
        self.figures.extend(other.figures.into_iter().map(named));
        self.broken.extend(other.broken.into_iter().map(named));
    }
}

/// How often something happened.
pub fn count(report: &Report, kind: &str) -> u64 {
    report.events_by_kind.get(kind).copied().unwrap_or_default()
}

/// Runs plans, as many at a time as there are cores.
fn run_all(plans: &[Plan]) -> Vec<Outcome> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut outcomes = Vec::new();
    for some in plans.chunks(cores) {
        thread::scope(|scope| {
            let threads = some.iter().map(|plan| scope.spawn(|| run(plan, Native)));
            let threads: Vec<_> = threads.collect();
            for thread in threads {
                outcomes.push(thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
            }
        });
    }
    outcomes
}

/// Runs plans, and judges each.
fn judged(plans: &[(String, Plan)], judge: impl Fn(&Outcome) -> Summary) -> Summary {
    let (names, plans): (Vec<&String>, Vec<Plan>) = plans
        .iter()
        .map(|(name, plan)| (name, plan.clone()))
        .unzip();
    let mut all = Summary::default();
    for (name, outcome) in names.into_iter().zip(run_all(&plans)) {
        all.add(name, judge(&outcome));
    }
    all
}

/// A world in which nothing goes wrong but what is told.
fn calm(seed: u64, script: Vec<Deed>, spells: Vec<Spell>) -> Plan {
    Plan {
        script,
        setup: Setup::default(),
        profile: Profile::calm(),
        spells,
        ..Plan::of(seed, 0)
    }
}

fn everyday(seed: u64, deeds: usize, gap_ms: u64) -> Vec<Deed> {
    let pace = Pace {
        deeds,
        lines_per_incident: 20,
        gap_ms,
        habits: Habits::default(),
    };
    script(seed, pace)
}

/// One system cannot be reached for so many hours, while so many events happen
/// at the other one to so many incidents, which were pairs before.
///
/// When it is back, each is written to by one session, and looked at by some
/// more: what is written comes back as webhooks.
pub fn outage(hours: u64, incidents: usize, events: usize, seed: u64) -> Summary {
    // Ten requests for each at most, at the pace of one account.
    let opening_ms = 10 * incidents as u64 * MINUTE_MS / PACE + 10 * MINUTE_MS;
    let plan = |down: Side| {
        let up = match down {
            Side::Flashduty => Side::ServiceNow,
            Side::ServiceNow => Side::Flashduty,
        };
        let spell = Spell {
            from_ms: 2 * opening_ms,
            ms: hours * HOUR_MS,
            side: down,
            what: Refusal::Outage,
        };
        let mut script: Vec<Deed> = (0..incidents)
            .map(|line| Deed {
                at_ms: MINUTE_MS + line as u64 * opening_ms / incidents as u64,
                incident: line,
                side: up,
                what: What::Open,
            })
            .collect();
        let mut chance = Chance::of(seed, &[up as u64, u64::from_be_bytes(*b"outage__")]);
        let mut changes: Vec<Deed> = (incidents..events)
            .map(|_| Deed {
                at_ms: spell.from_ms + chance.below(spell.ms),
                incident: chance.below(incidents as u64) as usize,
                side: up,
                what: What::of_every_day(&mut chance),
            })
            .collect();
        changes.sort_by_key(|deed| deed.at_ms);
        script.append(&mut changes);
        (format!("{down:?} is down"), calm(seed, script, vec![spell]))
    };
    let plans = [plan(Side::ServiceNow), plan(Side::Flashduty)];
    judged(&plans, |outcome| {
        let report = &outcome.report;
        let mut summary = Summary::of(outcome);
        let Report {
            events,
            pairs,
            pair_sessions_after: sessions,
            syncs_after: syncs,
            writes_after: writes,
            longest_ms_to_step,
            ..
        } = *report;
        let figures = format!(
            "seed {seed}: {hours} hours, {events} events on {pairs} incidents; all in step {} minutes after, \
             for each {:.2} writes in {:.2} sessions, echoes included",
            longest_ms_to_step.div_ceil(MINUTE_MS),
            writes as f64 / pairs as f64,
            sessions as f64 / pairs as f64
        );
        summary.figures.push(figures);
        let syncs = syncs as f64 / pairs as f64;
        let synced = format!("{syncs:.2} syncs per incident, which are sessions that write");
        summary.require(syncs <= 2.0, &synced);
        summary
    })
}

/// A system refuses everything for so many hours.
pub fn refusals(hours: u64, seed: u64) -> Summary {
    let plan = |side: Side, what: Refusal| {
        let spell = Spell {
            from_ms: MINUTE_MS,
            ms: hours * HOUR_MS,
            side,
            what,
        };
        let script = everyday(seed, 100, hours * HOUR_MS / 144);
        let name = format!("seed {seed}, {side:?}, {what:?}");
        (name, calm(seed, script, vec![spell]))
    };
    let limits = [
        plan(Side::Flashduty, Refusal::TooMany(None)),
        plan(Side::ServiceNow, Refusal::TooMany(None)),
        plan(Side::ServiceNow, Refusal::TooMany(Some(600))),
    ];
    let mut summary = judged(&limits, |outcome| {
        let mut summary = Summary::of(outcome);
        let minutes = outcome.report.longest_ms_to_step.div_ceil(MINUTE_MS);
        let in_step = format!("{hours} hours of 429; all in step {minutes} minutes after");
        summary.require(minutes <= 10, &in_step);
        summary
    });
    let rejections = [Side::Flashduty, Side::ServiceNow];
    let rejections = rejections.map(|side| plan(side, Refusal::Unauthorized));
    let rejected = judged(&rejections, |outcome| {
        let mut summary = Summary::of(outcome);
        let sides = ["Flashduty", "ServiceNow"];
        let calls = sides.map(|side| count(&outcome.report, &format!("{side} answered 401")));
        let calls: u64 = calls.iter().sum();
        let refused = format!("{hours} hours of 401; {calls} requests were answered so");
        // Once every ten minutes, by whichever gateway.
        summary.require((6..=6 * hours + 6).contains(&calls), &refused);
        summary
    });
    summary.figures.extend(rejected.figures);
    summary.broken.extend(rejected.broken);
    summary
}

/// A world in which the store is wiped or rolled back again and again while people
/// work, often below running gateways; where it does not notice, they are stopped
/// for a while. Many a request arrives late, so some are on their way meanwhile.
pub fn forgetful(seed: u64) -> Plan {
    let setup = Setup::of(seed);
    let pace = Pace {
        deeds: 300,
        lines_per_incident: 3,
        gap_ms: 20_000,
        habits: setup.habits(),
    };
    let mut plan = calm(seed, script(seed, pace), Vec::new());
    plan.setup = setup;
    plan.profile.amnesia = 4_000;
    plan.profile.network_loss = 200_000;
    plan.profile.list_lag_ms = 10_000;
    plan.profile.honours_sys_id = seed.is_multiple_of(2);
    plan
}

/// The store is wiped or rolled back so many times, in [`forgetful`] worlds.
pub fn amnesia(times: u64, seed: u64) -> Summary {
    let mut summary = Summary::default();
    let (mut wiped, mut rolled_back, mut unnoticed) = (0, 0, 0);
    let (mut worlds, mut incidents) = (0, 0);
    while wiped + rolled_back + unnoticed < times {
        // About as many as there are cores.
        let plans: Vec<Plan> = (worlds..worlds + 2)
            .map(|world| forgetful(seed + world))
            .collect();
        worlds += 2;
        for (plan, outcome) in plans.iter().zip(run_all(&plans)) {
            wiped += count(&outcome.report, "store wiped");
            rolled_back += count(&outcome.report, "store rolled back");
            unnoticed += count(&outcome.report, "store rolled back unnoticed");
            incidents += outcome.report.pairs;
            let violations = outcome.violations.iter();
            let broken = violations
                .map(|violation| format!("amnesia --seed {} --trace: {violation}", plan.seed));
            summary.broken.extend(broken);
        }
    }
    summary.figures.push(format!(
        "seed {seed}: wiped {wiped} times, rolled back {rolled_back} times and {unnoticed} times unnoticed; \
         {incidents} incidents in {worlds} worlds"
    ));
    summary
}
