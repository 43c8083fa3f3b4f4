//! An operator joins two incidents by hand, takes a pair apart, and looks at it.
#![allow(clippy::unwrap_used)]

use clap::Parser as _;
use serde_json::Value;
use serde_json::json;
use servicenow_sync::pair::Pair;
use simulators::flashduty::Action;
use simulators::flashduty::Progress;
use simulators::flashduty::Status;
use support::Setting;
use support::World;

fn setting() -> Setting {
    Setting {
        // So that two incidents can be there without a pair.
        manual: true,
        ..Setting::default()
    }
}

/// A world with an incident on each side that do not know of each other.
async fn strangers() -> (World, String, String) {
    strangers_with(setting()).await
}

async fn strangers_with(setting: Setting) -> (World, String, String) {
    let world = World::start(setting.clone()).await.unwrap();
    let incident = world.alert("disk full", Status::Critical);
    let sys_id = quietly(&world, &setting, "Disk is full").await;
    (world, incident, sys_id)
}

/// A record that no webhook tells of.
async fn quietly(world: &World, setting: &Setting, title: &str) -> String {
    world.settled().await.unwrap();
    world
        .servicenow
        .poke(|s, _| s.options_mut().business_rule = None);
    let fields = [
        ("short_description", title),
        ("urgency", "3"),
        ("impact", "3"),
    ];
    let sys_id = world.abel_opens(&fields);
    world.beth(&sys_id, &[("state", "2")]);
    world.connect(setting);
    sys_id
}

