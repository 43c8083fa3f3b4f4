//! A far end that does not work: the work waits, nothing is given up, and an
//! operator can see why.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use serde_json::json;
use simulators::flashduty;
use simulators::flashduty::Action;
use simulators::flashduty::PlannedFault;
use simulators::flashduty::Progress;
use simulators::flashduty::Status;
use simulators::servicenow;
use simulators::servicenow::CloseCodes;
use simulators::servicenow::Fault;
use simulators::servicenow::Span;
use support::Setting;
use support::World;
use support::world::ADMIN_TOKEN;

/// The one item of work that is left, once it has been tried.
async fn waiting_work(world: &World) -> Value {
    let tried = |w: &World| {
        let work = w.host.as_ref()?.gateway().status().work;
        (work.waiting + work.parked > 0 && work.due + work.running == 0).then_some(())
    };
    loop {
        world.until("work waits", tried).await.unwrap();
        let work = world.admin("/work", Some(ADMIN_TOKEN)).await.json();
        if work["work"][0]["last_failure"].is_string() {
            return work["work"][0].clone();
        }
    }
}

/// Checks what an operator sees of the work that waits: why, in the list and as
/// a count of requests by origin and outcome; and that nothing is given up.
async fn is_visible(world: &World, origin: &str, reason: &str, outcome: &str) {
    let item = waiting_work(world).await;
    let why = item["last_failure"].as_str().unwrap();
    assert!(why.contains(reason), "{why}");
    assert_eq!(item["attempt"], 0, "waiting does not count: {item}");
    assert_eq!(item["parked_reason"], Value::Null, "{item}");
    assert!(requests(world, origin, outcome).await > 0, "{outcome}");
}

