//! What an operator can say about integrations, parsed and checked once: code
//! that holds a [`Configuration`] need not check anything again.
//!
//! Every problem is reported, not only the first, each at its place.

mod check;
mod closing;
mod comments;
mod conflict;
mod field;
mod field_check;
mod reconcile;

pub use closing::Closing;
pub use closing::Ending;
pub use closing::Reopening;
pub use comments::Comments;
pub use comments::Journal;
pub use comments::Journals;
pub use conflict::Conflict;
pub use conflict::Preference;
pub use field::ColumnType;
pub use field::CustomFieldType;
pub use field::FieldRule;
pub use field::OnEmpty;
pub use field::WriteMode;
pub use reconcile::Reconcile;

use crate::Destination;
use crate::Problem;
use crate::Requirements;
use crate::Route;
use crate::condition::Condition;
use crate::json;
use crate::keys;
use crate::plan::Side;
use crate::severity::SeverityMap;
use crate::template::Template;
use crate::text;
use crate::texts::Texts;
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
    #[cfg_attr(test, schemars(extend("pattern" = "^[a-z0-9-]{1,32}$")))]
    pub id: String,
    /// What people call it; the id unless given.
    #[serde(default)]
    pub name: String,
    /// The team that may change this integration, as people know it.
    #[serde(default)]
    pub owner: String,
    /// Which way incidents and their changes travel.
    pub direction: Direction,
    /// What sends a Flashduty incident to ServiceNow.
    #[serde(default)]
    pub trigger: Trigger,
    /// Whether nothing is written anywhere: the log then tells what would be.
    #[serde(default)]
    pub dry_run: bool,
    /// Which Flashduty incidents are sent to ServiceNow: groups of conditions in Flashduty's
    /// filter language, of which one must hold; all if there is none. They are looked at until the
    /// incident has been sent.
    #[serde(default)]
    pub conditions: Vec<Vec<Condition>>,
    /// What each severity becomes in ServiceNow.
    #[serde(default)]
    pub severity: SeverityMap,
    /// How long Flashduty snoozes what is put on hold in ServiceNow.
    #[serde(default = "two_hours")]
    #[cfg_attr(test, schemars(range(min = 1, max = 1440)))]
    pub snooze_minutes: u16,
    /// Whether the person on it travels, by e-mail address.
    #[serde(default)]
    pub assignee: bool,
    /// Fields of the operator's own.
    #[serde(default)]
    pub field: Vec<FieldRule>,
    /// Who wins where both sides changed a field.
    #[serde(default)]
    pub conflict: Conflict,
    /// What happens when an incident is over.
    #[serde(default)]
    pub closing: Closing,
    /// Which comments travel, and where to.
    #[serde(default)]
    pub comments: Comments,
    /// How the two sides are asked for what no webhook told of.
    #[serde(default)]
    pub reconcile: Reconcile,
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

/// What sends a Flashduty incident to ServiceNow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// It meets the conditions.
    #[default]
    Auto,
    /// A person, with a custom action in Flashduty that calls `/trigger/<id>`; it must meet the
    /// conditions too.
    Manual,
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
    /// Ids of the channels whose incidents take part; all if none is given. Incidents from
    /// ServiceNow are created in the first.
    #[serde(default)]
    pub channels: Vec<i64>,
    /// What the resolution of an incident says that is over in ServiceNow.
    #[serde(default = "close_notes")]
    pub resolution: Template,
    /// What its root cause says then; not set where this comes out empty.
    #[serde(default = "nothing")]
    pub root_cause: Template,
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
    /// instance's, by value or by label.
    #[serde(default = "solution_provided")]
    pub close_code: Template,
    /// Resolution notes for incidents that are closed in Flashduty. `{{handling}}` is the
    /// resolution with the root cause.
    #[serde(default = "handling")]
    pub close_notes: Template,
    /// On hold reason for incidents that are snoozed in Flashduty: `1` awaiting caller, `3`
    /// problem, `4` vendor, `5` change, or one of the instance's own, by value or label.
    #[serde(default = "awaiting_vendor")]
    pub hold_reason: String,
    /// Labels of states that are not ServiceNow's English ones, and the value of each. Needed
    /// only without a credential.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "alloc::collections::BTreeMap<String, String>"))]
    pub state_labels: Texts,
    /// Labels of urgencies, as `state-labels`.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "alloc::collections::BTreeMap<String, String>"))]
    pub urgency_labels: Texts,
}

fn two_hours() -> u16 {
    120
}

fn flashduty_url() -> String {
    FLASHDUTY_URL.into()
}

fn solution_provided() -> Template {
    "Solution provided".into()
}

fn handling() -> Template {
    "{{handling|Closed in Flashduty.}}".into()
}

fn close_notes() -> Template {
    "{{close_notes|Resolved in ServiceNow.}}".into()
}

fn nothing() -> Template {
    "".into()
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
                pointer: format!("/{}", json::step(key)),
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
            match json::from_document::<Integration>(value) {
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
                Err(error) => {
                    let (pointer, message) = error.into_parts();
                    let pointer = at + &pointer;
                    problems.push(Problem { pointer, message });
                }
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
            standing: Vec::new(),
        };
        for integration in &self.integrations {
            // Where nothing is polled, it still is when the store first looked.
            let standing = [Side::Flashduty, Side::ServiceNow]
                .into_iter()
                .filter(|side| integration.sends(*side))
                .map(|side| keys::poll_work(&integration.id, side));
            requirements.standing.extend(standing);
            let Integration {
                id,
                name,
                direction,
                trigger,
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
                if *trigger == Trigger::Manual {
                    route("trigger", format!("Flashduty's custom action {name}"));
                }
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
                    Side::Flashduty,
                    "Flashduty's Open API",
                ),
                (
                    &servicenow.url,
                    &servicenow.credential,
                    Side::ServiceNow,
                    "ServiceNow's Table API",
                ),
            ];
            for (origin, credential, side, what) in sides {
                if let Some(credential) = credential {
                    let polled = match integration.polls(side) {
                        true => format!(", polled every {} s", integration.reconcile.poll_seconds),
                        false => String::new(),
                    };
                    requirements.destinations.push(Destination {
                        origin: origin.clone(),
                        credential: Some(credential.clone()),
                        purpose: format!("{what} for {name}{polled}"),
                    });
                }
            }
        }
        requirements
    }
}

