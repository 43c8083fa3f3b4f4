//! Requests of the plugin go only where the operator allows, carry a
//! credential only to its origin, and are held back while a far end does not
//! want any.

use crate::scene::*;
use integration_gateway::Environment;
use integration_gateway::SendFailure;
use integration_gateway::contract::*;

const API: &str = "https://api.example.com/incident/list";
const SNOW: &str = "https://snow.example.com/api/now/table/incident";

async fn one(scene: &Scene, request: HttpRequest) -> Result<Response, HttpFailure> {
    scene.exchange(vec![request]).await.remove(0)
}

fn held_ms(result: &Result<Response, HttpFailure>) -> u64 {
    match result {
        Err(HttpFailure::Held(hold)) => hold.until_ms - NOW,
        other => panic!("expected to be held, found {other:?}"),
    }
}

fn with_header(status: u16, name: &str, value: &str) -> Response {
    Response {
        headers: vec![(name.to_owned(), value.to_owned())],
        ..response(status)
    }
}

#[tokio::test]
async fn a_credential_is_attached_at_its_origin() {
    let scene = Scene::new();
    let result = one(&scene, get(API, Some("key"))).await;
    assert_eq!(result.unwrap().status, 200);
    let sent = scene.far.take_sent();
    assert_eq!(sent[0].url, format!("{API}?app_key=CANARY_KEY"));
}

#[tokio::test]
async fn a_credential_is_never_attached_to_another_origin() {
    let scene = Scene::new();
    for url in [
        "https://other.example.com/",
        "https://snow.example.com/",
        "https://api.example.com:8443/",
        "http://api.example.com/",
        "https://api.example.com.evil.test/",
        "https://evil.test/",
    ] {
        let result = one(&scene, get(url, Some("key"))).await;
        assert!(matches!(result, Err(HttpFailure::Refused(_))), "{url}");
    }
    assert_eq!(
        one(&scene, get("https://other.example.com/", Some("key"))).await,
        Err(HttpFailure::Refused(
            "the credential \"key\" is bound to https://api.example.com, not to \
             https://other.example.com"
                .to_owned()
        ))
    );
    assert_eq!(
        one(&scene, get("https://api.example.com/", Some("kye"))).await,
        Err(HttpFailure::Refused(
            "there is no credential \"kye\"; add it to the gateway's settings; did you mean \
             \"key\"?"
                .to_owned()
        ))
    );
    assert_eq!(scene.far.take_sent().len(), 0);
}

#[tokio::test]
async fn a_request_may_go_to_an_allowed_origin_without_a_credential() {
    let scene = Scene::new();
    let result = one(&scene, get("https://other.example.com/x?y=z", None)).await;
    assert!(result.is_ok());
    let sent = scene.far.take_sent();
    assert_eq!(sent[0].url, "https://other.example.com/x?y=z");
    assert_eq!(sent[0].headers, []);
}

#[tokio::test]
async fn a_rate_limit_holds_requests_back_and_is_told_as_the_answer_it_is() {
    let scene = Scene::new();
    scene.far.next(Ok(with_header(429, "retry-after", "5")));
    let results = scene.exchange(vec![get(API, Some("key")); 3]).await;
    assert_eq!(results[0].as_ref().unwrap().status, 429);
    assert_eq!(held_ms(&results[1]), 5000);
    assert_eq!(held_ms(&results[2]), 5000);
    assert_eq!(scene.far.take_sent().len(), 1);
    assert_eq!(scene.gateway.status().closed_gates.len(), 1);

    scene.clock.advance(5000);
    assert!(one(&scene, get(API, Some("key"))).await.is_ok());
    assert_eq!(scene.gateway.status().closed_gates, []);
}

#[tokio::test]
async fn a_held_origin_holds_back_no_other() {
    let scene = Scene::new();
    scene.far.next(Ok(with_header(429, "retry-after", "5")));
    let results = scene
        .exchange(vec![
            get(API, Some("key")),
            get("https://other.example.com/", None),
        ])
        .await;
    assert_eq!(results[1].as_ref().unwrap().status, 200);
}

/// One request of each of so many pieces of work.
async fn each_of(scene: &Scene, count: usize) {
    for n in 0..count {
        scene.schedule(&format!("pair-{n}"), 0, "event").await;
        let request = Effect::Http(get(API, Some("key")));
        let steps = vec![vec![request], vec![finish(Verdict::Done)]];
        scene.plugin.next(steps);
        scene.run_all().await;
    }
}

