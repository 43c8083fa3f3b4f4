//! What is wrong in `sync.toml` is told with its line, its key and a remedy.
#![allow(clippy::unwrap_used)]

mod plugin;

use plugin::Plugin;
use servicenow_sync::config::Config;
use servicenow_sync::config::Draft;
use servicenow_sync::config::LogFormat;
use servicenow_sync::runtime::RuntimeOptions;
use servicenow_sync::runtime::WasmRuntime;
use std::path::Path;
use tempfile::tempdir;

fn load(plugin: &Plugin<'_>) -> WasmRuntime {
    WasmRuntime::from_bytes(&plugin.component(), &RuntimeOptions::default()).unwrap()
}

fn check(text: &str) -> Result<Config, String> {
    check_with(&Plugin::default(), text)
}

fn check_with(plugin: &Plugin<'_>, text: &str) -> Result<Config, String> {
    Draft::parse(Path::new("sync.toml"), text)
        .and_then(|draft| draft.check(&load(plugin)))
        .map_err(|problems| problems.to_string())
}

#[track_caller]
fn assert_problems(text: &str, expected: &[&str]) {
    let found = check(text).err().expect("nothing was found wrong");
    let found: Vec<_> = found.lines().collect();
    assert_eq!(found, expected);
}

#[test]
fn an_empty_file_stands_for_the_defaults() {
    let config = check("").unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.header_timeout_seconds, 5);
    assert_eq!(config.server.body_timeout_seconds, 10);
    assert_eq!(config.server.max_connections, 1024);
    assert_eq!(config.admin.to_string(), "127.0.0.1:8081");
    assert_eq!(config.store.to_string(), "sync.redb");
    assert_eq!(config.configuration, "{}");
}

#[test]
fn two_listeners_do_not_take_one_address() {
    assert_problems(
        "[server]\nlisten = \"127.0.0.1:9000\"\n[admin]\nlisten = \"127.0.0.1:9000\"\n",
        &["sync.toml:4: admin.listen: server.listen has this address already; take another port"],
    );
    let each_its_own = "server.listen = \"127.0.0.1:0\"\nadmin.listen = \"127.0.0.1:0\"\n";
    check(each_its_own).unwrap();
}

#[test]
fn the_plugin_gets_all_that_is_not_ours_and_nothing_of_ours() {
    let config = check(
        "[server]\nlisten = \"127.0.0.1:1\"\n[log]\nformat = \"json\"\n\
         [[integration]]\nname = \"prod\"\nsince = 2026-01-02T03:04:05Z\nshare = 0.5\n\
         [[integration]]\nname = \"test\"\n",
    );
    assert_eq!(
        config.unwrap().configuration,
        r#"{"integration":[{"name":"prod","share":0.5,"since":"2026-01-02T03:04:05Z"},{"name":"test"}]}"#,
    );
}

#[test]
fn paths_are_relative_to_the_folder_of_the_file() {
    let text = "[store]\npath = \"data/s.redb\"\n[plugin]\npath = \"p.wasm\"\n";
    let draft = Draft::parse(Path::new("/etc/sync/sync.toml"), text).unwrap();
    assert_eq!(draft.plugin(), Path::new("/etc/sync/p.wasm"));
    assert_eq!(draft.cache_directory(), Path::new("/etc/sync/data/s.cache"));
    let config = draft.check(&load(&Plugin::default())).unwrap();
    assert_eq!(config.store.to_string(), "/etc/sync/data/s.redb");
    let absolute = "[store]\npath = \"/var/lib/s.redb\"\n[log]\nformat = \"json\"\n";
    let draft = Draft::parse(Path::new("/etc/sync/sync.toml"), absolute).unwrap();
    assert_eq!(draft.log().format, LogFormat::Json);
    assert_eq!(draft.cache_directory(), Path::new("/var/lib/s.cache"));
}

#[test]
fn a_misspelt_kind_is_recognised() {
    assert_problems(
        "[credential.servicenow]\n\
         kind = \"bsic\"\n\
         origin = \"https://x.service-now.com\"\n\
         user = { env = \"A\" }\n\
         password = { env = \"B\" }\n",
        &[
            "sync.toml:2: credential.servicenow.kind: expected one of \"basic\", \"bearer\", \
             \"header\", \"query\", \"oauth2-client-credentials\", \"oauth2-password\", found \
             \"bsic\"; did you mean \"basic\"?",
        ],
    );
}

