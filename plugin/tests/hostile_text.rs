//! Whatever people, webhooks and far ends write: it stays text, where text
//! belongs, and changes no request.
#![allow(clippy::unwrap_used)]

mod gateway;

use gateway::Gateway;
use gateway::INCIDENT;
use proptest::prelude::*;
use serde_json::Value;
use serde_json::json;
use servicenow_sync_plugin::HttpRequest;
use servicenow_sync_plugin::Verdict;

/// What means something to a query, a URL, a header, a path, a template or a
/// journal.
const PIECES: [&str; 34] = [
    "^",
    "^NQ",
    "^OR",
    "^ORactive=true",
    "^EQ",
    "javascript:",
    "JavaScript:gs.sleep(9)",
    "=",
    "!=",
    "LIKE",
    "IN",
    "\r\n",
    "\n",
    "\r",
    "\0",
    "\u{1b}[31m",
    "\u{85}",
    "\u{2028}",
    "x-injected: yes",
    "&sysparm_limit=1",
    "?",
    "#",
    "%5E",
    "%0d%0a",
    "/../",
    "%2e%2e",
    "{{title}}",
    "{{labels.owner}}",
    "[code]",
    "\"",
    "\\",
    "@all",
    "\u{202e}",
    "ana@example.com",
];

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(PIECES.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => "[a-zA-Z0-9 ]{0,8}",
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

/// Every way from an incident's text into a request.
fn settings() -> Value {
    json!({
        "assignee": true,
        "field": [
            { "column": "u_owner", "value": "{{labels.owner}}", "type": "reference",
              "table": "sys_user", "by": "email" },
            { "column": "assignment_group", "value": "{{labels.group}}", "type": "reference",
              "table": "sys_user_group" },
            { "column": "u_tier", "value": "{{labels.tier}}", "type": "choice" },
            { "column": "u_text", "custom-field": "text" },
            { "column": "u_all", "value": "{{labels}} {{title}} {{channel}}" },
            { "custom-field": "shown", "value": "{{number}} {{u_shown}}" },
        ],
    })
}

/// A condition of an encoded query, as ServiceNow reads it.
#[derive(Debug, PartialEq)]
struct Condition {
    joint: &'static str,
    column: String,
    operator: &'static str,
    value: String,
}

/// A small model of the grammar: terms stand between `^`, and each is a joint,
/// a column, an operator and a value.
fn parse(query: &str) -> Vec<Condition> {
    // The longer ones first.
    const JOINTS: [&str; 8] = [
        "ORDERBYDESC",
        "ORDERBY",
        "GROUPBY",
        "RLQUERY",
        "NQ",
        "OR",
        "EQ",
        "",
    ];
    const OPERATORS: [&str; 20] = [
        "NOT IN",
        "NOT LIKE",
        "STARTSWITH",
        "ENDSWITH",
        "ISNOTEMPTY",
        "ISEMPTY",
        "ANYTHING",
        "SAMEAS",
        "NSAMEAS",
        "DYNAMIC",
        "BETWEEN",
        "LIKE",
        "IN",
        "!=",
        ">=",
        "<=",
        ">",
        "<",
        "=",
        "",
    ];
    let terms = query.split('^').map(|term| {
        let joint = JOINTS
            .into_iter()
            .find(|joint| term.starts_with(joint))
            .unwrap();
        let term = &term[joint.len()..];
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.".contains(c);
        let (column, rest) = term.split_at(term.find(|c| !is_name(c)).unwrap_or(term.len()));
        let operator = OPERATORS.into_iter().find(|o| rest.starts_with(o)).unwrap();
        Condition {
            joint,
            column: column.into(),
            operator,
            value: rest[operator.len()..].into(),
        }
    });
    terms.collect()
}

/// Joints, columns and operators of a query, and nothing of its values.
fn shape(query: &str) -> String {
    let conditions = parse(query).into_iter();
    let shapes = conditions.map(|c| format!("{}{}{}", c.joint, c.column, c.operator));
    shapes.collect::<Vec<_>>().join(" ")
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The request is one of ours, with nothing in it that is not.
fn assert_ours(request: &HttpRequest) {
    for header in &request.headers {
        let known = [
            ("accept", "application/json"),
            ("content-type", "application/json"),
        ];
        assert!(known.contains(&(&header.0, &header.1)), "{header:?}");
    }
    if !request.body.is_empty() {
        assert!(
            serde_json::from_slice::<Value>(&request.body)
                .unwrap()
                .is_object()
        );
    }
    let url = &request.url;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b":/?&=%.,_-".contains(&b);
    assert!(url.bytes().all(plain), "{url}");
    let Some(path) = url.strip_prefix("https://example.service-now.com/api/now/table/") else {
        let path = url.strip_prefix("https://api.flashcat.cloud/").unwrap();
        assert!(
            path.bytes().all(|b| b.is_ascii_lowercase() || b == b'/'),
            "{url}"
        );
        assert_eq!(request.method, "POST");
        return;
    };
    let (path, query) = path.split_once('?').unwrap();
    let mut conditions = None;
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap();
        match name {
            "sysparm_query" => conditions = Some(decoded(value)),
            "sysparm_limit"
            | "sysparm_fields"
            | "sysparm_display_value"
            | "sysparm_exclude_reference_link" => {}
            other => panic!("{other} in {url}"),
        }
    }
    let conditions = conditions.unwrap_or_default();
    let expected = match (request.method.as_str(), path) {
        ("POST", "incident") => "",
        ("GET", "incident") => "sys_id= ORcorrelation_idSTARTSWITH ORDERBYsys_created_on",
        ("GET", "sys_journal_field") => "element_id= elementIN ORDERBYsys_created_on",
        ("GET", "sys_choice") => "nameIN element= inactive=",
        ("GET", "sys_user") => "email=",
        ("GET", "sys_user_group") => "name=",
        ("GET" | "PATCH", path) if path.strip_prefix("incident/").is_some_and(is_id) => "",
        other => panic!("{other:?}"),
    };
    let found = match conditions.as_str() {
        "" => String::new(),
        query => shape(query),
    };
    assert_eq!(found, expected, "{conditions:?}");
    if conditions.is_empty() {
        return;
    }
    for condition in parse(&conditions) {
        let value = condition.value;
        assert!(!value.contains(char::is_control), "{value:?}");
        assert!(
            !value.trim().to_lowercase().starts_with("javascript:"),
            "{value:?}"
        );
        assert!(
            value.is_empty() == condition.joint.starts_with("ORDERBY"),
            "{conditions:?}"
        );
    }
}

/// An incident all of whose texts are these, in turn.
fn filled(texts: &[String; 6]) -> Gateway {
    let [a, b, c, d, e, f] = texts;
    let mut gateway = Gateway::new(&settings());
    gateway.incident["title"] = json!(a);
    gateway.incident["description"] = json!(b);
    gateway.incident["channel_name"] = json!(c);
    gateway.incident["labels"] = json!({ "owner": d, "group": e, "tier": f, a.as_str(): b });
    gateway.incident["fields"] = json!({ "text": c });
    gateway.incident["num"] = json!(d);
    gateway.incident["detail_url"] = json!(e);
    gateway.incident["responders"] = json!([{ "person_id": 7, "person_name": b, "email": f }]);
    gateway.comment(a);
    gateway.comment(f);
    gateway
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("HOSTILE_TEXTS").map_or(200, |count| count.parse().unwrap()),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Headers, lines, paths and queries are ours, whatever an incident, its
    /// comments and its people are called, and whatever ServiceNow holds.
    #[test]
    fn no_text_changes_a_request(texts in prop::array::uniform6(hostile())) {
        let mut gateway = filled(&texts);
        let [a, b, c, d, _, _] = &texts;
        gateway.receive("/flashduty/prod", &json!({
            "event_type": format!("i_{a}"), "event_id": b, "incident": gateway.incident,
            "person": { "person_id": 7, "person_name": c, "email": d },
        }));
        gateway.work();
        for column in ["short_description", "description", "number", "close_notes", "u_shown"] {
            gateway.record[column] = json!(c);
        }
        for column in ["assigned_to", "assigned_to.email"] {
            gateway.record[column] = json!({ "value": d, "display_value": d });
        }
        gateway.rows.insert("sys_journal_field", json!([{
            "sys_id": a, "element_id": gateway.record["sys_id"], "element": "comments",
            "value": b, "sys_created_on": c, "sys_created_by": d,
        }]));
        gateway.servicenow(&json!({ "action_type": a }));
        gateway.work();
        for request in &gateway.requests {
            assert_ours(request);
        }
        prop_assert!(!gateway.requests.is_empty());
    }

    /// An instance that drops the parts of a query that it does not understand
    /// answers with every row it has: none of them is taken.
    #[test]
    fn rows_that_were_not_asked_for_are_not_taken(texts in prop::array::uniform6(hostile())) {
        let other = |key: &str| json!([
            { "sys_id": "0123456789abcdef0123456789abcdef", key: "some other row" },
            { "sys_id": "1123456789abcdef0123456789abcdef", key: "" },
            { "sys_id": "2123456789abcdef0123456789abcdef" },
        ]);
        let mut gateway = filled(&texts);
        gateway.rows.insert("sys_user", other("email"));
        gateway.rows.insert("sys_user_group", other("name"));
        gateway.rows.insert("sys_choice", json!([
            { "element": "priority", "value": texts[5], "label": texts[5] },
        ]));
        gateway.flashduty("i_new");
        gateway.work();
        for (_, columns) in &gateway.written {
            for column in ["u_owner", "assignment_group", "assigned_to"] {
                let written = columns[column].as_str().unwrap_or_default();
                prop_assert!(!is_id(written), "{column}: {written}");
            }
        }
    }
}

#[test]
fn a_record_that_was_not_asked_for_stops_the_work_before_anything_is_written() {
    let mut gateway = Gateway::new(&json!({}));
    gateway.record = json!({
        "sys_id": "0123456789abcdef0123456789abcdef", "correlation_id": "", "number": "INC1",
    });
    gateway.ignores_conditions = true;
    gateway.flashduty("i_new");
    let verdict = format!("{:?}", gateway.work());
    assert!(verdict.contains("with another record"), "{verdict}");
    assert_eq!(gateway.written, []);
}

/// What looks like an id, and is none.
fn no_ids() -> Vec<Value> {
    let mut ids = vec![
        json!(null),
        json!(7),
        json!([INCIDENT]),
        json!({ "a": INCIDENT }),
        json!(true),
    ];
    for length in [24, 32] {
        let good = "0123456789abcdef".repeat(2)[..length].to_owned();
        let changed = |at: usize, with: &str| {
            let mut text = good.clone();
            text.replace_range(at..at + 1, with);
            text
        };
        ids.extend([
            json!(format!("{good}0")),
            json!(good[1..]),
            json!(format!("../{}", &good[3..])),
            json!(format!("{}/..", &good[3..])),
            json!(format!("%2e%2e{}", &good[6..])),
            json!(format!("{}?x=", &good[3..])),
            json!(format!("{}#", &good[1..])),
            json!(format!(" {}", &good[1..])),
            json!(format!("{}\n", &good[1..])),
            json!(format!("{good}\n")),
            json!(format!("{}\0", &good[1..])),
            json!(changed(0, "g")),
            json!(changed(0, "^")),
            json!(changed(0, ".")),
            // Digits of other scripts; the first keeps the length in bytes.
            json!(format!("\u{661}{}", &good[2..])),
            json!(format!("\u{ff11}{}", &good[1..])),
            json!(good.repeat(1000)),
        ]);
    }
    ids
}

#[test]
fn what_is_no_id_is_ignored_in_webhooks_and_answers() {
    for id in no_ids() {
        let mut gateway = Gateway::new(&json!({}));
        gateway.receive(
            "/flashduty/prod",
            &json!({ "event_type": "i_new", "incident": { "incident_id": id } }),
        );
        gateway.receive("/servicenow/prod", &json!({ "sys_id": id }));
        for order in ["link", "unlink", "look", "show"] {
            gateway.order(order, &json!({ "flashduty": id, "servicenow": id }));
        }
        assert!(gateway.scheduled.is_empty(), "{id}");
        assert!(gateway.requests.is_empty(), "{id}");
        let kept = gateway.stored("");
        assert!(
            kept.iter()
                .all(|key| key.starts_with("unbroken.first-look.")),
            "{kept:?}"
        );

        // Answers: to a look-up, to a creation, and to a reading.
        for part in [
            "GET https://example.service-now.com/api/now/table/incident?",
            "POST https://example",
        ] {
            let mut gateway = Gateway::new(&json!({}));
            let row =
                json!({ "sys_id": id, "correlation_id": format!("flashduty:prod:{INCIDENT}") });
            let result = match part.starts_with("GET") {
                true => json!({ "result": [row] }),
                false => json!({ "result": row }),
            };
            gateway.answers.push((part, result.to_string().into()));
            gateway.flashduty("i_new");
            assert_ne!(gateway.work(), Verdict::Done, "{id}");
            gateway.requests.iter().for_each(assert_ours);
        }
        let mut gateway = Gateway::linked(&json!({}));
        gateway.requests.clear();
        let answer = json!({ "data": { "incident_id": id, "title": "x" } });
        gateway
            .answers
            .push(("/incident/info", answer.to_string().into()));
        gateway.flashduty("i_ack");
        assert_ne!(gateway.work(), Verdict::Done, "{id}");
        assert_eq!(gateway.written, [], "{id}");
    }
}

/// Both systems write ids in small letters; capital ones mean the same.
#[test]
fn an_id_in_capital_letters_is_used_in_small_ones() {
    let mut gateway = Gateway::new(&json!({}));
    gateway.incident["incident_id"] = json!(INCIDENT.to_uppercase());
    gateway.flashduty("i_new");
    assert_eq!(gateway.work(), Verdict::Done);
    let created = gateway.sent("POST incident");
    assert_eq!(
        created[0]["correlation_id"],
        format!("flashduty:prod:{INCIDENT}")
    );
}

/// Answers that are no answers, whatever was asked for.
#[test]
fn bombs_in_answers_change_nothing_and_do_not_go_off() {
    let deep = "[".repeat(1_000_000);
    let closed = format!(
        "{{\"result\":{}{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let keys: Vec<_> = (0..100_000).map(|n| format!("\"k{n}\":{n}")).collect();
    let wide = format!("{{\"result\":{{{0}}},\"data\":{{{0}}}}}", keys.join(","));
    let digits = format!("{{\"result\":{0},\"data\":{0}}}", "9".repeat(100_000));
    let exponent = r#"{"result":1e999999,"data":-1e999999}"#;
    let bombs: [&[u8]; 14] = [
        deep.as_bytes(),
        closed.as_bytes(),
        wide.as_bytes(),
        digits.as_bytes(),
        exponent.as_bytes(),
        br#"{"result":"\ud800","data":"\ud800"}"#,
        b"{\"result\":\"\0\",\"data\":\"\0\"}",
        b"\xef\xbb\xbf{\"result\":[],\"data\":{}}",
        b"\xff\xfe{",
        br#"{"result":{"sys_id":{"value":[]}},"data":{"incident_id":[]}}"#,
        br#"{"result":null,"data":null}"#,
        b"null",
        b"[]",
        b"",
    ];
    for (n, bomb) in bombs.iter().enumerate() {
        for part in [
            "GET https://example",
            "POST https://example",
            "/incident/info",
        ] {
            let mut gateway = Gateway::new(&json!({}));
            gateway.answers.push((part, bomb.to_vec()));
            gateway.flashduty("i_new");
            let verdict = gateway.work();
            assert_ne!(verdict, Verdict::Done, "bomb {n} at {part}");
            let told = format!("{verdict:?}");
            assert!(told.len() < 1000, "bomb {n} at {part}: {told}");
            assert_eq!(gateway.written, [], "bomb {n} at {part}");
        }
    }
}

