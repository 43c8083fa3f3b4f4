//! Flashduty's filter language, in which an operator says which incidents are
//! sent to ServiceNow.
//!
//! The outer list is an *or* of groups, the inner list an *and* of conditions.
//! A condition compares one attribute of an incident with some values: `IN`
//! holds if one of them matches, `NOTIN` if none does. An attribute that is
//! missing matches nothing, so `IN ["*"]` means present and `NOTIN ["*"]`
//! absent.
//!
//! The form of a value decides how it compares, the first of these that fits:
//!
//! | form | matches |
//! | --- | --- |
//! | `/…/` | a regular expression of RE2, anywhere in it |
//! | with `*` or `?` | a wildcard for the whole of it: any run, any one character |
//! | `cidr:10.0.0.0/8` | an IP address in that network |
//! | `num:gt:90`, `num:ge:`, `num:lt:`, `num:le:` | a number compared with that one |
//! | anything else | exactly that |

use crate::address::Address;
use crate::flashduty::Incident;
use crate::json;
use crate::regex::Fault;
use crate::regex::Regex;
use crate::text;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;
use serde::Deserialize;
use serde::Serialize;

/// A condition as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// `severity`, `status`, `title`, `description`, `dedup_key`, `integration_id`,
    /// `channel_id` or `labels.<name>`.
    pub key: String,
    /// Whether one of the values must match, or none may.
    pub oper: Operator,
    /// At least one.
    pub vals: Vec<String>,
}

/// How a condition takes its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Operator {
    /// One of the values matches.
    #[serde(rename = "IN")]
    In,
    /// None of the values matches.
    #[serde(rename = "NOTIN")]
    NotIn,
}

/// What a value compares with, once it is understood.
enum Pattern<'a> {
    Regex(Regex),
    Wildcard(&'a str),
    Network(Address, u32),
    Number(Order, f64),
    Exact(&'a str),
}

#[derive(Clone, Copy)]
enum Order {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl<'a> Pattern<'a> {
    fn parse(value: &'a str) -> Result<Self, String> {
        if let Some(rest) = value.strip_prefix('/')
            && let Some(expression) = rest.strip_suffix('/')
        {
            return Regex::new(expression).map(Self::Regex).map_err(|fault| {
                let Fault { character, what } = fault;
                format!("character {character} between the slashes: {what}; found \"{value}\"")
            });
        }
        if value.contains(['*', '?']) {
            return Ok(Self::Wildcard(value));
        }
        if let Some(network) = value.strip_prefix("cidr:") {
            return parse_network(network).ok_or_else(|| {
                format!("expected a network such as cidr:10.0.0.0/8, found \"{value}\"")
            });
        }
        if let Some(comparison) = value.strip_prefix("num:") {
            return parse_comparison(comparison).ok_or_else(|| {
                format!(
                    "expected num:gt:, num:ge:, num:lt: or num:le: and a number, found \"{value}\""
                )
            });
        }
        Ok(Self::Exact(value))
    }

    fn matches(&self, attribute: &str) -> bool {
        match self {
            Self::Regex(regex) => regex.is_match(attribute),
            Self::Wildcard(pattern) => wildcard(pattern, attribute),
            Self::Network(network, bits) => Address::parse(attribute.trim())
                .is_some_and(|address| address.prefix(*bits) == network.prefix(*bits)),
            Self::Number(order, bound) => number(attribute).is_some_and(|n| match order {
                Order::Greater => n > *bound,
                Order::GreaterOrEqual => n >= *bound,
                Order::Less => n < *bound,
                Order::LessOrEqual => n <= *bound,
            }),
            Self::Exact(value) => attribute == *value,
        }
    }
}

fn parse_network<'a>(text: &str) -> Option<Pattern<'a>> {
    let (address, bits) = text.split_once('/')?;
    let (address, bits) = (Address::parse(address)?, text::number(bits)?);
    let bits = u32::try_from(bits).ok()?;
    (bits <= address.width()).then_some(Pattern::Network(address, bits))
}

fn parse_comparison<'a>(text: &str) -> Option<Pattern<'a>> {
    let (order, bound) = text.split_once(':')?;
    let order = match order {
        "gt" => Order::Greater,
        "ge" => Order::GreaterOrEqual,
        "lt" => Order::Less,
        "le" => Order::LessOrEqual,
        _ => return None,
    };
    Some(Pattern::Number(order, number(bound)?))
}

/// A number as JSON writes it. Its parser is in the component anyway; that of
/// the standard library would add eighteen kilobytes.
fn number(text: &str) -> Option<f64> {
    json::parse(text.trim().as_bytes()).ok()?.as_f64()
}

/// Whether a wildcard matches the whole of a text. Takes time in proportion to
/// the product of the lengths at worst: only the last `*` is ever gone back to.
fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while let Some(c) = text.get(t) {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(w) if *w == '?' || w == c => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    t = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|w| *w == '*')
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let oper = match self.oper {
            Operator::In => "IN",
            Operator::NotIn => "NOTIN",
        };
        write!(
            f,
            "{} {oper} [{}]",
            self.key,
            text::joined(&self.vals, ", ")
        )
    }
}

