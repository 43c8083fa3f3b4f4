//! A network that fails in every way: each kind of request meets each fault
//! once in the life of an incident, and in the end there is one record, equal
//! to the incident.
#![allow(clippy::unwrap_used)]

use simulators::flashduty::Action;
use simulators::flashduty::Progress;
use simulators::flashduty::Severity;
use simulators::flashduty::Status;
use support::Setting;
use support::World;
use support::network::Additions;
use support::network::Fault;

async fn an_incident_lives_through(fault: Fault) {
    let setting = Setting {
        network: true,
        // The life of an answer that never comes.
        server: "[limits]\nrequest-seconds = 1",
        ..Setting::default()
    };
    let world = World::start(setting).await.unwrap();
    // From the first record it is known that the instance honours ids.
    let first = world.alert("an earlier incident", Status::Critical);
    world.until_record(&first).await.unwrap();
    world.settled().await.unwrap();

    for network in &world.networks {
        // A comment that did not arrive is waited for, for 150 seconds.
        network.fail(fault, Additions::Spared);
    }
    let incident = world.alert("disk full", Status::Warning);
    let sys_id = world.until_record(&incident).await.unwrap();
    world.ana(&incident, &Action::Acknowledge);
    world.until_column(&sys_id, "state", "2").await.unwrap();
    world.ana_comments(&incident, "looking into it");
    let noted = |text| {
        let sys_id = sys_id.clone();
        move |w: &World| {
            let notes = w.journal(&sys_id, "work_notes");
            notes.iter().any(|note| note.contains(text)).then_some(())
        }
    };
    world
        .until("the comment is in ServiceNow", noted("looking into it"))
        .await
        .unwrap();
    world.beth(&sys_id, &[("comments", "customers call"), ("urgency", "1")]);
    world
        .until_severity(&incident, Severity::Critical)
        .await
        .unwrap();
    world.beth(
        &sys_id,
        &[
            ("state", "6"),
            ("close_code", "Solution provided"),
            ("close_notes", "Cleaned up"),
        ],
    );
    world
        .until_progress(&incident, Progress::Closed)
        .await
        .unwrap();
    let carried = |w: &World| {
        let comments = w.comments(&incident);
        comments
            .iter()
            .any(|comment| comment.contains("customers call"))
            .then_some(())
    };
    world
        .until("her comment is in Flashduty", carried)
        .await
        .unwrap();
    if fault.delivers() {
        world.networks[1].fail(fault, Additions::Meant);
    }
    world.ana_comments(&incident, "it was the log");
    world
        .until("the last comment is in ServiceNow", noted("it was the log"))
        .await
        .unwrap();
    // What was given up for now is taken up again.
    let nothing_is_left = |w: &World| {
        let work = w.host.as_ref()?.gateway().status().work;
        (work.due + work.running + work.waiting + work.parked == 0).then_some(())
    };
    world
        .until("no work is left", nothing_is_left)
        .await
        .unwrap();
    world.settled().await.unwrap();

    assert_eq!(world.servicenow.simulator().incidents().count(), 2);
    assert_eq!(world.flashduty.simulator().incidents().count(), 2);
    assert_eq!(world.column(&sys_id, "state"), "6");
    assert_eq!(world.column(&sys_id, "urgency"), "1");
    let count = |texts: &[String], text: &str| texts.iter().filter(|t| t.contains(text)).count();
    let notes = world.journal(&sys_id, "work_notes");
    assert_eq!(count(&notes, "looking into it"), 1, "{notes:?}");
    assert_eq!(count(&notes, "it was the log"), 1, "{notes:?}");
    let comments = world.comments(&incident);
    assert_eq!(count(&comments, "customers call"), 1, "{comments:?}");
    assert_eq!(count(&comments, "INC"), 1, "{comments:?}");
    let [in_flashduty, in_servicenow] = [0, 1].map(|n| world.networks[n].met());
    assert!(in_flashduty.len() >= 4, "{in_flashduty:?}");
    let creation = "POST /api/now/table/incident".to_owned();
    assert!(in_servicenow.contains(&creation), "{in_servicenow:?}");
    let note = "PATCH /api/now/table/incident/ID with a note".to_owned();
    assert_eq!(
        in_servicenow.contains(&note),
        fault.delivers(),
        "{in_servicenow:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_lives_through_every_fault_of_the_network_and_is_there_once() {
    let lives = Fault::ALL.map(|fault| (fault, tokio::spawn(an_incident_lives_through(fault))));
    for (fault, life) in lives {
        life.await
            .unwrap_or_else(|error| panic!("{fault:?}: {error}"));
    }
}
