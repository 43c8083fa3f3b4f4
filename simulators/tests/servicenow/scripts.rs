//! The scripts that users paste into ServiceNow, run as they are: those of
//! Flashduty's guide (`tests/scripts`) and this project's own.

use serde_json::Value;
use serde_json::json;
use simulators::Delivery;
use simulators::Push;
use simulators::Response;
use simulators::Simulator as _;
use simulators::servicenow::BusinessRule;
use simulators::servicenow::DisplayFor;
use simulators::servicenow::Form;
use simulators::servicenow::Options;
use simulators::servicenow::Race;
use simulators::servicenow::Span;
use simulators::servicenow::UiAction;
use simulators::servicenow::WebhookFault;

use crate::desk::Desk;

const URL: &str = "http://gateway.example/hook";
const GUIDE_RULE: &str = include_str!("../scripts/business-rule.js");
const GUIDE_BUTTON: &str = include_str!("../scripts/ui-action.js");
const GUIDE_HELPER: &str = include_str!("../scripts/IncidentWebhookHelper.js");
const GUIDE_AJAX: &str = include_str!("../scripts/IncidentWebhookHelperAjax.js");
const OWN_BUTTON: &str = include_str!("../../../docs/servicenow/ui-action.js");
const OWN_RULE: &str = include_str!("../../../docs/servicenow/business-rule.js");

/// The guide says: add the push URL in `endpoint`.
fn guide_rule() -> String {
    assert!(GUIDE_RULE.contains("var endpoint = '';"));
    GUIDE_RULE.replace("var endpoint = '';", &format!("var endpoint = '{URL}';"))
}

fn with_rule(script: &str) -> Options {
    Options {
        business_rule: Some(BusinessRule {
            script: Some(script.to_owned()),
            ..BusinessRule::to(URL)
        }),
        ..Options::default()
    }
}

fn with_own_rule() -> Options {
    with_properties(with_rule(OWN_RULE))
}

/// The documented address and token.
fn with_properties(mut options: Options) -> Options {
    for (name, value) in [("url", URL), ("token", "secret")] {
        let name = format!("flashduty.sync.{name}");
        options.properties.insert(name, value.to_owned());
    }
    options
}

/// The button of the guide, with its two script includes.
fn with_guide_button() -> Options {
    let mut options = Options {
        ui_action: Some(UiAction {
            client: true,
            onclick: "onClick();".to_owned(),
            script: GUIDE_BUTTON.to_owned(),
        }),
        ..Options::default()
    };
    assert!(GUIDE_HELPER.contains("\"PUSH URL\""));
    for (name, script) in [
        (
            "IncidentWebhookHelper",
            GUIDE_HELPER.replace("PUSH URL", URL),
        ),
        ("IncidentWebhookHelperAjax", GUIDE_AJAX.to_owned()),
    ] {
        options.script_includes.insert(name.to_owned(), script);
    }
    options
}

fn with_server_button(script: &str) -> Options {
    Options {
        ui_action: Some(UiAction {
            client: false,
            onclick: String::new(),
            script: script.to_owned(),
        }),
        ..Options::default()
    }
}

fn press(desk: &mut Desk, form: &Form) -> u64 {
    desk.snow.press("beth.anglin", form, desk.now_ms).unwrap()
}

#[track_caller]
fn shown(desk: &Desk, press: u64) -> Vec<String> {
    let shown = desk.snow.shown(press).unwrap();
    assert!(shown.finished);
    shown.messages.clone()
}

fn log(desk: &Desk) -> Vec<String> {
    desk.snow.script_log().map(str::to_owned).collect()
}

fn sent(desk: &mut Desk) -> Vec<Push> {
    desk.snow.take_due(desk.now_ms)
}

fn text(push: &Push) -> &str {
    std::str::from_utf8(&push.body).unwrap()
}

fn headers(push: &Push) -> Vec<(&str, &str)> {
    let headers = push.headers.iter();
    headers.map(|(name, value)| (&**name, &**value)).collect()
}