impl Integration {
    /// Whether what goes to ServiceNow tells who is on an incident.
    pub(crate) fn names_people(&self) -> bool {
        let names = |value: &Template| {
            let value = value.as_str();
            text::contains(value, "assignee") || text::contains(value, "responders")
        };
        let of_field = |field: &FieldRule| field.value.as_ref().is_some_and(names);
        let side = &self.servicenow;
        self.assignee
            || names(&side.close_code)
            || names(&side.close_notes)
            || self.field.iter().any(of_field)
    }

    /// Whether what changes on that side travels to the other.
    pub fn sends(&self, side: Side) -> bool {
        match side {
            Side::Flashduty => self.direction.to_servicenow(),
            Side::ServiceNow => self.direction.from_servicenow(),
        }
    }

    /// Whether that side is asked for what no webhook told of.
    pub fn polls(&self, side: Side) -> bool {
        let (wanted, credential) = match side {
            Side::Flashduty => (self.reconcile.flashduty, &self.flashduty.credential),
            Side::ServiceNow => (self.reconcile.servicenow, &self.servicenow.credential),
        };
        wanted && credential.is_some() && self.sends(side)
    }

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
        let what = "Flashduty's Open API for prod, polled every 60 s";
        assert_eq!(requirements.destinations[0].purpose, what);
        let standing = ["prod.poll-flashduty", "prod.poll-servicenow"];
        assert_eq!(requirements.standing, standing);
    }

    #[test]
    fn a_side_that_is_only_read_needs_no_credential() {
        let mut value = integration();
        value["direction"] = json!("to-servicenow");
        value["flashduty"] = json!({});
        let configuration = parse(&[value]).unwrap();
        let requirements = configuration.requirements();
        assert_eq!(requirements.destinations.len(), 1);
        assert_eq!(requirements.routes.len(), 1);
        let what = "ServiceNow's Table API for prod";
        assert_eq!(
            requirements.destinations[0].purpose, what,
            "nobody polls it"
        );
        assert_eq!(requirements.standing, ["prod.poll-flashduty"]);
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
            problem(|i| i["servicenow"]["a/b~c"] = json!("x")).0,
            "/integration/0/servicenow/a~1b~0c"
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
            at("/flashduty", "expected a table, found an integer")
        );
        assert_eq!(
            problem(|i| i["flashduty"]["channels"] = json!(7)),
            at("/flashduty/channels", "expected a list, found an integer")
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
                "expected an origin such as https://example.service-now.com, without a user or a \
                 path, found \"example\""
            )
        );
        let (_, message) = problem(|i| i["flashduty"]["url"] = json!("https://ana:pw@example"));
        assert!(message.ends_with("found \"example\""), "{message}");
        assert_eq!(
            problem(|i| i["flashduty"]["channels"] = json!([])),
            at(
                "/flashduty",
                "expected a channel in which to create ServiceNow's incidents; add channels = [<channel id>]"
            )
        );
        for empty in [" ", "{{resolution}}", "{{labels.code}} {{labels.more}}"] {
            assert_eq!(
                problem(|i| i["servicenow"]["close-notes"] = json!(empty)),
                at(
                    "/servicenow/close-notes",
                    "expected a text that is never empty, since ServiceNow does not resolve \
                     without; name what stands for a value that is missing: \
                     {{resolution|Closed in Flashduty.}}"
                )
            );
        }
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
        second["servicenow"]["hold-reason"] = json!(" ");
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

    /// TOML has no null, so what may be left out is just that; and a table's
    /// defaults are those of its keys.
    fn without_null(schema: &mut Value) {
        let null = json!({ "type": "null" });
        if let Some(object) = schema.as_object_mut() {
            object.remove("format");
            // A constant is of its own type.
            if object.contains_key("const") {
                object.remove("type");
            }
            if matches!(object.get("default"), Some(Value::Null | Value::Object(_))) {
                object.remove("default");
            }
            if let Some(Value::Array(of)) = object.get_mut("type") {
                of.retain(|name| name != "null");
                let only = of.remove(0);
                object.insert("type".into(), only);
            }
            if let Some(Value::Array(mut of)) = object.remove("anyOf") {
                of.retain(|schema| *schema != null);
                let only = of.remove(0);
                object.extend(only.as_object().unwrap().clone());
            }
            for (keyword, below) in object {
                match below {
                    // Keyed by names of the operator's, which may be keywords.
                    Value::Object(named) if matches!(keyword.as_str(), "properties" | "$defs") => {
                        named.values_mut().for_each(without_null);
                    }
                    Value::Array(list) => list.iter_mut().for_each(without_null),
                    below => without_null(below),
                }
            }
        }
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
        let mut schema = schemars::schema_for!(Document).to_value();
        without_null(&mut schema);
        // Lines for those who compare them, and nothing else: it is part of the component.
        let schema = schema.to_string().replace("},\"", "},\n\"") + "\n";
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