impl Condition {
    /// What is wrong with it, each problem with the key it is at.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        if !is_known(&self.key) {
            let found = text::cut(&self.key, 40);
            problems.push((
                "/key".into(),
                format!(
                    "expected severity, status, title, description, dedup_key, integration_id, \
                     channel_id or labels.<name>, found \"{found}\""
                ),
            ));
        }
        if self.vals.is_empty() {
            problems.push((
                "/vals".into(),
                "expected at least one value, found none".into(),
            ));
        }
        for (index, value) in self.vals.iter().enumerate() {
            if let Err(problem) = Pattern::parse(value) {
                problems.push((format!("/vals/{index}"), problem));
            }
        }
        problems
    }

    /// It, what was found for it, and whether it holds.
    fn told(&self, incident: &Incident) -> String {
        let found = match attribute(incident, &self.key) {
            Some(attribute) => format!("\"{}\"", text::cut(&attribute, 60)),
            None => "none".into(),
        };
        let verdict = match self.holds(incident) {
            true => "holds",
            false => "fails",
        };
        format!("{self} found {found}: {verdict}")
    }

    /// Whether it holds for an incident.
    pub fn holds(&self, incident: &Incident) -> bool {
        let matched = attribute(incident, &self.key).is_some_and(|attribute| {
            // What does not parse was refused with the configuration.
            let patterns = self
                .vals
                .iter()
                .filter_map(|value| Pattern::parse(value).ok());
            patterns
                .into_iter()
                .any(|pattern| pattern.matches(&attribute))
        });
        match self.oper {
            Operator::In => matched,
            Operator::NotIn => !matched,
        }
    }
}

/// Why no group of conditions holds for an incident: the first that fails in
/// each group. None if a group holds, or if there are no groups at all.
pub fn refusal(groups: &[Vec<Condition>], incident: &Incident) -> Option<String> {
    let mut failed = Vec::new();
    for group in groups {
        let condition = group.iter().find(|condition| !condition.holds(incident))?;
        let found = match attribute(incident, &condition.key) {
            Some(attribute) => format!("\"{}\"", text::cut(&attribute, 60)),
            None => "none".into(),
        };
        failed.push(format!("{condition} found {found}"));
    }
    (!failed.is_empty()).then(|| format!("no conditions hold: {}", text::joined(&failed, "; ")))
}

/// Each condition, what was found for it, and whether it holds; groups are
/// separated by `or`.
pub fn explained(groups: &[Vec<Condition>], incident: &Incident) -> String {
    let groups: Vec<String> = groups
        .iter()
        .map(|group| {
            let told: Vec<String> = group.iter().map(|c| c.told(incident)).collect();
            text::joined(&told, " and ")
        })
        .collect();
    match groups.is_empty() {
        true => "none, so every incident".into(),
        false => text::joined(&groups, " or "),
    }
}

fn is_known(key: &str) -> bool {
    match key.strip_prefix("labels.") {
        Some(name) => !name.is_empty(),
        None => matches!(
            key,
            "severity"
                | "alert_severity"
                | "incident_severity"
                | "event_severity"
                | "status"
                | "alert_status"
                | "incident_status"
                | "title"
                | "description"
                | "dedup_key"
                | "data_source_id"
                | "integration_id"
                | "channel_id"
        ),
    }
}

