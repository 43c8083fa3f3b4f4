//! The configuration document of a gateway that keeps it as one text: TOML or
//! JSON, the same that the wasmtime gateway reads from `sync.toml`.
//!
//! It is JSON inside, because a plugin takes its configuration as JSON; so one
//! form serves the gateway's sections and the plugin's.

use crate::contract::Problem;
use crate::contract::Requirements;
use crate::settings::SECTIONS;
use crate::settings::Settings;
use crate::toml;
use integration_json::Error;
use integration_json::from_document;
use serde::de::DeserializeOwned;
use serde_json::Map;
use serde_json::Value;

/// A document that was taken apart and not yet checked.
pub struct Document(Map<String, Value>);

impl Document {
    /// Reads a text that begins with `{` as JSON, and any other as TOML, or says
    /// why that cannot be done, without showing a value.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim_start().starts_with('{') {
            return match serde_json::from_slice(text.as_bytes()) {
                Ok(Value::Object(document)) => Ok(Self(document)),
                Ok(_) => Err("expected a JSON object, found something else".to_owned()),
                Err(error) => Err(format!("not valid JSON: {error}")),
            };
        }
        toml::parse(text).map(Self)
    }

    /// One of the sections, if it is there.
    pub fn value(&self, section: &str) -> Option<&Value> {
        self.0.get(section)
    }

    /// Takes a key for absent, whatever it says.
    pub fn ignore(&mut self, section: &str, key: &str) {
        let section = self.0.get_mut(section);
        if let Some(value) = section.and_then(|section| section.get_mut(key)) {
            *value = Value::Null;
        }
    }

    /// Reads a section. If there is none, or it cannot be read, that is its
    /// default; what is wrong with it is added to the problems, with a JSON
    /// Pointer.
    pub fn section<T: DeserializeOwned + Default>(
        &self,
        name: &str,
        problems: &mut Vec<Problem>,
    ) -> T {
        let Some(value) = self.0.get(name) else {
            return T::default();
        };
        from_document(value).unwrap_or_else(|error: Error| {
            let (inside, message) = error.into_parts();
            let pointer = format!("/{name}{inside}");
            problems.push(Problem { pointer, message });
            T::default()
        })
    }

    /// The sections that are the same for every gateway, read as by
    /// [`section`](Self::section).
    pub fn settings(&self, problems: &mut Vec<Problem>) -> Settings {
        Settings {
            webhook: self.section("webhook", problems),
            credential: self.section("credential", problems),
            egress: self.section("egress", problems),
            limits: self.section("limits", problems),
            admin: self.section("admin", problems),
        }
    }

    /// Hands the plugin what is its own. Returns that as JSON text, and what the
    /// plugin needs with it; or everything that is wrong, after the problems that
    /// were found so far.
    pub fn ask(
        self,
        configure: &dyn Fn(&str) -> Result<Requirements, Vec<Problem>>,
        mut problems: Vec<Problem>,
    ) -> Result<(String, Requirements), Vec<Problem>> {
        let plugins = self
            .0
            .into_iter()
            .filter(|(key, _)| !SECTIONS.contains(&key.as_str()));
        let mut document = Map::new();
        document.extend(plugins);
        // No value can fail to serialise.
        let document = serde_json::to_string(&document).unwrap_or_default();
        match configure(&document) {
            Ok(requirements) if problems.is_empty() => Ok((document, requirements)),
            // Whoever refers to a section that could not be read would be
            // blamed for it.
            Ok(_) => Err(problems),
            Err(found) => {
                problems.extend(found);
                Err(problems)
            }
        }
    }
}

/// A problem in one line, for people: where the document is kept, the key and
/// what is wrong, `sync_config: credential.servicenow.kind: expected …`.
pub fn in_words(place: &str, problem: &Problem) -> String {
    match key(&problem.pointer).as_str() {
        "" => format!("{place}: {}", problem.message),
        key => format!("{place}: {key}: {}", problem.message),
    }
}

/// A pointer as one would write the key: `credential.servicenow.kind`.
pub fn key(pointer: &str) -> String {
    let key = pointer.trim_start_matches('/').replace('/', ".");
    key.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(text: &str) -> Result<Map<String, Value>, String> {
        Document::parse(text).map(|document| document.0)
    }

    #[test]
    fn toml_and_json_say_the_same() {
        let toml =
            "[[integration]]\nid = \"prod\"\nlimits = { n = 0x10, share = 0.5, on = true }\n";
        let json = r#"{"integration":[{"id":"prod","limits":{"n":16,"share":0.5,"on":true}}]}"#;
        assert_eq!(parse(toml), parse(json));
        assert_eq!(
            parse(toml).unwrap()["integration"][0]["limits"]["n"],
            json!(16)
        );
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        let problem = parse("[admin]\n\n= 1\n").unwrap_err();
        assert!(problem.starts_with("line 3: not valid TOML: "), "{problem}");
        let problem = parse("{\n\"admin\": }").unwrap_err();
        assert!(problem.starts_with("not valid JSON: "), "{problem}");
        assert!(problem.contains("line 2"), "{problem}");
        assert_eq!(
            parse("[limits]\neffects = nan").unwrap_err(),
            "line 2: not valid TOML: expected a finite number of at most 64 bits"
        );
    }

    #[test]
    fn a_problem_is_told_with_its_key() {
        let problem = |pointer: &str| Problem {
            pointer: pointer.into(),
            message: "expected more".into(),
        };
        assert_eq!(
            in_words("SYNC_CONFIG", &problem("/webhook/0/a~1b")),
            "SYNC_CONFIG: webhook.0.a/b: expected more"
        );
        assert_eq!(in_words("here", &problem("")), "here: expected more");
    }
}
