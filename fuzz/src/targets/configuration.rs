//! The plugin's configuration as JSON.
//!
//! The plugin's own reader takes what serde_json's takes, except for structs
//! written as lists and fractions: never more, and never with another meaning.
//! A value that is null counts as absent.

use crate::lossy;
use serde_json::Value;
use servicenow_sync_plugin::configuration::Configuration;
use servicenow_sync_plugin::configuration::Integration;

pub(crate) fn run(data: &[u8]) {
    let document = lossy(data);
    let theirs = serde_json::from_str::<Value>(&document);
    match (Configuration::parse(&document), theirs) {
        (Ok(configuration), Ok(theirs)) => {
            for integration in theirs["integration"].as_array().into_iter().flatten() {
                let theirs = serde_json::from_value::<Integration>(without_nulls(integration));
                let mut theirs = theirs.unwrap_or_else(|e| panic!("serde_json refuses it: {e}"));
                let url = &mut theirs.servicenow.url;
                url.truncate(url.trim_end_matches('/').len());
                let Some(ours) = configuration.integration(&theirs.id) else {
                    panic!("\"{}\" is missing", theirs.id);
                };
                // What is left out is filled in by the plugin afterwards, and the slash cut off.
                assert_eq!(
                    (&ours.direction, &ours.conditions, &ours.servicenow),
                    (&theirs.direction, &theirs.conditions, &theirs.servicenow)
                );
            }
            let requirements = configuration.requirements();
            assert!(!requirements.destinations.is_empty() || !requirements.routes.is_empty());
        }
        (Ok(_), Err(error)) => panic!("it is no JSON: {error}"),
        (Err(problems), theirs) => {
            assert!(!problems.is_empty(), "refused without a reason");
            for problem in problems {
                assert!(!problem.message.is_empty(), "{problem:?}");
                let points = theirs.as_ref().is_ok_and(|document| {
                    // A key that is missing is named at the table it is missing in.
                    document.pointer(&problem.pointer).is_some()
                });
                let is_whole = problem.pointer.is_empty();
                assert!(points || is_whole, "it points nowhere: {problem:?}");
            }
        }
    }
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let kept = object.iter().filter(|(_, value)| !value.is_null());
            kept.map(|(key, value)| (key.clone(), without_nulls(value)))
                .collect()
        }
        Value::Array(list) => list.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}
