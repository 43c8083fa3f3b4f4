//! What an operator sees and can do, and who counts as one.

use crate::scene::*;
use integration_gateway::Incoming;
use integration_gateway::Store as _;
use integration_gateway::contract::*;

fn ask(method: &str, target: &str, token: Option<&str>) -> Incoming {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Incoming {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: token
            .map(|token| ("Authorization".to_owned(), format!("Bearer {token}")))
            .into_iter()
            .collect(),
        body: Vec::new(),
    }
}

async fn operate(scene: &Scene, method: &str, target: &str) -> (u16, String) {
    let response = scene
        .gateway
        .operate(ask(method, target, Some("CANARY_ADMIN")))
        .await;
    (response.status, String::from_utf8(response.body).unwrap())
}

#[tokio::test]
async fn everything_but_the_health_checks_wants_a_token() {
    let scene = Scene::new();
    for (method, target) in [
        ("GET", "/metrics"),
        ("GET", "/status"),
        ("GET", "/work"),
        ("POST", "/work/pair/release"),
        ("POST", "/work/pair/drop"),
        ("GET", "/"),
        ("GET", "/nothing"),
        ("GET", "/healthz/"),
    ] {
        for token in [None, Some("WRONG"), Some("")] {
            let response = scene.gateway.operate(ask(method, target, token)).await;
            assert_eq!(response.status, 401, "{target}");
            assert_eq!(
                String::from_utf8(response.body).unwrap(),
                "{\"error\":\"expected the header authorization: Bearer <token>, with the token \
                 of admin.token in the gateway's settings\"}\n"
            );
        }
    }
    let health = scene.gateway.operate(ask("GET", "/healthz", None)).await;
    assert_eq!(health.status, 200);
}

#[tokio::test]
async fn without_a_configured_token_none_opens_it() {
    let settings = SETTINGS.replace("token = [{ env = \"CANARY_ADMIN\" }]", "");
    let scene = Scene::with_settings(&settings);
    for token in [None, Some("")] {
        let response = scene.gateway.operate(ask("GET", "/work", token)).await;
        assert_eq!(response.status, 401);
        assert_eq!(
            String::from_utf8(response.body).unwrap(),
            "{\"error\":\"no token opens this; set admin.token in the gateway's settings\"}\n"
        );
    }
}

