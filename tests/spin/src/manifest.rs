//! `spin.toml`, as far as it concerns one component behind a trigger.

use crate::allowed::Allowed;
use anyhow::Context as _;
use anyhow::bail;
use anyhow::ensure;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

#[derive(Deserialize)]
struct Document {
    spin_manifest_version: u32,
    #[serde(default)]
    variables: BTreeMap<String, Variable>,
    trigger: Triggers,
    component: BTreeMap<String, Component>,
}

#[derive(Deserialize)]
struct Variable {
    #[serde(default)]
    required: bool,
    default: Option<String>,
}

#[derive(Deserialize)]
struct Triggers {
    #[serde(default)]
    http: Vec<Route>,
    #[serde(default)]
    cron: Vec<Schedule>,
}

#[derive(Deserialize)]
struct Route {
    route: String,
    component: String,
}

#[derive(Deserialize)]
struct Schedule {
    cron_expression: String,
    component: String,
}

#[derive(Deserialize)]
struct Component {
    source: toml::Value,
    #[serde(default)]
    allowed_outbound_hosts: Vec<String>,
    #[serde(default)]
    sqlite_databases: Vec<String>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
}

/// An application of one component.
#[derive(Clone, Debug, Default)]
pub struct Application {
    /// The component's file.
    pub source: PathBuf,
    /// The component's variables, with their values.
    pub variables: BTreeMap<String, String>,
    /// Its environment variables, which are nothing of Spin's own.
    pub environment: BTreeMap<String, String>,
    /// Where it may send.
    pub allowed: Vec<Allowed>,
    /// The databases that it may open.
    pub databases: Vec<String>,
    /// When it is called, if that is by the clock.
    pub schedule: Option<String>,
}

impl Application {
    /// Reads a manifest. `given` are the values of the application's variables,
    /// as `SPIN_VARIABLE_NAME` would give them; the component is the one that
    /// the route `/...` leads to, or that is called by the clock.
    pub fn read(file: &Path, given: &BTreeMap<String, String>) -> anyhow::Result<Self> {
        let text =
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let document: Document = toml::from_str(&text)?;
        let version = document.spin_manifest_version;
        ensure!(
            version == 2,
            "expected a manifest of version 2, found {version}"
        );
        let mut values = BTreeMap::new();
        for (name, variable) in &document.variables {
            match given.get(name).or(variable.default.as_ref()) {
                Some(value) => {
                    values.insert(name.clone(), value.clone());
                }
                None if variable.required => bail!("the variable {name} is required and not given"),
                None => {}
            }
        }
        if let Some(name) = given
            .keys()
            .find(|name| !document.variables.contains_key(*name))
        {
            bail!("the manifest declares no variable {name}");
        }
        let mut routes = document.trigger.http.iter();
        let route = routes.find(|http| http.route == "/...");
        let cron = document.trigger.cron.first();
        let id = route.map(|http| &http.component);
        let id = id.or(cron.map(|cron| &cron.component));
        let id = id.context("no trigger has the route /..., and none is for the clock")?;
        let component = document.component.get(id);
        let component = component.with_context(|| format!("there is no component {id}"))?;
        let source = component
            .source
            .as_str()
            .context("expected a path as the source")?;
        let fill = |text: &String| fill(text, &values);
        let allowed = component.allowed_outbound_hosts.iter();
        let variables = component
            .variables
            .iter()
            .map(|(name, template)| Ok((name.clone(), fill(template)?)));
        Ok(Self {
            source: file.with_file_name("").join(source),
            variables: variables.collect::<anyhow::Result<_>>()?,
            environment: component.environment.clone(),
            allowed: allowed
                .map(|entry| Allowed::parse(&fill(entry)?))
                .collect::<anyhow::Result<_>>()?,
            databases: component.sqlite_databases.clone(),
            schedule: cron.map(|cron| cron.cron_expression.clone()),
        })
    }
}

impl Application {
    /// Whether the component may connect there.
    pub(crate) fn lets(&self, scheme: &str, host: &str, port: u16) -> bool {
        self.allowed
            .iter()
            .any(|allowed| allowed.lets(scheme, host, port))
    }
}

/// Replaces `{{ name }}` by the value of a variable.
fn fill(template: &str, values: &BTreeMap<String, String>) -> anyhow::Result<String> {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("{{") {
        let (name, after) = behind
            .split_once("}}")
            .with_context(|| format!("expected }}}} in {template:?}"))?;
        let name = name.trim();
        let value = values.get(name);
        filled += before;
        filled += value.with_context(|| format!("the variable {name} has no value"))?;
        rest = after;
    }
    Ok(filled + rest)
}
