//! Events that alert sources push, and the standard alert integration.
//!
//! The key of the integration in the URL is all the authority there is. Events
//! with the same `alert_key` belong to one alert; a recovery that meets no
//! alert is accepted and forgotten.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::json;
use sha2::Digest;
use sha2::Sha256;

use super::Flashduty;
use super::envelope::ApiError;
use super::params::Params;
use super::params::check_length;
use super::params::kind;
use super::params::required;
use super::severity::Status;

const TITLE_LIMIT: usize = 512;
const DESCRIPTION_LIMIT: usize = 2048;
const LABELS_LIMIT: usize = 50;
const LABEL_KEY_LIMIT: usize = 128;
const LABEL_VALUE_LIMIT: usize = 2048;

/// An event that an alert source pushes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertEvent {
    /// Events with the same key are one alert; derived from title and labels
    /// if absent.
    pub alert_key: Option<String>,
    /// One line.
    pub title: String,
    /// More lines.
    pub description: String,
    /// `Ok` recovers the alert.
    pub status: Status,
    /// At most 50.
    pub labels: BTreeMap<String, String>,
}

impl AlertEvent {
    /// An event with a key, a title and a status.
    pub fn new(alert_key: &str, title: &str, status: Status) -> AlertEvent {
        AlertEvent {
            alert_key: Some(alert_key.to_owned()),
            title: title.to_owned(),
            description: String::new(),
            status,
            labels: BTreeMap::new(),
        }
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> AlertEvent {
        self.labels.insert(key.to_owned(), value.to_owned());
        self
    }
}

/// What became of a pushed event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Given, or derived.
    pub alert_key: String,
    /// Absent if a recovery met no alert.
    pub incident_id: Option<String>,
}

impl Flashduty {
    /// An alert source pushes an event into a channel.
    ///
    /// # Errors
    ///
    /// There is no such channel, or a limit is not kept.
    pub fn push_alert(
        &mut self,
        channel_id: i64,
        event: AlertEvent,
        now_ms: u64,
    ) -> Result<Pushed, ApiError> {
        self.advance(now_ms);
        self.account.channel(channel_id)?;
        check_length("title", &event.title, 1..=TITLE_LIMIT)?;
        check_length("description", &event.description, 0..=DESCRIPTION_LIMIT)?;
        check_labels(&event.labels)?;
        let alert_key = match &event.alert_key {
            Some(key) if !key.is_empty() => key.clone(),
            _ => derive_key(&event),
        };
        let channel = self.account.channel(channel_id)?;
        let index = (channel.integration.integration_id, alert_key.clone());
        let known = self.open_alerts.get(&index).cloned();
        let incident_id = match (known, event.status.severity()) {
            (Some(alert_id), _) => Some(self.update_alert(&alert_id, event, now_ms)?),
            (None, Some(severity)) => {
                Some(self.open_alert(channel_id, index, event, severity, now_ms)?)
            }
            (None, None) => None,
        };
        Ok(Pushed {
            alert_key,
            incident_id,
        })
    }

    /// `POST /event/push/alert/standard`.
    pub(super) fn standard_alert_push(
        &mut self,
        integration_key: &str,
        params: &Params,
        now_ms: u64,
    ) -> Result<Value, ApiError> {
        let channel_id = self
            .account
            .channel_by_key(integration_key)
            .ok_or_else(|| ApiError::invalid("integration_key: is not valid"))?
            .channel_id;
        let status = params.required_text("event_status")?;
        let status = Status::parse(status).ok_or_else(|| {
            ApiError::invalid(format!(
                "event_status: expected Critical, Warning, Info or Ok, found {status:?}"
            ))
        })?;
        let mut labels = BTreeMap::new();
        if let Some(given) = params.object("labels")? {
            for (key, value) in given.entries() {
                let value = value.as_str().ok_or_else(|| {
                    ApiError::invalid(format!(
                        "labels.{key}: expected a string, found {}",
                        kind(value)
                    ))
                })?;
                labels.insert(key.clone(), value.to_owned());
            }
        }
        let title = match params.text("title_rule")?.filter(|rule| !rule.is_empty()) {
            Some(rule) => title_by_rule(rule, &labels),
            None => required("title", params.text("title")?)?.to_owned(),
        };
        let event = AlertEvent {
            alert_key: params.text("alert_key")?.map(str::to_owned),
            title,
            description: params.text("description")?.unwrap_or_default().to_owned(),
            status,
            labels,
        };
        let pushed = self.push_alert(channel_id, event, now_ms)?;
        Ok(json!({ "alert_key": pushed.alert_key }))
    }
}

/// `$service::$host` becomes the values of the two labels, with a slash
/// between them.
fn title_by_rule(rule: &str, labels: &BTreeMap<String, String>) -> String {
    let parts: Vec<&str> = rule
        .split("::")
        .map(|part| match part.strip_prefix('$') {
            Some(label) => labels.get(label).map_or("", String::as_str),
            None => part,
        })
        .filter(|part| !part.is_empty())
        .collect();
    parts.join(" / ")
}

fn derive_key(event: &AlertEvent) -> String {
    let named = json!([event.title, event.labels]).to_string();
    Sha256::digest(named.as_bytes())
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), ApiError> {
    if labels.len() > LABELS_LIMIT {
        return Err(ApiError::invalid(format!(
            "labels: expected at most {LABELS_LIMIT}, found {}",
            labels.len()
        )));
    }
    for (key, value) in labels {
        let mut characters = key.chars();
        let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
        let good = characters.next().is_some_and(begins)
            && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
            && key.len() <= LABEL_KEY_LIMIT;
        if !good {
            return Err(ApiError::invalid(format!(
                "labels: expected names of letters, digits and underscores, not beginning with a \
                 digit, at most {LABEL_KEY_LIMIT} long, found {key:?}"
            )));
        }
        check_length(&format!("labels.{key}"), value, 0..=LABEL_VALUE_LIMIT)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::check_labels;
    use super::title_by_rule;

    #[test]
    fn a_title_rule_takes_labels_apart_by_two_colons() {
        let labels = BTreeMap::from([("service".to_owned(), "checkout".to_owned())]);
        assert_eq!(
            title_by_rule("$service::$env::slow", &labels),
            "checkout / slow"
        );
    }

    #[test]
    fn a_label_name_with_a_dot_is_refused_by_name() {
        let labels = BTreeMap::from([("a.b".to_owned(), String::new())]);
        let error = check_labels(&labels).unwrap_err();
        assert!(error.message.contains(r#"found "a.b""#), "{error}");
    }
}
