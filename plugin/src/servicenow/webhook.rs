use super::Columns;
use super::Record;
use super::SysId;
use crate::json;
use crate::json::Object;
use crate::json::object;
use crate::text;
use crate::texts::Texts;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

/// What a business rule or a UI action pushes: labels, no version, no author,
/// and whatever columns the operator added.
///
/// What it says is a hint. Only where no access to the Table API is configured
/// is it also the source of the values; a key that is missing then leaves the
/// field alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// Names the record.
    pub sys_id: SysId,
    values: Texts,
}

impl Body {
    /// Reads a webhook's body, or tells what is wrong with it in a sentence
    /// for whoever maintains the script.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let body = json::parse(body)
            .map_err(|e| format!("expected a ServiceNow incident as JSON: {e}"))?;
        let Some(sys_id) = body["sys_id"].as_str().and_then(SysId::parse) else {
            let found = match &body["sys_id"] {
                Value::Null => "none".into(),
                other => text::cut(&json::text(other), 40),
            };
            return Err(format!(
                "expected \"sys_id\", 32 hexadecimal digits, found {found}; \
                 send current.getUniqueValue()"
            ));
        };
        let entries = body.as_object().into_iter().flatten();
        let mut values = Texts::default();
        for (name, value) in entries {
            if let Some(text) = field(value) {
                values.insert(name.clone(), text);
            }
        }
        Ok(Self { sys_id, values })
    }

    /// One that says nothing but which record may have changed.
    pub(crate) fn about(sys_id: SysId) -> Self {
        Self {
            sys_id,
            values: Texts::default(),
        }
    }

    /// What stands under a key, separated by commas.
    fn list(&self, key: &str) -> Vec<&str> {
        let texts = self.get(key).unwrap_or_default().split(',');
        texts.map(str::trim).filter(|t| !t.is_empty()).collect()
    }

    /// What stands under a key; empty if it is empty, none if it is missing.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// The addresses of the people that the newer manual script wants to be
    /// called, as many as Flashduty takes.
    pub fn emails(&self) -> Vec<&str> {
        let mut emails = self.list("notify_members");
        emails.truncate(100);
        emails
    }

    /// Whom the newer manual script wants to be called, with these of its
    /// people, and how, in the terms of Flashduty's Open API.
    pub fn assigned_to(&self, emails: &[&str]) -> Option<Value> {
        let rules = self.list("rule_id");
        let channels = self.list("personal_channels");
        if rules.is_empty() && emails.is_empty() {
            return None;
        }
        let mut assigned_to = Object::new();
        if let Some(rule) = rules.first() {
            json::set(&mut assigned_to, "escalate_rule_id", *rule);
        }
        if !emails.is_empty() {
            json::set(&mut assigned_to, "emails", emails);
        }
        if !channels.is_empty() {
            let notify = object! { "personal_channels": channels };
            json::set(&mut assigned_to, "notify", notify);
        }
        Some(assigned_to.into())
    }

    /// What a record would show that holds just what these say, of which a newer one
    /// comes later; none if there are none. Labels stand for values, since nothing else
    /// is known of them.
    pub fn as_record<'a>(bodies: impl Iterator<Item = &'a Self>) -> Option<Record> {
        let (mut sys_id, mut columns) = (None, Columns::new());
        for body in bodies {
            sys_id = Some(&body.sys_id);
            // Extended: to collect a map would bring a sort.
            columns.extend(body.values.iter().map(|(name, value)| {
                let value = value.as_str();
                let both = object! { "value": value, "display_value": value };
                (name.clone(), both.into())
            }));
        }
        Some(Record::new(sys_id?.clone(), Value::Object(columns)))
    }
}

/// A scalar as text. An empty column arrives as `null`, or, from a script that
/// glues strings together, as the word `null`.
fn field(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text == "null" => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(json::text(value)),
        Value::Null => Some(String::new()),
        // `notify_members`, in the newer manual script.
        Value::Array(people) => {
            let emails: Vec<&str> = people.iter().filter_map(|p| p["email"].as_str()).collect();
            Some(text::joined(&emails, ","))
        }
        Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ID: &str = "0123456789abcdef0123456789ABCDEF";

    fn body(rest: &str) -> Body {
        Body::parse(format!(r#"{{"sys_id":"{ID}"{rest}}}"#).as_bytes()).unwrap()
    }

    #[test]
    fn a_missing_key_is_not_an_empty_value() {
        let body = body(r#","description":null,"short_description":"null","urgency":2"#);
        assert_eq!(body.sys_id.as_str(), ID.to_ascii_lowercase());
        assert_eq!(body.get("state"), None);
        assert_eq!(body.get("description"), Some(""));
        assert_eq!(body.get("short_description"), Some(""));
        assert_eq!(body.get("urgency"), Some("2"));
    }

    #[test]
    fn the_newer_script_names_a_rule_people_and_channels() {
        let newer = body(
            r#","rule_id":"6a1d2f45c0ffee0123456789","personal_channels":"voice, sms",
            "notify_members":[{"email":"ana@example.com"},{"email":"bo@example.com"}]"#,
        );
        assert_eq!(
            newer.assigned_to(&newer.emails()),
            Some(json!({
                "escalate_rule_id": "6a1d2f45c0ffee0123456789",
                "emails": ["ana@example.com", "bo@example.com"],
                "notify": { "personal_channels": ["voice", "sms"] },
            }))
        );
        let nobody = body(r#","rule_id":"null","notify_members":[],"personal_channels":"sms""#);
        assert_eq!(nobody.assigned_to(&nobody.emails()), None);
    }

    #[test]
    fn a_missing_or_malformed_sys_id_is_named_with_the_remedy() {
        for (given, found) in [("{}", "none"), (r#"{"sys_id":"../x"}"#, "\"../x\"")] {
            assert_eq!(
                Body::parse(given.as_bytes()).unwrap_err(),
                format!(
                    "expected \"sys_id\", 32 hexadecimal digits, found {found}; send current.getUniqueValue()"
                )
            );
        }
    }
}