async fn told(world: &World, what: &str, body: &Value) -> (u16, Value) {
    let answer = world.operate(what, body).await;
    (answer.status, answer.json())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_incidents_that_are_joined_follow_the_conflict_rules_and_know_each_other() {
    let (world, incident, sys_id) = strangers().await;
    let number = world.column(&sys_id, "number");
    let names = json!({ "flashduty": incident, "servicenow": number });
    let (status, answer) = told(&world, "link", &names).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        (&answer["status"], &answer["number"]),
        (&json!("linked"), &json!(number))
    );
    world.settled().await.unwrap();

    // The graver severity, the state that is further along, Flashduty's title.
    assert_eq!(world.column(&sys_id, "urgency"), "1");
    assert_eq!(world.column(&sys_id, "short_description"), "disk full");
    world
        .until_progress(&incident, Progress::Processing)
        .await
        .unwrap();
    let notes = world.journal(&sys_id, "work_notes");
    assert!(notes.iter().any(|n| n.contains(&incident)), "{notes:?}");
    let comments = world.comments(&incident);
    assert!(comments.iter().any(|c| c.contains(&number)), "{comments:?}");
    assert_eq!(
        world.column(&sys_id, "correlation_id"),
        format!("flashduty:demo:{incident}")
    );

    world.beth(&sys_id, &[("comments", "on it")]);
    world.ana_comments(&incident, "me too");
    world
        .until("comments cross", |w| {
            let there = w.comments(&incident).iter().any(|c| c.contains("on it"))
                && w.journal(&sys_id, "work_notes")
                    .iter()
                    .any(|n| n.contains("me too"));
            there.then_some(())
        })
        .await
        .unwrap();
    // Once more is no harm.
    assert_eq!(told(&world, "link", &names).await.0, 200);
    world.settled().await.unwrap();
    assert_eq!(world.servicenow.simulator().incidents().count(), 1);
    assert_eq!(world.flashduty.simulator().incidents().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_of_another_pair_is_not_taken_away_from_it() {
    let (world, incident, sys_id) = strangers().await;
    let other = world.alert("another", Status::Critical);
    assert_eq!(world.ana_sends(&other).await.unwrap().0.status, 200);
    let other_id = world.until_record(&other).await.unwrap();
    let number = world.column(&other_id, "number");
    for (names, about, partner) in [
        (
            json!({ "flashduty": incident, "servicenow": other_id }),
            format!("s-{other_id}"),
            &other,
        ),
        (
            json!({ "flashduty": other, "servicenow": sys_id }),
            format!("f-{other}"),
            &number,
        ),
    ] {
        let (status, answer) = told(&world, "link", &names).await;
        assert_eq!(status, 409, "{answer}");
        let why = answer["error"].as_str().unwrap();
        let expected =
            format!("{about} belongs to pair f-{other} with {partner}; unlink that first");
        assert_eq!(why, expected);
    }
    for (names, expected) in [
        (json!({ "flashduty": incident, "servicenow": "INC9" }), 404),
        (
            json!({ "flashduty": "0".repeat(24), "servicenow": sys_id }),
            409,
        ),
        (
            json!({ "flashduty": incident, "servicenow": "0".repeat(32) }),
            409,
        ),
        (json!({ "flashduty": incident }), 400),
        (json!({ "flashduty": "x", "servicenow": sys_id }), 400),
    ] {
        let (status, answer) = told(&world, "link", &names).await;
        assert_eq!(status, expected, "{names}: {answer}");
    }
    world.settled().await.unwrap();
    assert!(world.records_of(&incident).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_incidents_that_are_not_one_pair_are_neither_unlinked_nor_shown_nor_looked_at() {
    let (world, incident, sys_id) = World::with_a_pair().await.unwrap();
    let other = world.alert("another", Status::Critical);
    let other_id = world.until_record(&other).await.unwrap();
    world.settled().await.unwrap();
    for what in ["unlink", "show", "sync"] {
        for (flashduty, servicenow) in [(&incident, &other_id), (&other, &sys_id)] {
            let names = json!({ "flashduty": flashduty, "servicenow": servicenow });
            let why = format!("f-{flashduty} and s-{servicenow} are not one pair");
            let refused = (409, json!({ "error": why }));
            assert_eq!(told(&world, what, &names).await, refused, "{what}");
        }
    }
    // Nothing was done, and those that are one pair may both be named.
    for (flashduty, servicenow) in [(&incident, &sys_id), (&other, &other_id)] {
        let names = json!({ "flashduty": flashduty, "servicenow": servicenow });
        for what in ["show", "sync", "unlink"] {
            let (status, answer) = told(&world, what, &names).await;
            assert_eq!(status, 200, "{what}: {answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_no_pair_is_not_said_to_be_looked_at() {
    // Not there, and there but not sent.
    let world = World::start(setting()).await.unwrap();
    let incident = world.alert("disk full", Status::Critical);
    world.settled().await.unwrap();
    for (side, id, why) in [
        ("flashduty", "0".repeat(24), "does not exist"),
        (
            "flashduty",
            incident,
            "the trigger is manual, and nobody has sent it",
        ),
        ("servicenow", "0".repeat(32), "No Record found"),
    ] {
        let (status, answer) = told(&world, "sync", &json!({ side: id })).await;
        assert_eq!(status, 409, "{id}");
        let told = answer["error"].as_str().unwrap();
        let is_told = told.starts_with("not looked at: ") && told.contains(why);
        assert!(is_told, "{id}: {told}");
    }
    // Unlinked.
    let (world, incident, sys_id) = World::with_a_pair().await.unwrap();
    let name = json!({ "flashduty": incident });
    assert_eq!(told(&world, "unlink", &name).await.0, 200);
    for (name, side) in [
        (name, format!("f-{incident}")),
        (json!({ "servicenow": sys_id }), format!("s-{sys_id}")),
    ] {
        let (status, answer) = told(&world, "sync", &name).await;
        let why = format!("{side} is not linked: unlinked by an operator");
        assert_eq!((status, answer), (409, json!({ "error": why })));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_that_no_webhook_told_of_is_begun_when_it_is_looked_at() {
    let world = World::start(Setting::default()).await.unwrap();
    world
        .servicenow
        .poke(|s, _| s.options_mut().business_rule = None);
    let sys_id = world.abel_opens(&[("short_description", "VPN down"), ("urgency", "1")]);
    let (status, answer) = told(&world, "sync", &json!({ "servicenow": sys_id })).await;
    let number = world.column(&sys_id, "number");
    assert_eq!((status, &answer["number"]), (200, &json!(number)));
    world.until_incident("VPN down").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn to_link_needs_a_credential_for_servicenow() {
    let world = World::start(Setting {
        direction: "from-servicenow",
        servicenow_access: false,
        ..Setting::default()
    })
    .await
    .unwrap();
    let incident = world.alert("disk full", Status::Critical);
    let names = json!({ "flashduty": incident, "servicenow": "0".repeat(32) });
    let (status, answer) = told(&world, "link", &names).await;
    assert_eq!(
        (status, answer["error"].as_str().unwrap()),
        (
            409,
            "to link needs a credential for ServiceNow; add credential = \"…\" to servicenow of \
             integration \"demo\""
        )
    );
    world.settled().await.unwrap();
    let gateway = world.host.as_ref().unwrap().gateway();
    assert_eq!(gateway.status().work.parked, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unlinked_stays_apart_until_it_is_linked_again() {
    for born_in_servicenow in [false, true] {
        // Not manual: an event would create what is missing.
        let setting = Setting::default();
        let world = World::start(setting.clone()).await.unwrap();
        let (incident, sys_id) = if born_in_servicenow {
            let sys_id = world.abel_opens(&[("short_description", "VPN down"), ("urgency", "1")]);
            (world.until_incident("VPN down").await.unwrap(), sys_id)
        } else {
            let incident = world.alert("disk full", Status::Critical);
            let sys_id = world.until_record(&incident).await.unwrap();
            (incident, sys_id)
        };
        world.settled().await.unwrap();
        let (status, answer) = told(&world, "unlink", &json!({ "servicenow": sys_id })).await;
        assert_eq!(status, 200, "{answer}");
        let mut writes = world.writes();
        world.ana(&incident, &Action::Acknowledge);
        world.ana_comments(&incident, "alone");
        world.beth(&sys_id, &[("urgency", "3"), ("comments", "me too")]);
        world.settled().await.unwrap();
        assert_eq!(writes.in_flashduty(), [""; 0]);
        assert_eq!(writes.in_servicenow(), [""; 0]);
        let (status, answer) = told(&world, "unlink", &json!({ "flashduty": incident })).await;
        assert_eq!(status, 409, "{answer}");
        assert!(
            answer["error"]
                .as_str()
                .unwrap()
                .ends_with("unlinked by an operator"),
            "{answer}"
        );

        // To others.
        let stranger = quietly(&world, &setting, "A stranger").await;
        let names = json!({ "flashduty": incident, "servicenow": stranger });
        assert_eq!(told(&world, "link", &names).await.0, 200);
        world.until_column(&stranger, "urgency", "1").await.unwrap();
        assert_eq!(
            told(&world, "unlink", &json!({ "flashduty": incident }))
                .await
                .0,
            200
        );
        // And together again.
        let names = json!({ "flashduty": incident, "servicenow": sys_id });
        let (status, answer) = told(&world, "link", &names).await;
        assert_eq!(status, 200, "{answer}");
        world.until_column(&sys_id, "state", "2").await.unwrap();
        world.until_column(&sys_id, "urgency", "1").await.unwrap();
        world.beth(&sys_id, &[("urgency", "2")]);
        let severity = simulators::flashduty::Severity::Warning;
        world.until_severity(&incident, severity).await.unwrap();
        world.settled().await.unwrap();
        // The signature is no text of Flashduty's.
        let description = world.column(&sys_id, "description");
        assert!(!description.contains("[snow:"), "{description}");
        assert_eq!(world.servicenow.simulator().incidents().count(), 2);
        assert_eq!(world.flashduty.simulator().incidents().count(), 1);
        let mut world = world;
        let keys = world.stored_keys().await.unwrap();
        assert!(!keys.iter().any(|key| key.starts_with("hint.")), "{keys:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_can_be_shown_and_looked_at_again() {
    let (world, incident, sys_id) = World::with_a_pair().await.unwrap();
    let number = world.column(&sys_id, "number");
    for name in [
        json!({ "flashduty": incident }),
        json!({ "servicenow": sys_id }),
        json!({ "servicenow": number }),
    ] {
        let (status, shown) = told(&world, "show", &name).await;
        assert_eq!(status, 200, "{shown}");
        assert_eq!(shown["flashduty"], incident);
        assert_eq!(shown["servicenow"], sys_id);
        assert_eq!(shown["number"], number);
        assert_eq!(shown["base"]["title"]["servicenow"], "disk full");
        assert_eq!(shown["work"], "done");
        assert!(shown["link"].as_str().unwrap().contains(&sys_id));
        assert!(
            shown["history"][0]["what"]
                .as_str()
                .unwrap()
                .contains(&number),
            "{shown}"
        );
    }
    assert_eq!(
        told(&world, "show", &json!({ "flashduty": "0".repeat(24) }))
            .await
            .0,
        404
    );
    // A change that no webhook told of.
    world
        .servicenow
        .poke(|s, _| s.options_mut().business_rule = None);
    world.beth(&sys_id, &[("urgency", "3")]);
    let (status, answer) = told(&world, "sync", &json!({ "flashduty": incident })).await;
    assert_eq!((status, &answer["work"]), (200, &json!("done")));
    let severity = simulators::flashduty::Severity::Info;
    world.until_severity(&incident, severity).await.unwrap();
    // The history tells what was there before.
    let (_, shown) = told(&world, "show", &json!({ "flashduty": incident })).await;
    let last = shown["history"].as_array().unwrap().last().unwrap();
    let expected = "severity: \"Critical\" -> \"Info\" in Flashduty (changed in ServiceNow)";
    assert_eq!(last["what"], expected, "{shown}");
}

/// Runs `servicenow-sync pair …` against the gateway of a world.
async fn command(world: &World, arguments: &[&str]) -> Result<String, String> {
    let address = world.host.as_ref().unwrap().admin_addr().to_string();
    let configuration = std::fs::read_to_string(world.configuration()).unwrap();
    let (before, after) = configuration.split_once("[admin]").unwrap();
    let admin = after.replacen("127.0.0.1:0", &address, 1);
    let file = world.configuration().with_file_name("operator.toml");
    std::fs::write(&file, format!("{before}[admin]{admin}")).unwrap();
    let file = file.to_str().unwrap();
    let arguments = [&["pair"], arguments, &["--config", file]].concat();
    let pair = Pair::try_parse_from(arguments).map_err(|e| e.to_string())?;
    let run = tokio::task::spawn_blocking(move || pair.run().map_err(|e| format!("{e:#}")));
    run.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_does_the_same_and_says_so_in_sentences() {
    let own = r#"
        field = [
            { column = "u_service", value = "{{labels.service}}" },
            { column = "u_environment", custom-field = "ticket_number", type = "choice" },
        ]
    "#;
    let (world, incident, sys_id) = strangers_with(Setting {
        integration: own.into(),
        ..setting()
    })
    .await;
    let number = world.column(&sys_id, "number");
    let link = ["link", "--flashduty", &incident, "--servicenow", &number];
    let said = command(&world, &link).await.unwrap();
    let expected = format!(
        "linked: {incident} and {number}, {}",
        world.servicenow.url()
    );
    assert!(said.starts_with(&expected), "{said}");
    world.settled().await.unwrap();

    let said = command(&world, &["show", "--servicenow", &number])
        .await
        .unwrap();
    for part in [
        format!("pair        f-{incident}\n"),
        format!("number      {number}\n"),
        "  title         disk full | disk full\n".into(),
        "  u_service     checkout | checkout\n".into(),
        " joined by hand\n".into(),
        "work        done\n".into(),
    ] {
        assert!(said.contains(&part), "{part}: {said}");
    }
    assert!(!said.contains("_fields"), "{said}");
    let said = command(&world, &["sync", "--flashduty", &incident])
        .await
        .unwrap();
    assert_eq!(said, format!("looked at pair f-{incident}: done\n"));
    let said = command(&world, &["unlink", "--flashduty", &incident])
        .await
        .unwrap();
    assert_eq!(
        said,
        "unlinked: both incidents stay as they are, and are synced no more\n"
    );
    let refused = command(&world, &["unlink", "--flashduty", &incident])
        .await
        .unwrap_err();
    let expected = format!("f-{incident} is not linked: unlinked by an operator (status 409)");
    assert_eq!(refused, expected);
    let refused = command(&world, &["link", "--flashduty", &incident])
        .await
        .unwrap_err();
    assert!(refused.contains("\n  --servicenow <NUMBER>\n"), "{refused}");
}
