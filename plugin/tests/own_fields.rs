//! Fields of the operator's own: every type, write mode and policy, through the
//! plan that production uses, and what the linter refuses.
#![allow(clippy::unwrap_used)]

mod fixture;

use fixture::configured;
use serde_json::Value;
use serde_json::json;
use servicenow_sync_plugin::Problem;
use servicenow_sync_plugin::configuration::Integration;
use servicenow_sync_plugin::flashduty::Incident;
use servicenow_sync_plugin::flashduty::Step;
use servicenow_sync_plugin::pair::Base;
use servicenow_sync_plugin::plan::FlashdutyView;
use servicenow_sync_plugin::plan::Plan;
use servicenow_sync_plugin::plan::ServiceNowView;
use servicenow_sync_plugin::plan::Side;
use servicenow_sync_plugin::plan::Situation;
use servicenow_sync_plugin::plan::plan;
use servicenow_sync_plugin::servicenow::Record;
use servicenow_sync_plugin::severity::Step as Scale;
use servicenow_sync_plugin::state::State;

fn with_field(direction: &str, field: &Value) -> Result<Integration, Vec<Problem>> {
    configured(direction, &json!({ "field": [field] }))
}

fn incident(rest: &Value) -> Incident {
    let mut incident = json!({
        "incident_id": "6a1d2f45c0ffee0123456789",
        "title": "disk full",
        "incident_severity": "Critical",
        "progress": "Triggered",
        "start_time": 1_780_300_801,
        "labels": { "service": "checkout", "env": "prod" },
        "fields": {},
    });
    for (name, value) in rest.as_object().unwrap() {
        incident[name] = value.clone();
    }
    Incident::try_from(incident).unwrap()
}

fn record(columns: &Value) -> Record {
    let mut record = json!({
        "sys_id": "00000000000000000000000000000001",
        "number": "INC0010001",
        "short_description": "disk full",
        "description": "",
        "state": "1",
        "impact": "1",
        "urgency": "1",
    });
    for (name, value) in columns.as_object().unwrap() {
        record[name] = value.clone();
    }
    Record::from_result(record).unwrap()
}

fn decide(integration: &Integration, base: &Base, f: &Value, s: &Value) -> Plan {
    let f = FlashdutyView::new(&incident(f), integration, None, 0);
    let s = ServiceNowView::new(&record(s), integration);
    plan(Situation {
        integration,
        base,
        flashduty: Some(&f),
        servicenow: Some(&s),
        signature: None,
        born_in: Side::Flashduty,
        now_ms: 0,
        explain: false,
    })
}

/// What a field of these settings sends to ServiceNow for this value of a
/// custom field, or why nothing.
fn sent(settings: &Value, value: &Value) -> Result<String, String> {
    let mut field = json!({ "custom-field": "f", "column": "u_x", "direction": "to-servicenow" });
    for (name, setting) in settings.as_object().unwrap() {
        field[name] = setting.clone();
    }
    let integration = with_field("two-way", &field).unwrap();
    let plan = decide(
        &integration,
        &Base::default(),
        &json!({ "fields": { "f": value } }),
        &json!({ "u_x": "was" }),
    );
    let decision = plan.decisions.iter().find(|d| d.field == "u_x").unwrap();
    match plan.columns.get("u_x") {
        Some(value) => Ok(value.as_str().unwrap().to_owned()),
        None => Err(decision.why.clone()),
    }
}

