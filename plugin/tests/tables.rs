//! The mapping tables of Flashduty's ServiceNow Sync, row by row, through the
//! plan that production uses.
#![allow(clippy::unwrap_used)]

mod fixture;

use fixture::configured;
use fixture::integration;
use serde_json::json;
use servicenow_sync_plugin::flashduty::Step;
use servicenow_sync_plugin::pair::Agreed;
use servicenow_sync_plugin::pair::Base;
use servicenow_sync_plugin::plan::FlashdutyView;
use servicenow_sync_plugin::plan::Outcome;
use servicenow_sync_plugin::plan::Plan;
use servicenow_sync_plugin::plan::ServiceNowView;
use servicenow_sync_plugin::plan::Side;
use servicenow_sync_plugin::plan::Situation;
use servicenow_sync_plugin::plan::confirm;
use servicenow_sync_plugin::plan::plan;
use servicenow_sync_plugin::severity::Grade;
use servicenow_sync_plugin::severity::Severity;
use servicenow_sync_plugin::severity::Step as Scale;
use servicenow_sync_plugin::state::Progress;
use servicenow_sync_plugin::state::State;

fn grade(step: Scale) -> Grade {
    Grade {
        impact: step,
        urgency: step,
    }
}

/// Two incidents in step: new, of medium gravity.
struct Two {
    f: FlashdutyView,
    s: ServiceNowView,
    base: Base,
}

fn in_step() -> Two {
    let text = |t: &str| Some(t.to_owned());
    let f = FlashdutyView {
        title: text("disk full"),
        description: text("on db-1"),
        severity: Some(Severity::Warning),
        progress: Some(Progress::Triggered),
        awake: Some(Progress::Triggered),
        closing: ("Solution provided".into(), "Closed in Flashduty.".into()),
        ..FlashdutyView::default()
    };
    let s = ServiceNowView {
        title: text("disk full"),
        description: text("on db-1"),
        grade: Some(grade(Scale::Medium)),
        state: Some(State::New),
        closing: ("Resolved in ServiceNow.".into(), String::new()),
        ..ServiceNowView::default()
    };
    let base = Base {
        title: Agreed {
            flashduty: f.title.clone(),
            servicenow: s.title.clone(),
        },
        description: Agreed {
            flashduty: f.description.clone(),
            servicenow: s.description.clone(),
        },
        severity: Agreed {
            flashduty: f.severity,
            servicenow: s.grade,
        },
        state: Agreed {
            flashduty: f.progress,
            servicenow: s.state,
        },
        ..Base::default()
    };
    Two { f, s, base }
}

fn decide(direction: &str, two: &Two) -> Plan {
    plan(Situation {
        integration: &integration(direction),
        base: &two.base,
        flashduty: Some(&two.f),
        servicenow: Some(&two.s),
        signature: None,
        born_in: Side::Flashduty,
        now_ms: 0,
        explain: false,
    })
}

fn columns(plan: &Plan) -> serde_json::Value {
    serde_json::Value::Object(plan.columns.clone())
}

#[test]
fn nothing_is_written_while_both_sides_are_as_agreed() {
    let plan = decide("two-way", &in_step());
    assert_eq!(
        (plan.columns.len(), plan.steps.len(), plan.decisions.len()),
        (0, 0, 0)
    );
}

#[test]
fn title_and_description_cross_in_both_directions() {
    let mut two = in_step();
    two.f.title = Some("disk full on db-1".into());
    two.s.description = Some("/var is at 100 %".into());
    let plan = decide("two-way", &two);
    assert_eq!(
        columns(&plan),
        json!({ "short_description": "disk full on db-1" })
    );
    let description = Some("/var is at 100 %".into());
    assert_eq!(
        plan.steps,
        [Step::Reset {
            title: None,
            description,
            severity: None
        }]
    );
}

#[test]
fn every_progress_has_its_state() {
    for (progress, expected) in [
        (Progress::Processing, json!({ "state": "2" })),
        (
            Progress::Snoozed,
            json!({ "state": "3", "hold_reason": "4" }),
        ),
        (
            Progress::Closed,
            json!({ "state": "6", "close_code": "Solution provided", "close_notes": "Closed in Flashduty." }),
        ),
    ] {
        let mut two = in_step();
        two.f.progress = Some(progress);
        assert_eq!(columns(&decide("two-way", &two)), expected, "{progress:?}");
    }
    let mut two = in_step();
    two.base.state = Agreed {
        flashduty: Some(Progress::Processing),
        servicenow: Some(State::InProgress),
    };
    two.s.state = Some(State::InProgress);
    assert_eq!(
        columns(&decide("two-way", &two)),
        json!({ "state": "1" }),
        "withdrawn"
    );
}

