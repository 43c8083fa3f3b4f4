//! What an operator can say about integrations, parsed and checked once: code
//! that holds a [`Configuration`] need not check anything again.
//!
//! Every problem is reported, not only the first, each at its place.

use crate::Destination;
use crate::Problem;
use crate::Requirements;
use crate::Route;
use crate::condition::Condition;
use crate::json;
use crate::severity::SeverityMap;
use crate::text;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Deserialize;
use serde::Serialize;

/// The public Open API of Flashduty.
const FLASHDUTY_URL: &str = "https://api.flashcat.cloud";

/// The whole configuration document.
#[derive(Clone, Debug, PartialEq)]
pub struct Configuration {
    /// In the order of the document; ids are unique.
    pub integrations: Vec<Integration>,
}

/// One Flashduty account and one ServiceNow instance that are kept in step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Integration {
    /// Names the integration in URLs, keys and correlation ids: 1 to 32 of `a-z`, `0-9`
    /// and `-`. Must never change.
    pub id: String,
    /// What people call it; the id unless given.
    #[serde(default)]
    pub name: String,
    /// Which way incidents and their changes travel.
    pub direction: Direction,
    /// Which Flashduty incidents are sent to ServiceNow: groups of conditions in Flashduty's
    /// filter language, of which one group must hold; every incident if there is none. They are
    /// looked at whenever an incident changes, until it has been sent.
    #[serde(default)]
    pub conditions: Vec<Vec<Condition>>,
    /// What each severity becomes in ServiceNow.
    #[serde(default)]
    pub severity: SeverityMap,
    /// How long Flashduty snoozes what is put on hold in ServiceNow: 1 to 1440 minutes.
    #[serde(default = "two_hours")]
    pub snooze_minutes: u16,
    /// The Flashduty side.
    pub flashduty: FlashdutySide,
    /// The ServiceNow side.
    pub servicenow: ServiceNowSide,
}

/// Which way incidents and their changes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From Flashduty only.
    ToServicenow,
    /// From ServiceNow only.
    FromServicenow,
    /// Both ways.
    TwoWay,
}

impl Direction {
    /// Whether Flashduty's changes go to ServiceNow.
    pub fn to_servicenow(self) -> bool {
        self != Self::FromServicenow
    }

    /// Whether ServiceNow's changes go to Flashduty.
    pub fn from_servicenow(self) -> bool {
        self != Self::ToServicenow
    }
}

/// Where and how Flashduty is reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FlashdutySide {
    /// Origin of the Open API.
    #[serde(default = "flashduty_url")]
    pub url: String,
    /// Name of the credential with the `app_key`. May be left out where nothing is written to
    /// Flashduty: incidents are then taken as the webhook shows them, without comments.
    #[serde(default)]
    pub credential: Option<String>,
    /// Ids of the channels whose incidents take part; all of them if none is given. Incidents
    /// from ServiceNow are created in the first.
    #[serde(default)]
    pub channels: Vec<i64>,
}

/// Where and how ServiceNow is reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ServiceNowSide {
    /// Origin of the instance, for example `https://example.service-now.com`.
    pub url: String,
    /// Name of the credential of the integration user. May be left out where nothing is written
    /// to ServiceNow: incidents are then taken as the webhook shows them, in English.
    #[serde(default)]
    pub credential: Option<String>,
    /// Resolution code for incidents that are closed in Flashduty; must be one of the
    /// instance's.
    #[serde(default = "solution_provided")]
    pub close_code: String,
    /// Resolution notes where Flashduty has neither resolution nor root cause.
    #[serde(default = "closed_in_flashduty")]
    pub close_notes: String,
    /// On hold reason for incidents that are snoozed in Flashduty: `1` awaiting caller, `3`
    /// problem, `4` vendor, `5` change.
    #[serde(default = "awaiting_vendor")]
    pub hold_reason: String,
    /// Where Flashduty's comments go.
    #[serde(default)]
    pub comments: Journal,
}

/// A journal of a ServiceNow incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Journal {
    /// Seen by those who work on it.
    #[default]
    WorkNotes,
    /// Seen by, and mailed to, whoever reported it.
    AdditionalComments,
}

impl Journal {
    /// The column.
    pub fn column(self) -> &'static str {
        match self {
            Self::WorkNotes => "work_notes",
            Self::AdditionalComments => "comments",
        }
    }
}

fn two_hours() -> u16 {
    120
}

fn flashduty_url() -> String {
    FLASHDUTY_URL.into()
}

fn solution_provided() -> String {
    "Solution provided".into()
}

fn closed_in_flashduty() -> String {
    "Closed in Flashduty.".into()
}