/// What an incident has under a key; none if it is missing.
fn attribute(incident: &Incident, key: &str) -> Option<String> {
    let text = |text: &str| Some(text.to_owned());
    let id = |id: i64| (id != 0).then(|| id.to_string());
    match key {
        "severity" | "alert_severity" | "incident_severity" | "event_severity" => {
            text(incident.text("incident_severity"))
        }
        "status" | "alert_status" | "incident_status" => text(incident.text("incident_status")),
        "title" => text(incident.text("title")),
        "description" | "dedup_key" => text(incident.text(key)).filter(|text| !text.is_empty()),
        // Webhooks and the Open API call it differently.
        "data_source_id" | "integration_id" => id(match incident.number("integration_id") {
            0 => incident.number("data_source_id"),
            number => number,
        }),
        "channel_id" => id(incident.number("channel_id")),
        _ => incident
            .label(key.strip_prefix("labels.")?)
            .map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn incident() -> Incident {
        Incident::try_from(json!({
            "incident_id": "6a1d2f45c0ffee0123456789",
            "title": "Checkout latency above 2 s",
            "incident_severity": "Critical",
            "incident_status": "Warning",
            "labels": { "service": "checkout", "host": "10.0.1.7", "load": "93.5", "empty": "" },
        }))
        .unwrap()
    }

    fn holds(key: &str, oper: &str, vals: &[&str]) -> bool {
        let condition: Condition =
            serde_json::from_value(json!({ "key": key, "oper": oper, "vals": vals })).unwrap();
        assert_eq!(condition.problems(), []);
        condition.holds(&incident())
    }

    #[test]
    fn each_form_of_value_compares_in_its_own_way() {
        for (key, value, expected) in [
            ("severity", "Critical", true),
            ("severity", "critical", false),
            ("status", "Warning", true),
            ("title", "*latency above*", true),
            ("title", "latency*", false),
            ("labels.service", "check*", true),
            ("labels.service", "*out", true),
            ("labels.service", "?heckout", true),
            ("labels.service", "*eck", false),
            ("labels.service", "checkou?t", false),
            ("title", "/latency above [0-9]+ s$/", true),
            ("title", "/^latency/", false),
            ("labels.service", "/(?i)CHECK/", true),
            ("labels.service", "//", true),
            ("labels.service", "/", false),
            ("labels.host", "cidr:10.0.1.200/24", true),
            ("labels.host", "cidr:10.0.2.0/24", false),
            ("labels.host", "cidr:0.0.0.0/0", true),
            ("labels.host", "cidr:::/0", false),
            ("labels.service", "cidr:10.0.0.0/8", false),
            ("labels.load", "num:ge:93.5", true),
            ("labels.load", "num:gt:93.5", false),
            ("labels.load", "num:lt:100", true),
            ("labels.load", "num:le:90", false),
            ("labels.service", "num:gt:0", false),
            ("labels.empty", "*", true),
        ] {
            assert_eq!(holds(key, "IN", &[value]), expected, "{key} IN {value}");
            assert_eq!(
                holds(key, "NOTIN", &[value]),
                !expected,
                "{key} NOTIN {value}"
            );
        }
    }

    #[test]
    fn one_of_several_values_is_enough_and_any_of_them_is_too_much() {
        assert!(holds("severity", "IN", &["Info", "Critical"]));
        assert!(!holds("severity", "NOTIN", &["Info", "Critical"]));
    }

    #[test]
    fn a_missing_attribute_is_in_nothing_and_not_in_anything() {
        assert!(!holds("labels.region", "IN", &["*"]));
        assert!(holds("labels.region", "NOTIN", &["*"]));
        assert!(!holds("integration_id", "IN", &["0"]));
        for empty in [json!({}), json!({ "description": "" })] {
            let mut incident = empty;
            incident["incident_id"] = json!("6a1d2f45c0ffee0123456789");
            let incident = Incident::try_from(incident).unwrap();
            assert_eq!(attribute(&incident, "description"), None);
        }
    }

    #[test]
    fn the_integration_of_an_incident_counts_whatever_it_is_called() {
        for name in ["integration_id", "data_source_id"] {
            let incident = json!({ "incident_id": "6a1d2f45c0ffee0123456789", name: 24905 });
            let incident = Incident::try_from(incident).unwrap();
            for key in ["integration_id", "data_source_id"] {
                assert_eq!(attribute(&incident, key).as_deref(), Some("24905"));
            }
        }
    }

    #[test]
    fn groups_are_alternatives_and_the_refusal_names_what_failed_in_each() {
        let groups = |value| -> Vec<Vec<Condition>> {
            serde_json::from_value(json!([
                [
                    { "key": "severity", "oper": "IN", "vals": ["Critical"] },
                    { "key": "labels.service", "oper": "IN", "vals": [value] },
                ],
                [{ "key": "labels.region", "oper": "IN", "vals": ["*"] }],
            ]))
            .unwrap()
        };
        assert_eq!(refusal(&groups("check*"), &incident()), None);
        assert_eq!(refusal(&[], &incident()), None);
        assert_eq!(
            refusal(&groups("pay*"), &incident()).unwrap(),
            "no conditions hold: labels.service IN [pay*] found \"checkout\"; \
             labels.region IN [*] found none"
        );
    }

    #[test]
    fn a_wildcard_with_many_stars_takes_no_long_time() {
        let pattern = "*a".repeat(50) + "b";
        assert!(!wildcard(&pattern, &"a".repeat(5000)));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_place() {
        let condition: Condition = serde_json::from_value(json!({
            "key": "sevrity",
            "oper": "IN",
            "vals": ["/down(/", "cidr:10.0.0.0", "num:eq:1", "num:gt:nan"],
        }))
        .unwrap();
        let (places, problems): (Vec<_>, Vec<_>) = condition.problems().into_iter().unzip();
        assert_eq!(places, ["/key", "/vals/0", "/vals/1", "/vals/2", "/vals/3"]);
        assert_eq!(
            problems[1],
            "character 5 between the slashes: this group is not closed; add ) or write \\(; \
             found \"/down(/\""
        );
    }
}