#[test]
fn every_state_has_its_progress() {
    let resolve = || {
        vec![Step::Resolve {
            resolution: "Resolved in ServiceNow.".into(),
            root_cause: String::new(),
        }]
    };
    for (state, expected) in [
        (State::InProgress, vec![Step::Acknowledge]),
        (State::OnHold, vec![Step::Snooze { minutes: 120 }]),
        (State::Resolved, resolve()),
        (State::Closed, resolve()),
        (State::Canceled, resolve()),
    ] {
        let mut two = in_step();
        two.s.state = Some(state);
        assert_eq!(decide("two-way", &two).steps, expected, "{state:?}");
    }
    let mut two = in_step();
    two.base.state = Agreed {
        flashduty: Some(Progress::Processing),
        servicenow: Some(State::InProgress),
    };
    two.f.progress = Some(Progress::Processing);
    assert_eq!(
        decide("two-way", &two).steps,
        [Step::Unacknowledge],
        "back to New"
    );
}

#[test]
fn every_severity_has_its_impact_and_urgency() {
    for (severity, value) in [(Severity::Critical, "1"), (Severity::Info, "3")] {
        let mut two = in_step();
        two.f.severity = Some(severity);
        assert_eq!(
            columns(&decide("two-way", &two)),
            json!({ "impact": value, "urgency": value }),
            "{severity:?}"
        );
    }
}

#[test]
fn impact_and_urgency_are_each_written_as_the_operator_maps_them() {
    let severity = json!({ "info": { "impact": "high", "urgency": "low" } });
    let integration = configured("two-way", &json!({ "severity": severity })).unwrap();
    let mut two = in_step();
    two.f.severity = Some(Severity::Info);
    let plan = plan(Situation {
        integration: &integration,
        base: &two.base,
        flashduty: Some(&two.f),
        servicenow: Some(&two.s),
        signature: None,
        born_in: Side::Flashduty,
        now_ms: 0,
        explain: false,
    });
    assert_eq!(columns(&plan), json!({ "impact": "1", "urgency": "3" }));
}

#[test]
fn every_urgency_has_its_severity() {
    for (urgency, severity) in [
        (Scale::High, Severity::Critical),
        (Scale::Low, Severity::Info),
    ] {
        let mut two = in_step();
        two.s.grade = Some(Grade {
            impact: Scale::Medium,
            urgency,
        });
        assert_eq!(
            decide("two-way", &two).steps,
            [Step::Reset {
                title: None,
                description: None,
                severity: Some(severity)
            }]
        );
    }
}

#[test]
fn a_change_of_impact_or_priority_alone_moves_no_severity() {
    let mut two = in_step();
    two.s.grade = Some(Grade {
        impact: Scale::High,
        urgency: Scale::Medium,
    });
    let plan = decide("two-way", &two);
    assert_eq!((plan.columns.len(), plan.steps.len()), (0, 0));
}

#[test]
fn a_change_of_impact_alone_wins_against_no_severity() {
    let mut two = in_step();
    two.f.severity = Some(Severity::Info);
    two.s.grade = Some(Grade {
        impact: Scale::High,
        urgency: Scale::Medium,
    });
    let plan = decide("two-way", &two);
    assert_eq!(columns(&plan), json!({ "impact": "3", "urgency": "3" }));
    assert_eq!((plan.steps, plan.notes), (vec![], vec![]));
}

#[test]
fn a_direction_writes_to_one_side_only() {
    let mut two = in_step();
    two.f.title = Some("changed here".into());
    two.s.state = Some(State::InProgress);
    let plan = decide("to-servicenow", &two);
    assert_eq!((plan.columns.len(), plan.steps.len()), (1, 0));
    let plan = decide("from-servicenow", &two);
    assert_eq!((plan.columns.len(), plan.steps.len()), (0, 1));
    assert!(
        plan.decisions
            .iter()
            .any(|d| d.why.ends_with("whose changes do not travel"))
    );
}

#[test]
fn a_side_that_may_not_write_does_not_win_against_the_one_that_may() {
    let mut two = in_step();
    two.f.progress = Some(Progress::Processing);
    two.s.state = Some(State::OnHold);
    let plan = decide("from-servicenow", &two);
    assert_eq!(plan.steps, [Step::Snooze { minutes: 120 }]);
    let plan = decide("to-servicenow", &two);
    assert_eq!(columns(&plan), json!({ "state": "2" }));
}

#[test]
fn what_a_person_changed_between_reading_and_writing_is_not_lost() {
    let mut two = in_step();
    two.f.progress = Some(Progress::Processing);
    let plan = decide("two-way", &two);
    two.s.state = Some(State::InProgress);
    two.s.title = Some("disk full on db-1".into());
    two.base = plan.base;
    confirm(
        &mut two.base,
        &plan.columns,
        two.s.clone(),
        &integration("two-way"),
    );
    let title = two.s.title.clone();
    let reset = Step::Reset {
        title,
        description: None,
        severity: None,
    };
    assert_eq!(decide("two-way", &two).steps, [reset]);
}

