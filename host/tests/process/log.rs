//! Whatever webhooks and far ends write, a record of the log is one line, and
//! nothing in it steers a terminal.

use super::FarEnd;
use super::Gateway;
use super::folder;
use serde_json::Value;
use serde_json::json;
use std::fs;

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
        for line in log.lines() {
            assert!(is_harmless(line), "{format}: {line:?}");
            assert!(!line.starts_with("2026-01-01"), "{format}: {line:?}");
            if format == "json" {
                let record: Value = serde_json::from_str(line).expect(line);
                assert!(record["timestamp"].is_string(), "{line}");
            } else {
                let (stamp, rest) = line.split_at_checked(27).unwrap_or_default();
                let is_stamp = stamp.ends_with('Z') && stamp.as_bytes()[10] == b'T';
                assert!(is_stamp && rest.starts_with(' '), "{line:?}");
            }
        }
    }
}
