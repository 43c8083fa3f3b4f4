//! What is answered to whoever may be anybody: it costs next to nothing.

use crate::application::Build;
use crate::application::MEMORY;
use crate::application::application;
use crate::application::load;
use crate::contract::probe;
use crate::postgres::Postgres;
use crate::waiting;
use conformance::OPERATOR_TOKEN;
use conformance::WEBHOOK_TOKEN;
use conformance::site::FarEnds;
use conformance::site::PATIENCE;
use conformance::wire;
use spin_like::server::Server;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use tokio::net::TcpListener;

async fn answered(server: &Server, method: &str, path: &str, token: &str) -> (u16, String) {
    let url = format!("{}{path}", server.url());
    let answer = wire::send(method, &url, token, vec![], PATIENCE).await;
    let answer = answer.unwrap();
    (answer.status, answer.text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_whose_configuration_cannot_be_used_is_alive_and_not_ready() {
    for build in [Build::P2, Build::P3] {
        let nowhere = [
            "http://127.0.0.1:1".to_owned(),
            "http://127.0.0.1:2".to_owned(),
        ];
        let loaded = load(application(build, "no = toml = at all", nowhere, &[]));
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(&loaded, folder.path(), MEMORY).await.unwrap();
        let (status, text) = answered(&server, "GET", "/healthz", "").await;
        assert_eq!(
            (status, text.trim()),
            (200, "{\"alive\":true}"),
            "{build:?}"
        );
        for (method, path) in [("GET", "/readyz"), ("POST", "/healthz"), ("POST", "/tick")] {
            let (status, text) = answered(&server, method, path, "").await;
            assert_eq!(status, 503, "{build:?}: {method} {path}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_nobody_serves_costs_no_look_at_a_secret() {
    let configuration = "[[webhook]]\npath = \"/flashduty/demo\"\nbearer = [{ env = \"GONE\" }]\n";
    for build in [Build::P2, Build::P3] {
        let nowhere = [
            "http://127.0.0.1:1".to_owned(),
            "http://127.0.0.1:2".to_owned(),
        ];
        let loaded = load(application(build, configuration, nowhere, &[]));
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(&loaded, folder.path(), MEMORY).await.unwrap();
        for (method, path, expected) in [
            ("GET", "/favicon.ico", 404),
            ("POST", "/flashduty/demo/token", 404),
            // Whoever is to be served is told that one secret is missing.
            ("POST", "/flashduty/demo", 503),
            ("GET", "/readyz", 503),
        ] {
            let (status, text) = answered(&server, method, path, "").await;
            assert_eq!(status, expected, "{build:?}: {method} {path}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_token_costs_no_look_at_the_store() {
    // In the place of a database, and counts who looks at it.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let database = format!("postgres://sync@{}/sync", listener.local_addr().unwrap());
    let looks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&looks);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let far_ends = FarEnds::somewhere().await.unwrap();
    for build in [Build::P2, Build::P3] {
        let loaded = probe(build, &far_ends, Some(&database));
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(&loaded, folder.path(), MEMORY).await.unwrap();
        for (method, path, token, expected) in [
            ("GET", "/healthz", "", 200),
            ("POST", "/healthz", "", 405),
            ("POST", "/readyz", "", 405),
            ("GET", "/status", "", 401),
            ("GET", "/status", WEBHOOK_TOKEN, 401),
            ("POST", "/work/a/release", WEBHOOK_TOKEN, 401),
            ("GET", "/plugin/a", "", 401),
            ("POST", "/tick", "", 401),
            ("POST", "/status", OPERATOR_TOKEN, 405),
        ] {
            let (status, text) = answered(&server, method, path, token).await;
            let what = format!("{build:?}: {method} {path} with {token:?}: {text}");
            assert_eq!(status, expected, "{what}");
            assert_eq!(looks.swap(0, Ordering::SeqCst), 0, "{what}");
        }
        assert_eq!(
            answered(&server, "GET", "/status", OPERATOR_TOKEN).await.0,
            503
        );
        assert_ne!(looks.swap(0, Ordering::SeqCst), 0, "{build:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn to_be_ready_costs_the_same_however_much_is_to_be_done() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    let far_ends = FarEnds::somewhere().await.unwrap();
    for build in [Build::P2, Build::P3] {
        let loaded = probe(build, &far_ends, Some(&postgres.url()));
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(&loaded, folder.path(), MEMORY).await.unwrap();
        let cost = async || {
            let before = server.statements();
            let (status, text) = answered(&server, "GET", "/readyz", "").await;
            assert_eq!(status, 200, "{build:?}: {text}");
            server.at_rest().await;
            server.statements() - before
        };
        // This one creates the tables.
        cost().await;
        let without = cost().await;
        waiting::add(&postgres, 3000);
        assert_eq!(cost().await, without, "{build:?}");
        postgres.sql("DELETE FROM servicenow_sync_keys");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn work_of_a_newer_version_is_told_to_operators_and_to_nobody_else() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    let far_ends = FarEnds::somewhere().await.unwrap();
    for build in [Build::P2, Build::P3] {
        let loaded = probe(build, &far_ends, Some(&postgres.url()));
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(&loaded, folder.path(), MEMORY).await.unwrap();
        assert_eq!(answered(&server, "GET", "/readyz", "").await.0, 200);
        waiting::add(&postgres, 1);
        postgres.sql(
            "UPDATE servicenow_sync_keys SET value = convert_to('{\"schema\":99}', 'UTF8') \
             WHERE key = 'g.work.other.1'",
        );
        for (method, path) in [("GET", "/status"), ("GET", "/metrics"), ("POST", "/tick")] {
            let (status, text) = answered(&server, method, path, OPERATOR_TOKEN).await;
            assert_eq!(status, 503, "{build:?}: {path}: {text}");
            assert!(text.contains("work \\\"other.1\\\": "), "{path}: {text}");
        }
        let (status, text) = answered(&server, "GET", "/readyz", "").await;
        assert_eq!(status, 503, "{build:?}: {text}");
        assert!(!text.contains("other"), "{text}");
        postgres.sql("DELETE FROM servicenow_sync_keys");
    }
}
