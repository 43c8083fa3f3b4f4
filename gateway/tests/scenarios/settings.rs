//! Everything that is wrong in the settings is told at once: where, what was
//! expected, what was found and what to do.

use crate::scene::*;
use integration_gateway::Policy;
use integration_gateway::contract::*;
use integration_gateway::settings::Settings;

/// The problems of a document, for a plugin that serves `/hook` and uses the
/// credential `key` at `https://api.example.com`.
fn problems(document: &str) -> Vec<(String, String)> {
    let settings: Settings = toml::from_str(document).unwrap();
    match Policy::build(&settings, "test", &requirements(), &resolve) {
        Ok(_) => Vec::new(),
        Err(problems) => problems
            .into_iter()
            .map(|p| (p.pointer, p.message))
            .collect(),
    }
}

/// A document that is right, with one part replaced.
fn with(part: &str, replacement: &str) -> Vec<(String, String)> {
    assert!(SETTINGS.contains(part), "{part}");
    problems(&SETTINGS.replacen(part, replacement, 1))
}

#[track_caller]
fn expect(found: &[(String, String)], pointer: &str, message: &str) {
    assert_eq!(found, [(pointer.to_owned(), message.to_owned())]);
}

#[test]
fn a_right_document_has_no_problem() {
    assert_eq!(problems(SETTINGS), []);
}

#[test]
fn an_empty_document_is_told_all_that_the_plugin_needs() {
    assert_eq!(
        problems(""),
        [
            (
                "/credential".to_owned(),
                "the plugin wants the credential \"key\" for https://api.example.com (reads), and \
                 there is none; add [credential.key]"
                    .to_owned()
            ),
            (
                "/webhook".to_owned(),
                "the plugin serves \"/hook\" (events), and no webhook says who may call it; add a \
                 [[webhook]] with this path"
                    .to_owned()
            ),
        ]
    );
}

#[test]
fn a_webhook_is_on_a_route_of_the_plugin() {
    let found = with("path = \"/hook\"", "path = \"/hok\"");
    assert_eq!(found.len(), 2, "{found:?}");
    expect(
        &found[..1],
        "/webhook/0/path",
        "the plugin serves no route \"/hok\", only \"/hook\"; did you mean \"/hook\"?",
    );
}

#[test]
fn a_webhook_is_there_once() {
    let twice = format!("{SETTINGS}\n[[webhook]]\npath = \"/hook\"\nbearer = [{{ env = \"A\" }}]");
    expect(
        &problems(&twice),
        "/webhook/1/path",
        "\"/hook\" is listed twice; remove one",
    );
}

#[test]
fn a_webhook_has_a_proof() {
    let bare = SETTINGS
        .replace(
            "bearer = [{ env = \"HOOK_OLD\" }, { env = \"HOOK_NEW\" }]",
            "",
        )
        .replace(
            "signature = { secrets = [{ env = \"SIGN_OLD\" }, { env = \"SIGN_NEW\" }] }",
            "",
        );
    expect(
        &problems(&bare),
        "/webhook/0",
        "expected a proof of who calls \"/hook\", found none; add bearer, header, url-token or \
         signature",
    );
}

#[test]
fn a_proof_has_one_or_two_secrets() {
    expect(
        &with("{ env = \"HOOK_OLD\" }", "{ env = \"A\" }, { env = \"B\" }"),
        "/webhook/0/bearer",
        "expected one secret, or two during a rotation, found 3",
    );
    expect(
        &with("[{ env = \"SIGN_OLD\" }, { env = \"SIGN_NEW\" }]", "[]"),
        "/webhook/0/signature/secrets",
        "expected at least one secret, found none",
    );
}

#[test]
fn a_secret_can_be_read_and_is_not_shown_if_it_is_wrong() {
    expect(
        &with("{ env = \"HOOK_OLD\" }", "{ file = \"/run/token\" }"),
        "/webhook/0/bearer/0",
        "cannot read /run/token",
    );
    expect(
        &with("{ env = \"HOOK_OLD\" }", "{ env = \"  \" }"),
        "/webhook/0/bearer/0",
        "the secret in the environment variable    is empty",
    );
    // In these scenes each reference is its own secret.
    expect(
        &with("{ env = \"SIGN_OLD\" }", "{ env = \"whsec_!\" }"),
        "/webhook/0/signature/secrets",
        "expected base64 behind whsec_, found something else",
    );
    expect(
        &with("bearer = [", "url-token = [{ env = \"a/b\" }]\nbearer = ["),
        "/webhook/0/url-token/0",
        "expected letters, digits and -._~ only, since it is part of a URL; choose another token",
    );
}

#[test]
fn a_header_that_proves_is_not_one_that_http_uses() {
    expect(
        &with(
            "bearer = [",
            "header = { name = \"Content-Length\", values = [{ env = \"A\" }] }\nbearer = [",
        ),
        "/webhook/0/header/name",
        "the header content-length cannot be used; choose the kind that sets it, or another header",
    );
    expect(
        &with(
            "bearer = [",
            "header = { name = \"x y\", values = [{ env = \"A\" }] }\nbearer = [",
        ),
        "/webhook/0/header/name",
        "expected the name of a header, found \"x y\"",
    );
}

