use super::Incident;
use super::IncidentId;
use super::Person;
use crate::json;
use crate::text;
use alloc::borrow::ToOwned;
use alloc::string::String;
use serde_json::Value;

/// What an incident webhook or a custom action says. The type is kept as text:
/// Flashduty adds types, and each of them means that the incident changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Tells a repeated delivery; absent in bodies that leave it out.
    pub event_id: Option<String>,
    /// For example `i_new`.
    pub event_type: String,
    /// Who did it; absent when the system did.
    pub person: Option<Person>,
    /// The incident as the event shows it.
    pub incident: Incident,
}

impl Event {
    /// Reads a webhook's body, or tells what is wrong with it in a sentence
    /// for whoever set the webhook up.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let body = json::parse(body)
            .map_err(|e| format!("expected a Flashduty incident event as JSON: {e}"))?;
        let text = |value: &Value| value.as_str().filter(|s| !s.is_empty()).map(str::to_owned);
        const REMEDY: &str = "leave the webhook's body at its default";
        let Some(event_type) = text(&body["event_type"]) else {
            return Err(format!("expected \"event_type\", found none; {REMEDY}"));
        };
        let id = &body["incident"]["incident_id"];
        if id.as_str().and_then(IncidentId::parse).is_none() {
            let found = match id {
                Value::Null => "none".into(),
                other => text::cut(&json::text(other), 40),
            };
            return Err(format!(
                "expected \"incident.incident_id\", 24 hexadecimal digits, found {found}; {REMEDY}"
            ));
        }
        let incident = json::from_value(&body["incident"]).map_err(|e| {
            format!("\"incident\" has a field of an unexpected type: {e}; {REMEDY}")
        })?;
        Ok(Self {
            // The custom action's documentation shows it in either place.
            event_id: text(&body["event_id"]).or_else(|| text(&body["incident"]["event_id"])),
            event_type,
            person: json::from_value(&body["person"]).ok(),
            incident,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(body: &str) -> String {
        Event::parse(body.as_bytes()).unwrap_err()
    }

    #[test]
    fn an_unknown_event_type_with_unknown_fields_is_an_event() {
        let event = Event::parse(
            br#"{"event_type":"i_brand_new","x":[1],"incident":{"incident_id":"6a1d2f45c0ffee0123456789","y":{}}}"#,
        )
        .unwrap();
        assert_eq!(event.event_type, "i_brand_new");
        assert_eq!(event.event_id, None);
    }

    #[test]
    fn the_event_id_may_stand_inside_the_incident() {
        let event = Event::parse(
            br#"{"event_type":"i_custom","incident":{"event_id":"e1","incident_id":"6a1d2f45c0ffee0123456789"}}"#,
        )
        .unwrap();
        assert_eq!(event.event_id.as_deref(), Some("e1"));
    }

    #[test]
    fn what_is_missing_is_named_with_the_remedy() {
        assert_eq!(
            error(r#"{"title":"{{incident.title}}"}"#),
            "expected \"event_type\", found none; leave the webhook's body at its default"
        );
        assert_eq!(
            error(r#"{"event_type":"i_new","incident":{"title":"x"}}"#),
            "expected \"incident.incident_id\", 24 hexadecimal digits, found none; leave the webhook's body at its default"
        );
        assert_eq!(
            error(r#"{"event_type":"i_new","incident":{"incident_id":"../x"}}"#),
            "expected \"incident.incident_id\", 24 hexadecimal digits, found \"../x\"; leave the webhook's body at its default"
        );
        assert_eq!(
            error(
                r#"{"event_type":"i_new","incident":{"incident_id":"6a1d2f45c0ffee0123456789","title":7}}"#
            ),
            "\"incident\" has a field of an unexpected type: /title: expected a string, found integer 7; leave the webhook's body at its default"
        );
        assert!(error("<html>").starts_with("expected a Flashduty incident event as JSON: "));
    }
}