/// How many requests to an origin had that outcome, according to the metrics.
async fn requests(world: &World, origin: &str, outcome: &str) -> u64 {
    let metrics = world.admin("/metrics", Some(ADMIN_TOKEN)).await.text;
    let labels = format!(r#"origin="{origin}",outcome="{outcome}""#);
    let line = metrics
        .lines()
        .find(|line| line.starts_with("gateway_http_requests_total") && line.contains(&labels));
    let count = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
    count.unwrap_or_default()
}

async fn servicenow_recovers_from(fault: Fault, reason: &str, outcome: &str) {
    let world = World::start(Setting::default()).await.unwrap();
    world
        .servicenow
        .poke(|s, _| s.faults().answer(fault, Span::Always));
    let incident = world.alert("disk full", Status::Critical);
    is_visible(&world, &world.servicenow.url(), reason, outcome).await;
    world.ana(&incident, &Action::Acknowledge);
    world.servicenow.poke(|s, _| s.faults().clear());
    let sys_id = world.until_record(&incident).await.unwrap();
    world.until_column(&sys_id, "state", "2").await.unwrap();
    world.settled().await.unwrap();
    assert_eq!(world.servicenow.simulator().incidents().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_sleeps_and_answers_200_with_a_page_is_waited_for() {
    servicenow_recovers_from(Fault::Hibernating, "answered 200 with text/html", "2xx").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_answers_500_is_waited_for() {
    servicenow_recovers_from(Fault::ServerError, "answered 500", "5xx").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_says_when_is_asked_again_then() {
    servicenow_recovers_from(Fault::TooManyRequests(Some(1)), "429", "429").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_hangs_up_is_waited_for() {
    servicenow_recovers_from(Fault::Closed, "ServiceNow's GET incident", "unknown").await;
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

async fn flashduty_recovers_from(fault: flashduty::Fault, reason: &str, outcome: &str) {
    let world = World::start(Setting::default()).await.unwrap();
    // The looks that follow a lost answer of a creation are another matter.
    let reading = PlannedFault::until(fault, u64::MAX).on("/incident/info");
    world.flashduty.poke(|f, _| f.plan_fault(reading));
    let incident = world.alert("disk full", Status::Critical);
    is_visible(&world, &world.flashduty.url(), reason, outcome).await;
    world.ana(&incident, &Action::Acknowledge);
    world.flashduty.poke(|f, _| f.clear_faults());
    let sys_id = world.until_record(&incident).await.unwrap();
    world.until_column(&sys_id, "state", "2").await.unwrap();
    world.settled().await.unwrap();
    assert_eq!(world.servicenow.simulator().incidents().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_over_its_rate_limit_is_waited_for() {
    let fault = flashduty::Fault::TooManyRequests;
    flashduty_recovers_from(fault, "429", "429").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flashduty_that_answers_500_is_waited_for() {
    flashduty_recovers_from(flashduty::Fault::InternalError, "InternalError", "5xx").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flashduty_behind_a_page_of_a_proxy_is_waited_for() {
    let fault = flashduty::Fault::HtmlPage;
    flashduty_recovers_from(fault, "answered 200 with text/html", "2xx").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flashduty_that_hangs_up_is_waited_for() {
    let fault = flashduty::Fault::ConnectionClosed;
    flashduty_recovers_from(fault, "Flashduty's /incident/info", "unknown").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_in_flashduty_waits_for_the_rate_limit_and_happens_once() {
    let world = World::start(Setting::default()).await.unwrap();
    let fault = flashduty::Fault::TooManyRequests;
    let fault = PlannedFault::until(fault, u64::MAX).on("/incident/create");
    world.flashduty.poke(|f, _| f.plan_fault(fault));
    let sys_id = world.abel_opens(&[("short_description", "VPN down"), ("urgency", "1")]);
    let flashduty = world.flashduty.url();
    is_visible(&world, &flashduty, "429", "429").await;
    world.beth(&sys_id, &[("state", "2")]);
    world.flashduty.poke(|f, _| f.clear_faults());
    let incident = world.until_incident("VPN down").await.unwrap();
    world
        .until_progress(&incident, Progress::Processing)
        .await
        .unwrap();
    world.settled().await.unwrap();
    assert_eq!(world.flashduty.simulator().incidents().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_app_key_closes_the_gate_and_webhooks_are_still_taken() {
    let world = World::start(Setting::default()).await.unwrap();
    let fault = PlannedFault::until(flashduty::Fault::Unauthorized, u64::MAX);
    world.flashduty.poke(|f, _| f.plan_fault(fault));
    let incident = world.alert("disk full", Status::Critical);
    let flashduty = world.flashduty.url();
    is_visible(&world, &flashduty, "401", "401").await;
    let status = world.admin("/status", Some(ADMIN_TOKEN)).await.json();
    let gate = &status["closed_gates"][0];
    assert_eq!(gate["origin"], json!(flashduty), "{status}");
    let why = gate["reason"].as_str().unwrap();
    assert!(why.contains("rejects the credential"), "{why}");
    let event = json!({ "event_type": "i_new", "incident": { "incident_id": incident } });
    assert_eq!(world.flashduty_sends(&event).await.status, 200);
    world.settled().await.unwrap();
    // The work waits for the gate, so not even a session is run for the event.
    assert_eq!(requests(&world, &flashduty, "401").await, 1);
    let work = world.host.as_ref().unwrap().gateway().status().work;
    assert_eq!((work.waiting, work.parked), (1, 0));
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
    // "Solution provided" is none of this instance's resolution codes, and its
    // data policy would refuse whatever is resolved with it.
    let servicenow = servicenow::Options {
        close_codes: CloseCodes::Legacy,
        ..Default::default()
    };
    let world = World::start(Setting {
        servicenow,
        ..Setting::default()
    })
    .await
    .unwrap();
    let first = world.alert("disk full", Status::Critical);
    let sys_id = world.until_record(&first).await.unwrap();
    world.settled().await.unwrap();
    let asked_ms = world.servicenow.now_ms();
    world.ana(
        &first,
        &Action::Resolve {
            root_cause: None,
            resolution: None,
        },
    );
    let item = waiting_work(&world).await;
    let why = item["last_failure"].as_str().unwrap();
    assert!(
        why.starts_with("close_code has no choice \"Solution provided\" at the instance; it has "),
        "{why}"
    );
    assert_eq!(item["attempt"], 1, "{item}");
    assert_eq!(item["state"], "waiting", "{item}");
    let pause_ms = item["due_ms"].as_u64().unwrap() - asked_ms;
    assert!(pause_ms > 14_000, "{pause_ms}");
    assert_eq!(world.column(&sys_id, "state"), "1");
    let second = world.alert("another", Status::Critical);
    let sys_id = world.until_record(&second).await.unwrap();
    world.ana(&second, &Action::Acknowledge);
    world.until_column(&sys_id, "state", "2").await.unwrap();
}