fn awaiting_vendor() -> String {
    "4".into()
}

impl Configuration {
    /// Parses and checks a configuration document: `{"integration": […]}`.
    pub fn parse(document: &str) -> Result<Self, Vec<Problem>> {
        let problem = |pointer: &str, message: String| {
            vec![Problem {
                pointer: pointer.into(),
                message,
            }]
        };
        let document = json::parse(document.as_bytes())
            .map_err(|e| problem("", format!("expected a JSON document: {e}")))?;
        let keys = document.as_object().into_iter().flat_map(|o| o.keys());
        let mut problems: Vec<Problem> = keys
            .filter(|key| *key != "integration")
            .map(|key| Problem {
                pointer: format!("/{key}"),
                message: format!("unknown key \"{key}\"; the plugin's part is [[integration]]"),
            })
            .collect();
        let Some(list) = document["integration"]
            .as_array()
            .filter(|list| !list.is_empty())
        else {
            problems.extend(problem(
                "",
                "expected at least one integration, found none; add an [[integration]]".into(),
            ));
            return Err(problems);
        };
        let mut integrations: Vec<Integration> = Vec::new();
        for (index, value) in list.iter().enumerate() {
            let at = format!("/integration/{index}");
            match json::from_value::<Integration>(value) {
                Ok(mut integration) => {
                    integration.complete();
                    problems.extend(integration.problems(&at));
                    if integrations.iter().any(|other| other.id == integration.id) {
                        let message = format!("\"{}\" is taken; ids must differ", integration.id);
                        problems.push(Problem {
                            pointer: format!("{at}/id"),
                            message,
                        });
                    }
                    integrations.push(integration);
                }
                Err(json::Error(problem)) => problems.push(Problem {
                    pointer: format!("{at}{}", problem.pointer),
                    message: problem.message,
                }),
            }
        }
        if problems.is_empty() {
            Ok(Self { integrations })
        } else {
            Err(problems)
        }
    }

    /// The integration of that id.
    pub fn integration(&self, id: &str) -> Option<&Integration> {
        self.integrations
            .iter()
            .find(|integration| integration.id == id)
    }

    /// What a gateway must provide.
    pub fn requirements(&self) -> Requirements {
        let mut requirements = Requirements {
            routes: Vec::new(),
            destinations: Vec::new(),
        };
        for integration in &self.integrations {
            let Integration {
                id,
                name,
                direction,
                flashduty,
                servicenow,
                ..
            } = integration;
            let mut route = |side: &str, summary: String| {
                requirements.routes.push(Route {
                    path: format!("/{side}/{id}"),
                    summary,
                });
            };
            if direction.to_servicenow() {
                route(
                    "flashduty",
                    format!("Flashduty's incident webhook for {name}"),
                );
            }
            if direction.from_servicenow() {
                route(
                    "servicenow",
                    format!("ServiceNow's business rule or UI action for {name}"),
                );
            }
            let sides = [
                (
                    &flashduty.url,
                    &flashduty.credential,
                    "Flashduty's Open API",
                ),
                (
                    &servicenow.url,
                    &servicenow.credential,
                    "ServiceNow's Table API",
                ),
            ];
            for (origin, credential, what) in sides {
                if let Some(credential) = credential {
                    requirements.destinations.push(Destination {
                        origin: origin.clone(),
                        credential: Some(credential.clone()),
                        purpose: format!("{what} for {name}"),
                    });
                }
            }
        }
        requirements
    }
}

impl Integration {
    /// Fills in what follows from something else.
    fn complete(&mut self) {
        if self.name.trim().is_empty() {
            self.name.clone_from(&self.id);
        }
        for url in [&mut self.flashduty.url, &mut self.servicenow.url] {
            let origin = url.trim_end_matches('/').len();
            url.truncate(origin);
        }
    }