#[test]
fn a_credential_that_the_plugin_names_is_there_under_that_name() {
    let found = with("[credential.key]", "[credential.kye]");
    expect(
        &found,
        "/credential",
        "the plugin wants the credential \"key\" for https://api.example.com (reads), and there is \
         none; add [credential.key]; did you mean \"kye\"?",
    );
}

#[test]
fn a_credential_is_bound_where_the_plugin_uses_it() {
    expect(
        &with(
            "origin = \"https://api.example.com\"",
            "origin = \"https://api.example.net\"",
        ),
        "/credential/key/origin",
        "the plugin uses this credential at https://api.example.com (reads), found \
         \"https://api.example.net\"; name the same origin here and in the plugin's configuration",
    );
}

#[test]
fn a_bad_origin_is_told_once() {
    expect(
        &with(
            "origin = \"https://api.example.com\"",
            "origin = \"api.example.com\"",
        ),
        "/credential/key/origin",
        "expected scheme://host[:port] such as https://example.com, found \"api.example.com\": \
         relative URL without a base",
    );
}

#[test]
fn plain_http_to_another_machine_must_be_meant() {
    let plain = |egress: &str| {
        with(
            "allow = [\"https://other.example.com\"]",
            &format!("allow = [\"http://other.example.com\"]\n{egress}"),
        )
    };
    expect(
        &plain(""),
        "/egress/allow/0",
        "expected https, found \"http://other.example.com\"; if requests may be read and changed \
         on the way, add it to egress.insecure",
    );
    assert_eq!(plain("insecure = [\"http://other.example.com\"]"), []);
}

#[test]
fn an_address_that_is_not_public_must_be_meant() {
    for (origin, address) in [
        ("http://localhost:8080", "127.0.0.1"),
        ("http://127.0.0.1:8080", "127.0.0.1"),
        ("https://10.1.2.3", "10.1.2.3"),
        ("https://[::1]", "::1"),
    ] {
        let allow = format!("allow = [\"{origin}\"]");
        expect(
            &with("allow = [\"https://other.example.com\"]", &allow),
            "/egress/allow/0",
            &format!(
                "{address} is not a public address; if it is meant, add its network to \
                 egress.private"
            ),
        );
        let private = format!("{allow}\nprivate = [\"127.0.0.0/8\", \"10.0.0.0/8\", \"::1\"]");
        assert_eq!(
            with("allow = [\"https://other.example.com\"]", &private),
            []
        );
    }
}

#[test]
fn tokens_are_fetched_where_they_are_used_or_where_it_is_allowed() {
    let elsewhere = |origin: &str| {
        with(
            "token-url = \"https://snow.example.com/oauth_token.do\"",
            &format!("token-url = \"{origin}/oauth_token.do\""),
        )
    };
    expect(
        &elsewhere("https://login.example.com"),
        "/credential/snow/token-url",
        "https://login.example.com is not the credential's origin; add it to egress.allow if \
         tokens are fetched there",
    );
    assert_eq!(elsewhere("https://other.example.com"), []);
    expect(
        &elsewhere("snow.example.com"),
        "/credential/snow/token-url",
        "expected a URL such as https://example.com/oauth_token.do, found \
         \"snow.example.com/oauth_token.do\"",
    );
}

#[test]
fn a_destination_without_a_credential_is_in_the_list() {
    let mut needs = requirements();
    needs.destinations.push(Destination {
        origin: "https://othr.example.com".to_owned(),
        credential: None,
        purpose: "looks up".to_owned(),
    });
    let settings: Settings = toml::from_str(SETTINGS).unwrap();
    let problems = Policy::build(&settings, "test", &needs, &resolve)
        .err()
        .unwrap();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].pointer, "/egress/allow");
    assert_eq!(
        problems[0].message,
        "the plugin wants to reach https://othr.example.com (looks up), which is not allowed; add \
         \"https://othr.example.com\"; did you mean \"https://other.example.com\"?"
    );
}

#[test]
fn every_problem_is_told_at_once() {
    let bad = SETTINGS
        .replace("https://other.example.com", "other")
        .replace("https://snow.example.com\"", "ftp://snow\"")
        + "\n[limits]\neffects = 0\nfailures = 0";
    let pointers: Vec<String> = problems(&bad)
        .into_iter()
        .map(|(pointer, _)| pointer)
        .collect();
    assert_eq!(
        pointers,
        [
            "/egress/allow/0",
            "/credential/snow/origin",
            "/limits/effects",
            "/limits/failures"
        ]
    );
}

#[test]
fn a_name_that_is_not_known_is_refused_when_the_document_is_read() {
    for bad in [
        "[egress]\nallowed = []",
        "[limits]\neffect = 1",
        "[[webhook]]\npath = \"/hook\"\ntokens = []",
        "[credential.a]\nkind = \"basic\"\norigin = \"https://a\"\nuser = { env = \"A\" }\npassword = { env = \"B\" }\nname = \"x\"",
        "[credential.a]\nkind = \"digest\"",
        "[credential.a]\nkind = \"bearer\"\norigin = \"https://a\"\ntoken = \"in the clear\"",
        "[credential.a]\nkind = \"bearer\"\norigin = \"https://a\"\ntoken = { env = \"A\", file = \"b\" }",
    ] {
        assert!(toml::from_str::<Settings>(bad).is_err(), "{bad}");
    }
}