#[test]
fn every_misspelt_key_is_told_with_what_was_probably_meant() {
    assert_problems(
        "[server]\n\
         listn = \"127.0.0.1:0\"\n\
         max-conections = 5\n\
         [store]\n\
         file = \"x\"\n\
         [credential.servicenow]\n\
         kind = \"basic\"\n\
         origin = \"https://x.service-now.com\"\n\
         user = { env = \"A\" }\n\
         pasword = { env = \"B\" }\n",
        &[
            "sync.toml:2: server.listn: no such key; expected one of \"listen\", \
             \"header-timeout-seconds\", \"body-timeout-seconds\", \"max-connections\", \
             \"workers\", found \"listn\"; did you mean \"listen\"?",
            "sync.toml:3: server.max-conections: no such key; expected one of \"listen\", \
             \"header-timeout-seconds\", \"body-timeout-seconds\", \"max-connections\", \
             \"workers\", found \"max-conections\"; did you mean \"max-connections\"?",
            "sync.toml:5: store.file: no such key; expected \"path\" or \"url\", found \"file\"",
            "sync.toml:6: credential.servicenow: \"password\" is missing",
            "sync.toml:10: credential.servicenow.pasword: no such key; expected one of \
             \"origin\", \"user\", \"password\", \"pace\", found \"pasword\"; did you mean \"password\"?",
        ],
    );
}

#[test]
fn a_wrong_type_is_told_in_the_words_of_toml() {
    assert_problems(
        "server = 5\n\
         [admin]\n\
         listen = \"localhost\"\n\
         token = { env = \"A\" }\n\
         [limits]\n\
         effects = \"many\"\n\
         step-bytes = -1\n\
         session-seconds = 1.5\n\
         [egress]\n\
         allow = \"https://example.com\"\n\
         [log]\n\
         level = true\n\
         format = \"jsno\"\n",
        &[
            "sync.toml:1: server: expected a table, found an integer",
            "sync.toml:3: admin.listen: expected an address and a port such as \
             \"127.0.0.1:8080\", found \"localhost\"",
            "sync.toml:4: admin.token: expected an array, found a table",
            "sync.toml:6: limits.effects: expected an integer from 0 to 4294967295, found a string",
            "sync.toml:7: limits.step-bytes: expected an integer of at least 0, found -1",
            "sync.toml:8: limits.session-seconds: expected an integer from 0 to 4294967295, found \
             a float",
            "sync.toml:10: egress.allow: expected an array, found a string",
            "sync.toml:12: log.level: expected a string, found a boolean",
            "sync.toml:13: log.format: expected \"human\" or \"json\", found \"jsno\"; did you mean \
             \"json\"?",
        ],
    );
}

#[test]
fn brackets_that_are_too_few_are_told() {
    assert_problems(
        "[webhook]\npath = \"/a\"\n[credential]\nkind = \"basic\"\n",
        &[
            "sync.toml:1: webhook: expected [[webhook]], with two brackets on either side",
            "sync.toml:4: credential.kind: expected a table, found a string",
        ],
    );
}

