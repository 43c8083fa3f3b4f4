//! The operator's listener, for whoever is not the operator.

use integration_gateway::OPERATOR_ROUTES;
use servicenow_sync::Host;
use support::Setting;
use support::World;
use support::wire::bearer;
use support::world::ADMIN_TOKEN;
use support::world::FLASHDUTY_TOKEN;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Sends a request to the admin listener; returns the whole answer.
async fn ask(world: &World, method: &str, path: &str, headers: &[String]) -> String {
    let address = world.host.as_ref().map(Host::admin_addr).unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n{lines}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

/// A path and method for each route there is, and for some that there are not.
fn targets() -> Vec<(&'static str, String)> {
    let mut targets = Vec::new();
    for route in OPERATOR_ROUTES.iter().filter(|route| !route.is_open) {
        let path = route
            .path
            .replace("KEY", "sync.demo")
            .replace('…', "demo/status");
        let methods = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"];
        targets.extend(methods.map(|method| (method, path.clone())));
    }
    for path in [
        "/",
        "/nothing",
        "/healthz/",
        "//healthz",
        "/HEALTHZ",
        "/healthz/../work",
        "/%68ealthz",
        "/plugin",
        "/plugin/",
    ] {
        targets.push(("GET", path.to_owned()));
    }
    targets
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_that_there_is_wants_the_token_in_its_header() {
    let world = World::start(Setting::default()).await.unwrap();
    let right = bearer(ADMIN_TOKEN);
    let intruders = [
        vec![],
        vec![bearer("wrong")],
        vec![bearer("")],
        vec![bearer(FLASHDUTY_TOKEN)],
        vec![bearer(&ADMIN_TOKEN.to_uppercase())],
        vec![bearer(&format!("{ADMIN_TOKEN}x"))],
        vec![bearer(&ADMIN_TOKEN[1..])],
        vec![format!("authorization: Basic {ADMIN_TOKEN}")],
        vec![format!("authorization: {ADMIN_TOKEN}")],
        vec![format!("x-{right}")],
        // What a browser would send along by itself.
        vec![format!(
            "cookie: token={ADMIN_TOKEN}; authorization={ADMIN_TOKEN}"
        )],
        vec![
            "origin: http://127.0.0.1".to_owned(),
            "referer: http://127.0.0.1/".to_owned(),
        ],
    ];
    let mut told = Vec::new();
    for (method, path) in targets() {
        for headers in &intruders {
            let answer = ask(&world, method, &path, headers).await;
            assert_eq!(
                status(&answer),
                "401",
                "{method} {path} {headers:?}: {answer}"
            );
            told.push(answer);
        }
        for query in ["token", "access_token", "authorization"] {
            let path = format!("{path}?{query}={ADMIN_TOKEN}");
            let answer = ask(&world, method, &path, &[]).await;
            assert_eq!(status(&answer), "401", "{method} {path}: {answer}");
            told.push(answer);
        }
    }
    // All are told the same, so nobody learns what there is; and no cookie is
    // set and no other origin let in, so no page in a browser can ask for an
    // operator.
    for answer in told {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let is_expected = body.is_empty()
            || body.starts_with("{\"error\":\"expected the header authorization: Bearer <token>");
        assert!(is_expected, "{answer}");
        for header in ["set-cookie", "access-control-", "server:"] {
            assert!(!head.to_lowercase().contains(header), "{answer}");
        }
        assert!(!answer.contains(ADMIN_TOKEN), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_opens_to_the_token_by_its_method_alone() {
    let world = World::start(Setting::default()).await.unwrap();
    for route in OPERATOR_ROUTES {
        let path = route
            .path
            .replace("KEY", "sync.demo")
            .replace('…', "demo/status");
        let token = [bearer(ADMIN_TOKEN)];
        let proof = if route.is_open { &[][..] } else { &token };
        for method in ["GET", "POST", "DELETE"] {
            let answer = ask(&world, method, &path, proof).await;
            let is_method = route.method == "*" || route.method == method;
            assert_eq!(
                status(&answer) == "405",
                !is_method,
                "{method} {path}: {answer}"
            );
            assert_ne!(status(&answer), "401", "{method} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_a_stranger_a_word_and_nothing_else() {
    let world = World::start(Setting::default()).await.unwrap();
    for (path, body) in [
        ("/healthz", "{\"alive\":true}\n"),
        ("/readyz", "{\"ready\":true}\n"),
    ] {
        for query in ["", "?verbose", "?format=prometheus"] {
            let answer = ask(&world, "GET", &format!("{path}{query}"), &[]).await;
            assert_eq!(answer.split_once("\r\n\r\n").unwrap().1, body);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhooks_listener_serves_nothing_of_the_operators() {
    let world = World::start(Setting::default()).await.unwrap();
    for (method, path) in targets() {
        if method == "HEAD" {
            continue;
        }
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n{}\r\n\r\n",
            bearer(ADMIN_TOKEN)
        );
        let answer = world.raw(request.as_bytes()).await;
        assert_eq!(answer.status, 404, "{method} {path}: {answer:?}");
    }
}
