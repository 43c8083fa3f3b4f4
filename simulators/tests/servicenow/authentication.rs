//! Basic authentication and its restriction, OAuth, API keys, rate limits.

use serde_json::Value;
use serde_json::json;
use simulators::servicenow::Options;

use crate::desk::ABEL;
use crate::desk::ADMIN;
use crate::desk::Answer;
use crate::desk::Desk;

fn token_request(desk: &mut Desk, form: &str) -> Answer {
    let kind = "application/x-www-form-urlencoded".to_owned();
    desk.headers = vec![("content-type".to_owned(), kind)];
    desk.send("POST", "/oauth_token.do", form)
}

const CLIENT: &str = "client_id=flashduty-client&client_secret=flashduty-client-secret";

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn a_wrong_password_is_told_in_the_words_of_an_instance() {
    let mut desk = Desk::new(Options::default());
    desk.sit_down("Basic Zmxhc2hkdXR5Ondyb25n");
    let answer = desk.get("incident");
    let detail = Some("Required to provide Auth information");
    answer.assert_refused(401, "User Not Authenticated", detail);
    assert_eq!(
        answer.header("www-authenticate"),
        Some("BASIC realm=\"Service-now\"")
    );
    desk.headers.clear();
    assert_eq!(desk.get("incident").status, 401);
}

#[test]
fn a_locked_or_inactive_user_is_refused() {
    for (column, value) in [("locked_out", "true"), ("active", "false")] {
        let mut desk = Desk::new(Options::default());
        assert_eq!(desk.get("incident").status, 200);
        desk.snow
            .set_user_field("flashduty", column, value, desk.now_ms);
        assert_eq!(desk.get("incident").status, 401, "{column}");
    }
}

#[test]
fn the_restriction_of_basic_authentication_spares_machines_and_one_role() {
    let mut desk = Desk::new(Options {
        basic_auth_restriction: true,
        ..Options::default()
    });
    assert_eq!(desk.get("incident").status, 401);
    desk.snow
        .set_roles("flashduty", &["itil", "snc_basic_auth_api_access"]);
    assert_eq!(desk.get("incident").status, 200);
    desk.snow.set_roles("flashduty", &["itil"]);
    let now_ms = desk.now_ms;
    desk.snow
        .set_user_field("flashduty", "web_service_access_only", "true", now_ms);
    assert_eq!(desk.get("incident").status, 200);
    desk.sit_down(ADMIN);
    assert_eq!(desk.get("incident").status, 401);
}

#[test]
fn an_api_key_acts_as_its_user() {
    let mut desk = Desk::new(Options::default());
    desk.headers = vec![("x-sn-apikey".to_owned(), "flashduty-api-key".to_owned())];
    desk.create("{}");
    assert_eq!(desk.get("incident").column("sys_created_by"), ["flashduty"]);
    desk.headers[0].1.push('x');
    assert_eq!(desk.get("incident").status, 401);
}

#[test]
fn a_token_is_the_same_until_it_expires() {
    let mut desk = Desk::new(Options::default());
    let form = format!("grant_type=client_credentials&{CLIENT}");
    let first = token_request(&mut desk, &form).json();
    assert_eq!(first["expires_in"], 1799);
    assert_eq!(first["token_type"], "Bearer");
    assert!(first.get("refresh_token").is_none());
    desk.wait_ms(600_000);
    let second = token_request(&mut desk, &form).json();
    assert_eq!(second["access_token"], first["access_token"]);
    assert_eq!(second["expires_in"], 1199);
    desk.sit_down(&format!("Bearer {}", text(&first["access_token"])));
    desk.wait_ms(1_199_999);
    assert_eq!(desk.get("incident").status, 200);
    desk.wait_ms(1);
    assert_eq!(desk.get("incident").status, 401);
    let third = token_request(&mut desk, &form).json();
    assert_ne!(third["access_token"], first["access_token"]);
}

#[test]
fn a_refresh_makes_a_new_token() {
    let mut desk = Desk::new(Options::default());
    let form = format!("grant_type=password&{CLIENT}&username=abel.tuter&password=people-password");
    let first = token_request(&mut desk, &form).json();
    let refresh = text(&first["refresh_token"]);
    let form = format!("grant_type=refresh_token&{CLIENT}&refresh_token={refresh}");
    let second = token_request(&mut desk, &form).json();
    assert_ne!(second["access_token"], first["access_token"]);
    desk.sit_down(&format!("Bearer {}", text(&second["access_token"])));
    desk.create("{}");
    assert_eq!(
        desk.get("incident").column("sys_created_by"),
        ["abel.tuter"]
    );
    desk.snow.revoke_tokens();
    assert_eq!(desk.get("incident").status, 401);
    assert_eq!(token_request(&mut desk, &form).status, 401);
}