#[test]
fn a_column_that_servicenow_dropped_is_not_tried_again_until_a_side_moves() {
    let mut two = in_step();
    two.f.title = Some("renamed".into());
    let plan = decide("two-way", &two);
    two.base = plan.base;
    confirm(
        &mut two.base,
        &plan.columns,
        two.s.clone(),
        &integration("two-way"),
    );
    assert_eq!(two.base.title.servicenow.as_deref(), Some("disk full"));
    assert!(decide("two-way", &two).decisions.is_empty());
}

#[test]
fn resolution_and_root_cause_become_the_close_notes_and_back() {
    let mut two = in_step();
    two.f.progress = Some(Progress::Closed);
    two.f.closing.1 = "grew the volume\n\nRoot cause: logs".into();
    assert_eq!(
        decide("two-way", &two).columns["close_notes"],
        "grew the volume\n\nRoot cause: logs"
    );
    let mut two = in_step();
    two.s.state = Some(State::Resolved);
    two.s.closing.0 = "grew the volume".into();
    assert_eq!(
        decide("two-way", &two).steps,
        [Step::Resolve {
            resolution: "grew the volume".into(),
            root_cause: String::new()
        }]
    );
}

#[test]
fn what_servicenow_closed_stays_closed_there() {
    let mut two = in_step();
    two.base.state = Agreed {
        flashduty: Some(Progress::Closed),
        servicenow: Some(State::Resolved),
    };
    two.f.progress = Some(Progress::Closed);
    two.s.state = Some(State::Closed);
    let plan = decide("two-way", &two);
    assert_eq!(
        (plan.columns.len(), plan.steps.len()),
        (0, 0),
        "autoclosed later"
    );
    two.base = plan.base;
    two.f.progress = Some(Progress::Triggered);
    let plan = decide("two-way", &two);
    assert_eq!((plan.columns.len(), plan.steps.len()), (0, 0));
    assert_eq!(plan.decisions[0].outcome, Outcome::Kept);
    assert_eq!(
        plan.decisions[0].why,
        "changed in Flashduty; Closed is final in ServiceNow"
    );
}

#[test]
fn a_reopened_incident_is_taken_up_again_on_the_other_side() {
    let mut two = in_step();
    two.base.state = Agreed {
        flashduty: Some(Progress::Closed),
        servicenow: Some(State::Resolved),
    };
    two.s.state = Some(State::Resolved);
    assert_eq!(columns(&decide("two-way", &two)), json!({ "state": "2" }));
    two.f.progress = Some(Progress::Closed);
    two.s.state = Some(State::InProgress);
    assert_eq!(
        decide("two-way", &two).steps,
        [
            Step::Reopen {
                reason: "Reopened in ServiceNow.".into()
            },
            Step::Acknowledge
        ]
    );
}

#[test]
fn text_that_is_too_long_is_cut_once_and_not_sent_back() {
    let mut two = in_step();
    two.f.title = Some("x".repeat(200));
    let plan = decide("two-way", &two);
    let sent = plan.columns["short_description"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        (sent.chars().count(), sent.ends_with('\u{2026}')),
        (160, true)
    );
    two.s.title = Some(sent);
    two.base = plan.base;
    assert!(decide("two-way", &two).decisions.is_empty());
}

#[test]
fn a_description_that_flashduty_cannot_take_is_kept_and_the_reason_given() {
    let mut two = in_step();
    two.s.description = Some(String::new());
    let plan = decide("two-way", &two);
    assert!(plan.steps.is_empty());
    assert_eq!(
        plan.decisions[0].why,
        "changed in ServiceNow; Flashduty takes no fewer than 3 characters"
    );
    two.base = plan.base;
    assert!(
        decide("two-way", &two).decisions.is_empty(),
        "not tried again"
    );
}

#[test]
fn where_both_sides_moved_apart_the_fields_own_rule_decides() {
    let mut two = in_step();
    two.f.title = Some("from Flashduty".into());
    two.s.title = Some("from ServiceNow".into());
    two.f.severity = Some(Severity::Info);
    two.s.grade = Some(grade(Scale::High));
    two.f.progress = Some(Progress::Closed);
    two.s.state = Some(State::InProgress);
    let plan = decide("two-way", &two);
    assert_eq!(
        plan.columns["short_description"], "from Flashduty",
        "the side of birth"
    );
    assert_eq!(plan.columns["state"], "6", "the one further along");
    assert_eq!(
        plan.steps,
        [Step::Reset {
            title: None,
            description: None,
            severity: Some(Severity::Critical)
        }],
        "the graver"
    );
}
