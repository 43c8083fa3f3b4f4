//! Snoozing: in minutes, beside the progress, and over by itself.

use super::super::*;
use super::*;

fn snoozed(options: Options) -> (Flashduty, String) {
    let mut flashduty = with_options(options);
    let id = open_incident(&mut flashduty);
    flashduty.act(ANA, &id, &Action::Acknowledge, T0).unwrap();
    flashduty
        .act(ANA, &id, &Action::Snooze { minutes: 120 }, T0)
        .unwrap();
    flashduty.take_due(T0 + 1000);
    (flashduty, id)
}

#[test]
fn a_snoozed_incident_keeps_its_progress() {
    let (flashduty, id) = snoozed(Options::default());
    let incident = flashduty.incident(&id).unwrap();
    assert_eq!(incident.progress, Progress::Processing);
    assert_eq!(incident.snoozed_before, T0 / 1000 + 7200);
}

#[test]
fn an_expired_snooze_goes_back_to_triggered_and_says_so_as_the_option_wants() {
    for (snooze_expiry, expected) in [
        (SnoozeExpiryEvent::Wake, vec!["i_wake"]),
        (SnoozeExpiryEvent::Assign, vec!["i_assign"]),
        (SnoozeExpiryEvent::Silent, vec![]),
    ] {
        let (mut flashduty, id) = snoozed(Options {
            snooze_expiry,
            ..Options::default()
        });
        let end = T0 + 120 * MINUTE;
        assert_eq!(flashduty.next_due(), Some(end));
        flashduty.take_due(end - 1);
        assert_eq!(
            flashduty.incident(&id).unwrap().progress,
            Progress::Processing
        );
        let events = payloads(&mut flashduty, end + MINUTE);
        let types: Vec<_> = events
            .iter()
            .map(|event| event["event_type"].clone())
            .collect();
        assert_eq!(types, expected);
        for event in events {
            assert!(event.get("person").is_none());
            assert_eq!(event["event_time"], end);
            assert_eq!(event["incident"]["progress"], "Triggered");
        }
        let incident = flashduty.incident(&id).unwrap();
        assert_eq!(incident.progress, Progress::Triggered);
        assert_eq!(incident.updated_at, end / 1000);
        // In the past now, which is how a reader has to see that it is over.
        assert_eq!(incident.snoozed_before, end / 1000);
        assert_eq!(flashduty.next_due(), None);
    }
}

#[test]
fn waking_ends_the_snooze_and_leaves_the_progress() {
    let (mut flashduty, id) = snoozed(Options::default());
    flashduty.act(BO, &id, &Action::Wake, T0 + MINUTE).unwrap();
    let event = payloads(&mut flashduty, T0 + 2 * MINUTE).remove(0);
    assert_eq!(event["event_type"], "i_wake");
    assert_eq!(event["person"]["person_name"], "Bo");
    assert_eq!(event["incident"]["snoozed_before"], 0);
    assert_eq!(event["incident"]["progress"], "Processing");
    assert_eq!(flashduty.next_due(), None);
}

#[test]
fn whether_an_acknowledgement_ends_the_snooze_is_an_option() {
    for (ack_ends_snooze, expected) in [(true, 0), (false, T0 / 1000 + 7200)] {
        let (mut flashduty, id) = snoozed(Options {
            ack_ends_snooze,
            ..Options::default()
        });
        flashduty.act(BO, &id, &Action::Acknowledge, T0).unwrap();
        assert_eq!(flashduty.incident(&id).unwrap().snoozed_before, expected);
    }
}

#[test]
fn closing_ends_the_snooze() {
    let (mut flashduty, id) = snoozed(Options::default());
    data(&mut flashduty, "/incident/resolve", &ids(&id), T0);
    assert_eq!(flashduty.incident(&id).unwrap().snoozed_before, 0);
    flashduty.take_due(T0 + 1000);
    assert!(event_types(&mut flashduty, T0 + 200 * MINUTE).is_empty());
}
