//! What was once on the wire may come again: it then changes nothing.

use crate::chance::Chance;
use crate::recorded::Recorded;
use simulators::flashduty::Action;
use simulators::flashduty::Status;
use std::env;
use support::Setting;
use support::World;
use support::world::SIGNATURE;

/// Two incidents live through changes on both sides; returns all their webhooks.
async fn lived_through(world: &World) -> Vec<Recorded> {
    let mut from_flashduty = world.flashduty.exchanges();
    let mut from_servicenow = world.servicenow.exchanges();
    let incident = world.alert("disk full", Status::Critical);
    let sys_id = world.until_record(&incident).await.unwrap();
    world.settled().await.unwrap();
    world.ana(&incident, &Action::Acknowledge);
    world.ana_comments(&incident, "looking into it");
    world.settled().await.unwrap();
    world.beth(&sys_id, &[("urgency", "2"), ("work_notes", "a cable")]);
    world.settled().await.unwrap();
    let opened = world.abel_opens(&[("short_description", "VPN down"), ("urgency", "1")]);
    world.until_incident("VPN down").await.unwrap();
    world.settled().await.unwrap();
    let solved = [
        ("state", "6"),
        ("close_code", "User error"),
        ("close_notes", "a cable"),
    ];
    world.beth(&opened, &solved);
    world.settled().await.unwrap();
    let mut recorded = Recorded::all(&mut from_flashduty);
    recorded.append(&mut Recorded::all(&mut from_servicenow));
    recorded
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_event_a_hundred_times_in_any_order_writes_nothing() {
    let world = World::start(Setting::default()).await.unwrap();
    let recorded = lived_through(&world).await;
    assert!(recorded.len() >= 8, "{}", recorded.len());
    let mut writes = world.writes();
    let times = env::var("ATTACKS_REPLAYS").map_or(100, |n| n.parse().unwrap());
    let mut replays: Vec<&Recorded> = recorded
        .iter()
        .cycle()
        .take(recorded.len() * times)
        .collect();
    Chance(1).shuffle(&mut replays);
    for replay in replays {
        assert_eq!(replay.replay(&world).await.status, 200);
        assert_eq!(writes.in_servicenow(), [""; 0]);
        assert_eq!(writes.in_flashduty(), [""; 0]);
    }
    world.settled().await.unwrap();
    assert_eq!(writes.in_servicenow(), [""; 0]);
    assert_eq!(writes.in_flashduty(), [""; 0]);
    assert_eq!(world.servicenow.simulator().incidents().count(), 2);
    assert_eq!(world.flashduty.simulator().incidents().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_message_is_refused_again_and_after_a_restart_changes_nothing() {
    let setting = Setting {
        servicenow_proof: SIGNATURE,
        ..Setting::default()
    };
    let mut world = World::start(setting.clone()).await.unwrap();
    let recorded = lived_through(&world).await;
    let signed: Vec<_> = recorded
        .into_iter()
        .filter(|recorded| recorded.path == "/servicenow/demo")
        .collect();
    assert!(signed.len() >= 3, "{}", signed.len());
    let mut writes = world.writes();
    for message in signed.iter().cycle().take(signed.len() * 10) {
        assert_eq!(message.replay(&world).await.status, 409);
    }
    // Accepted messages are in memory; what a replay then finds is in step.
    world.crash_and_restart(&setting).await.unwrap();
    for (round, status) in [200, 409, 409].into_iter().enumerate() {
        for message in &signed {
            let answer = message.replay(&world).await;
            assert_eq!(answer.status, status, "round {round}");
        }
    }
    world.settled().await.unwrap();
    assert_eq!(writes.in_servicenow(), [""; 0]);
    assert_eq!(writes.in_flashduty(), [""; 0]);
}
