//! Hours of trouble, in virtual time. `cargo xtask simulate outage` and so on are
//! the same for days.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use simulation::Native;
use simulation::Outcome;
use simulation::Plan;
use simulation::people::Habits;
use simulation::people::Pace;
use simulation::people::script;
use simulation::profile::Profile;
use simulation::run;
use simulation::scenario;
use simulation::scenario::HOUR_MS;
use simulation::scenario::MINUTE_MS;
use simulation::scenario::Summary;

/// Nothing goes wrong.
fn plan(deeds: usize) -> Plan {
    let pace = Pace {
        deeds,
        lines_per_incident: 20,
        gap_ms: 30_000,
        habits: Habits::default(),
    };
    Plan {
        script: script(7, pace),
        profile: Profile::calm(),
        ..Plan::of(7, 0)
    }
}

fn succeeds(plan: &Plan) -> Outcome {
    let outcome = run(plan, Native);
    assert_eq!(outcome.violations, []);
    assert_eq!(scenario::count(&outcome.report, "work parked"), 0);
    outcome
}

fn holds(summary: &Summary) {
    println!("{}", summary.figures.join("\n"));
    assert!(summary.broken.is_empty(), "{summary:#?}");
}

#[test]
fn after_a_long_outage_each_incident_is_synced_twice_at_most() {
    holds(&scenario::outage(6, 50, 1000, 6));
}

#[test]
fn a_long_time_of_refusals_costs_few_calls_parks_nothing_and_ends_by_itself() {
    holds(&scenario::refusals(2, 7));
}

#[test]
fn a_store_that_is_lost_fifty_times_doubles_nothing() {
    holds(&scenario::amnesia(50, 1));
}

#[test]
fn without_any_webhook_every_change_is_mirrored_within_six_minutes() {
    let mut plan = plan(200);
    plan.profile.webhook_loss = 1_000_000;
    plan.times_changes = true;
    let outcome = succeeds(&plan);
    let report = &outcome.report;
    assert_eq!(report.webhooks, 0);
    let seconds = report.longest_ms_to_mirror / 1000;
    println!("the slowest change took {seconds} s");
    assert!(report.longest_ms_to_mirror <= 6 * MINUTE_MS, "{seconds} s");
}

#[test]
fn webhooks_that_come_again_late_and_in_disorder_write_nothing_more() {
    let mut plan = plan(300);
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