#[test]
fn the_guides_rule_sends_labels_and_null_without_any_proof() {
    let mut desk = Desk::new(with_rule(&guide_rule()));
    let sys_id =
        desk.create(r#"{"short_description":"磁盘 \"full\"","urgency":"1","comments":"hello"}"#);
    desk.wait_ms(3000);
    let pushes = sent(&mut desk);
    assert_eq!(pushes.len(), 1, "{:?}", log(&desk));
    assert_eq!(pushes[0].url, URL);
    assert_eq!(
        headers(&pushes[0]),
        [
            ("user-agent", "ServiceNow/1.0"),
            ("content-type", "application/json"),
        ]
    );
    assert_eq!(
        text(&pushes[0]),
        format!(
            r#"{{"action_type":"insert","number":"INC0010001","sys_id":"{sys_id}","short_description":"磁盘 \"full\"","description":null,"state":"New","impact":"3 - Low","urgency":"1 - High","comments":"hello"}}"#
        )
    );
}

/// Without a script the rule sends what the guide's script would: this is how
/// it is known.
#[test]
fn the_rule_without_a_script_sends_the_same_bytes_as_the_guides() {
    let story = |options: Options| {
        let mut desk = Desk::new(options);
        let mut bodies = Vec::new();
        let sys_id = desk.create(r#"{"short_description":"Disk","impact":"1"}"#);
        for change in [
            r#"{"state":"2","description":"sda1\nis full"}"#,
            r#"{"comments":"one \\ two","work_notes":"internal"}"#,
            r#"{"state":"3","hold_reason":"4","urgency":"9"}"#,
            r#"{"state":"6","close_code":"User error","close_notes":"done"}"#,
        ] {
            desk.wait_ms(3000);
            bodies.extend(desk.webhooks());
            desk.patch(&sys_id, change);
        }
        desk.wait_ms(3000);
        bodies.extend(desk.webhooks());
        assert_eq!(bodies.len(), 5);
        bodies
    };
    for language in ["en", "de"] {
        let options = |script: Option<String>| Options {
            language: language.to_owned(),
            business_rule: Some(BusinessRule {
                script,
                ..BusinessRule::to(URL)
            }),
            ..Options::default()
        };
        assert_eq!(story(options(Some(guide_rule()))), story(options(None)));
    }
}

#[test]
fn the_guides_rule_reads_the_record_when_it_runs() {
    let mut desk = Desk::new(with_rule(&guide_rule()));
    let sys_id = desk.create("{}");
    desk.wait_ms(1500);
    desk.patch(&sys_id, r#"{"state":"2","comments":"lost"}"#);
    desk.wait_ms(1500);
    desk.patch(&sys_id, r#"{"state":"3","comments":"kept"}"#);
    desk.wait_ms(10_000);
    let bodies = desk.webhooks();
    assert_eq!(bodies.len(), 3);
    for body in bodies {
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            json!([body["action_type"], body["state"], body["comments"]]),
            json!(["update", "On Hold", "kept"])
        );
    }
}

#[test]
fn an_engine_with_a_previous_that_is_not_null_makes_the_guides_rule_say_update() {
    let mut options = with_rule(&guide_rule());
    if let Some(rule) = &mut options.business_rule {
        rule.previous_is_null = false;
    }
    let mut desk = Desk::new(options);
    desk.create("{}");
    desk.wait_ms(3000);
    assert!(desk.webhooks()[0].starts_with(r#"{"action_type":"update""#));
}

#[test]
fn labels_are_in_the_language_of_the_instance_or_of_the_user_who_wrote() {
    for (display_for, state) in [
        (DisplayFor::System, "In Progress"),
        (DisplayFor::User, "In Bearbeitung"),
    ] {
        let mut options = with_rule(&guide_rule());
        if let Some(rule) = &mut options.business_rule {
            rule.display_for = display_for;
        }
        let mut desk = Desk::new(options);
        desk.snow
            .set_user_field("flashduty", "preferred_language", "de", desk.now_ms);
        desk.create(r#"{"state":"2"}"#);
        desk.wait_ms(3000);
        let body: Value = serde_json::from_str(&desk.webhooks()[0]).unwrap();
        assert_eq!(body["state"], state);
    }
}

#[test]
fn a_line_for_a_custom_column_sends_its_display_value() {
    let line = "comments: getLastComment(current.getUniqueValue()),\n\
        u_environment: current.getDisplayValue('u_environment'),\n\
        u_owner: current.getDisplayValue('u_owner'),\n\
        nonsense: current.getDisplayValue('nonsense')";
    let last = "comments: getLastComment(current.getUniqueValue())";
    let mut desk = Desk::new(with_rule(&guide_rule().replace(last, line)));
    let beth = desk.snow.user_id("beth.anglin").unwrap().to_owned();
    desk.create(&json!({"u_environment": "prod", "u_owner": beth}).to_string());
    desk.wait_ms(3000);
    let body: Value = serde_json::from_str(&desk.webhooks()[0]).unwrap();
    assert_eq!(body["u_environment"], "Production");
    assert_eq!(body["u_owner"], "Beth Anglin");
    assert_eq!(body["nonsense"], Value::Null);
}

#[test]
fn what_the_guides_rule_sends_can_be_lost_doubled_and_late() {
    let mut desk = Desk::new(with_rule(&guide_rule()));
    let faults = desk.snow.faults();
    faults.webhooks(WebhookFault::Late(10_000), Span::Next(1));
    faults.webhooks(WebhookFault::Lost, Span::Next(1));
    faults.webhooks(WebhookFault::Doubled, Span::Next(1));
    let sys_id = desk.create("{}");
    let mut states = Vec::new();
    for state in ["2", "3", "2", "1"] {
        desk.wait_ms(4000);
        for body in desk.webhooks() {
            let body: Value = serde_json::from_str(&body).unwrap();
            states.push(body["state"].as_str().unwrap().to_owned());
        }
        desk.patch(&sys_id, &format!(r#"{{"state":"{state}"}}"#));
    }
    // The first, ten seconds late, is overtaken; the second never comes.
    assert_eq!(states, ["On Hold", "On Hold", "New", "In Progress"]);
}

#[test]
fn the_guides_rule_lets_the_platform_replace_variables_in_a_text() {
    let title = r#"{"short_description":"Value ${price} is wrong"}"#;
    for (options, expected) in [
        (with_rule(&guide_rule()), "Value  is wrong"),
        (with_own_rule(), "Value ${price} is wrong"),
    ] {
        let mut desk = Desk::new(options);
        desk.create(title);
        desk.wait_ms(3000);
        let body: Value = serde_json::from_str(&desk.webhooks()[0]).unwrap();
        assert_eq!(body["short_description"], expected);
    }
}

#[test]
fn the_guides_button_sends_a_saved_incident_and_says_success() {
    let mut desk = Desk::new(with_guide_button());
    let sys_id = desk.create(r#"{"short_description":"Disk","comments":"hello"}"#);
    let form = Form {
        sys_id: sys_id.clone(),
        changes: [("state".to_owned(), "2".to_owned())].into(),
        race: Race::FormFirst,
    };
    let press = press(&mut desk, &form);
    assert_eq!(shown(&desk, press), ["Webhook Triggered: Success"]);
    let pushes = sent(&mut desk);
    assert_eq!(pushes[0].url, URL);
    // Never `insert`, and what the form had is there.
    assert_eq!(
        text(&pushes[0]),
        format!(
            r#"{{"action_type":"update","number":"INC0010001","sys_id":"{sys_id}","short_description":"Disk","description":null,"state":"In Progress","impact":"3 - Low","urgency":"3 - Low","comments":"hello"}}"#
        )
    );
    assert_eq!(log(&desk), Vec::<String>::new());
}

#[test]
fn the_guides_button_may_send_what_was_before_the_form_was_saved() {
    let mut desk = Desk::new(with_guide_button());
    let sys_id = desk.create("{}");
    let form = Form {
        sys_id: sys_id.clone(),
        changes: [("state".to_owned(), "2".to_owned())].into(),
        race: Race::CallFirst,
    };
    let press = press(&mut desk, &form);
    assert_eq!(shown(&desk, press), ["Webhook Triggered: Success"]);
    let body: Value = serde_json::from_str(&desk.webhooks()[0]).unwrap();
    assert_eq!(body["state"], "New");
    assert_eq!(desk.stored(&sys_id, "state"), "2");
}

#[test]
fn the_guides_button_on_a_new_incident_fails_if_its_call_is_quicker_than_the_form() {
    for (race, message, webhooks) in [
        (Race::CallFirst, "Webhook Triggered: Request failed", 0),
        (Race::FormFirst, "Webhook Triggered: Success", 1),
    ] {
        let mut desk = Desk::new(with_guide_button());
        let form = Form {
            sys_id: "0123456789abcdef0123456789abcdef".to_owned(),
            changes: [("short_description".to_owned(), "Disk".to_owned())].into(),
            race,
        };
        let press = press(&mut desk, &form);
        assert_eq!(shown(&desk, press), [message]);
        assert_eq!(desk.webhooks().len(), webhooks);
        // The incident is there in the end, whoever was quicker.
        assert_eq!(desk.stored(&form.sys_id, "short_description"), "Disk");
        assert_eq!(desk.stored(&form.sys_id, "sys_created_by"), "beth.anglin");
    }
}

#[test]
fn this_projects_rule_sends_raw_values_with_its_token() {
    let mut desk = Desk::new(with_own_rule());
    let sys_id = desk.create(r#"{"short_description":"磁盘","state":"2","comments":"hello"}"#);
    desk.wait_ms(3000);
    let pushes = sent(&mut desk);
    assert_eq!(pushes.len(), 1, "{:?}", log(&desk));
    assert_eq!(pushes[0].url, URL);
    assert_eq!(
        headers(&pushes[0]),
        [
            ("user-agent", "ServiceNow/1.0"),
            ("content-type", "application/json"),
            ("authorization", "Bearer secret"),
        ]
    );
    let body: Value = serde_json::from_slice(&pushes[0].body).unwrap();
    for (field, expected) in [
        ("sys_id", sys_id.as_str()),
        ("number", "INC0010001"),
        ("short_description", "磁盘"),
        ("description", ""),
        ("state", "2"),
        ("urgency", "3"),
        ("comments", "hello"),
    ] {
        assert_eq!(body[field], expected, "{field}");
    }
}

#[test]
fn this_projects_rule_says_which_properties_are_missing() {
    let mut desk = Desk::new(with_rule(OWN_RULE));
    desk.create("{}");
    desk.wait_ms(3000);
    assert!(desk.webhooks().is_empty());
    assert_eq!(
        log(&desk),
        ["error: ServiceNow Sync: set the properties flashduty.sync.url and flashduty.sync.token"]
    );
}

#[test]
fn the_documented_condition_spares_the_writes_of_the_integration_user() {
    let mut options = with_own_rule();
    if let Some(rule) = &mut options.business_rule {
        rule.condition = Some("gs.getUserName() != 'flashduty'".to_owned());
    }
    let mut desk = Desk::new(options);
    let sys_id = desk.create("{}");
    assert_eq!(desk.snow.webhooks_waiting(), 0);
    desk.snow
        .update_incident("beth.anglin", &sys_id, &[("state", "2")], desk.now_ms)
        .unwrap();
    assert_eq!(desk.snow.webhooks_waiting(), 1);
}

#[test]
fn a_condition_sees_the_record_through_its_references() {
    let mut options = with_own_rule();
    if let Some(rule) = &mut options.business_rule {
        rule.condition = Some(
            "current.assignment_group.name == 'Network' && current.active == true && current.urgency <= 2"
                .to_owned(),
        );
    }
    let mut desk = Desk::new(options);
    let group = |desk: &Desk, name: &str| desk.snow.group_id(name).unwrap().to_owned();
    let (network, database) = (group(&desk, "Network"), group(&desk, "Database"));
    desk.create(&json!({"assignment_group": database, "urgency": "1"}).to_string());
    desk.create(&json!({"assignment_group": network, "urgency": "3"}).to_string());
    assert_eq!(desk.snow.webhooks_waiting(), 0);
    desk.create(&json!({"assignment_group": network, "urgency": "2"}).to_string());
    assert_eq!(desk.snow.webhooks_waiting(), 1, "{:?}", log(&desk));
}

fn answered(status: u16, body: &str) -> Delivery {
    Delivery::Answered(Response {
        status,
        headers: Vec::new(),
        body: body.as_bytes().to_vec(),
    })
}

#[test]
fn this_projects_button_saves_first_and_shows_whether_it_was_taken() {
    for (delivery, message) in [
        (answered(202, ""), "INC0010001 was sent to Flashduty"),
        (
            answered(401, "no proof"),
            "Not sent to Flashduty: status 401 no proof",
        ),
        (
            Delivery::TimedOut,
            "Not sent to Flashduty: no answer in time",
        ),
    ] {
        let mut desk = Desk::new(with_properties(with_server_button(OWN_BUTTON)));
        let sys_id = desk.create(r#"{"short_description":"Disk ${x}"}"#);
        let form = Form {
            sys_id: sys_id.clone(),
            changes: [("urgency".to_owned(), "1".to_owned())].into(),
            ..Form::default()
        };
        let press = press(&mut desk, &form);
        let push = sent(&mut desk).remove(0);
        assert_eq!(push.url, URL);
        assert_eq!(push.timeout_ms, 10_000);
        assert_eq!(
            headers(&push),
            [
                ("user-agent", "ServiceNow/1.0"),
                ("content-type", "application/json"),
                ("authorization", "Bearer secret"),
            ]
        );
        assert_eq!(
            text(&push),
            format!(
                r#"{{"action_type":"update","sys_id":"{sys_id}","number":"INC0010001","short_description":"Disk ${{x}}","description":"","state":"1","impact":"3","urgency":"1","comments":""}}"#
            )
        );
        desk.snow.delivered(push.id, &delivery, desk.now_ms);
        assert_eq!(shown(&desk, press), [message]);
        assert_eq!(desk.stored(&sys_id, "urgency"), "1");
        assert_eq!(desk.stored(&sys_id, "sys_mod_count"), "1");
    }
}

#[test]
fn this_projects_button_sends_a_new_incident_only_once_it_is_there() {
    let mut desk = Desk::new(with_properties(with_server_button(OWN_BUTTON)));
    let form = Form {
        sys_id: "0123456789abcdef0123456789abcdef".to_owned(),
        changes: [("short_description".to_owned(), "Disk".to_owned())].into(),
        ..Form::default()
    };
    let press = press(&mut desk, &form);
    let push = sent(&mut desk).remove(0);
    let body: Value = serde_json::from_slice(&push.body).unwrap();
    assert_eq!(
        json!([body["sys_id"], body["number"], body["short_description"]]),
        json!([form.sys_id, "INC0010001", "Disk"])
    );
    assert_eq!(desk.stored(&form.sys_id, "sys_created_by"), "beth.anglin");
    desk.snow
        .delivered(push.id, &answered(200, ""), desk.now_ms);
    assert_eq!(shown(&desk, press), ["INC0010001 was sent to Flashduty"]);
    assert_eq!(desk.snow.incidents().count(), 1);
}

#[test]
fn this_projects_button_says_what_is_missing_and_what_could_not_be_saved() {
    let missing = Desk::new(with_server_button(OWN_BUTTON));
    let mut refusing = with_properties(with_server_button(OWN_BUTTON));
    refusing.mandatory_fields.insert("caller_id".to_owned());
    for (mut desk, message) in [
        (
            missing,
            "ServiceNow Sync: set the properties flashduty.sync.url and flashduty.sync.token",
        ),
        (
            Desk::new(refusing),
            "Not sent to Flashduty: the incident could not be saved",
        ),
    ] {
        let form = Form {
            sys_id: "0123456789abcdef0123456789abcdef".to_owned(),
            ..Form::default()
        };
        let press = press(&mut desk, &form);
        assert_eq!(shown(&desk, press), [message]);
        assert!(sent(&mut desk).is_empty());
    }
}

#[test]
fn a_button_waits_for_the_answer_and_does_nothing_twice() {
    let script = "
        var before = '' + current.sys_mod_count;
        current.work_notes = 'Sent to Flashduty';
        current.update();
        var request = new sn_ws.RESTMessageV2();
        request.setHttpMethod('POST');
        request.setEndpoint('http://gateway.example/hook');
        request.setHttpTimeout(5000);
        request.setRequestBody(JSON.stringify({ sys_id: current.getUniqueValue() }));
        var response = request.execute();
        if (response.haveError()) gs.addErrorMessage(response.getErrorMessage());
        else gs.addInfoMessage('Status ' + response.getStatusCode() + ': ' + response.getBody());
        current.work_notes = 'Answered';
        current.update();
        gs.info('{0} was sent, update {1} before', current.number, before);";
    for (delivery, message) in [
        (answered(202, "taken"), "Status 202: taken"),
        (Delivery::TimedOut, "no answer in time"),
    ] {
        let mut desk = Desk::new(with_server_button(script));
        let sys_id = desk.create("{}");
        let press = press(
            &mut desk,
            &Form {
                sys_id: sys_id.clone(),
                ..Form::default()
            },
        );
        assert!(!desk.snow.shown(press).unwrap().finished);
        let pushes = sent(&mut desk);
        assert_eq!(pushes[0].timeout_ms, 5000);
        assert_eq!(text(&pushes[0]), format!(r#"{{"sys_id":"{sys_id}"}}"#));
        desk.wait_ms(7000);
        desk.snow.delivered(pushes[0].id, &delivery, desk.now_ms);
        assert_eq!(shown(&desk, press), [message]);
        assert!(sent(&mut desk).is_empty());
        let journal = desk.snow.journal(&sys_id);
        let notes: Vec<_> = journal
            .iter()
            .map(|entry| (entry.value.as_str(), entry.created_on.as_str()))
            .collect();
        assert_eq!(
            notes,
            [
                ("Sent to Flashduty", "2026-03-02 09:00:00"),
                ("Answered", "2026-03-02 09:00:07"),
            ]
        );
        assert_eq!(log(&desk), ["info: INC0010001 was sent, update 0 before"]);
    }
}

#[test]
fn a_script_that_fails_or_never_ends_is_told_in_the_log_and_harms_nobody() {
    for (script, expected) in [
        (
            "current.nonsense.foo();",
            "error: Error: cannot read property 'foo' of undefined",
        ),
        ("for (;;) {}", "error: Error: interrupted"),
        ("function (", "error: Error: function name expected"),
    ] {
        let mut desk = Desk::new(with_rule(script));
        let sys_id = desk.create("{}");
        desk.wait_ms(3000);
        assert!(desk.webhooks().is_empty());
        let log = log(&desk);
        assert_eq!(log.len(), 1);
        assert!(log[0].starts_with(expected), "{log:?}");
        assert_eq!(desk.stored(&sys_id, "number"), "INC0010001");
    }
}

#[test]
fn a_script_signs_with_a_key_in_base64() {
    let script = "
        var encryption = new GlideCertificateEncryption();
        var key = GlideStringUtil.base64Encode('key');
        gs.info(encryption.generateMac(key, 'HmacSHA256', 'The quick brown fox 磁盘'));";
    let mut desk = Desk::new(with_rule(script));
    desk.create("{}");
    desk.wait_ms(3000);
    desk.webhooks();
    // Computed independently.
    assert_eq!(
        log(&desk),
        ["info: 3cBn4UdJIvUqbz6JWQlL3s9di+JeQ0t7FH10Dbr58KM="]
    );
}

#[test]
fn neither_the_clock_nor_chance_of_this_machine_reaches_a_script() {
    let script = "gs.info(new Date().toISOString() + ' ' + Math.random());
        gs.info(new GlideDateTime().getValue());";
    let run = || {
        let mut desk = Desk::new(with_rule(script));
        desk.create("{}");
        desk.wait_ms(3000);
        desk.webhooks();
        log(&desk)
    };
    let first = run();
    assert!(
        first[0].starts_with("info: 2026-03-02T09:00:03.000Z 0."),
        "{first:?}"
    );
    assert_eq!(first[1], "info: 2026-03-02 09:00:03");
    assert_eq!(first, run());
}
