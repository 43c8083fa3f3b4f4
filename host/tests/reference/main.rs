//! The JSON Schema in `docs/sync.schema.json` and the page
//! `docs/configuration.md` are made of the types that read a configuration, and
//! of what the plugin's manifest says.
//!
//! `BLESS=1 cargo test -p servicenow-sync --test reference` renews both.
#![allow(clippy::unwrap_used)]

mod page;
mod words;

use page::Page;
use serde_json::Value;
use servicenow_sync::config::Draft;
use servicenow_sync::config::schema;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

fn docs(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(file)
}

/// The schema with the plugin of this repository.
fn whole() -> Value {
    schema(include_str!(
        "../../../plugin/src/configuration.schema.json"
    ))
    .unwrap()
}

/// Compares a file with what it should be, or writes it.
#[track_caller]
fn assert_published(file: &str, expected: &str) {
    if std::env::var_os("BLESS").is_some() {
        fs::write(docs(file), expected).unwrap();
    }
    let found = fs::read_to_string(docs(file)).unwrap_or_default();
    assert!(
        found == expected,
        "docs/{file} is out of date; run: BLESS=1 cargo test -p servicenow-sync --test reference"
    );
}

#[test]
fn the_published_schema_is_that_of_the_types() {
    let schema = whole();
    jsonschema::meta::validate(&schema).unwrap();
    assert_published("sync.schema.json", &format!("{schema:#}\n"));
}

#[test]
fn the_program_prints_the_published_schema() {
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/servicenow_sync.wasm");
    let output = Command::new(env!("CARGO_BIN_EXE_servicenow-sync"))
        .args(["schema", "--plugin"])
        .arg(plugin)
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let published = fs::read_to_string(docs("sync.schema.json")).unwrap();
    let hint = "`cargo xtask build` makes the component";
    assert!(printed == published, "{hint}; it prints {printed}");
}

#[test]
fn the_page_is_that_of_the_types() {
    let schema = whole();
    let settled = Draft::parse(Path::new("sync.toml"), "")
        .ok()
        .unwrap()
        .settled();
    let page = Page {
        schema: &schema,
        settled: settled.keys().collect(),
    };
    let mut text = fs::read_to_string(docs("configuration.md")).unwrap();
    for name in schema["properties"].as_object().unwrap().keys() {
        let [begin, end] = ["begin", "end"].map(|word| format!("<!-- {word} {name} -->\n"));
        let (from, to) = (text.find(&begin), text.find(&end));
        let (Some(from), Some(to)) = (from, to) else {
            panic!("docs/configuration.md has no place for {name}; add {begin}{end}");
        };
        let section = format!("\n{}", page.section(name));
        text.replace_range(from + begin.len()..to, &section);
    }
    assert_published("configuration.md", &text);
}

/// The first block of code in the README behind some words.
fn in_the_readme(behind: &str) -> String {
    let text = fs::read_to_string(docs("../README.md")).unwrap();
    let (_, text) = text.split_once(behind).expect(behind);
    let (_, text) = text.split_once("```").unwrap();
    let (_, block) = text.split_once('\n').unwrap();
    block.split_once("```").unwrap().0.to_owned()
}

/// What `check` prints on both streams of a configuration in a folder with the
/// secrets that the README makes.
fn check(configuration: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let secrets = folder.path().join("secrets");
    fs::create_dir(&secrets).unwrap();
    for secret in [
        "admin-token",
        "flashduty-app-key",
        "flashduty-webhook-token",
        "servicenow-password",
        "servicenow-webhook-token",
    ] {
        fs::write(secrets.join(secret), "canary-canary-canary-canary-canary").unwrap();
    }
    fs::write(folder.path().join("sync.toml"), configuration).unwrap();
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/servicenow_sync.wasm");
    let output = Command::new(env!("CARGO_BIN_EXE_servicenow-sync"))
        .args(["check", "--config", "sync.toml", "--plugin"])
        .arg(plugin)
        .current_dir(&folder)
        .output()
        .unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[test]
fn the_readme_shows_what_check_prints() {
    let example = fs::read_to_string(docs("sync.example.toml")).unwrap();
    let shown = in_the_readme("### 5. Check");
    let (_, shown) = shown.split_once('\n').unwrap();
    assert_eq!(check(&in_the_readme("### 4. `sync.toml`")), shown);
    assert_eq!(check(&example), shown);
    let mistaken = example.replace("\"two-way\"", "\"two-ways\"");
    assert_eq!(check(&mistaken), in_the_readme("what was probably meant"));
}

/// Every key says what it means, wherever it stands.
#[test]
fn no_key_is_without_a_description() {
    fn look(schema: &Value, at: &str, missing: &mut Vec<String>) {
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            let told = property["description"].is_string() || property["const"].is_string();
            if !told {
                missing.push(format!("{at}.{key}"));
            }
        }
        match schema {
            Value::Object(members) => {
                for (key, member) in members {
                    look(member, &format!("{at}.{key}"), missing);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| look(item, at, missing)),
            _ => {}
        }
    }
    let mut schema = whole();
    // The two keys of a secret are explained at the secret itself.
    schema["$defs"].as_object_mut().unwrap().remove("Secret");
    let mut missing = Vec::new();
    look(&schema, "", &mut missing);
    assert_eq!(missing, [""; 0]);
}

fn problems(text: &str) -> Vec<String> {
    let value: Value = toml::from_str(text).unwrap();
    let validator = jsonschema::validator_for(&whole()).unwrap();
    let errors = validator.iter_errors(&value);
    errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[test]
fn the_example_is_as_the_schema_says() {
    let example = fs::read_to_string(docs("sync.example.toml")).unwrap();
    assert_eq!(problems(&example), [""; 0]);
    assert!(example.starts_with("#:schema ./sync.schema.json\n"));
}

#[test]
fn an_editor_sees_common_mistakes() {
    let example = fs::read_to_string(docs("sync.example.toml")).unwrap();
    for (from, to, place) in [
        ("listen =", "listn =", "/server"),
        ("format = \"json\"", "format = \"jsno\"", "/log/format"),
        (
            "kind = \"basic\"",
            "kind = \"bsic\"",
            "/credential/servicenow",
        ),
        ("user = ", "usr = ", "/credential/servicenow"),
        (
            "direction = \"two-way\"",
            "direction = \"both\"",
            "/integration/0/direction",
        ),
        (
            "{ file = \"secrets/admin-token\" }",
            "\"secret\"",
            "/admin/token/0",
        ),
        ("[[integration]]", "[integration]", "/integration"),
        ("[log]", "[logs]", ""),
    ] {
        assert!(example.contains(from), "{from}");
        let problems = problems(&example.replacen(from, to, 1));
        assert_eq!(problems.len(), 1, "{to}: {problems:?}");
        assert!(
            problems[0].starts_with(&format!("{place}: ")),
            "{problems:?}"
        );
    }
}

/// The examples on the page can be copied.
#[test]
fn what_the_page_shows_as_toml_is_toml() {
    let text = fs::read_to_string(docs("configuration.md")).unwrap();
    let blocks: Vec<_> = text.split("```toml\n").skip(1).collect();
    assert!(blocks.len() > 3);
    for block in blocks {
        let block = block.split("```").next().unwrap();
        if let Err(error) = toml::from_str::<Value>(block) {
            panic!("{error}\n{block}");
        }
    }
}
