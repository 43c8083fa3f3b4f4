//! Progress in Flashduty against state in ServiceNow: what an end, a hold and a
//! reopening on one side do on the other.

use super::FlashdutyView;
use super::Note;
use super::Plan;
use super::ServiceNowView;
use super::Side;
use super::Situation;
use super::merge::Field;
use super::merge::Merge;
use super::merge::Merged;
use super::sends;
use crate::configuration::Closing;
use crate::configuration::Ending;
use crate::configuration::Integration;
use crate::configuration::Reopening;
use crate::flashduty::Step;
use crate::servicenow;
use crate::state::Progress;
use crate::state::State;
use crate::text;
use alloc::string::String;
use alloc::vec::Vec;

const DAY_MS: i64 = 86_400_000;

/// Merges the two.
pub(super) fn merge(
    merge: &mut Merge<'_>,
    situation: &Situation<'_>,
    flashduty: &FlashdutyView,
    servicenow: &ServiceNowView,
) -> Merged<Progress, State> {
    let integration = situation.integration;
    let closing = &integration.closing;
    let base = &situation.base.state;
    let over_before = base
        .servicenow
        .map(|state| state.progress() == Progress::Closed);
    merge.field(&Field {
        name: "state",
        base,
        flashduty: flashduty.progress.as_ref(),
        servicenow: servicenow.state.as_ref(),
        sends: sends(integration.direction, None),
        same: &|a: &State, b: &State| a.progress() == b.progress(),
        to_servicenow: &|progress, state| {
            let state = state.copied().unwrap_or(State::New);
            let ends = *progress == Progress::Closed;
            let is_over = state.progress() == Progress::Closed;
            if ends && !is_over && closing.to_servicenow != Ending::Resolve {
                return Err("closing.to-servicenow says not to resolve".into());
            }
            if !ends && is_over {
                if base
                    .flashduty
                    .is_some_and(|before| before != Progress::Closed)
                {
                    return Err("it is over in ServiceNow".into());
                }
                may_reopen(closing, state, servicenow, situation.now_ms)?;
            }
            let label = state.label();
            state
                .towards(*progress)
                .ok_or_else(|| format!("{label} is final in ServiceNow"))
        },
        to_flashduty: &|state| {
            let now = flashduty.progress.or(base.flashduty);
            let is_over = now == Some(Progress::Closed);
            match state.progress() {
                Progress::Closed if !is_over && closing.from_servicenow != Ending::Resolve => {
                    Err("closing.from-servicenow says not to resolve".into())
                }
                // It never was over in ServiceNow, so it is not reopened there.
                progress
                    if progress != Progress::Closed && is_over && over_before == Some(false) =>
                {
                    Err("it is over in Flashduty".into())
                }
                progress => Ok(progress),
            }
        },
        conflict: integration.conflict.state,
        higher: &|progress, state| match state.progress() > *progress {
            true => Some(Side::ServiceNow),
            false => Some(Side::Flashduty),
        },
        show_flashduty: &|progress| progress.as_str().into(),
        show_servicenow: &|state| state.label().into(),
    })
}

/// Whether a record that is over may be reopened, by the operator's wish.
fn may_reopen(
    closing: &Closing,
    state: State,
    servicenow: &ServiceNowView,
    now_ms: u64,
) -> Result<(), String> {
    if closing.reopen == Reopening::Note {
        return Err("closing.reopen is note".into());
    }
    let (Some(days), Some(resolved_ms)) = (closing.reopen_within_days, servicenow.resolved_ms)
    else {
        return Ok(());
    };
    let age_ms = i64::try_from(now_ms).unwrap_or(i64::MAX) - resolved_ms;
    if state == State::Resolved && age_ms > i64::from(days) * DAY_MS {
        return Err(format!("it was resolved more than {days} days ago"));
    }
    Ok(())
}

/// Turns the outcome into columns, steps and notes.
pub(super) fn carry_out(
    plan: &mut Plan,
    situation: &Situation<'_>,
    state: &Merged<Progress, State>,
    flashduty: &FlashdutyView,
    servicenow: &ServiceNowView,
) {
    let integration = situation.integration;
    if let Some(state) = state.to_servicenow {
        write_state(plan, integration, flashduty, state);
    }
    if let Some(to) = state.to_flashduty {
        let from = flashduty
            .progress
            .or(situation.base.state.flashduty)
            .unwrap_or(Progress::Triggered);
        let awake = flashduty.awake.unwrap_or(from);
        plan.steps
            .extend(steps(from, awake, to, integration, servicenow));
    }
    tell(plan, situation, state, flashduty, servicenow);
}

