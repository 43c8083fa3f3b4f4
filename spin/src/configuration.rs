//! Reads the configuration: the document that the wasmtime gateway reads from
//! `sync.toml`, from the Spin variable `sync_config`.
//!
//! What is about a process of its own means nothing here and is not looked at:
//! `[server]`, `[plugin]`, and some [keys](OF_A_PROCESS) of other sections.

use crate::handler::TICK;
use crate::log::Level;
use crate::store::Location;
use crate::store::postgres_url;
use crate::variables::Name;
use integration_gateway::OPERATOR_ROUTES;
use integration_gateway::Policy;
use integration_gateway::Secret;
use integration_gateway::contract::Manifest;
use integration_gateway::contract::Problem;
use integration_gateway::contract::Requirements;
use integration_gateway::document::Document;
use integration_gateway::document::in_words;
use integration_gateway::document::key;
use integration_gateway::settings::SECTIONS;
use integration_gateway::settings::SecretRef;
use integration_json::from_document;
use serde::Deserialize;
use serde_json::Value;

/// The variable that holds the document.
pub(crate) const VARIABLE: &str = "sync_config";

/// Keys in sections of ours that mean something to a process only.
const OF_A_PROCESS: [(&str, &str); 3] = [("admin", "listen"), ("store", "path"), ("log", "format")];

/// A configuration that holds, with every secret in place.
pub(crate) struct Configuration {
    pub(crate) policy: Policy,
    /// The plugin's document, as JSON text.
    pub(crate) document: String,
    pub(crate) store: Location,
}

/// The text of a document, taken apart.
pub(crate) struct Draft {
    document: Document,
    pub(crate) level: Level,
    /// What was found to be wrong with it so far.
    problems: Vec<Problem>,
}