#[test]
fn a_secret_in_the_place_of_its_name_is_not_repeated() {
    let text = "[admin]\n\
         token = [\"canary-1\", 4711]\n\
         [credential.a]\n\
         kind = \"oauth2-password\"\n\
         origin = \"https://example.com\"\n\
         token-url = \"https://example.com/token\"\n\
         client-id = \"app\"\n\
         client-secret = \"canary-2\"\n\
         user = \"ana\"\n\
         password = \"canary-2\"\n\
         [credential.b]\n\
         kind = \"bearer\"\n\
         origin = \"https://example.com\"\n\
         token = { evn = \"canary-3\" }\n\
         [[webhook]]\n\
         path = \"/a\"\n\
         bearer = \"canary-4\"\n\
         url-token = [{ env = \"A\", file = \"b\" }]\n";
    assert_problems(
        text,
        &[
            "sync.toml:2: admin.token[0]: a secret is never written into the file; use { env = \
             \"NAME\" } or { file = \"PATH\" }",
            "sync.toml:8: credential.a.client-secret: a secret is never written into the file; use \
             { env = \"NAME\" } or { file = \"PATH\" }",
            "sync.toml:10: credential.a.password: a secret is never written into the file; use \
             { env = \"NAME\" } or { file = \"PATH\" }",
            "sync.toml:14: credential.b.token: expected { env = \"NAME\" } or { file = \"PATH\" }, \
             found \"evn\"",
            "sync.toml:17: webhook[0].bearer: expected an array, found a string",
            "sync.toml:18: webhook[0].url-token[0]: expected { env = \"NAME\" } or { file = \
             \"PATH\" }, found \"env\" and \"file\"",
        ],
    );
    let text = "[credential.a]\n\
         kind = \"oauth2-password\"\n\
         origin = \"https://admin:canary-5@example.com\"\n\
         token-url = \"https://admin:canary-6@example.com/token\"\n\
         client-id = \"app\"\n\
         client-secret = { env = \"PATH\" }\n\
         user = \"ana\"\n\
         password = { env = \"PATH\" }\n\
         [egress]\n\
         allow = [\"https://admin:canary/7@example.com\"]\n";
    assert_problems(
        text,
        &[
            "sync.toml:3: credential.a.origin: expected scheme://host[:port] such as \
             https://example.com, found one with @ in it, which names a user; use a credential",
            "sync.toml:4: credential.a.token-url: expected a URL such as \
             https://example.com/oauth_token.do, found one with @ in it",
            "sync.toml:10: egress.allow[0]: expected scheme://host[:port] such as \
             https://example.com, found one with @ in it: invalid port number",
        ],
    );
}

/// A user name is no secret, and may be kept like one all the same.
#[test]
fn a_user_name_may_be_written_as_it_is() {
    let basic = |user: &str| {
        check(&format!(
            "[credential.a]\nkind = \"basic\"\norigin = \"https://example.com\"\n\
             user = {user}\npassword = {{ env = \"PATH\" }}\n"
        ))
        .err()
    };
    assert_eq!(basic("\"flashduty\""), None);
    assert_eq!(basic("{ env = \"HOME\" }"), None);
    let at = "sync.toml:4: credential.a.user: ";
    for (user, problem) in [
        ("\" \"", "expected a text, found \" \""),
        ("\"a:b\"", "a user name with a colon cannot be sent"),
        (
            "\"a\\nb\"",
            "expected a text without line breaks and other control characters, found \"a\\nb\"",
        ),
        (
            "{ evn = \"A\" }",
            "expected { env = \"NAME\" } or { file = \"PATH\" }, found \"evn\"",
        ),
        (
            "7",
            "expected a string, { env = \"NAME\" } or { file = \"PATH\" }, found an integer",
        ),
    ] {
        assert_eq!(basic(user), Some(format!("{at}{problem}")));
    }
}

#[test]
fn a_secret_that_is_not_there_is_told_with_its_place() {
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("empty"), " \n").unwrap();
    let file = folder.path().join("sync.toml");
    std::fs::write(
        &file,
        "[admin]\n\
         token = [\n\
           { env = \"SYNC_TEST_NEVER_SET\" },\n\
           { file = \"missing\" },\n\
         ]\n\
         [egress]\n\
         allow = [\"https://example.com\"]\n\
         [credential.c]\n\
         kind = \"bearer\"\n\
         origin = \"https://example.com\"\n\
         token = { file = \"empty\" }\n",
    )
    .unwrap();
    let problems = Draft::read(&file)
        .unwrap()
        .check(&load(&Plugin::default()))
        .err()
        .unwrap();
    let (file, folder) = (file.display(), folder.path().display());
    assert_eq!(
        problems.to_string().lines().collect::<Vec<_>>(),
        [
            format!(
                "{file}:3: admin.token[0]: the environment variable SYNC_TEST_NEVER_SET is not \
                 set; set it, or name another"
            ),
            format!(
                "{file}:4: admin.token[1]: the file {folder}/missing cannot be read: No such file \
                 or directory (os error 2)"
            ),
            format!(
                "{file}:11: credential.c.token: the file {folder}/empty is empty; expected a secret in \
                 it"
            ),
        ],
    );
}

#[test]
fn what_the_gateway_refuses_is_shown_at_its_line() {
    let problems =
        check("[egress]\nallow = [\n  \"https://example.com\",\n  \"http://example.com\",\n]\n");
    assert_eq!(
        problems.err().unwrap(),
        "sync.toml:4: egress.allow[1]: expected https, found \"http://example.com\"; if requests \
         may be read and changed on the way, add it to egress.insecure",
    );
}