/// A timeline whose every page says that there is another.
#[test]
fn pages_without_end_are_read_to_a_limit() {
    let mut gateway = Gateway::linked(&json!({}));
    gateway.requests.clear();
    gateway.answers.push((
        "/incident/feed",
        br#"{"data":{"items":[],"has_next_page":true}}"#.to_vec(),
    ));
    gateway.flashduty("i_comm");
    gateway.work();
    let pages = gateway.requests.iter().filter(|r| r.url.ends_with("/feed"));
    assert_eq!(pages.count(), 20);
}

/// What has harmed other products' readers.
const MARKUP: [&str; 13] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "[code]<script>alert(1)</script>[/code]",
    "[CODE]<b>[/Code]",
    "[[code]code]<b>[/[/code]code]",
    "[code",
    "[co\u{200b}de]<b>[/co\u{feff}de]",
    "[co\0de]<b>[/co\u{1b}de]",
    "[\u{202e}code]<b>",
    "[code]\r\n<iframe src=javascript:alert(1)>",
    "[a|javascript:alert(1)] ![x](javascript:alert(1))",
    "@all {{title}} ${7*7} #{7*7} <%= 7*7 %> {%raw%}",
];

fn has_code_tag(text: &str) -> bool {
    let text = text.to_lowercase();
    text.contains("[code") || text.contains("[/code")
}

