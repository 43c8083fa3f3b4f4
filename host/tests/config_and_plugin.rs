//! What the real plugin needs and what the gateway was told must fit, and where
//! they do not, the line is told that has to change.
#![allow(clippy::unwrap_used)]

use servicenow_sync::config::Draft;
use servicenow_sync::config::schema;
use servicenow_sync::runtime::RuntimeOptions;
use servicenow_sync::runtime::WasmRuntime;
use std::path::Path;
use std::sync::LazyLock;

static PLUGIN: LazyLock<WasmRuntime> = LazyLock::new(|| {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist");
    let options = RuntimeOptions {
        cache_directory: Some(dist.join("cache")),
        ..RuntimeOptions::default()
    };
    WasmRuntime::from_file(&dist.join("servicenow_sync.wasm"), &options)
        .expect("run `cargo xtask build` first")
});

/// Two integrations, and all that they need. `PATH` is a secret that is set
/// everywhere.
const GOOD: &str = r#"
[[webhook]]
path = "/flashduty/prod"
bearer = [{ env = "PATH" }]

[[webhook]]
path = "/servicenow/prod"
bearer = [{ env = "PATH" }]

[[webhook]]
path = "/flashduty/test"
bearer = [{ env = "PATH" }]

[credential.flashduty]
kind = "query"
origin = "https://api.flashcat.cloud"
name = "app_key"
value = { env = "PATH" }

[credential.servicenow]
kind = "basic"
origin = "https://prod.service-now.com"
user = { env = "HOME" }
password = { env = "PATH" }

[credential.servicenow-test]
kind = "bearer"
origin = "https://test.service-now.com"
token = { env = "PATH" }

[[integration]]
id = "prod"
name = "Production"
direction = "two-way"

[integration.flashduty]
credential = "flashduty"
channels = [7]

[integration.servicenow]
url = "https://prod.service-now.com"
credential = "servicenow"

[[integration]]
id = "test"
name = "Test"
direction = "to-servicenow"
snooze-minutes = 60

[integration.flashduty]

[integration.servicenow]
url = "https://test.service-now.com"
credential = "servicenow-test"
"#;

fn problems(text: &str) -> Vec<String> {
    let checked = Draft::parse(Path::new("sync.toml"), text).and_then(|draft| draft.check(&PLUGIN));
    if checked.is_ok() {
        assert_in_the_schema(text);
    }
    let problems = checked.err().map(|problems| problems.to_string());
    problems
        .iter()
        .flat_map(|text| text.lines())
        .map(str::to_owned)
        .collect()
}

/// What the program takes, an editor does not underline.
#[track_caller]
fn assert_in_the_schema(text: &str) {
    let manifest = PLUGIN.describe().unwrap();
    let schema = schema(&manifest.configuration_schema).unwrap();
    let value = toml::from_str(text).unwrap();
    jsonschema::validate(&schema, &value).unwrap();
}

/// The problems when parts of the good file are written otherwise. A line that
/// stands in it several times is changed where it stands last.
#[track_caller]
fn assert_problems(changes: &[(&str, &str)], expected: &[&str]) {
    let mut text = GOOD.to_owned();
    for (from, to) in changes {
        let at = text.rfind(from).expect(from);
        text.replace_range(at..at + from.len(), to);
    }
    assert_eq!(problems(&text), expected);
}

#[test]
fn the_good_file_has_no_problem() {
    assert_problems(&[], &[]);
}

#[test]
fn a_webhook_is_on_a_path_that_the_plugin_serves() {
    assert_problems(
        &[("path = \"/flashduty/test\"", "path = \"/flashduty/tset\"")],
        &[
            "sync.toml:2: webhook: the plugin serves \"/flashduty/test\" (Flashduty's incident \
             webhook for Test), and no webhook says who may call it; add a [[webhook]] with this \
             path",
            "sync.toml:11: webhook[2].path: the plugin serves no route \"/flashduty/tset\", only \
             \"/flashduty/prod\", \"/servicenow/prod\", \"/flashduty/test\"; did you mean \
             \"/flashduty/test\"?",
        ],
    );
}

#[test]
fn every_route_needs_a_webhook_with_a_proof() {
    assert_problems(
        &[(
            "[[webhook]]\npath = \"/flashduty/test\"\nbearer = [{ env = \"PATH\" }]\n",
            "",
        )],
        &[
            "sync.toml:2: webhook: the plugin serves \"/flashduty/test\" (Flashduty's incident \
             webhook for Test), and no webhook says who may call it; add a [[webhook]] with this \
             path",
        ],
    );
    assert_problems(
        &[(
            "path = \"/flashduty/test\"\nbearer = [{ env = \"PATH\" }]",
            "path = \"/flashduty/test\"",
        )],
        &[
            "sync.toml:10: webhook[2]: expected a proof of who calls \"/flashduty/test\", found \
             none; add bearer, header, url-token or signature",
        ],
    );
}