fn reason(scene: &Scene) -> String {
    let mut closed = scene.gateway.status().closed_gates;
    assert_eq!(closed.len(), 1, "{closed:?}");
    closed.remove(0).reason
}

#[tokio::test]
async fn five_pieces_of_work_that_fail_close_the_gate_and_one_probe_opens_it() {
    let scene = Scene::new();
    scene.far.next_status(503);
    let unreachable = SendFailure::Unreachable("refused".to_owned());
    scene.far.next(Err(unreachable));
    let unknown = SendFailure::Unknown("cut off".to_owned());
    scene.far.next(Err(unknown));
    scene.far.next_status(500);
    scene.far.next_status(502);
    each_of(&scene, 5).await;
    assert_eq!(
        reason(&scene),
        "the far end fails again and again; the last time: it answered 502"
    );
    assert_eq!(held_ms(&one(&scene, get(API, Some("key"))).await), 30_000);
    scene.clock.advance(30_000);
    let results = scene.exchange(vec![get(API, Some("key")); 2]).await;
    assert!(results.iter().all(Result::is_ok));
}

#[tokio::test]
async fn one_record_that_always_fails_holds_up_nothing_else() {
    let scene = Scene::new();
    scene.far.always(response(500));
    let results = scene.exchange(vec![get(API, Some("key")); 20]).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(scene.gateway.status().closed_gates, []);
}

#[tokio::test]
async fn pages_and_redirects_are_failures_with_a_remedy_in_the_reason() {
    let page = with_header(200, "content-type", "text/html; charset=utf-8");
    let redirect = with_header(302, "location", "https://login.example.com/?back=CANARY");
    // The secret of the credential, wherever it stands.
    let relative = with_header(307, "location", "/CANARY_KEY/login?app_key=CANARY_KEY");
    for (answer, remedy) in [
        (
            page,
            "it answered 200 with a page (text/html), as log-in pages",
        ),
        (
            redirect,
            "it answered 302, a redirect to https://login.example.com/",
        ),
        (relative, "it answered 307, a redirect to /"),
    ] {
        let scene = Scene::new();
        scene.far.always(answer);
        each_of(&scene, 5).await;
        let reason = reason(&scene);
        assert!(reason.contains(remedy), "{reason}");
        assert!(!reason.contains("CANARY"), "{reason}");
    }
}

#[tokio::test]
async fn where_a_redirect_leads_is_told_in_one_short_line() {
    for harm in ["\u{202e}", "\u{2028}", "\u{85}", "\u{9b}31m"] {
        let place = format!("/evil{harm}{}", "a".repeat(60_000));
        let scene = Scene::new();
        scene.far.always(with_header(302, "location", &place));
        each_of(&scene, 5).await;
        let reason = reason(&scene);
        assert!(reason.contains("a redirect to /evil "), "{reason}");
        assert!(!reason.contains(harm), "{reason:?}");
        assert!(reason.chars().count() < 400, "{reason}");
    }
}

#[tokio::test]
async fn a_page_that_was_asked_for_is_no_failure() {
    let scene = Scene::new();
    let page = with_header(200, "content-type", "text/html");
    scene.far.always(page);
    let mut request = get(API, Some("key"));
    request.headers = vec![("accept".to_owned(), "text/html".to_owned())];
    for n in 0..6 {
        scene.schedule(&format!("pair-{n}"), 0, "event").await;
        let steps = vec![vec![Effect::Http(request.clone())]];
        scene.plugin.next(steps);
        scene.gateway.run_next().await;
    }
    assert_eq!(scene.gateway.status().closed_gates, []);
}

#[tokio::test]
async fn rights_that_are_gone_for_everything_hold_the_rest_back() {
    let scene = Scene::new();
    scene.far.always(response(403));
    each_of(&scene, 5).await;
    let closed = scene.gateway.status().closed_gates;
    assert_eq!(closed[0].why, "forbidden");
    // One record that nobody may see is that record's trouble.
    let scene = Scene::new();
    for _ in 0..5 {
        scene.far.next_status(403);
        scene.far.next_status(200);
        each_of(&scene, 2).await;
    }
    assert_eq!(scene.gateway.status().closed_gates, []);
}