#[test]
fn each_type_of_column_takes_what_it_can_hold_and_nothing_else() {
    let of = |kind: &str| json!({ "type": kind });
    assert_eq!(sent(&of("text"), &json!("a\r\nb")).unwrap(), "a\nb");
    assert_eq!(sent(&of("boolean"), &json!(true)).unwrap(), "true");
    assert_eq!(sent(&of("boolean"), &json!("No")).unwrap(), "false");
    assert_eq!(
        sent(&of("boolean"), &json!("perhaps")).unwrap_err(),
        "changed in Flashduty; expected true or false, found \"perhaps\""
    );
    assert_eq!(sent(&of("integer"), &json!(" 12 ")).unwrap(), "12");
    assert_eq!(sent(&of("integer"), &json!(-3)).unwrap(), "-3");
    assert_eq!(
        sent(&of("integer"), &json!("12.5")).unwrap_err(),
        "changed in Flashduty; expected a whole number, found \"12.5\""
    );
    for moment in ["2026-06-01 08:00:01", "2026-06-01T08:00:01Z", "1780300801"] {
        assert_eq!(
            sent(&of("date-time"), &json!(moment)).unwrap(),
            "2026-06-01 08:00:01"
        );
    }
    // The last are milliseconds and a day.
    for other in [
        "tomorrow",
        "2026-02-30 08:00:00",
        "1780300801123",
        "20260601",
    ] {
        assert_eq!(
            sent(&of("date-time"), &json!(other)).unwrap_err(),
            format!(
                "changed in Flashduty; expected YYYY-MM-DD HH:MM:SS in UTC or Unix seconds, found \
                 \"{other}\""
            )
        );
    }
    assert_eq!(sent(&of("choice"), &json!(" High ")).unwrap(), "High");
    let cut = sent(&json!({ "max-length": 4 }), &json!("abcdef")).unwrap();
    assert_eq!(cut, "abc\u{2026}");
}

#[test]
fn a_map_without_an_entry_says_so_and_never_guesses() {
    let map = json!({ "map": { "gold": "1", "silver": "2" } });
    assert_eq!(sent(&map, &json!("gold")).unwrap(), "1");
    assert_eq!(
        sent(&map, &json!("bronze")).unwrap_err(),
        "changed in Flashduty; map has no entry for \"bronze\", and no default"
    );
    let with_default = json!({ "map": { "gold": "1" }, "default": "9" });
    assert_eq!(sent(&with_default, &json!("bronze")).unwrap(), "9");
}

#[test]
fn a_map_leads_back_from_servicenow_and_says_where_nothing_does() {
    let field = json!({
        "custom-field": "tier", "column": "u_tier", "map": { "gold": "1", "silver": "2" },
    });
    let integration = with_field("two-way", &field).unwrap();
    let f = json!({ "fields": { "tier": "gold" } });
    let agreed = decide(
        &integration,
        &Base::default(),
        &f,
        &json!({ "u_tier": "1" }),
    )
    .base;
    let plan = decide(&integration, &agreed, &f, &json!({ "u_tier": "2" }));
    let step = Step::Field {
        name: "tier".into(),
        value: Some(json!("silver")),
    };
    assert_eq!(plan.steps, [step]);
    let plan = decide(&integration, &agreed, &f, &json!({ "u_tier": "gold" }));
    assert_eq!(plan.steps, []);
    assert_eq!(
        plan.decisions[0].why,
        "changed in ServiceNow; nothing in map leads to \"gold\""
    );
}

#[test]
fn labels_of_state_and_urgency_are_known_in_any_case() {
    let labels = json!({ "url": "https://example.service-now.com", "credential": "servicenow",
                         "state-labels": { "In Bearbeitung": "2" },
                         "urgency-labels": { "Niedrig": "3" } });
    let integration = configured("two-way", &json!({ "servicenow": labels })).unwrap();
    for (state, urgency) in [
        ("In Bearbeitung", "Niedrig"),
        ("IN BEARBEITUNG", " niedrig"),
        ("in progress", "LOW"),
    ] {
        let record = record(&json!({ "state": state, "urgency": urgency }));
        let view = ServiceNowView::new(&record, &integration);
        assert_eq!(view.state, Some(State::InProgress), "{state}");
        assert_eq!(view.grade.map(|g| g.urgency), Some(Scale::Low), "{urgency}");
    }
}

#[test]
fn an_empty_value_leaves_the_column_alone_unless_it_shall_clear_it() {
    assert_eq!(
        sent(&json!({}), &json!("")).unwrap_err(),
        "changed in Flashduty; it is empty in Flashduty, and on-empty is keep"
    );
    assert_eq!(
        sent(&json!({ "on-empty": "clear" }), &json!("")).unwrap(),
        ""
    );
}