#[test]
fn every_bad_token_request_is_refused_alike() {
    let mut desk = Desk::new(Options::default());
    let good = format!("grant_type=client_credentials&{CLIENT}");
    let denied = json!({"error_description": "access_denied", "error": "server_error"});
    for form in [
        "grant_type=client_credentials&client_id=flashduty-client&client_secret=wrong".to_owned(),
        format!("grant_type=password&{CLIENT}&username=abel.tuter&password=wrong"),
        format!("grant_type=refresh_token&{CLIENT}&refresh_token=wrong"),
        format!("grant_type=magic&{CLIENT}"),
    ] {
        let answer = token_request(&mut desk, &form);
        assert_eq!(
            (answer.status, answer.json()),
            (401, denied.clone()),
            "{form}"
        );
    }
    let in_url = desk.send("POST", &format!("/oauth_token.do?{good}"), "");
    assert_eq!(in_url.status, 401);
    desk.headers[0].1 = "application/json".to_owned();
    let as_json = r#"{"grant_type":"client_credentials"}"#;
    assert_eq!(desk.send("POST", "/oauth_token.do", as_json).status, 401);
    desk.headers[0].1 = "application/x-www-form-urlencoded".to_owned();
    assert_eq!(desk.send("POST", "/oauth_token.do", &good).status, 200);
    desk.headers
        .push(("cookie".to_owned(), "JSESSIONID=1".to_owned()));
    assert_eq!(desk.send("POST", "/oauth_token.do", &good).status, 401);
}

#[test]
fn a_rate_limit_counts_each_user_by_the_hour() {
    let mut desk = Desk::new(Options {
        rate_limit_per_hour: Some(2),
        ..Options::default()
    });
    assert_eq!(desk.get("incident").header("x-ratelimit-limit"), Some("2"));
    desk.wait_ms(1_000_000);
    assert_eq!(desk.get("incident").status, 200);
    let refused = desk.get("incident");
    let detail = Some("Rate limit of 2 requests per hour for Table API exceeded");
    refused.assert_refused(429, "Rate limit exceeded", detail);
    assert_eq!(refused.header("retry-after"), Some("2600"));
    assert_eq!(refused.header("x-ratelimit-reset"), Some("1772445600"));
    desk.sit_down(ABEL);
    assert_eq!(desk.get("incident").status, 200);
    desk.sit_down(crate::desk::FLASHDUTY);
    desk.wait_ms(2_600_000);
    assert_eq!(desk.get("incident").status, 200);
}

#[test]
fn a_password_that_needs_reset_or_a_second_factor_is_refused_like_a_wrong_one() {
    for (column, header) in [
        ("password_needs_reset", None),
        ("enable_multifactor_authn", Some("invalid")),
    ] {
        let mut desk = Desk::new(Options::default());
        desk.snow
            .set_user_field("flashduty", column, "true", desk.now_ms);
        let answer = desk.get("incident");
        let detail = Some("Required to provide Auth information");
        answer.assert_refused(401, "User Not Authenticated", detail);
        assert_eq!(answer.header("x-mfa_token"), header, "{column}");
    }
}

#[test]
fn the_restriction_may_not_spare_machines_either() {
    let mut desk = Desk::new(Options {
        basic_auth_restriction: true,
        restriction_spares_machines: false,
        web_service_access_only: true,
        ..Options::default()
    });
    assert_eq!(desk.get("incident").status, 401);
    desk.headers = vec![("x-sn-apikey".to_owned(), "flashduty-api-key".to_owned())];
    assert_eq!(desk.get("incident").status, 200);
}

#[test]
fn a_client_that_is_bound_to_applications_may_not_use_the_table_api() {
    let mut desk = Desk::new(Options::default());
    desk.snow.options_mut().oauth_clients[0].broadly_scoped = false;
    let form = format!("grant_type=client_credentials&{CLIENT}");
    let token = token_request(&mut desk, &form).json();
    desk.sit_down(&format!("Bearer {}", text(&token["access_token"])));
    desk.get("incident").assert_refused(
        403,
        "User Not Authorized",
        Some("Access to unscoped api is not allowed"),
    );
    desk.snow.options_mut().oauth_clients[0].broadly_scoped = true;
    assert_eq!(desk.get("incident").status, 200);
}