fn write_state(
    plan: &mut Plan,
    integration: &Integration,
    flashduty: &FlashdutyView,
    state: State,
) {
    let mut set = |column: &str, value: &str| {
        plan.columns.insert(column.into(), value.into());
    };
    set("state", state.value());
    match state {
        State::OnHold => {
            let reason = integration.servicenow.hold_reason.trim();
            set("hold_reason", reason);
            // Those of the platform itself are known.
            if !matches!(reason, "1" | "3" | "4" | "5") {
                plan.choices.push("hold_reason".into());
            }
        }
        State::Resolved => {
            let (code, notes) = &flashduty.closing;
            set("close_code", code);
            set("close_notes", &text::cut(notes, servicenow::DESCRIPTION));
            plan.choices.push("close_code".into());
        }
        _ => {}
    }
}

/// Tells people of an end or a reopening that the other side does not follow.
fn tell(
    plan: &mut Plan,
    situation: &Situation<'_>,
    state: &Merged<Progress, State>,
    flashduty: &FlashdutyView,
    servicenow: &ServiceNowView,
) {
    let Situation {
        integration, base, ..
    } = situation;
    let closing = &integration.closing;
    let is_over = |progress: Option<Progress>| progress == Some(Progress::Closed);
    let of = |state: Option<State>| state.map(State::progress);
    // What was not known before is no news, and neither is what both know.
    let (Some(f_before), Some(s_before)) = (base.state.flashduty, of(base.state.servicenow)) else {
        return;
    };
    let (f_now, s_now) = (flashduty.progress, of(servicenow.state));
    let mut note = |to, text: String| plan.notes.push(Note { to, text });
    let (to, from) = sends(integration.direction, None);
    let ended = |before, now, other| before != Progress::Closed && is_over(now) && !is_over(other);
    let (f_known, s_known) = (f_now.or(Some(f_before)), s_now.or(Some(s_before)));
    if to && closing.to_servicenow == Ending::Comment && ended(f_before, f_now, s_known) {
        let notes = &flashduty.closing.1;
        note(Side::ServiceNow, format!("Closed in Flashduty.\n{notes}"));
    }
    if from && closing.from_servicenow == Ending::Comment && ended(s_before, s_now, f_known) {
        let notes = &servicenow.closing.0;
        note(Side::Flashduty, format!("Resolved in ServiceNow.\n{notes}"));
    }
    let reopened = f_before == Progress::Closed && f_now.is_some_and(|f| f != Progress::Closed);
    let stays_over = is_over(s_now) && state.to_servicenow.is_none();
    if to && reopened && stays_over && state.to_flashduty.is_none() {
        match closing.reopen {
            Reopening::New => plan.successor = true,
            Reopening::Reopen | Reopening::Note => {
                note(Side::ServiceNow, "Reopened in Flashduty.".into());
            }
        }
    }
}

/// The way from one progress to another. `awake` is where the incident stands
/// under its snooze.
fn steps(
    from: Progress,
    awake: Progress,
    to: Progress,
    integration: &Integration,
    servicenow: &ServiceNowView,
) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut at = from;
    if to == Progress::Closed {
        let (resolution, root_cause) = servicenow.closing.clone();
        return vec![Step::Resolve {
            resolution,
            root_cause,
        }];
    }
    if at == Progress::Closed {
        steps.push(Step::Reopen {
            reason: "Reopened in ServiceNow.".into(),
        });
        at = Progress::Triggered;
    }
    if to == Progress::Snoozed {
        steps.push(Step::Snooze {
            minutes: integration.snooze_minutes,
        });
        return steps;
    }
    if at == Progress::Snoozed {
        steps.push(Step::Wake);
        at = awake;
    }
    match (at, to) {
        (Progress::Triggered, Progress::Processing) => steps.push(Step::Acknowledge),
        (Progress::Processing, Progress::Triggered) => steps.push(Step::Unacknowledge),
        _ => {}
    }
    steps
}