#[test]
fn a_credential_that_an_integration_names_must_be_there() {
    assert_problems(
        &[(
            "credential = \"servicenow-test\"",
            "credential = \"servicenow-tset\"",
        )],
        &[
            "sync.toml:14: credential: the plugin wants the credential \"servicenow-tset\" for \
             https://test.service-now.com (ServiceNow's Table API for Test), and there is none; \
             add [credential.servicenow-tset]; did you mean \"servicenow-test\"?",
        ],
    );
}

#[test]
fn a_credential_is_used_at_the_origin_that_it_is_bound_to() {
    assert_problems(
        &[(
            "credential = \"servicenow-test\"",
            "credential = \"servicenow\"",
        )],
        &[
            "sync.toml:22: credential.servicenow.origin: the plugin uses this credential at \
             https://test.service-now.com (ServiceNow's Table API for Test), found \
             \"https://prod.service-now.com\"; name the same origin here and in the plugin's \
             configuration",
        ],
    );
}

#[test]
fn an_address_that_is_not_public_must_be_meant() {
    let changes = [
        (
            "origin = \"https://test.service-now.com\"",
            "origin = \"https://10.1.2.3\"",
        ),
        (
            "url = \"https://test.service-now.com\"",
            "url = \"https://10.1.2.3\"",
        ),
    ];
    assert_problems(
        &changes,
        &[
            "sync.toml:28: credential.servicenow-test.origin: 10.1.2.3 is not a public address; \
             if it is meant, add its network to egress.private",
        ],
    );
    let allowed = (
        "[credential.flashduty]",
        "[egress]\nprivate = [\"10.1.0.0/16\"]\n[credential.flashduty]",
    );
    assert_problems(&[changes[0], changes[1], allowed], &[]);
}

#[test]
fn what_the_plugin_finds_wrong_is_shown_in_the_integration_that_it_is_in() {
    assert_problems(
        &[
            ("snooze-minutes = 60", "snooze-minutes = 6000"),
            ("direction = \"two-way\"", "direction = \"two-ways\""),
        ],
        &[
            "sync.toml:34: integration[0].direction: unknown value \"two-ways\"; did you mean \
             \"two-way\"?",
            "sync.toml:48: integration[1].snooze-minutes: expected 1 to 1440 minutes, found 6000",
        ],
    );
    assert_problems(
        &[("snooze-minutes", "snooze-minuets")],
        &[
            "sync.toml:48: integration[1].snooze-minuets: unknown key \"snooze-minuets\"; did you \
             mean \"snooze-minutes\"?",
        ],
    );
    assert_problems(
        &[("[integration.flashduty]\n\n", "")],
        &["sync.toml:44: integration[1]: expected \"flashduty\", found none; add it"],
    );
}

#[test]
fn a_section_that_nobody_knows_is_told_with_what_was_perhaps_meant() {
    assert_problems(
        &[(
            "[credential.flashduty]",
            "[egres]\nprivate = []\n[credential.flashduty]",
        )],
        &[
            "sync.toml:14: egres: unknown key \"egres\"; the plugin's part is [[integration]]; did \
             you mean \"egress\"?",
        ],
    );
    assert_eq!(
        problems("[server]\nlisten = \"127.0.0.1:0\"\n"),
        ["sync.toml: expected at least one integration, found none; add an [[integration]]"],
    );
}

#[test]
fn everything_that_one_look_can_find_is_told_at_once_in_the_order_of_the_file() {
    assert_problems(
        &[
            ("kind = \"bearer\"", "kind = \"baerer\""),
            ("name = \"app_key\"", "nmae = \"app_key\""),
            ("snooze-minutes = 60", "snooze-minutes = 0"),
            (
                "[[webhook]]\npath = \"/flashduty/prod\"",
                "[server]\nworkers = 0\n[[webhook]]\npath = 7",
            ),
        ],
        &[
            "sync.toml:3: server.workers: expected at least 1, found 0",
            "sync.toml:5: webhook[0].path: expected a string, found an integer",
            "sync.toml:16: credential.flashduty: \"name\" is missing",
            "sync.toml:19: credential.flashduty.nmae: no such key; expected one of \"origin\", \
             \"name\", \"value\", \"pace\", found \"nmae\"; did you mean \"name\"?",
            "sync.toml:29: credential.servicenow-test.kind: expected one of \"basic\", \
             \"bearer\", \"header\", \"query\", \"oauth2-client-credentials\", \
             \"oauth2-password\", found \"baerer\"; did you mean \"bearer\"?",
            "sync.toml:50: integration[1].snooze-minutes: expected 1 to 1440 minutes, found 0",
        ],
    );
}