#[test]
fn a_column_is_written_once_or_while_empty_if_the_operator_wants_that() {
    let if_empty = json!({ "write": "if-empty" });
    assert_eq!(
        sent(&if_empty, &json!("x")).unwrap_err(),
        "changed in Flashduty; the column is not empty, and write is if-empty"
    );
    let field = json!({ "value": "{{labels.service}}", "column": "u_service", "write": "once" });
    let integration = with_field("to-servicenow", &field).unwrap();
    let empty = json!({ "u_service": "" });
    let first = decide(&integration, &Base::default(), &json!({}), &empty);
    assert_eq!(first.columns["u_service"], "checkout");
    let changed = json!({ "labels": { "service": "payments" } });
    let held = json!({ "u_service": "checkout" });
    let second = decide(&integration, &first.base, &changed, &held);
    assert_eq!(second.columns.get("u_service"), None);
    assert_eq!(
        second.decisions[0].why,
        "changed in Flashduty; write is once"
    );
}

#[test]
fn labels_times_and_words_make_a_value() {
    for (value, expected) in [
        ("{{labels.service}}", "checkout"),
        ("{{labels}}", "env: prod\nservice: checkout"),
        (
            "{{title}} on {{labels.host|some host}}",
            "disk full on some host",
        ),
        ("{{start_time}}", "2026-06-01 08:00:01"),
        ("constant", "constant"),
    ] {
        let field = json!({ "value": value, "column": "u_text" });
        let integration = with_field("to-servicenow", &field).unwrap();
        let empty = json!({ "u_text": "" });
        let plan = decide(&integration, &Base::default(), &json!({}), &empty);
        assert_eq!(plan.columns["u_text"], expected, "{value}");
    }
}

#[test]
fn a_reference_is_looked_up_by_the_column_that_holds_the_value() {
    let field = json!({
        "value": "{{labels.owner}}",
        "column": "u_owner",
        "type": "reference",
        "table": "sys_user",
        "by": "email",
    });
    let integration = with_field("to-servicenow", &field).unwrap();
    let f = json!({ "labels": { "owner": "Ana@example.com" } });
    let empty = json!({ "u_owner": "", "u_owner.email": "" });
    let plan = decide(&integration, &Base::default(), &f, &empty);
    assert_eq!(plan.columns.get("u_owner"), None);
    let [reference] = &plan.references[..] else {
        panic!("{:?}", plan.references)
    };
    assert_eq!(reference.column, "u_owner");
    assert_eq!(reference.table, "sys_user");
    assert_eq!(reference.by, "email");
    assert_eq!(reference.value, "ana@example.com");
    let there = json!({ "u_owner": "7", "u_owner.email": "ana@EXAMPLE.com" });
    let plan = decide(&integration, &Base::default(), &f, &there);
    assert_eq!(plan.references, []);
}

#[test]
fn custom_fields_of_every_type_get_values_of_their_own_type() {
    for (kind, column, expected) in [
        ("text", "some text", Some(json!("some text"))),
        ("single-select", "gold", Some(json!("gold"))),
        ("multi-select", "a, b,", Some(json!(["a", "b"]))),
        ("checkbox", "true", Some(json!(true))),
        ("text", "", None),
    ] {
        let field = json!({
            "custom-field": "f",
            "column": "u_x",
            "custom-field-type": kind,
            "on-empty": "clear",
        });
        let integration = with_field("from-servicenow", &field).unwrap();
        let f = json!({ "fields": { "f": "before" } });
        let plan = decide(
            &integration,
            &Base::default(),
            &f,
            &json!({ "u_x": column }),
        );
        let step = Step::Field {
            name: "f".into(),
            value: expected,
        };
        assert!(plan.steps.contains(&step), "{kind}: {:?}", plan.steps);
    }
}