/// Who takes part in checking a configuration.
pub(crate) struct Sources<'a> {
    pub(crate) manifest: &'a dyn Fn() -> Manifest,
    pub(crate) configure: &'a dyn Fn(&str) -> Result<Requirements, Vec<Problem>>,
    /// What the variables of [`Draft::secrets`] hold, or why they hold nothing.
    pub(crate) secrets: &'a [(Name, Result<String, String>)],
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StoreSection {
    url: Option<SecretRef>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LogSection {
    level: Level,
}

impl Draft {
    /// Takes a document apart, or says why that cannot be done.
    pub(crate) fn read(text: &str) -> Result<Self, Vec<String>> {
        if text.trim().is_empty() {
            return Err(vec![format!(
                "the Spin variable {VARIABLE} is empty; expected the text of sync.toml in it, for \
                 instance by SPIN_VARIABLE_SYNC_CONFIG=\"$(cat sync.toml)\""
            )]);
        }
        let parsed = Document::parse(text);
        let mut document = parsed.map_err(|why| vec![format!("{VARIABLE}: {why}")])?;
        for (section, key) in OF_A_PROCESS {
            document.ignore(section, key);
        }
        let mut problems = Vec::new();
        let log: LogSection = document.section("log", &mut problems);
        Ok(Self {
            document,
            level: log.level,
            problems,
        })
    }

    /// Whether anything is served on a path, as far as that can be told before
    /// any secret is looked up. Where a webhook cannot be read, every path may be
    /// its own.
    pub(crate) fn serves(&self, path: &str) -> bool {
        let leads_there = |webhook: &Value| {
            let Some(Value::String(own)) = webhook.get("path") else {
                return true;
            };
            match path.strip_prefix(own.as_str()) {
                Some("") => true,
                Some(rest) => rest.rfind('/') == Some(0) && webhook.get("url-token").is_some(),
                None => false,
            }
        };
        let is_a_webhooks = match self.document.value("webhook") {
            Some(Value::Array(webhooks)) => webhooks.iter().any(leads_there),
            webhook => webhook.is_some(),
        };
        is_a_webhooks || is_ours(path)
    }

    /// The variables that hold its secrets. They are looked up before anything
    /// is checked, since looking up may take a while.
    pub(crate) fn secrets(&self) -> Vec<Name> {
        let references = self.references();
        references.iter().map(|(_, r)| Name::of(r)).collect()
    }

    /// The secrets that it names, each with its place.
    fn references(&self) -> Vec<(String, SecretRef)> {
        let mut found = Vec::new();
        for section in SECTIONS {
            if let Some(value) = self.document.value(section) {
                collect(value, &format!("/{section}"), &mut found);
            }
        }
        found
    }

    /// Checks all of it, or tells everything that is wrong with it, one sentence
    /// each.
    pub(crate) fn check(self, sources: &Sources<'_>) -> Result<Configuration, Vec<String>> {
        let mut problems = confused(&self.references());
        let document = self.document;
        problems.extend(self.problems);
        let store: StoreSection = document.section("store", &mut problems);
        let settings = document.settings(&mut problems);
        problems.extend(settings.webhook.iter().filter_map(|w| taken(&w.path)));
        let asked = document.ask(sources.configure, problems);
        let (document, requirements) = asked.map_err(|found| all(&found))?;
        let secret = |reference: &SecretRef| {
            let name = Name::of(reference);
            let known = sources.secrets.iter().find(|(known, _)| *known == name);
            let text = known.map_or(Ok(""), |(_, text)| text.as_deref());
            match text.map_err(Clone::clone)?.trim_end() {
                "" => Err(format!(
                    "the Spin variable {name} is empty; expected a secret in it"
                )),
                text => Ok(Secret::new(text)),
            }
        };
        let location = match &store.url {
            None => Ok(Location::Sqlite),
            Some(url) => secret(url)
                .and_then(|url| postgres_url(&url))
                .map(Location::Postgres),
        };
        let name = (sources.manifest)().name;
        let policy = Policy::build(&settings, &name, &requirements, &secret);
        match (location, policy) {
            (Ok(store), Ok(policy)) => Ok(Configuration {
                policy,
                document,
                store,
            }),
            (location, policy) => {
                let url = location.err().map(|why| format!("store.url: {why}"));
                let others = policy.err().unwrap_or_default();
                Err(url.into_iter().chain(all(&others)).collect())
            }
        }
    }
}

/// Collects the secrets that a value names, wherever they stand in it.
fn collect(value: &Value, pointer: &str, found: &mut Vec<(String, SecretRef)>) {
    match value {
        Value::Object(table) => match from_document(value) {
            Ok(reference) => found.push((pointer.to_owned(), reference)),
            Err(_) => {
                for (key, value) in table {
                    collect(value, &format!("{pointer}/{key}"), found);
                }
            }
        },
        Value::Array(values) => {
            for (at, value) in values.iter().enumerate() {
                collect(value, &format!("{pointer}/{at}"), found);
            }
        }
        _ => {}
    }
}

/// Tells of secrets that are two in another gateway and one variable here.
fn confused(references: &[(String, SecretRef)]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (at, (pointer, reference)) in references.iter().enumerate() {
        let name = Name::of(reference);
        let mut before = references[..at].iter();
        let Some((first, other)) = before.find(|(_, r)| r != reference && Name::of(r) == name)
        else {
            continue;
        };
        let message = format!(
            "expected a Spin variable of its own, found {name} for {reference} and for {other} \
             in {}; rename one of them: of a path only the last part counts",
            key(first)
        );
        problems.push(Problem {
            pointer: pointer.clone(),
            message,
        });
    }
    problems
}

/// Why a webhook cannot have this path, if the gateway itself answers there.
fn taken(path: &str) -> Option<Problem> {
    let with_token = format!("{path}/token");
    (is_ours(path) || is_ours(&with_token)).then(|| Problem {
        pointer: "/webhook".to_owned(),
        message: format!("the path {path:?} is the gateway's own; choose another"),
    })
}

/// Whether the gateway itself answers on a path.
fn is_ours(path: &str) -> bool {
    path == TICK || OPERATOR_ROUTES.iter().any(|r| r.leads_to(path))
}

/// Each problem with its key.
fn all(problems: &[Problem]) -> Vec<String> {
    let told = problems.iter().map(|problem| in_words(VARIABLE, problem));
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use integration_gateway::contract::Destination;
    use integration_gateway::contract::Route;

    const DOCUMENT: &str = r#"
        [server]
        listen = "127.0.0.1:8080"
        [admin]
        listen = "127.0.0.1:8081"
        token = [{ file = "secrets/admin-token" }]
        [store]
        path = "/var/lib/sync.redb"
        [log]
        format = "json"
        level = "debug"
        [[webhook]]
        path = "/in/prod"
        bearer = [{ env = "IN_TOKEN" }]
        [credential.far]
        kind = "bearer"
        origin = "https://far.example"
        token = { file = "secrets/far-token" }
        [[integration]]
        id = "prod"
    "#;

    fn manifest() -> Manifest {
        Manifest {
            name: "probe".into(),
            version: "1.0.0".into(),
            description: String::new(),
            configuration_schema: "{}".into(),
        }
    }

    fn configure(document: &str) -> Result<Requirements, Vec<Problem>> {
        if document != r#"{"integration":[{"id":"prod"}]}"# {
            return Err(vec![Problem {
                pointer: "/integration/0/id".into(),
                message: format!("expected \"prod\", found {document}"),
            }]);
        }
        Ok(Requirements {
            routes: vec![Route {
                path: "/in/prod".into(),
                summary: String::new(),
            }],
            destinations: vec![Destination {
                origin: "https://far.example".into(),
                credential: Some("far".into()),
                purpose: String::new(),
            }],
            standing: vec![],
        })
    }

    fn read(text: &str) -> Result<Configuration, Vec<String>> {
        let secret = |name: &Name| match name.to_string().as_str() {
            "store_url" => Ok("postgres://a:canary@db.example/sync".to_owned()),
            "bad_url" => Ok("canary".to_owned()),
            "empty" => Ok(String::new()),
            "missing" => Err("the Spin variable missing: there is none".to_owned()),
            name => Ok(format!("{name}-canary")),
        };
        let draft = Draft::read(text)?;
        let look_up = |name: Name| {
            let value = secret(&name);
            (name, value)
        };
        let secrets: Vec<_> = draft.secrets().into_iter().map(look_up).collect();
        draft.check(&Sources {
            manifest: &manifest,
            configure: &configure,
            secrets: &secrets,
        })
    }

    fn problems(text: &str) -> Vec<String> {
        read(text).err().unwrap()
    }

    #[test]
    fn the_document_of_the_other_gateway_serves_this_one() {
        let found = read(DOCUMENT).ok().unwrap();
        assert_eq!(found.document, r#"{"integration":[{"id":"prod"}]}"#);
        assert!(matches!(found.store, Location::Sqlite));
        assert_eq!(Draft::read(DOCUMENT).ok().unwrap().level, Level::Debug);
    }

    #[test]
    fn a_url_in_the_store_section_is_a_database_to_share() {
        let text = DOCUMENT.replace(
            "path = \"/var/lib/sync.redb\"",
            "url = { env = \"STORE_URL\" }",
        );
        let Location::Postgres(url) = read(&text).ok().unwrap().store else {
            panic!("it is SQLite");
        };
        assert_eq!(
            url.reveal(),
            "postgres://a:canary@db.example/sync?sslmode=require&connect_timeout=10\
             &tcp_user_timeout=10"
        );
    }

    #[test]
    fn a_missing_document_is_told_with_how_to_give_one() {
        assert_eq!(
            problems(" \n"),
            [
                "the Spin variable sync_config is empty; expected the text of sync.toml in it, for \
              instance by SPIN_VARIABLE_SYNC_CONFIG=\"$(cat sync.toml)\""
            ]
        );
    }

    #[test]
    fn each_problem_has_its_place_and_none_shows_a_secret() {
        let text = DOCUMENT.replace("id = \"prod\"", "id = \"test\"");
        assert_eq!(
            problems(&text),
            ["sync_config: integration.0.id: expected \"prod\", found \
              {\"integration\":[{\"id\":\"test\"}]}"]
        );
        let text = DOCUMENT.replace("kind = \"bearer\"", "kind = \"bearer\"\nspeed = 1");
        let found = problems(&text);
        assert!(
            found[0].starts_with("sync_config: credential.far.speed: unknown key \"speed\"; "),
            "{found:?}"
        );
        let text = DOCUMENT
            .replace("secrets/far-token", "secrets/missing")
            .replace("secrets/admin-token", "empty")
            .replace(
                "path = \"/var/lib/sync.redb\"",
                "url = { env = \"BAD_URL\" }",
            );
        let found = problems(&text);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(
            found[0].starts_with("store.url: expected postgresql://"),
            "{found:?}"
        );
        assert_eq!(
            found[1..],
            [
                "sync_config: credential.far.token: the Spin variable missing: there is none",
                "sync_config: admin.token.0: the Spin variable empty is empty; expected a secret in it",
            ]
        );
        assert!(!found.concat().contains("canary"));
    }

    #[test]
    fn a_secret_where_none_may_stand_is_not_shown() {
        let proof = "bearer = [{ env = \"IN_TOKEN\" }]";
        let token = "token = { file = \"secrets/far-token\" }";
        let reference = "{ env = \"NAME\" } or { file = \"PATH\" }";
        for (belongs, written, problem) in [
            (
                proof,
                "signature = \"canary\"",
                "webhook.0.signature: expected a table, found a string".to_owned(),
            ),
            (
                proof,
                "header = 4711",
                "webhook.0.header: expected a table, found an integer".to_owned(),
            ),
            (
                proof,
                "bearer = \"canary\"",
                "webhook.0.bearer: expected a list, found a string".to_owned(),
            ),
            (
                proof,
                "bearer = 4711",
                "webhook.0.bearer: expected a list, found an integer".to_owned(),
            ),
            (
                proof,
                "bearer = [{ env = 4711 }]",
                "webhook.0.bearer.0.env: expected a string, found an integer".to_owned(),
            ),
            (
                token,
                "token = 4711",
                format!(
                    "credential.far.token: a secret is never written into the file; use {reference}"
                ),
            ),
            (
                token,
                "user = 4711",
                format!("credential.far.user: expected a string, {reference}, found an integer"),
            ),
        ] {
            let text = DOCUMENT.replace(belongs, written);
            assert_eq!(problems(&text), [format!("sync_config: {problem}")]);
        }
    }

    #[test]
    fn two_secrets_cannot_be_one_variable() {
        let text = DOCUMENT
            .replace("secrets/admin-token", "/run/admin/token")
            .replace("secrets/far-token", "/run/far/token");
        assert_eq!(
            problems(&text),
            [
                "sync_config: credential.far.token: expected a Spin variable of its own, found token \
              for the file /run/far/token and for the file /run/admin/token in admin.token.0; \
              rename one of them: of a path only the last part counts"
            ]
        );
        // One that is named twice is one.
        let text = DOCUMENT.replace("secrets/admin-token", "secrets/far-token");
        assert!(read(&text).is_ok());
    }

    #[test]
    fn which_paths_are_served_is_known_before_any_secret_is() {
        let served = |text: &str| {
            let draft = Draft::read(text).ok().unwrap();
            let paths = [
                "/in/prod",
                "/in/prod/token",
                "/in/prod/a/b",
                "/in/production",
                "/in",
                "/",
                "/tick",
                "/readyz",
                "/plugin/a",
                "/favicon.ico",
            ];
            paths
                .into_iter()
                .filter(|path| draft.serves(path))
                .collect::<Vec<_>>()
        };
        let ours = ["/tick", "/readyz", "/plugin/a"];
        assert_eq!(served("[admin]"), ours);
        assert_eq!(served(DOCUMENT), [&["/in/prod"], &ours[..]].concat());
        let with_token = DOCUMENT.replace("bearer =", "url-token =");
        let expected = [&["/in/prod", "/in/prod/token"], &ours[..]].concat();
        assert_eq!(served(&with_token), expected);
        // What is wrong there is told to whoever calls.
        for text in ["webhook = 1", "[[webhook]]\npath = 1", "webhook = [1]"] {
            assert_eq!(served(text).len(), 10, "{text}");
        }
    }

    #[test]
    fn a_webhook_cannot_have_a_path_of_the_gateways() {
        for path in [
            "/tick",
            "/status",
            "/plugin",
            "/plugin/x",
            "/work/a/release",
            "/work/a/drop",
        ] {
            let found = problems(&DOCUMENT.replace("/in/prod", path));
            let expected = format!(
                "sync_config: webhook: the path {path:?} is the gateway's own; choose another"
            );
            assert!(found.contains(&expected), "{found:?}");
        }
    }
}
