//! Hours of trouble, in virtual time; days of it if `SIMULATED_IN_FULL` is set,
//! which takes minutes in an optimised build.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use simulation::Native;
use simulation::Outcome;
use simulation::Plan;
use simulation::far_ends::Side;
use simulation::people::Pace;
use simulation::people::script;
use simulation::profile::Profile;
use simulation::run;
use simulation::trouble::Refusal;
use simulation::trouble::Spell;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// So many hours, or a twelfth of it.
fn hours_ms(hours: u64) -> u64 {
    match is_in_full() {
        true => hours * HOUR_MS,
        false => hours * HOUR_MS / 12,
    }
}

fn is_in_full() -> bool {
    std::env::var_os("SIMULATED_IN_FULL").is_some()
}

/// Nothing goes wrong but these spells.
fn plan(deeds: usize, gap_ms: u64, spells: Vec<Spell>) -> Plan {
    let pace = Pace {
        deeds,
        lines_per_incident: 20,
        gap_ms,
    };
    Plan {
        script: script(7, pace),
        profile: Profile::calm(),
        spells,
        ..Plan::of(7, 0)
    }
}

fn spell(from_ms: u64, ms: u64, side: Side, what: Refusal) -> Spell {
    Spell {
        from_ms,
        ms,
        side,
        what,
    }
}

fn succeeds(plan: &Plan) -> Outcome {
    let outcome = run(plan, Native);
    assert_eq!(outcome.violations, []);
    assert_eq!(count(&outcome, "work parked"), 0);
    outcome
}

fn count(outcome: &Outcome, kind: &str) -> u64 {
    let counts = &outcome.report.events_by_kind;
    counts.get(kind).copied().unwrap_or_default()
}

#[test]
fn after_a_long_time_of_429_all_is_in_step_within_ten_minutes_and_nothing_was_parked() {
    for (side, seconds) in [
        (Side::Flashduty, None),
        (Side::ServiceNow, None),
        (Side::ServiceNow, Some(600)),
    ] {
        let limit = spell(MINUTE_MS, hours_ms(24), side, Refusal::TooMany(seconds));
        let outcome = succeeds(&plan(100, hours_ms(4) / 24, vec![limit]));
        let report = &outcome.report;
        assert!(report.longest_ms_to_step <= 10 * MINUTE_MS, "{report}");
    }
}

#[test]
fn a_long_time_of_401_costs_few_calls_and_ends_by_itself() {
    for side in [Side::Flashduty, Side::ServiceNow] {
        let rejects = spell(MINUTE_MS, hours_ms(24), side, Refusal::Unauthorized);
        let outcome = succeeds(&plan(100, hours_ms(4) / 24, vec![rejects]));
        let refused = count(&outcome, &format!("{side:?} answered 401"));
        println!("{side:?}: {refused} requests were answered 401");
        // Once every ten minutes, by whichever gateway.
        let most = 6 * hours_ms(24) / HOUR_MS + 6;
        assert!((6..=most).contains(&refused), "{refused}, {most}");
    }
}

#[test]
fn after_a_long_outage_each_incident_is_worked_on_a_few_times_only() {
    for side in [Side::Flashduty, Side::ServiceNow] {
        let outage = spell(MINUTE_MS, hours_ms(72), side, Refusal::Outage);
        let outcome = succeeds(&plan(
            if is_in_full() { 2000 } else { 200 },
            MINUTE_MS,
            vec![outage],
        ));
        let report = &outcome.report;
        // What it then writes comes back as webhooks, each of which is looked at.
        println!(
            "{side:?}: {} sessions, {} pairs",
            report.pair_sessions_after, report.pairs
        );
        assert!(report.longest_ms_to_step <= 10 * MINUTE_MS, "{report}");
    }
}

#[test]
fn without_any_webhook_every_change_is_mirrored_within_six_minutes() {
    let mut plan = plan(200, 30_000, Vec::new());
    plan.profile.webhook_loss = 1_000_000;
    let outcome = succeeds(&plan);
    let report = &outcome.report;
    assert_eq!(report.webhooks, 0);
    assert!(report.longest_ms_to_step <= 6 * MINUTE_MS, "{report}");
}

#[test]
fn webhooks_that_come_again_late_and_in_disorder_write_nothing_more() {
    let mut plan = plan(300, 30_000, Vec::new());
    let clean = succeeds(&plan);
    plan.profile.webhook_disorder = 1_000_000;
    plan.profile.webhook_copies = 19;
    plan.profile.webhook_delay_ms = HOUR_MS;
    let shuffled = succeeds(&plan);
    let (clean, shuffled) = (&clean.report, &shuffled.report);
    assert!(
        shuffled.webhooks > clean.webhooks * 8,
        "{clean}\n{shuffled}"
    );
    // What comes late is written together.
    assert!(shuffled.writes <= clean.writes, "{clean}\n{shuffled}");
}

#[test]
fn a_store_that_is_lost_again_and_again_doubles_nothing() {
    for seed in 1..(if is_in_full() { 4 } else { 2 }) {
        let mut plan = plan(150, 60_000, Vec::new());
        plan.seed = seed;
        plan.profile.amnesia = 10_000;
        let outcome = run(&plan, Native);
        assert_eq!(outcome.violations, []);
        let (wiped, back) = (
            count(&outcome, "store wiped"),
            count(&outcome, "store rolled back"),
        );
        assert!(wiped > 2 && back > 4, "{wiped} {back}");
    }
}