#[test]
fn what_a_map_holds_is_compared_as_the_values_are() {
    let field = json!({
        "custom-field": "team", "column": "caller_id", "type": "reference", "table": "sys_user",
        "by": "email", "map": { "Payments": "Pay@Example.com" },
    });
    let integration = with_field("two-way", &field).unwrap();
    let team = json!({ "fields": { "team": "Payments" } });
    let plan = decide(
        &integration,
        &Base::default(),
        &team,
        &json!({ "caller_id": "", "caller_id.email": "" }),
    );
    assert_eq!(plan.references[0].value, "pay@example.com");
    let there = json!({ "caller_id": "1", "caller_id.email": "PAY@example.com" });
    let plan = decide(&integration, &plan.base, &team, &there);
    assert_eq!(
        (plan.references.len(), plan.steps.len()),
        (0, 0),
        "{plan:?}"
    );
    let nobody = json!({ "fields": { "team": "" } });
    let plan = decide(&integration, &Base::default(), &nobody, &there);
    let step = Step::Field {
        name: "team".into(),
        value: Some(json!("Payments")),
    };
    assert!(plan.steps.contains(&step), "{:?}", plan.steps);
}

#[test]
fn a_custom_field_and_a_column_of_one_name_have_nothing_to_do_with_each_other() {
    let fields = json!([
        { "custom-field": "kind", "column": "category" },
        { "custom-field": "category", "value": "{{category}} / {{subcategory}}" },
    ]);
    let integration = configured("two-way", &json!({ "field": fields })).unwrap();
    let f = json!({ "fields": { "kind": "network", "category": "network / wifi" } });
    let there = json!({ "category": "network", "subcategory": "wifi" });
    let agreed = decide(&integration, &Base::default(), &f, &there).base;
    let there = json!({ "category": "hardware", "subcategory": "wifi" });
    let plan = decide(&integration, &agreed, &f, &there);
    assert_eq!(plan.columns.len(), 0, "{:?}", plan.columns);
    let steps: Vec<_> = ["hardware", "hardware / wifi"]
        .iter()
        .zip(["kind", "category"])
        .map(|(value, name)| Step::Field {
            name: name.into(),
            value: Some(json!(value)),
        })
        .collect();
    assert_eq!(plan.steps, steps);
    assert_eq!(plan.notes, []);
}

#[test]
fn a_value_of_blanks_is_empty() {
    let field = json!({ "custom-field": "where", "value": "{{location}} {{cmdb_ci}}" });
    let integration = with_field("two-way", &field).unwrap();
    let f = json!({ "fields": { "where": "rack 7" } });
    let there = json!({ "location": "", "cmdb_ci": "" });
    let plan = decide(&integration, &Base::default(), &f, &there);
    assert_eq!(plan.steps, []);
}

#[test]
fn of_several_options_each_is_mapped() {
    let field = json!({
        "custom-field": "f",
        "column": "u_x",
        "custom-field-type": "multi-select",
        "map": { "network": "NET", "db": "DB", "core": "Network, core", "internal": "" },
    });
    let integration = with_field("two-way", &field).unwrap();
    let both = json!({ "fields": { "f": ["network", "db"] } });
    let empty = json!({ "u_x": "" });
    let plan = decide(&integration, &Base::default(), &both, &empty);
    assert_eq!(plan.columns["u_x"], "NET,DB");
    let agreed = plan.base;
    let there = json!({ "u_x": "DB, NET" });
    let plan = decide(&integration, &agreed, &both, &there);
    let step = Step::Field {
        name: "f".into(),
        value: Some(json!(["db", "network"])),
    };
    assert!(plan.steps.contains(&step), "{:?}", plan.steps);
    for (f, column) in [("core", "Network, core"), ("internal", "")] {
        let one = json!({ "fields": { "f": [f, "db"] } });
        let plan = decide(&integration, &agreed, &one, &json!({ "u_x": "NET,DB" }));
        let both = [column, "DB"].map(str::to_owned);
        let both = both.into_iter().filter(|part| !part.is_empty());
        assert_eq!(plan.columns["u_x"], both.collect::<Vec<_>>().join(","));
    }
    // With a comma in its name it is known where it stands alone.
    let there = json!({ "u_x": "Network, core" });
    let plan = decide(&integration, &agreed, &both, &there);
    let step = Step::Field {
        name: "f".into(),
        value: Some(json!(["core"])),
    };
    assert!(plan.steps.contains(&step), "{:?}", plan.steps);
    // One without an entry holds up the whole: half of it would be another choice.
    let unknown = json!({ "fields": { "f": ["db", "disk"] } });
    let there = json!({ "u_x": "NET,DB" });
    let plan = decide(&integration, &agreed, &unknown, &there);
    assert!(!plan.columns.contains_key("u_x"), "{:?}", plan.columns);
    assert!(
        plan.decisions.iter().any(|decision| decision
            .to_string()
            .contains("map has no entry for \"disk\"")),
        "{:?}",
        plan.decisions
    );
}

