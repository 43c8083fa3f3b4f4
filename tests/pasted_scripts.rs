//! The scripts that users paste into ServiceNow, from the click to Flashduty:
//! this project's own, and those of Flashduty's guide with the token added.
#![allow(clippy::unwrap_used)]

use simulators::flashduty::Progress;
use simulators::servicenow::BusinessRule;
use simulators::servicenow::Form;
use simulators::servicenow::Options;
use simulators::servicenow::UiAction;
use std::time::Duration;
use support::Setting;
use support::World;
use support::world::SERVICENOW_TOKEN;

const OWN_RULE: &str = include_str!("../docs/servicenow/business-rule.js");
const OWN_BUTTON: &str = include_str!("../docs/servicenow/ui-action.js");
const GUIDE_RULE: &str = include_str!("../simulators/tests/scripts/business-rule.js");
const GUIDE_BUTTON: &str = include_str!("../simulators/tests/scripts/ui-action.js");
const GUIDE_HELPER: &str = include_str!("../simulators/tests/scripts/IncidentWebhookHelper.js");
const GUIDE_AJAX: &str = include_str!("../simulators/tests/scripts/IncidentWebhookHelperAjax.js");

/// A world whose ServiceNow is set up as `set_up` does, which is told the URL
/// of the gateway.
async fn world(set_up: impl FnOnce(&mut Options, &str)) -> World {
    let world = World::start(Setting::default()).await.unwrap();
    let url = world.webhook_url("servicenow");
    world.servicenow.poke(|snow, _| {
        let options = snow.options_mut();
        options.business_rule = None;
        for (name, value) in [("url", url.as_str()), ("token", SERVICENOW_TOKEN)] {
            let name = format!("flashduty.sync.{name}");
            options.properties.insert(name, value.to_owned());
        }
        set_up(options, &url);
    });
    world
}

/// The guide's script with the URL in the place of its empty one, and with the
/// line that our guide asks for.
fn guide(script: &str, empty: &str, filled: &str) -> String {
    let line = "request.setRequestHeader(\"Content-Type\", \"application/json\");";
    assert!(script.contains(empty) && script.contains(line));
    let token = format!("request.setRequestHeader('Authorization', 'Bearer {SERVICENOW_TOKEN}');");
    script
        .replace(empty, filled)
        .replace(line, &format!("{line}\n{token}"))
}

fn rule(script: String) -> Option<BusinessRule> {
    Some(BusinessRule {
        script: Some(script),
        condition: Some("gs.getUserName() != 'flashduty'".to_owned()),
        delay_ms: 100,
        ..BusinessRule::to("")
    })
}

fn button(client: bool, script: &str) -> Option<UiAction> {
    Some(UiAction {
        client,
        onclick: "onClick();".to_owned(),
        script: script.to_owned(),
    })
}

/// Beth presses the button on the form of a new incident; gives what she sees.
async fn press_on_a_new_form(world: &World, title: &str) -> Vec<String> {
    let form = Form {
        sys_id: "0123456789abcdef0123456789abcdef".to_owned(),
        changes: [("short_description".to_owned(), title.to_owned())].into(),
        ..Form::default()
    };
    let press = world
        .servicenow
        .poke(|snow, now_ms| snow.press("beth.anglin", &form, now_ms))
        .unwrap();
    let messages = world.until("the script has ended", |world| {
        let snow = world.servicenow.simulator();
        let shown = snow.shown(press).filter(|shown| shown.finished)?;
        Some(shown.messages.clone())
    });
    messages.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_rule_brings_an_incident_and_its_end_to_flashduty() {
    for own in [true, false] {
        let world = world(|options, url| {
            options.business_rule = rule(if own {
                OWN_RULE.to_owned()
            } else {
                guide(GUIDE_RULE, "endpoint = ''", &format!("endpoint = '{url}'"))
            });
        })
        .await;
        let sys_id = world.abel_opens(&[("short_description", "VPN ${down}"), ("urgency", "1")]);
        // The body may have come mangled; what was read from the record has not.
        let incident = world.until_incident("VPN ${down}").await.unwrap();
        world.settled().await.unwrap();
        let before = world.servicenow.simulator().outbound_log().count();
        world.beth(
            &sys_id,
            &[
                ("state", "6"),
                ("close_code", "User error"),
                ("close_notes", "Cable plugged in"),
            ],
        );
        world
            .until_progress(&incident, Progress::Closed)
            .await
            .unwrap();
        world.settled().await.unwrap();
        // What the gateway itself wrote meanwhile was not told to it.
        let after = world.servicenow.simulator().outbound_log().count();
        assert_eq!(after - before, 1);
        let log: Vec<_> = world
            .servicenow
            .simulator()
            .script_log()
            .map(str::to_owned)
            .collect();
        assert_eq!(log, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_button_sends_a_new_incident_to_flashduty() {
    for (own, message) in [
        (true, "INC0010001 was sent to Flashduty"),
        (false, "Webhook Triggered: Success"),
    ] {
        let world = world(|options, url| {
            options.ui_action = button(!own, if own { OWN_BUTTON } else { GUIDE_BUTTON });
            if !own {
                let helper = guide(GUIDE_HELPER, "PUSH URL", url);
                for (name, script) in [
                    ("IncidentWebhookHelper", helper),
                    ("IncidentWebhookHelperAjax", GUIDE_AJAX.to_owned()),
                ] {
                    options.script_includes.insert(name.to_owned(), script);
                }
            }
        })
        .await;
        assert_eq!(press_on_a_new_form(&world, "VPN down").await, [message]);
        world.until_incident("VPN down").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn this_projects_button_says_that_its_token_is_wrong() {
    let world = world(|options, _| {
        options.ui_action = button(false, OWN_BUTTON);
        let token = "flashduty.sync.token".to_owned();
        options.properties.insert(token, "wrong".to_owned());
    })
    .await;
    let messages = press_on_a_new_form(&world, "VPN down").await;
    assert!(
        messages[0].starts_with("Not sent to Flashduty: status 401"),
        "{messages:?}"
    );
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.flashduty.simulator().incidents().count(), 0);
}
