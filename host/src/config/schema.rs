//! The JSON Schema of a whole configuration file, for editors: our sections as
//! their types are, and the plugin's as the plugin describes it.

use super::AdminSection;
use super::LogSection;
use super::PluginSection;
use super::ServerSection;
use super::StoreSection;
use integration_gateway::settings::CredentialSettings;
use integration_gateway::settings::EgressSettings;
use integration_gateway::settings::LimitSettings;
use integration_gateway::settings::WebhookSettings;
use schemars::JsonSchema;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;

/// Our sections, as they are read one by one.
#[derive(JsonSchema)]
#[schemars(default, rename_all = "kebab-case")]
#[allow(dead_code, reason = "it stands for its schema")]
#[derive(Default)]
struct Sections {
    /// Where webhooks come in.
    server: ServerSection,
    /// The operator's listener.
    admin: AdminSection,
    /// Everything that must survive a restart.
    store: StoreSection,
    /// What is written to standard error.
    log: LogSection,
    /// The plugin, a WebAssembly component.
    plugin: PluginSection,
    /// Who may call.
    webhook: Vec<WebhookSettings>,
    /// How requests are authenticated, by names of your choice.
    credential: BTreeMap<String, CredentialSettings>,
    /// Where requests may go.
    egress: EgressSettings,
    /// What a session may use up.
    limits: LimitSettings,
}

/// The JSON Schema of a whole file, for the plugin whose manifest has the given
/// schema of its part.
pub fn schema(plugin: &str) -> Result<Value, serde_json::Error> {
    // Both parts may have definitions of the same name.
    let plugin = plugin.replace("\"#/$defs/", "\"#/$defs/Plugin");
    let plugin: Value = serde_json::from_str(&plugin)?;
    let ours = schemars::schema_for!(Sections).to_value();
    let members = |schema: &Value, of: &str| -> Map<String, Value> {
        schema[of].as_object().cloned().unwrap_or_default()
    };
    let mut properties = members(&ours, "properties");
    properties.extend(members(&plugin, "properties"));
    let mut definitions = members(&ours, "$defs");
    let theirs = members(&plugin, "$defs").into_iter();
    definitions.extend(theirs.map(|(name, schema)| (format!("Plugin{name}"), schema)));
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of ServiceNow Sync",
        "type": "object",
        "properties": properties,
        "required": plugin.get("required").unwrap_or(&json!([])),
        "additionalProperties": false,
        "$defs": definitions,
    });
    fit_to_toml(&mut schema);
    Ok(schema)
}

/// TOML has no null: a key is there or not. And the sizes of Rust's integers
/// are no formats of JSON Schema.
fn fit_to_toml(schema: &mut Value) {
    let is_null = |schema: &Value| schema["type"] == "null";
    match schema {
        Value::Object(members) => {
            members.retain(|key, value| match key.as_str() {
                "default" => !value.is_null(),
                "format" => value.as_str().is_none_or(|f| !f.contains("int")),
                _ => true,
            });
            if let Some(Value::Array(types)) = members.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = &types[..] {
                    let only = only.clone();
                    members.insert("type".into(), only);
                }
            }
            if let Some(Value::Array(choices)) = members.get_mut("anyOf")
                && choices.iter().any(is_null)
            {
                choices.retain(|choice| !is_null(choice));
                if let [Value::Object(only)] = &choices[..] {
                    let only = only.clone();
                    members.remove("anyOf");
                    members.extend(only);
                }
            }
            members.values_mut().for_each(fit_to_toml);
        }
        Value::Array(items) => items.iter_mut().for_each(fit_to_toml),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use integration_gateway::settings::SECTIONS;

    #[test]
    fn it_has_all_our_sections_and_the_plugins() {
        let schema = schema(
            r##"{ "properties": { "integration": { "$ref": "#/$defs/Secret" } },
                  "required": ["integration"],
                  "$defs": { "Secret": { "type": ["string", "null"], "default": null } } }"##,
        )
        .unwrap();
        let sections = schema["properties"].as_object().unwrap().keys();
        let mut expected = [&SECTIONS[..], &["integration"]].concat();
        expected.sort_unstable();
        assert_eq!(sections.collect::<Vec<_>>(), expected);
        assert_eq!(schema["required"], json!(["integration"]));
        assert_eq!(
            schema["properties"]["integration"]["$ref"],
            "#/$defs/PluginSecret"
        );
        assert_eq!(schema["$defs"]["PluginSecret"], json!({ "type": "string" }));
        assert!(schema["$defs"]["Secret"]["oneOf"].is_array());
    }
}