#[test]
fn a_value_of_servicenow_fills_a_custom_field() {
    let field = json!({ "custom-field": "ticket", "value": "{{number}} {{link}}" });
    let integration = with_field("two-way", &field).unwrap();
    let plan = decide(&integration, &Base::default(), &json!({}), &json!({}));
    let value = "INC0010001 https://example.service-now.com/nav_to.do?uri=incident.do%3Fsys_id%3D\
                 00000000000000000000000000000001";
    let step = Step::Field {
        name: "ticket".into(),
        value: Some(json!(value)),
    };
    assert!(plan.steps.contains(&step), "{:?}", plan.steps);
    // A person who changes it in Flashduty changes nothing in ServiceNow.
    let edited = json!({ "fields": { "ticket": "mine" } });
    let plan = decide(&integration, &plan.base, &edited, &json!({}));
    assert_eq!(plan.columns.len(), 0);
}

#[test]
fn a_direction_of_its_own_narrows_that_of_the_integration() {
    let writes = |direction: Option<&str>, f: &str, s: &str| {
        let mut field = json!({ "custom-field": "f", "column": "u_x" });
        if let Some(direction) = direction {
            field["direction"] = json!(direction);
        }
        let integration = with_field("two-way", &field).unwrap();
        let at = |f: &str, s: &str| (json!({ "fields": { "f": f } }), json!({ "u_x": s }));
        let (agreed_f, agreed_s) = at("a", "a");
        let base = decide(&integration, &Base::default(), &agreed_f, &agreed_s).base;
        let (f, s) = at(f, s);
        let plan = decide(&integration, &base, &f, &s);
        let is_field = |step: &Step| matches!(step, Step::Field { .. });
        (
            plan.columns.contains_key("u_x"),
            plan.steps.iter().any(is_field),
        )
    };
    let (changed_in_flashduty, changed_in_servicenow) = (("b", "a"), ("a", "b"));
    for (direction, to, from) in [
        (None, true, true),
        (Some("to-servicenow"), true, false),
        (Some("from-servicenow"), false, true),
    ] {
        let (f, s) = changed_in_flashduty;
        assert_eq!(writes(direction, f, s), (to, false), "{direction:?}");
        let (f, s) = changed_in_servicenow;
        assert_eq!(writes(direction, f, s), (false, from), "{direction:?}");
    }
}

#[test]
fn a_column_that_the_user_may_not_read_counts_as_unmoved() {
    let field = json!({ "custom-field": "f", "column": "u_secret" });
    let integration = with_field("from-servicenow", &field).unwrap();
    let f = json!({ "fields": { "f": "x" } });
    let plan = decide(&integration, &Base::default(), &f, &json!({}));
    assert_eq!(plan.steps, []);
}

#[test]
fn a_value_that_lost_a_conflict_is_kept_as_a_note_on_its_own_side() {
    let field = json!({ "custom-field": "f", "column": "u_x", "conflict": "servicenow" });
    let integration = with_field("two-way", &field).unwrap();
    let at = |f: &str, s: &str| (json!({ "fields": { "f": f } }), json!({ "u_x": s }));
    let (f, s) = at("a", "a");
    let agreed = decide(&integration, &Base::default(), &f, &s).base;
    let (f, s) = at("b", "c");
    let plan = decide(&integration, &agreed, &f, &s);
    assert!(plan.steps.contains(&Step::Field {
        name: "f".into(),
        value: Some(json!("c")),
    }));
    let [note] = &plan.notes[..] else {
        panic!("{:?}", plan.notes)
    };
    assert_eq!(note.to, Side::Flashduty);
    assert_eq!(
        note.text,
        "Both sides had changed the u_x. This value was replaced by the other side's, \"c\":\nb"
    );
}