#[tokio::test]
async fn it_is_ready_when_the_store_answers_and_work_can_be_read() {
    let scene = Scene::new();
    let ready = async || {
        scene
            .gateway
            .operate(ask("GET", "/readyz", None))
            .await
            .status
    };
    assert_eq!(ready().await, 200);
    let newer = write("g.work.a", r#"{"schema":99}"#);
    let Effect::Write(newer) = newer else {
        unreachable!()
    };
    scene.store.write(newer.clone()).await.unwrap().unwrap();
    assert_eq!(ready().await, 503);
    let gone = Write {
        precondition: Precondition::Revision(1),
        value: None,
        ..newer.clone()
    };
    scene.store.write(gone).await.unwrap().unwrap();
    scene.gateway.recover().await.unwrap();
    assert_eq!(ready().await, 200);
    // It could read all of them, and leaves alone what comes later.
    scene.store.write(newer).await.unwrap().unwrap();
    assert_eq!(ready().await, 200);
    scene.store.breaks();
    assert_eq!(ready().await, 503);
    let health = scene.gateway.operate(ask("GET", "/healthz", None)).await;
    assert_eq!(health.status, 200);
}

#[tokio::test]
async fn parked_work_is_listed_with_its_reason_and_released() {
    let scene = Scene::new();
    scene.schedule("pair", 0, "event").await;
    scene.plugin.next(vec![vec![finish(Verdict::Park(
        "no such group".to_owned(),
    ))]]);
    scene.run_all().await;
    scene.schedule("soon", NOW + 1, "event").await;
    let listed = "{\"work\":[\
        {\"key\":\"pair\",\"state\":\"parked\",\"due_ms\":1700000000000,\"attempt\":0,\"reasons\":[\"event\"],\
        \"last_failure\":\"no such group\",\"parked_reason\":\"no such group\",\
        \"parked_since_ms\":1700000000000},\
        {\"key\":\"soon\",\"state\":\"waiting\",\"due_ms\":1700000000001,\"attempt\":0,\
        \"reasons\":[\"event\"]}]}\n";
    assert_eq!(
        operate(&scene, "GET", "/work").await,
        (200, listed.to_owned())
    );
    let (_, behind) = operate(&scene, "GET", "/work?after=pair").await;
    assert!(
        behind.starts_with("{\"work\":[{\"key\":\"soon\""),
        "{behind}"
    );
    assert_eq!(
        operate(&scene, "POST", "/work/pair/release").await,
        (200, "{\"released\":\"pair\"}\n".to_owned())
    );
    assert_eq!(operate(&scene, "POST", "/work/pair/release").await.0, 404);
    assert_eq!(scene.run_all().await, 1);
}

#[tokio::test]
async fn parked_work_is_dropped() {
    let scene = Scene::new();
    scene.schedule("pair", 0, "event").await;
    scene.plugin.next(vec![vec![finish(Verdict::Park(
        "no such group".to_owned(),
    ))]]);
    scene.run_all().await;
    assert_eq!(
        operate(&scene, "POST", "/work/pair/drop").await,
        (200, "{\"dropped\":\"pair\"}\n".to_owned())
    );
    let none = "{\"error\":\"no parked work has the key \\\"pair\\\"; GET /work lists what is \
                there\"}\n";
    for order in ["drop", "release"] {
        let answer = operate(&scene, "POST", &format!("/work/pair/{order}")).await;
        assert_eq!(answer, (404, none.to_owned()));
    }
    assert_eq!(scene.store.keys().await, [""; 0]);
}

#[tokio::test]
async fn each_resource_has_one_method() {
    let scene = Scene::new();
    for (method, target, status) in [
        ("POST", "/work", 405),
        ("GET", "/work/pair/release", 405),
        ("GET", "/work/pair/drop", 405),
        ("DELETE", "/work/pair", 404),
        ("GET", "/nothing", 404),
        ("GET", "/status", 200),
    ] {
        assert_eq!(
            operate(&scene, method, target).await.0,
            status,
            "{method} {target}"
        );
    }
}

#[tokio::test]
async fn metrics_tell_what_happened_with_labels_that_strangers_cannot_make_up() {
    let scene = Scene::new();
    scene.far.next(Ok(Response {
        headers: vec![("retry-after".to_owned(), "60".to_owned())],
        ..response(429)
    }));
    scene
        .exchange(vec![
            get("https://api.example.com/", Some("key")),
            get("https://api.example.com/", Some("key")),
            get("https://made-up.example.com/", None),
        ])
        .await;
    let mut stranger = webhook(&[]);
    stranger.path = "/made-up".to_owned();
    scene.receive(stranger).await;
    scene.receive(webhook(&[])).await;
    scene.schedule("pair", 0, "event").await;
    let (status, text) = operate(&scene, "GET", "/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "gateway_webhooks_total{path=\"/hook\",outcome=\"accepted\"} 2",
        "gateway_webhooks_total{path=\"/hook\",outcome=\"unproven\"} 1",
        "gateway_webhooks_total{path=\"unknown\",outcome=\"unknown_route\"} 1",
        "gateway_http_requests_total{origin=\"https://api.example.com\",outcome=\"429\"} 1",
        "gateway_http_requests_total{origin=\"https://api.example.com\",outcome=\"held\"} 1",
        "gateway_http_requests_total{origin=\"not allowed\",outcome=\"refused\"} 1",
        "gateway_sessions_total{kind=\"work\",verdict=\"done\"} 1",
        "gateway_work_items{state=\"due\"} 1",
        "gateway_work_items{state=\"parked\"} 0",
        "gateway_gates_closed{origin=\"https://api.example.com\",why=\"limited\"} 1",
        "gateway_gates_closed{origin=\"https://api.example.com\",why=\"rejected\"} 0",
        "gateway_gates_closed{origin=\"https://other.example.com\",why=\"limited\"} 0",
        "gateway_webhook_answer_seconds_count 4",
    ] {
        assert!(text.contains(line), "expected {line} in\n{text}");
    }
    assert!(!text.contains("made-up"), "{text}");
}

#[tokio::test]
async fn an_operators_request_to_the_plugin_reaches_it_without_the_token() {
    let scene = Scene::new();
    let mut request = ask("POST", "/plugin/prod/sync?now=1", Some("CANARY_ADMIN"));
    request.body = b"{}".to_vec();
    request
        .headers
        .push(("Content-Type".into(), "application/json".into()));
    scene.plugin.next_request(vec![vec![respond(202)]]);
    assert_eq!(scene.gateway.operate(request).await.status, 202);
    let inputs = scene.plugin.inputs.lock().unwrap();
    let [Input::Operator(seen)] = &inputs[..] else {
        panic!("{inputs:?}")
    };
    assert_eq!(
        (seen.path.as_str(), seen.query.as_str()),
        ("/prod/sync", "now=1")
    );
    assert_eq!(
        seen.headers,
        [("content-type".to_owned(), "application/json".to_owned())]
    );
    assert_eq!(seen.body, b"{}");
}

#[tokio::test]
async fn nobody_else_reaches_the_plugin_that_way() {
    let scene = Scene::new();
    let response = scene
        .gateway
        .operate(ask("POST", "/plugin/prod/sync", None))
        .await;
    assert_eq!(response.status, 401);
    let mut incoming = webhook(&[("authorization", "Bearer HOOK_NEW")]);
    incoming.path = "/prod/sync".to_owned();
    assert_eq!(scene.receive(incoming).await.status, 404);
    assert!(scene.plugin.inputs.lock().unwrap().is_empty());
}
