//! An incident gets one counterpart, whatever happens to the request that
//! creates it.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use serde_json::json;
use simulators::flashduty;
use simulators::flashduty::Action;
use simulators::flashduty::Mishaps;
use simulators::flashduty::NewIncident;
use simulators::flashduty::PlannedFault;
use simulators::flashduty::Severity;
use simulators::flashduty::Status;
use simulators::servicenow;
use simulators::servicenow::Fault;
use simulators::servicenow::Span;
use simulators::servicenow::Target;
use simulators::servicenow::WebhookFault;
use std::time::Duration;
use support::Setting;
use support::World;

fn post() -> Target {
    Target {
        method: Some("POST".into()),
        path: Some("/api/now/table/incident".into()),
    }
}

async fn one_record_after(setting: Setting, fault: Fault) {
    let world = World::start(setting).await.unwrap();
    world
        .servicenow
        .poke(|s, _| s.faults().answer_to(post(), fault, Span::Next(1)));
    let incident = world.alert("disk full", Status::Warning);
    let sys_id = world.until_record(&incident).await.unwrap();
    world
        .until("the number is in Flashduty", |w| {
            let number = w.column(&sys_id, "number");
            w.comments(&incident)
                .into_iter()
                .find(|comment| comment.contains(&number))
        })
        .await
        .unwrap();
    world.settled().await.unwrap();
    assert_eq!(world.servicenow.simulator().incidents().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_created_before_an_error_500_is_found() {
    one_record_after(Setting::default(), Fault::ServerErrorAfterCommit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_created_before_the_connection_broke_is_found() {
    one_record_after(Setting::default(), Fault::ClosedAfterCommit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_found_on_an_instance_that_chooses_its_own_ids() {
    let servicenow = servicenow::Options {
        accept_caller_sys_id: false,
        ..Default::default()
    };
    let setting = Setting {
        servicenow,
        ..Setting::default()
    };
    one_record_after(setting, Fault::ClosedAfterCommit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_certainly_did_not_happen_is_repeated_at_once() {
    let world = World::start(Setting::default()).await.unwrap();
    let unauthorized = Fault::TooManyRequests(Some(1));
    world
        .servicenow
        .poke(|s, _| s.faults().answer_to(post(), unauthorized, Span::Next(1)));
    let incident = world.alert("disk full", Status::Warning);
    world.until_record(&incident).await.unwrap();
    world.settled().await.unwrap();
    assert_eq!(world.servicenow.simulator().incidents().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_that_was_created_before_the_connection_broke_is_found() {
    one_incident_among(0, "two-way").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_found_in_a_storm_of_others() {
    // Which nobody tells of, so that no records are made for them.
    one_incident_among(2100, "from-servicenow").await;
}

/// A creation whose answer is lost brings one incident, as many as there are
/// that began just before.
async fn one_incident_among(others: usize, direction: &'static str) {
    let setting = Setting {
        direction,
        ..Setting::default()
    };
    let world = World::start(setting).await.unwrap();
    world.flashduty.poke(|f, now_ms| {
        for other in 0..others {
            let title = format!("Alert {other}");
            let new = NewIncident::new(&title, Severity::Info, flashduty::PAYMENTS);
            f.create(flashduty::ANA, new, now_ms).unwrap();
        }
    });
    let fault = PlannedFault::next(flashduty::Fault::CommitThenConnectionClosed, 1);
    world
        .flashduty
        .poke(|f, _| f.plan_fault(fault.on("/incident/create")));
    let sys_id = world.abel_opens(&[("short_description", "VPN down"), ("urgency", "1")]);
    let incident = world.until_incident("VPN down").await.unwrap();
    let correlation = format!("flashduty:demo:{incident}");
    world
        .until_column(&sys_id, "correlation_id", &correlation)
        .await
        .unwrap();
    world.settled().await.unwrap();
    let incidents = world.flashduty.simulator().incidents().count();
    assert_eq!(incidents, others + 1);
    assert_eq!(world.servicenow.simulator().incidents().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_cut_off_in_the_middle_goes_on_where_it_was() {
    let mut world = World::start(Setting::default()).await.unwrap();
    // After one record, the gateway knows that the instance takes its ids, and
    // need not wait for those whose answers are lost.
    let first = world.alert("alert", Status::Critical);
    world.until_record(&first).await.unwrap();
    world.settled().await.unwrap();
    world
        .servicenow
        .poke(|s, _| s.faults().answer(Fault::Slow(300), Span::Always));
    let incidents: Vec<_> = (0..5)
        .map(|n| world.alert(&format!("alert {n}"), Status::Critical))
        .collect();
    let any = |w: &World| {
        incidents
            .iter()
            .find_map(|incident| w.records_of(incident).pop())
    };
    world.until("one of them is there", any).await.unwrap();
    world.servicenow.poke(|s, _| s.faults().clear());
    world.crash_and_restart(&Setting::default()).await.unwrap();
    for incident in &incidents {
        world.until_record(incident).await.unwrap();
    }
    world.settled().await.unwrap();
    assert_eq!(world.servicenow.simulator().incidents().count(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_readers_do_not_see_yet_is_not_created_again() {
    let world = World::start(Setting {
        business_rule_delay_ms: 0,
        ..Setting::default()
    })
    .await
    .unwrap();
    let mut writes = world.writes();
    world
        .servicenow
        .poke(|s, _| s.faults().set_read_lag_ms(500));
    let incident = world.alert("disk full", Status::Critical);
    let sys_id = world.until_record(&incident).await.unwrap();
    let created_ms = world.servicenow.now_ms();
    world.settled().await.unwrap();
    let seen = |w: &World| (w.servicenow.now_ms() > created_ms + 500).then_some(());
    world.until("readers see the record", seen).await.unwrap();
    world.ana(&incident, &Action::Acknowledge);
    world.until_column(&sys_id, "state", "2").await.unwrap();
    world.settled().await.unwrap();
    assert_eq!(world.flashduty.simulator().incidents().count(), 1);
    assert_eq!(world.servicenow.simulator().incidents().count(), 1);
    let writes = writes.in_servicenow();
    assert_eq!(writes.iter().filter(|w| w.starts_with("POST")).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_webhooks_at_once_about_a_new_incident_make_one_record() {
    let world = World::start(Setting::default()).await.unwrap();
    world
        .flashduty
        .poke(|f, _| f.account_mut().webhooks.clear());
    let incident = world.alert("disk full", Status::Critical);
    let event = |n: u32| {
        json!({
            "event_id": format!("{n:032x}"),
            "event_type": "i_new",
            "incident": { "incident_id": incident },
        })
    };
    let (events, mut writes) = ([event(1), event(2)], world.writes());
    let (first, second) = tokio::join!(
        world.flashduty_sends(&events[0]),
        world.flashduty_sends(&events[1])
    );
    assert_eq!((first.status, second.status), (200, 200));
    world.until_record(&incident).await.unwrap();
    world.settled().await.unwrap();
    let created = writes
        .in_servicenow()
        .into_iter()
        .filter(|w| w.starts_with("POST"));
    assert_eq!(created.count(), 1);
    assert_eq!(world.servicenow.simulator().incidents().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_cut_off_before_the_answer_to_a_creation_finds_the_record() {
    let mut world = World::start(Setting::default()).await.unwrap();
    world.servicenow.poke(|s, _| {
        s.faults()
            .answer_to(post(), Fault::Slow(60_000), Span::Next(1));
    });
    let incident = world.alert("disk full", Status::Critical);
    let sys_id = world.until_record(&incident).await.unwrap();
    world.crash_and_restart(&Setting::default()).await.unwrap();
    let mut writes = world.writes();
    let number = world.column(&sys_id, "number");
    let linked = |w: &World| {
        w.comments(&incident)
            .into_iter()
            .find(|c| c.contains(&number))
    };
    world.until("the record is linked", linked).await.unwrap();
    world.settled().await.unwrap();
    let again = |write: &String| write.starts_with("POST");
    assert!(!writes.in_servicenow().iter().any(again));
    assert_eq!(world.servicenow.simulator().incidents().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_and_disorder_write_nothing_twice() {
    let world = World::start(Setting::default()).await.unwrap();
    let mut writes = world.writes();
    world.flashduty.poke(|f, _| {
        f.set_mishaps(Mishaps {
            duplicate_percent: 50,
            reorder_percent: 50,
            ..Mishaps::default()
        });
    });
    world.servicenow.poke(|s, _| {
        s.faults()
            .webhooks(WebhookFault::Doubled, Span::Next(u32::MAX));
    });
    let incident = world.alert("disk full", Status::Critical);
    let sys_id = world.until_record(&incident).await.unwrap();
    world.ana(&incident, &Action::Acknowledge);
    world.ana_comments(&incident, "looking into it");
    world.beth(&sys_id, &[("comments", "thank you")]);
    world.until_column(&sys_id, "state", "2").await.unwrap();
    let resolution = Some("grew the volume".to_owned());
    world.ana(
        &incident,
        &Action::Resolve {
            root_cause: None,
            resolution,
        },
    );
    world.until_column(&sys_id, "state", "6").await.unwrap();
    let count = |texts: Vec<String>, part: &str| texts.iter().filter(|t| t.contains(part)).count();
    world
        .until("both comments are carried", |w| {
            let notes = count(w.journal(&sys_id, "work_notes"), "looking into it");
            (notes + count(w.comments(&incident), "thank you") == 2).then_some(())
        })
        .await
        .unwrap();
    world.settled().await.unwrap();

    let url = format!("PATCH /api/now/table/incident/{sys_id}");
    let mut expected = vec!["POST /api/now/table/incident".to_owned()];
    // Acknowledged, a comment, resolved.
    expected.extend([url.clone(), url.clone(), url]);
    assert_eq!(writes.in_servicenow(), expected);
    // The number, and Beth's comment.
    assert_eq!(writes.in_flashduty(), ["POST /incident/comment"; 2]);

    let sent: Vec<Value> = {
        let flashduty = world.flashduty.simulator();
        let bodies = flashduty.deliveries().iter().map(|a| &a.request_body);
        bodies
            .map(|body| serde_json::from_str(body).unwrap())
            .collect()
    };
    for event in sent.iter().rev() {
        assert_eq!(world.flashduty_sends(event).await.status, 200);
    }
    world.settled().await.unwrap();
    assert_eq!(writes.in_servicenow(), [""; 0]);
    assert_eq!(writes.in_flashduty(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_echo_of_our_own_record_makes_no_second_incident() {
    let setting = Setting {
        business_rule_delay_ms: 0,
        ..Setting::default()
    };
    let world = World::start(setting).await.unwrap();
    for n in 0..5 {
        world.alert(&format!("alert {n}"), Status::Critical);
    }
    world
        .until("five records", |w| {
            (w.servicenow.simulator().incidents().count() == 5).then_some(())
        })
        .await
        .unwrap();
    world.settled().await.unwrap();
    assert_eq!(world.flashduty.simulator().incidents().count(), 5);
    assert_eq!(world.servicenow.simulator().incidents().count(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_are_looked_at_again_until_the_incident_is_sent() {
    let integration =
        r#"conditions = [[{ key = "severity", oper = "IN", vals = ["Critical"] }]]"#.into();
    let world = World::start(Setting {
        integration,
        ..Setting::default()
    })
    .await
    .unwrap();
    let incident = world.alert("disk filling", Status::Warning);
    world
        .until("the webhook was worked on", |w| {
            let host = w.host.as_ref()?;
            host.gateway()
                .metrics()
                .encode()
                .contains(r#"kind="work",verdict="done""#)
                .then_some(())
        })
        .await
        .unwrap();
    assert_eq!(world.servicenow.simulator().incidents().count(), 0);
    world.alert("disk filling", Status::Critical);
    world.until_record(&incident).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_told_to_stop_finishes_what_is_under_way() {
    let mut world = World::start(Setting::default()).await.unwrap();
    world
        .servicenow
        .poke(|s, _| s.faults().answer(Fault::Slow(300), Span::Always));
    let incident = world.alert("disk full", Status::Critical);
    let running = |w: &World| (w.host.as_ref()?.gateway().status().work.running == 1).then_some(());
    world.until("the work has begun", running).await.unwrap();
    let host = world.host.take().unwrap();
    host.shutdown(Duration::from_secs(20)).await;
    // Without a gateway, nothing more can come.
    assert_eq!(world.records_of(&incident).len(), 1);
    assert_eq!(world.comments(&incident).len(), 1);
}