    /// What is wrong beyond types.
    fn problems(&self, at: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut check = |ok: bool, pointer: &str, message: String| {
            if !ok {
                problems.push(Problem {
                    pointer: format!("{at}{pointer}"),
                    message,
                });
            }
        };
        for (group, conditions) in self.conditions.iter().enumerate() {
            let message = "expected at least one condition in the group, found none";
            check(
                !conditions.is_empty(),
                &format!("/conditions/{group}"),
                message.into(),
            );
            for (index, condition) in conditions.iter().enumerate() {
                for (place, message) in condition.problems() {
                    check(
                        false,
                        &format!("/conditions/{group}/{index}{place}"),
                        message,
                    );
                }
            }
        }
        let id_ok = (1..=32).contains(&self.id.len())
            && self
                .id
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        check(
            id_ok,
            "/id",
            format!(
                "expected 1 to 32 of a-z, 0-9 and -, found \"{}\"",
                text::cut(&self.id, 40)
            ),
        );
        check(
            (1..=1440).contains(&self.snooze_minutes),
            "/snooze-minutes",
            format!("expected 1 to 1440 minutes, found {}", self.snooze_minutes),
        );
        for (url, pointer) in [
            (&self.flashduty.url, "/flashduty/url"),
            (&self.servicenow.url, "/servicenow/url"),
        ] {
            check(
                is_origin(url),
                pointer,
                format!(
                    "expected an origin such as https://example.service-now.com, found \"{url}\""
                ),
            );
        }
        if self.direction.from_servicenow() {
            check(
                self.flashduty.credential.is_some(),
                "/flashduty",
                "expected a credential, since this direction writes to Flashduty; add \
                 credential = \"…\""
                    .into(),
            );
            check(
                !self.flashduty.channels.is_empty(),
                "/flashduty",
                "expected a channel in which to create ServiceNow's incidents; add \
                 channels = [<channel id>]"
                    .into(),
            );
            if let Some((a, b)) = self.severity.ambiguity() {
                let (a, b) = (a.as_str(), b.as_str());
                check(
                    false,
                    "/severity",
                    format!(
                        "{a} and {b} have the same urgency, so a change in ServiceNow could not \
                         tell them apart; give each its own, or use direction = \"to-servicenow\""
                    ),
                );
            }
        }
        if self.direction.to_servicenow() {
            check(
                self.servicenow.credential.is_some(),
                "/servicenow",
                "expected a credential, since this direction writes to ServiceNow; add \
                 credential = \"…\""
                    .into(),
            );
        }
        for (value, pointer) in [
            (&self.servicenow.close_code, "/servicenow/close-code"),
            (&self.servicenow.close_notes, "/servicenow/close-notes"),
        ] {
            check(
                !value.trim().is_empty(),
                pointer,
                "expected a text, found an empty one; ServiceNow does not resolve without".into(),
            );
        }
        check(
            matches!(self.servicenow.hold_reason.as_str(), "1" | "3" | "4" | "5"),
            "/servicenow/hold-reason",
            format!(
                "expected \"1\" (caller), \"3\" (problem), \"4\" (vendor) or \"5\" (change), found \"{}\"",
                text::cut(&self.servicenow.hold_reason, 40)
            ),
        );
        problems
    }
}