#[test]
fn numbers_that_stop_everything_are_refused() {
    assert_problems(
        "[server]\nworkers = 0\nbody-timeout-seconds = 0\n",
        &[
            "sync.toml:2: server.workers: expected at least 1, found 0",
            "sync.toml:3: server.body-timeout-seconds: expected at least 1, found 0",
        ],
    );
}

/// Refuses everything, with one problem at each of the given places.
#[test]
fn what_the_plugin_refuses_is_shown_at_its_line_together_with_our_own() {
    let plugin = Plugin {
        configure: "(i32.const 512)",
        fields: r#"
            (data (i32.const 512) "\01\00\00\00\00\03\00\00\03\00\00\00")
            (data (i32.const 768)
                "\00\05\00\00\18\00\00\00\00\06\00\00\08\00\00\00"
                "\00\07\00\00\07\00\00\00\00\06\00\00\08\00\00\00"
                "\00\07\00\00\00\00\00\00\00\06\00\00\08\00\00\00")
            (data (i32.const 1280) "/integration/1/fields/u_")
            (data (i32.const 1536) "is wrong")
            (data (i32.const 1792) "/sevrer")"#,
        ..Plugin::default()
    };
    let text = "[[integration]]\n\
         [[integration]]\n\
         name = \"b\"\n\
         [integration.fields]\n\
         title = \"x\"\n\
         [sevrer]\n\
         listen = 1\n\
         [store]\n\
         path = 7\n";
    assert_eq!(
        check_with(&plugin, text)
            .err()
            .unwrap()
            .lines()
            .collect::<Vec<_>>(),
        [
            "sync.toml: is wrong",
            "sync.toml:4: integration[1].fields.u_: is wrong",
            "sync.toml:6: sevrer: is wrong; did you mean \"server\"?",
            "sync.toml:9: store.path: expected a string, found an integer",
        ],
    );
}

#[test]
fn a_plugin_that_panics_while_it_checks_is_told() {
    let plugin = Plugin {
        configure: "unreachable",
        ..Plugin::default()
    };
    assert_eq!(
        check_with(&plugin, "").err().unwrap(),
        "sync.toml: the plugin was stopped: it panicked",
    );
}

#[test]
fn what_is_no_toml_and_no_file_is_told() {
    assert_problems(
        "[server]\nlisten = \n[admin\n",
        &[
            "sync.toml:2: not valid TOML: string values must be quoted, expected literal string",
            "sync.toml:3: not valid TOML: unclosed table, expected `]`",
        ],
    );
    assert_problems(
        "[server]\nlisten = \"127.0.0.1:0\"\nlisten = \"127.0.0.1:1\"\n",
        &["sync.toml:3: not valid TOML: duplicate key"],
    );
    assert_eq!(
        Draft::read(Path::new("/nowhere/sync.toml"))
            .err()
            .unwrap()
            .to_string(),
        "/nowhere/sync.toml: cannot be read: No such file or directory (os error 2); name another \
         file with --config",
    );
}

#[test]
fn a_store_is_a_file_or_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let read = |text: &str, url: &str| {
        std::fs::write(folder.path().join("url"), url).unwrap();
        let file = folder.path().join("sync.toml");
        let draft = Draft::parse(&file, text).unwrap();
        let store = draft.store().map(|location| location.to_string());
        store.map_err(|problems| {
            problems
                .to_string()
                .replace(&format!("{}:", file.display()), "")
        })
    };
    let url = "postgresql://sync:canary@db.example.com/sync";
    let of_file = "[store]\nurl = { file = \"url\" }\n";
    assert_eq!(read(of_file, url).unwrap(), "PostgreSQL");
    assert_eq!(
        read("[store]\npath = \"a\"\nurl = { file = \"url\" }\n", url).unwrap_err(),
        "3: store.url: expected `path` or `url`, found both"
    );
    assert_eq!(
        read(of_file, "canary").unwrap_err(),
        "2: store.url: store: expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE in `url` of \
         `[store]`, found something else; percent-encode characters such as @ / : # in user and \
         password"
    );
    assert_eq!(
        read("[store]\nurl = { env = \"SYNC_TEST_NO_SUCH_URL\" }\n", url).unwrap_err(),
        "2: store.url: the environment variable SYNC_TEST_NO_SUCH_URL is not set; set it, or name \
         another"
    );
    assert!(read(&format!("[store]\nurl = \"{url}\"\n"), url).is_err());
}