#[tokio::test]
async fn a_far_end_that_is_unavailable_and_says_until_when_is_obeyed_at_once() {
    let scene = Scene::new();
    scene.far.next(Ok(with_header(503, "retry-after", "3600")));
    let results = scene.exchange(vec![get(API, Some("key")); 2]).await;
    assert_eq!(results[0].as_ref().unwrap().status, 503);
    assert_eq!(held_ms(&results[1]), 3_600_000);
    // Some tell with every answer when the quota is full again.
    let scene = Scene::new();
    scene
        .far
        .next(Ok(with_header(503, "x-ratelimit-reset", "3600")));
    let results = scene.exchange(vec![get(API, Some("key")); 2]).await;
    assert_eq!(results[0].as_ref().unwrap().status, 503);
    assert_eq!(results[1].as_ref().unwrap().status, 200);
}

#[tokio::test]
async fn however_absurd_the_time_the_wait_is_a_second_to_two_hours() {
    for (name, value, expected) in [
        ("retry-after", "0", 1000),
        ("retry-after", "Tue, 14 Nov 1995 22:13:20 GMT", 1000),
        ("retry-after", "7200", 7_200_000),
        ("retry-after", "18446744073709551615", 7_200_000),
        ("x-ratelimit-reset", "1", 1000),
        ("x-ratelimit-reset", "99999999999", 7_200_000),
    ] {
        let scene = Scene::new();
        scene.far.next(Ok(with_header(429, name, value)));
        let results = scene.exchange(vec![get(API, Some("key")); 2]).await;
        assert_eq!(held_ms(&results[1]), expected, "{name}: {value}");
    }
}

#[tokio::test]
async fn only_one_request_goes_as_a_probe() {
    let scene = Scene::new();
    scene.far.next(Ok(with_header(429, "retry-after", "5")));
    one(&scene, get(API, Some("key"))).await.unwrap();
    scene.far.take_sent();
    scene.clock.advance(5000);
    scene.ask_together(&get(API, Some("key")), 4).await;
    assert_eq!(scene.far.take_sent().len(), 1);
}