/// `scheme://host[:port]`. The gateway parses it again with care and decides
/// whether it may be reached; here it only must not carry anything else.
fn is_origin(url: &str) -> bool {
    let host = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    host.is_some_and(|host| {
        !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;
    use alloc::string::ToString;
    use serde_json::Value;
    use serde_json::json;

    fn integration() -> Value {
        json!({
            "id": "prod",
            "direction": "two-way",
            "flashduty": { "credential": "flashduty", "channels": [7] },
            "servicenow": { "url": "https://example.service-now.com/", "credential": "servicenow" },
        })
    }

    fn parse(integrations: &[Value]) -> Result<Configuration, Vec<Problem>> {
        Configuration::parse(&json!({ "integration": integrations }).to_string())
    }

    fn problem(change: impl FnOnce(&mut Value)) -> (String, String) {
        let mut value = integration();
        change(&mut value);
        let mut problems = parse(&[value]).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        let problem = problems.remove(0);
        (problem.pointer, problem.message)
    }

    #[test]
    fn the_least_configuration_is_complete() {
        let configuration = parse(&[integration()]).unwrap();
        let integration = configuration.integration("prod").unwrap();
        assert_eq!(integration.name, "prod");
        assert_eq!(integration.snooze_minutes, 120);
        assert_eq!(integration.flashduty.url, "https://api.flashcat.cloud");
        assert_eq!(
            integration.servicenow.url,
            "https://example.service-now.com"
        );
        let requirements = configuration.requirements();
        let paths: Vec<_> = requirements
            .routes
            .iter()
            .map(|r| r.path.as_str())
            .collect();
        assert_eq!(paths, ["/flashduty/prod", "/servicenow/prod"]);
        assert_eq!(requirements.destinations.len(), 2);
    }

    #[test]
    fn a_side_that_is_only_read_needs_no_credential() {
        let mut value = integration();
        value["direction"] = json!("to-servicenow");
        value["flashduty"] = json!({});
        let configuration = parse(&[value]).unwrap();
        assert_eq!(configuration.requirements().destinations.len(), 1);
        assert_eq!(configuration.requirements().routes.len(), 1);
    }

    #[test]
    fn each_mistake_has_its_place_and_its_remedy() {
        let at =
            |pointer: &str, message: &str| (format!("/integration/0{pointer}"), message.to_owned());
        assert_eq!(
            problem(|i| i["servicenow"]["credentail"] = json!("x")),
            at(
                "/servicenow/credentail",
                "unknown key \"credentail\"; did you mean \"credential\"?"
            )
        );
        assert_eq!(
            problem(|i| i["direction"] = json!("two-ways")),
            at(
                "/direction",
                "unknown value \"two-ways\"; did you mean \"two-way\"?"
            )
        );
        assert_eq!(
            problem(|i| i["direction"] = json!("both")),
            at(
                "/direction",
                "unknown value \"both\"; expected one of to-servicenow, from-servicenow, two-way"
            )
        );
        assert_eq!(
            problem(|i| i["snooze-minutes"] = json!("long")),
            at(
                "/snooze-minutes",
                "expected an integer from 0 to 65535, found string \"long\""
            )
        );
        assert_eq!(
            problem(|i| i["flashduty"] = json!(7)),
            at("/flashduty", "expected a table, found integer 7")
        );
        assert_eq!(
            problem(|i| i["flashduty"]["channels"] = json!(7)),
            at("/flashduty/channels", "expected a list, found integer 7")
        );
        assert_eq!(
            problem(|i| i["servicenow"] = json!({ "credential": "x" })),
            at("/servicenow", "expected \"url\", found none; add it")
        );
        assert_eq!(
            problem(|i| i["id"] = json!("Prod 1")),
            at(
                "/id",
                "expected 1 to 32 of a-z, 0-9 and -, found \"Prod 1\""
            )
        );
        assert_eq!(
            problem(|i| i["snooze-minutes"] = json!(1441)),
            at("/snooze-minutes", "expected 1 to 1440 minutes, found 1441")
        );
        assert_eq!(
            problem(|i| i["servicenow"]["url"] = json!("example")),
            at(
                "/servicenow/url",
                "expected an origin such as https://example.service-now.com, found \"example\""
            )
        );
        assert_eq!(
            problem(|i| i["flashduty"]["channels"] = json!([])),
            at(
                "/flashduty",
                "expected a channel in which to create ServiceNow's incidents; add channels = [<channel id>]"
            )
        );
        assert_eq!(
            problem(|i| i["severity"] = json!({ "info": { "impact": "low", "urgency": "high" } })),
            at(
                "/severity",
                "Critical and Info have the same urgency, so a change in ServiceNow could not tell \
                 them apart; give each its own, or use direction = \"to-servicenow\""
            )
        );
    }

    #[test]
    fn a_condition_that_cannot_hold_is_refused_with_its_place() {
        let conditions = json!([[{ "key": "labels.load", "oper": "IN", "vals": ["num:90"] }]]);
        assert_eq!(
            problem(|i| i["conditions"] = conditions),
            (
                "/integration/0/conditions/0/0/vals/0".to_owned(),
                "expected num:gt:, num:ge:, num:lt: or num:le: and a number, found \"num:90\""
                    .to_owned()
            )
        );
    }

    #[test]
    fn problems_of_all_integrations_are_reported_at_once() {
        let mut second = integration();
        second["snooze-minutes"] = json!(0);
        second["servicenow"]["hold-reason"] = json!("2");
        let problems = parse(&[integration(), second]).unwrap_err();
        let pointers: Vec<_> = problems.iter().map(|p| p.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            [
                "/integration/1/snooze-minutes",
                "/integration/1/servicenow/hold-reason",
                "/integration/1/id"
            ]
        );
    }

    #[test]
    fn the_published_schema_is_that_of_the_types() {
        #[derive(schemars::JsonSchema)]
        #[allow(dead_code)]
        #[schemars(deny_unknown_fields, rename = "Configuration")]
        /// The plugin's part of the configuration.
        struct Document {
            /// One entry for each Flashduty account and ServiceNow instance that are kept in step.
            integration: Vec<Integration>,
        }
        // Lines for those who compare them; not indented, since it is part of the component.
        let schema = serde_json::to_string_pretty(&schemars::schema_for!(Document)).unwrap();
        let schema: String = schema
            .lines()
            .map(|line| format!("{}\n", line.trim_start()))
            .collect();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/configuration.schema.json");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, &schema).unwrap();
        }
        assert!(
            schema == std::fs::read_to_string(path).unwrap_or_default(),
            "{path} is out of date; run: BLESS=1 cargo test -p servicenow-sync-plugin schema"
        );
    }
}