#[test]
fn a_note_of_a_long_value_that_won_still_holds_the_one_that_lost() {
    let setting = json!({ "conflict": { "description": "servicenow" } });
    let integration = configured("two-way", &setting).unwrap();
    let agreed = decide(&integration, &Base::default(), &json!({}), &json!({})).base;
    let f = json!({ "description": "restart the pool" });
    let s = json!({ "description": "x".repeat(1500) });
    let plan = decide(&integration, &agreed, &f, &s);
    let text = &plan.notes[0].text;
    assert!(text.chars().count() < 300, "{text}");
    assert!(text.ends_with("\nrestart the pool"), "{text}");
}

#[test]
fn what_the_other_side_cannot_take_does_not_compete() {
    let field = json!({ "custom-field": "f", "column": "u_x" });
    let integration = with_field("two-way", &field).unwrap();
    let at = |f: &str, s: &str| (json!({ "fields": { "f": f } }), json!({ "u_x": s }));
    // Flashduty's wins, but it is empty.
    let (f, s) = at("", "gold");
    let plan = decide(&integration, &Base::default(), &f, &s);
    let step = Step::Field {
        name: "f".into(),
        value: Some(json!("gold")),
    };
    assert_eq!(plan.steps, [step]);
    assert_eq!(plan.notes, []);

    let setting = json!({ "conflict": { "state": "servicenow" } });
    let integration = configured("two-way", &setting).unwrap();
    let agreed = decide(&integration, &Base::default(), &json!({}), &json!({})).base;
    // ServiceNow's wins, but what is over in Flashduty stays so.
    let f = json!({ "progress": "Closed" });
    let plan = decide(&integration, &agreed, &f, &json!({ "state": "2" }));
    assert_eq!(plan.columns["state"], "6");
    assert_eq!(plan.steps, []);
}

#[test]
fn a_choice_is_mapped_by_its_values_or_by_its_labels() {
    for (gold, silver) in [("1", "2"), ("Gold", "Silver")] {
        let field = json!({
            "custom-field": "tier", "column": "u_tier", "type": "choice",
            "map": { "gold": gold, "silver": silver },
        });
        let integration = with_field("two-way", &field).unwrap();
        let f = json!({ "fields": { "tier": "gold" } });
        let s = |value: &str, label: &str| json!({ "u_tier": { "value": value, "display_value": label } });
        let plan = decide(&integration, &Base::default(), &f, &s("1", "Gold"));
        assert_eq!((plan.steps, plan.columns.len()), (Vec::new(), 0), "{gold}");
        let plan = decide(&integration, &plan.base, &f, &s("2", "Silver"));
        let step = Step::Field {
            name: "tier".into(),
            value: Some(json!("silver")),
        };
        assert_eq!(plan.steps, [step]);
    }
}