#[tokio::test]
async fn oauth_fetches_one_token_for_all_and_keeps_it() {
    let scene = Scene::new();
    scene
        .far
        .next_json(r#"{"access_token":"CANARY_T1","expires_in":1800}"#);
    let together: Vec<Effect> = (0..4)
        .map(|_| Effect::Http(get(SNOW, Some("snow"))))
        .collect();
    scene.schedule("pair", 0, "event").await;
    scene
        .plugin
        .next(vec![together, vec![finish(Verdict::Done)]]);
    scene.run_all().await;
    let sent = scene.far.take_sent();
    assert_eq!(sent.len(), 5);
    assert_eq!(sent[0].url, "https://snow.example.com/oauth_token.do");
    assert_eq!(sent[0].method, "POST");
    assert_eq!(
        sent[0].header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(
        sent[0].body,
        "grant_type=password&username=CANARY_USER&password=CANARY_PASSWORD&client_id=CANARY_ID\
         &client_secret=CANARY_SECRET"
    );
    for request in &sent[1..] {
        assert_eq!(request.header("authorization"), Some("Bearer CANARY_T1"));
    }
    // Shortly before it expires, another is fetched.
    scene.clock.advance(1_769_999);
    one(&scene, get(SNOW, Some("snow"))).await.unwrap();
    assert_eq!(scene.far.take_sent().len(), 1);
    scene.clock.advance(1);
    scene
        .far
        .next_json(r#"{"access_token":"CANARY_T2","expires_in":1800}"#);
    one(&scene, get(SNOW, Some("snow"))).await.unwrap();
    let sent = scene.far.take_sent();
    assert_eq!(sent[1].header("authorization"), Some("Bearer CANARY_T2"));
}

#[tokio::test]
async fn a_401_refreshes_the_token_once_and_tries_again() {
    let scene = Scene::new();
    scene
        .far
        .next_json(r#"{"access_token":"CANARY_T1","expires_in":1800}"#);
    one(&scene, get(SNOW, Some("snow"))).await.unwrap();
    scene.far.take_sent();

    scene.far.next_status(401);
    scene
        .far
        .next_json(r#"{"access_token":"CANARY_T2","expires_in":1800}"#);
    scene.far.next_status(201);
    let result = one(&scene, get(SNOW, Some("snow"))).await;
    assert_eq!(result.unwrap().status, 201);
    let sent = scene.far.take_sent();
    assert_eq!(sent.len(), 3);
    assert_eq!(sent[2].header("authorization"), Some("Bearer CANARY_T2"));
    assert_eq!(scene.gateway.status().closed_gates, []);

    // Still 401 with a new token: told once, then held.
    scene.far.next_status(401);
    scene
        .far
        .next_json(r#"{"access_token":"CANARY_T3","expires_in":1800}"#);
    scene.far.next_status(401);
    let now = scene.clock.now_ms() - NOW;
    let results = scene.exchange(vec![get(SNOW, Some("snow")); 2]).await;
    assert_eq!(results[0].as_ref().unwrap().status, 401);
    assert_eq!(held_ms(&results[1]), now + 60_000);
    assert_eq!(scene.far.take_sent().len(), 3);
}

#[tokio::test]
async fn a_day_of_rejected_credentials_is_few_log_ins_and_no_attempt() {
    let scene = Scene::new();
    let day = NOW + 86_400_000;
    let mut calls = 0;
    while scene.clock.now_ms() < day {
        for _ in 0..4 {
            scene.far.next_status(401);
        }
        let result = one(&scene, get(SNOW, Some("snow"))).await;
        assert!(matches!(result, Err(HttpFailure::Held(_))));
        calls += scene.far.take_sent().len();
        scene.clock.advance(30_000);
    }
    assert!((100..=150).contains(&calls), "{calls} calls");
}

#[tokio::test]
async fn a_token_endpoint_that_fails_holds_the_request_back() {
    for (answer, reason) in [
        (
            Ok(response(400)),
            "no token for the credential \"snow\": the token endpoint answered 400",
        ),
        (
            Ok(response(503)),
            "no token for the credential \"snow\": the token endpoint answered 503",
        ),
        (
            Err(SendFailure::Unreachable(
                "cannot reach https://snow.example.com/?x=CANARY".to_owned(),
            )),
            "no token for the credential \"snow\": the token endpoint cannot reach \
             https://snow.example.com/",
        ),
    ] {
        let scene = Scene::new();
        scene.far.next(answer);
        match one(&scene, get(SNOW, Some("snow"))).await {
            Err(HttpFailure::Held(hold)) => {
                assert_eq!(hold.reason, reason);
                assert!(hold.until_ms >= NOW + 1000);
            }
            other => panic!("expected to be held, found {other:?}"),
        }
        assert_eq!(scene.far.take_sent().len(), 1);
    }
}

#[tokio::test]
async fn the_gateway_waits_no_longer_than_asked_and_allowed() {
    let scene = Scene::new();
    for (asked, expected) in [(0, 1), (5000, 5000), (u32::MAX, 90_000)] {
        let mut request = get(API, None);
        request.timeout_ms = asked;
        one(&scene, request).await.unwrap();
        assert_eq!(scene.far.take_sent()[0].timeout_ms, expected);
    }
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_unknown() {
    let settings = format!("{SETTINGS}\n[limits]\nresponse-bytes = 10");
    let scene = Scene::with_settings(&settings);
    scene.far.next(Ok(Response {
        body: vec![b' '; 11],
        ..response(200)
    }));
    assert_eq!(
        one(&scene, get(API, None)).await,
        Err(HttpFailure::Unknown(
            "the answer is longer than 10 bytes".to_owned()
        ))
    );
}

#[tokio::test]
async fn no_secret_comes_back_to_the_plugin_or_into_what_operators_see() {
    let scene = Scene::new();
    scene.far.next(Ok(with_header(
        302,
        "location",
        "/login?app_key=CANARY_KEY",
    )));
    scene.far.next(Err(SendFailure::Unknown(
        "timed out: https://api.example.com/?app_key=CANARY_KEY".to_owned(),
    )));
    scene.far.next(Err(SendFailure::Refused(
        "https://api.example.com/?app_key=CANARY_KEY is private".to_owned(),
    )));
    let results = scene.exchange(vec![get(API, Some("key")); 3]).await;
    assert_eq!(
        results[0].as_ref().unwrap().headers[0].1,
        "/login?app_key=[secret]"
    );
    for _ in 0..2 {
        scene.far.next_status(401);
    }
    let more = scene.exchange(vec![get(SNOW, Some("snow"))]).await;
    let text = format!(
        "{results:?} {more:?} {:?} {}",
        scene.gateway.status(),
        scene.gateway.metrics().encode()
    );
    assert!(!text.contains("CANARY"), "{text}");
}
