//! Laws of the plan, for any two states of an incident.
#![allow(clippy::unwrap_used)]

mod fixture;

use fixture::integration;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use servicenow_sync_plugin::configuration::Integration;
use servicenow_sync_plugin::flashduty::Step;
use servicenow_sync_plugin::pair::Base;
use servicenow_sync_plugin::plan::FlashdutyView;
use servicenow_sync_plugin::plan::Plan;
use servicenow_sync_plugin::plan::ServiceNowView;
use servicenow_sync_plugin::plan::Side;
use servicenow_sync_plugin::plan::Situation;
use servicenow_sync_plugin::plan::plan;
use servicenow_sync_plugin::severity::Grade;
use servicenow_sync_plugin::severity::Severity;
use servicenow_sync_plugin::severity::Step as Scale;
use servicenow_sync_plugin::state::Progress;
use servicenow_sync_plugin::state::State;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec!["", "ab", "disk full", "disk full on db-1"]).prop_map(str::to_owned),
        (150_usize..210).prop_map(|n| "x".repeat(n)),
        (3990_usize..6200).prop_map(|n| "y".repeat(n)),
    ]
}

fn scale() -> impl Strategy<Value = Scale> {
    select(vec![Scale::High, Scale::Medium, Scale::Low])
}

prop_compose! {
    fn flashduty()(
        title in text(),
        description in text(),
        severity in select(Severity::ALL.to_vec()),
        progress in select(vec![Progress::Triggered, Progress::Snoozed, Progress::Processing, Progress::Closed]),
        under_snooze in select(vec![Progress::Triggered, Progress::Processing]),
    ) -> FlashdutyView {
        FlashdutyView {
            title: Some(title),
            description: Some(description),
            severity: Some(severity),
            progress: Some(progress),
            awake: Some(if progress == Progress::Snoozed { under_snooze } else { progress }),
            ..FlashdutyView::default()
        }
    }
}

prop_compose! {
    fn servicenow()(
        // ServiceNow holds no longer short description.
        title in text().prop_map(|t| t.chars().take(160).collect::<String>()),
        description in text().prop_map(|t| t.chars().take(4000).collect::<String>()),
        impact in scale(),
        urgency in scale(),
        state in select(State::ALL.to_vec()),
    ) -> ServiceNowView {
        ServiceNowView {
            title: Some(title),
            description: Some(description),
            grade: Some(Grade { impact, urgency }),
            state: Some(state),
            ..ServiceNowView::default()
        }
    }
}

fn decide(
    integration: &Integration,
    base: &Base,
    f: &FlashdutyView,
    s: &ServiceNowView,
    born: bool,
) -> Plan {
    plan(Situation {
        integration,
        base,
        flashduty: Some(f),
        servicenow: Some(s),
        signature: None,
        born_in: match born {
            true => Side::ServiceNow,
            false => Side::Flashduty,
        },
        now_ms: 0,
        explain: false,
    })
}

/// What both systems hold after they did what the plan says.
fn carry_out(plan: &Plan, f: &mut FlashdutyView, s: &mut ServiceNowView) {
    let column = |name: &str| plan.columns.get(name).and_then(|v| v.as_str());
    if let Some(title) = column("short_description") {
        s.title = Some(title.into());
    }
    if let Some(description) = column("description") {
        s.description = Some(description.into());
    }
    let grade = s.grade.as_mut().unwrap();
    if let Some(impact) = column("impact") {
        grade.impact = Scale::parse(impact).unwrap();
    }
    if let Some(urgency) = column("urgency") {
        grade.urgency = Scale::parse(urgency).unwrap();
    }
    if let Some(state) = column("state") {
        assert!(
            !s.state.unwrap().is_final(),
            "a final state was written over"
        );
        s.state = State::parse(state);
    }
    for step in &plan.steps {
        match step {
            Step::Reset {
                title,
                description,
                severity,
            } => {
                f.title = title.clone().or(f.title.take());
                f.description = description.clone().or(f.description.take());
                f.severity = severity.or(f.severity);
            }
            Step::Acknowledge => f.awake = Some(Progress::Processing),
            Step::Unacknowledge | Step::Reopen { .. } => f.awake = Some(Progress::Triggered),
            Step::Wake => {}
            Step::Snooze { .. } => {
                f.progress = Some(Progress::Snoozed);
                continue;
            }
            Step::Resolve { .. } => f.awake = Some(Progress::Closed),
            Step::Assign { .. } | Step::Field { .. } => continue,
        }
        if !matches!(step, Step::Reset { .. }) {
            f.progress = f.awake;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Whatever the two sides hold and whatever they once agreed on, one plan
    /// brings them in step: the next finds nothing to write, and so does one
    /// that starts from either side alone.
    #[test]
    fn one_plan_is_enough(
        f in flashduty(),
        s in servicenow(),
        earlier in option::of((flashduty(), servicenow())),
        direction in select(vec!["two-way", "to-servicenow", "from-servicenow"]),
        born in any::<bool>(),
    ) {
        let integration = integration(direction);
        let base = earlier.map_or_else(Base::default, |(f, s)| {
            decide(&integration, &Base::default(), &f, &s, born).base
        });
        let (mut f, mut s) = (f, s);
        let first = decide(&integration, &base, &f, &s, born);
        carry_out(&first, &mut f, &mut s);
        let second = decide(&integration, &first.base, &f, &s, born);
        prop_assert_eq!(second.columns, Default::default());
        prop_assert_eq!(second.steps, vec![]);
        prop_assert_eq!(second.decisions, vec![]);
    }

    /// A side is only written where its direction allows it.
    #[test]
    fn a_direction_is_never_crossed(f in flashduty(), s in servicenow(), born in any::<bool>()) {
        let to = decide(&integration("to-servicenow"), &Base::default(), &f, &s, born);
        prop_assert_eq!(to.steps, vec![]);
        let from = decide(&integration("from-servicenow"), &Base::default(), &f, &s, born);
        prop_assert_eq!(from.columns, Default::default());
    }

    /// Nothing is said of a resolution while the incident goes on.
    #[test]
    fn resolution_code_and_notes_are_written_only_where_an_incident_ends(
        mut f in flashduty(),
        mut s in servicenow(),
        born in any::<bool>(),
    ) {
        f.closing = ("Solution provided".into(), "Closed in Flashduty.".into());
        s.closing = ("Resolved in ServiceNow.".into(), String::new());
        let plan = decide(&integration("two-way"), &Base::default(), &f, &s, born);
        let says = |column: &str| plan.columns.contains_key(column);
        let resolves = plan.columns.get("state").is_some_and(|state| state == "6");
        prop_assert_eq!(says("close_code"), resolves);
        prop_assert_eq!(says("close_notes"), resolves);
    }

    /// No value of a class overwrites another of the same class.
    #[test]
    fn what_is_over_on_both_sides_is_left_alone(mut f in flashduty(), mut s in servicenow(), born in any::<bool>()) {
        f.progress = Some(Progress::Closed);
        f.awake = f.progress;
        for state in [State::Resolved, State::Closed, State::Canceled] {
            s.state = Some(state);
            let plan = decide(&integration("two-way"), &Base::default(), &f, &s, born);
            prop_assert!(!plan.columns.contains_key("state"));
            let moves = plan.steps.iter().any(|step| !matches!(step, Step::Reset { .. }));
            prop_assert!(!moves);
        }
    }
}