#[test]
fn the_newest_change_wins_where_the_operator_wants_that() {
    let integration = configured("two-way", &json!({ "conflict": { "title": "newest" } })).unwrap();
    let agreed = decide(&integration, &Base::default(), &json!({}), &json!({})).base;
    let f = json!({ "title": "from flashduty", "updated_at": 1_780_300_900 });
    for (updated, winner) in [
        ("2026-06-01 08:00:00", Side::Flashduty),
        ("2026-06-01 09:00:00", Side::ServiceNow),
    ] {
        let s = json!({ "short_description": "from servicenow", "sys_updated_on": updated });
        let plan = decide(&integration, &agreed, &f, &s);
        let to_servicenow = plan.columns.contains_key("short_description");
        assert_eq!(to_servicenow, winner == Side::Flashduty, "{updated}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_place_and_remedy() {
    let problem = |fields: Value| {
        let mut problems = configured("two-way", &json!({ "field": fields })).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        let problem = problems.remove(0);
        (problem.pointer, problem.message)
    };
    let at = |place: &str, message: &str| (format!("/integration/0/field{place}"), message.into());
    assert_eq!(
        problem(json!([{ "column": "u_x" }])),
        at(
            "/0",
            "expected two of custom-field, column and value: a custom field and a column follow \
             each other, a value fills the one beside it"
        )
    );
    assert_eq!(
        problem(json!([{ "value": "{{labels.}}", "column": "u_x" }])),
        at("/0/value", "\"labels.\" is no value of an incident")
    );
    assert_eq!(
        problem(json!([{ "value": "x", "column": "state" }])),
        at(
            "/0/column",
            "\"state\" is the sync's own, or read-only; to show it in Flashduty, put it into the \
             value of a custom field"
        )
    );
    assert_eq!(
        problem(json!([{ "value": "x", "column": "Service Name" }])),
        at(
            "/0/column",
            "expected the name of a column, such as u_service, found \"Service Name\""
        )
    );
    assert_eq!(
        problem(json!([{ "value": "x", "column": "u_x", "direction": "from-servicenow" }])),
        at(
            "/0",
            "it never travels; look at its direction and the integration's"
        )
    );
    assert_eq!(
        problem(json!([{ "value": "x", "column": "u_x", "type": "reference" }])),
        at("/0", "expected type = \"reference\" and a table together")
    );
    assert_eq!(
        problem(json!([{ "value": "x", "column": "u_x", "default": "y" }])),
        at(
            "/0/default",
            "it is for what map does not know, and there is no map; for a value that is missing \
             write {{labels.team|Service Desk}}"
        )
    );
    assert_eq!(
        problem(json!([{
            "custom-field": "f", "column": "u_x", "type": "choice",
            "custom-field-type": "multi-select",
        }])),
        at(
            "/0",
            "several options go into a column of text only; remove type, or use another \
             custom-field-type"
        )
    );
    assert_eq!(
        problem(json!([
            { "value": "x", "column": "u_x" },
            { "value": "y", "column": "u_x" },
        ])),
        at("/1", "\"u_x\" is filled by an earlier field; remove one")
    );
}

#[test]
fn a_map_that_loses_a_value_and_values_that_feed_each_other_are_refused_and_shown() {
    let message = |fields: Value| {
        let problems = configured("two-way", &json!({ "field": fields })).unwrap_err();
        problems[0].message.clone()
    };
    let person = json!([{ "column": "assigned_to", "value": "{{labels.owner}}" }]);
    let both = json!({ "assignee": true, "field": person });
    let problems = configured("two-way", &both).unwrap_err();
    assert_eq!(
        problems[0].message,
        "assignee = true fills it already; remove one of them"
    );
    let map = json!({ "gold": "1", "silver": "1" });
    assert_eq!(
        message(json!([{ "custom-field": "f", "column": "u_x", "map": map }])),
        "\"gold\" and \"silver\" are both \"1\" in ServiceNow, so the way back could not tell \
         them apart; give each its own, or a direction"
    );
    assert_eq!(
        message(json!([
            { "value": "{{fields.a}}!", "column": "u_x" },
            { "custom-field": "a", "value": "{{u_x}}" },
        ])),
        "these values would feed each other for ever: fields.a -> u_x -> fields.a; remove one"
    );
    assert_eq!(
        message(json!([
            { "value": "{{labels.a}}", "column": "u_x" },
            { "custom-field": "b", "value": "{{u_x}}" },
        ])),
        "a value is made from another value: labels.a -> u_x -> fields.b; name its source"
    );
    let once = json!([
        { "value": "{{updated_at}}", "column": "u_x", "write": "once" },
        { "custom-field": "b", "value": "{{sys_updated_on}}" },
    ]);
    assert!(configured("two-way", &json!({ "field": once })).is_ok());
    for time in ["sys_updated_on", "sys_mod_count"] {
        let field = json!({ "custom-field": "b", "value": format!("{{{{{time}}}}}") });
        assert_eq!(
            message(json!([{ "value": "{{updated_at}}", "column": "u_x" }, field])),
            "these values would feed each other for ever: updated_at -> u_x -> fields.b -> \
             updated_at; remove one"
        );
    }
}
