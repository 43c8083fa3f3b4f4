//! Whatever webhooks and far ends write, a record of the log is one line, and
//! nothing in it steers a terminal; nor does what the commands for operators say.

use super::FarEnd;
use super::Gateway;
use super::folder;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

/// Ends a line in five ways, forges a record, and steers a terminal.
const EVIL: &str = "evil\r\n2026-01-01T00:00:00Z ERROR forged: record\u{1b}[2J\u{1b}]0;x\u{7}\u{85}\u{9b}31m\u{2028}a\u{2029}b\u{202e}c\u{2066}d\0";

fn is_harmless(line: &str) -> bool {
    let evil = |c: char| {
        c.is_control() && c != '\t'
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    !line.contains(evil)
}

#[test]
fn a_record_is_one_line_whatever_is_in_it() {
    for format in ["human", "json"] {
        let far_end = FarEnd::new();
        let settings = format!("log = {{ level = \"trace\", format = \"{format}\" }}");
        let folder = folder(&far_end, ", credential = \"flashduty\"", &settings);
        let mut gateway = Gateway::start(folder.path());
        let proof = "authorization: Bearer canary-webhook-token\r\nx-evil: a\tforged\r\n";
        let incident = "6a1d2f45c0ffee0123456789";
        for body in [
            json!({ "event_type": EVIL, "incident": { "incident_id": EVIL } }),
            json!({ "event_type": EVIL, "event_id": EVIL, "person": { "person_id": 7,
                "person_name": EVIL }, "incident": { "incident_id": incident, "title": EVIL } }),
            json!(EVIL),
        ] {
            gateway.send(0, "POST /flashduty/demo", proof, &body.to_string());
        }
        gateway.send(0, "POST /%0d%0aforged?%1b[2J=%0a", "", "{}");
        let event = json!({ "data": { "incident_id": incident, "title": EVIL,
            "incident_severity": "Critical", "progress": "Triggered" } });
        // The incident is read, and ServiceNow refuses in such words.
        far_end.next().answer("200 OK", &event.to_string());
        let refusal = json!({ "error": { "message": EVIL, "detail": EVIL } });
        far_end
            .next()
            .answer("400 Bad Request", &refusal.to_string());
        while let Ok(asked) = far_end.asked.recv_timeout(super::A_WHILE) {
            asked.answer("400 Bad Request", &refusal.to_string());
        }
        gateway.signal("-TERM");
        assert_eq!(gateway.end(), Some(0));

        let log = fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(log.contains("evil"), "{log}");
        let mut by_field = 0;
        for line in log.lines() {
            assert!(is_harmless(line), "{format}: {line:?}");
            assert!(!line.starts_with("2026-01-01"), "{format}: {line:?}");
            if format == "json" {
                let record: Value = serde_json::from_str(line).expect(line);
                assert!(record["timestamp"].is_string(), "{line}");
                assert!(record["span"].is_null(), "once is enough: {line}");
                let reason = record["fields"]["reason"].as_str().unwrap_or_default();
                by_field += usize::from(reason.starts_with("expected"));
            } else {
                let (stamp, rest) = line.split_at_checked(27).unwrap_or_default();
                let is_stamp = stamp.ends_with('Z') && stamp.as_bytes()[10] == b'T';
                assert!(is_stamp && rest.starts_with(' '), "{line:?}");
                let field = "plugin: webhook refused fields={\"reason\":\"expected ";
                by_field += usize::from(rest.contains(field));
            }
        }
        assert_eq!(by_field, 2, "{format}: {log}");
    }
}

fn begin(folder: &Path, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_servicenow-sync"));
    command
        .args(arguments)
        .arg("--config")
        .arg(folder.join("sync.toml"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// All that a command says, which must be harmless, and whether it succeeded.
fn said(command: Child) -> (String, bool) {
    let output = command.wait_with_output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(text.contains("evil"), "{text:?}");
    for line in text.lines() {
        assert!(is_harmless(line), "{line:?}");
        assert!(!line.trim_start().starts_with("2026-01-01"), "{text:?}");
    }
    (text, output.status.success())
}

#[test]
fn an_explanation_is_harmless_whatever_is_in_the_event() {
    let folder = folder(&FarEnd::new(), "", "");
    let event = folder.path().join("event.json");
    let incident = json!({ "incident_id": "6a1d2f45c0ffee0123456789", "title": EVIL,
        "description": EVIL, "labels": { "service": EVIL }, "incident_severity": "Critical",
        "progress": "Triggered", "created_at": 4_102_444_800_u64 });
    let body = json!({ "event_type": "i_new", "incident": incident });
    fs::write(&event, body.to_string()).unwrap();
    let arguments = ["explain", "--event", event.to_str().unwrap()];
    let (text, succeeded) = said(begin(folder.path(), &arguments));
    assert!(succeeded, "{text}");
    assert!(text.contains("would send"), "{text}");
}

#[test]
fn a_pair_is_shown_harmlessly_whatever_is_in_its_incidents() {
    let far_end = FarEnd::new();
    let folder = folder(&far_end, "", "");
    let file = folder.path().join("sync.toml");
    // The far end stands in for the gateway.
    let admin = format!("admin = {{ listen = \"{}\"", far_end.address);
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("admin = { listen = \"127.0.0.1:0\"", &admin);
    fs::write(&file, text).unwrap();
    let show = ["pair", "show", "--servicenow", "INC0010001"];
    let agreed = json!({ "flashduty": EVIL, "servicenow": [EVIL] });
    let shown = json!({
        "pair": "f-1", "number": EVIL, "work": EVIL,
        "base": { "title": agreed, "servicenow_fields": { "u_service": EVIL } },
        "history": [{ "at": "then", "what": EVIL }],
    });
    for (status, answer) in [
        ("200 OK", shown),
        ("502 Bad Gateway", json!({ "error": EVIL })),
    ] {
        let command = begin(folder.path(), &show);
        far_end.next().answer(status, &answer.to_string());
        let (text, succeeded) = said(command);
        assert_eq!(succeeded, status == "200 OK", "{text}");
    }
}
