//! A far end that does not work: the work waits, nothing is given up, and an
//! operator can see why.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use simulators::flashduty;
use simulators::flashduty::Action;
use simulators::flashduty::PlannedFault;
use simulators::flashduty::Status;
use simulators::servicenow::Fault;
use simulators::servicenow::Span;
use support::Setting;
use support::World;
use support::world::ADMIN_TOKEN;

/// The one item of work that is left, once it has been tried.
async fn waiting_work(world: &World) -> Value {
    loop {
        let answer = world.admin("/work", Some(ADMIN_TOKEN)).await.json();
        let item = &answer["work"][0];
        if item["last_failure"].is_string() {
            return item.clone();
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn servicenow_recovers_from(fault: Fault, reason: &str) {
    let world = World::start(Setting::default()).await.unwrap();
    world
        .servicenow
        .poke(|s, _| s.faults().answer(fault, Span::Always));
    let incident = world.alert("disk full", Status::Critical);
    let item = waiting_work(&world).await;
    let why = item["last_failure"].as_str().unwrap();
    assert!(why.contains(reason), "{why}");
    assert_eq!(item["attempt"], 0, "waiting does not count: {item}");
    world.ana(&incident, &Action::Acknowledge);
    world.servicenow.poke(|s, _| s.faults().clear());
    let sys_id = world.until_record(&incident).await.unwrap();
    world.until_column(&sys_id, "state", "2").await.unwrap();
    world.settled().await.unwrap();
    assert_eq!(world.servicenow.simulator().incidents().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_sleeps_and_answers_200_with_a_page_is_waited_for() {
    servicenow_recovers_from(Fault::Hibernating, "answered 200 with text/html").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_answers_500_is_waited_for() {
    servicenow_recovers_from(Fault::ServerError, "answered 500").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_says_when_is_asked_again_then() {
    servicenow_recovers_from(Fault::TooManyRequests(Some(1)), "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_hangs_up_is_waited_for() {
    servicenow_recovers_from(Fault::Closed, "ServiceNow's GET incident").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_password_closes_the_gate_and_shows_in_the_metrics() {
    let world = World::start(Setting::default()).await.unwrap();
    world
        .servicenow
        .poke(|s, _| s.faults().answer(Fault::Unauthorized, Span::Always));
    for n in 0..40 {
        world.alert(&format!("alert {n}"), Status::Critical);
    }
    world
        .until("all of them wait", |w| {
            let work = w.host.as_ref()?.gateway().status().work;
            (work.waiting == 40).then_some(())
        })
        .await
        .unwrap();
    let status = world.host.as_ref().unwrap().gateway().status();
    assert_eq!(status.closed_gates.len(), 1, "{status:?}");
    assert_eq!(status.work.parked, 0, "never given up");
    let metrics = world.admin("/metrics", Some(ADMIN_TOKEN)).await.text;
    let url = world.servicenow.url();
    let line = metrics
        .lines()
        .find(|line| line.contains(&url) && line.contains("\"401\""))
        .unwrap();
    let tries: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
    // What was under way when the first one was rejected, and nothing after:
    // ServiceNow locks accounts that keep trying.
    assert!(tries <= 16.0, "{line}");
    let held = metrics
        .lines()
        .find(|line| line.contains(&url) && line.contains("\"held\""));
    assert!(held.is_some(), "{metrics}");
}

async fn flashduty_recovers_from(fault: flashduty::Fault, reason: &str) {
    let world = World::start(Setting::default()).await.unwrap();
    world
        .flashduty
        .poke(|f, now| f.plan_fault(PlannedFault::until(fault, now + 86_400_000)));
    let sys_id = world.abel_opens(&[("short_description", "VPN down"), ("urgency", "1")]);
    let item = waiting_work(&world).await;
    let why = item["last_failure"].as_str().unwrap();
    assert!(why.contains(reason), "{why}");
    assert_eq!(item["attempt"], 0, "waiting does not count: {item}");
    world.flashduty.poke(|f, _| f.clear_faults());
    let incident = world.until_incident("VPN down").await.unwrap();
    let correlation = format!("flashduty:demo:{incident}");
    world
        .until_column(&sys_id, "correlation_id", &correlation)
        .await
        .unwrap();
    world.settled().await.unwrap();
    assert_eq!(world.flashduty.simulator().incidents().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_over_its_rate_limit_is_waited_for() {
    flashduty_recovers_from(flashduty::Fault::TooManyRequests, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flashduty_that_cannot_be_reached_is_waited_for() {
    let world = World::start(Setting::default()).await.unwrap();
    let fault = PlannedFault::next(flashduty::Fault::ServiceUnavailable, 2);
    world
        .flashduty
        .poke(|f, _| f.plan_fault(fault.on("/incident/info")));
    let incident = world.alert("disk full", Status::Critical);
    world.until_record(&incident).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_tried_again_later_and_the_others_go_on() {
    let world = World::start(Setting::default()).await.unwrap();
    // No resolution code of that name: the instance's data policy refuses it.
    let first = world.alert("disk full", Status::Critical);
    let sys_id = world.until_record(&first).await.unwrap();
    world.settled().await.unwrap();
    world.servicenow.poke(|s, _| {
        s.set_roles(
            "flashduty",
            &["sn_incident_read", "snc_platform_rest_api_access"],
        )
    });
    world.ana(&first, &Action::Acknowledge);
    let item = waiting_work(&world).await;
    assert_eq!(item["attempt"], 1, "{item}");
    assert!(
        item["last_failure"].as_str().unwrap().contains("403"),
        "{item}"
    );
    assert_eq!(world.column(&sys_id, "state"), "1");
    world
        .servicenow
        .poke(|s, _| s.set_roles("flashduty", &["itil"]));
    let second = world.alert("another", Status::Critical);
    world.until_record(&second).await.unwrap();
}