#[test]
fn markup_never_reaches_a_journal_and_stays_text_elsewhere() {
    for markup in MARKUP {
        // From Flashduty: title, description, its link and channel, a comment and its author.
        let mut gateway = Gateway::new(&json!({}));
        gateway.incident["title"] = json!(markup);
        gateway.incident["description"] = json!(markup);
        gateway.incident["detail_url"] = json!(markup);
        gateway.incident["channel_name"] = json!(markup);
        gateway.comment(markup);
        let person = json!({ "data": { "items": [{ "person_id": 7, "person_name": markup }] } });
        gateway
            .answers
            .push(("/person/infos", person.to_string().into()));
        gateway.flashduty("i_new");
        assert_eq!(gateway.work(), Verdict::Done, "{markup:?}");
        let mut journals = 0;
        for (_, columns) in &gateway.written {
            for (name, value) in columns.as_object().into_iter().flatten() {
                let text = value.as_str().unwrap_or_default();
                let odd = |c: char| c.is_control() && c != '\n' && c != '\t';
                assert!(!text.contains(odd), "{name}: {text:?}");
                if matches!(name.as_str(), "work_notes" | "comments") {
                    journals += 1;
                    assert!(!has_code_tag(text), "{name}: {text:?}");
                }
            }
        }
        assert!(journals > 1, "{markup:?}: {:?}", gateway.written);
        let title: String = markup
            .replace(['\r', '\0', '\u{1b}'], "")
            .replace('\n', " ");
        assert_eq!(gateway.sent("POST incident")[0]["short_description"], title);

        // A title that loses a conflict becomes a note.
        gateway.written.clear();
        gateway.incident["title"] = json!(format!("{markup} theirs"));
        gateway.record["short_description"] = json!(format!("{markup} ours"));
        gateway.flashduty("i_ack");
        gateway.work();
        let notes = gateway.sent("PATCH incident");
        let note = notes
            .iter()
            .find_map(|columns| columns["work_notes"].as_str());
        assert!(!has_code_tag(note.unwrap()), "{note:?}");
    }
}

#[test]
fn text_is_never_filled_in_as_a_template() {
    let field = json!({ "field": [{ "column": "u_text", "value": "{{title}} {{labels.a}}" }] });
    let mut gateway = Gateway::new(&field);
    gateway.incident["title"] = json!("{{description}} {{labels.secret}}");
    gateway.incident["labels"] = json!({ "a": "{{title}}", "secret": "no" });
    gateway.flashduty("i_new");
    assert_eq!(gateway.work(), Verdict::Done);
    let created = gateway.sent("POST incident")[0];
    assert_eq!(
        created["short_description"],
        "{{description}} {{labels.secret}}"
    );
    assert_eq!(
        created["u_text"],
        "{{description}} {{labels.secret}} {{title}}"
    );
}
