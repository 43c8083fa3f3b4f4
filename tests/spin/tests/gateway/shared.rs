//! Gateways of both kinds on one PostgreSQL database.

use crate::application::Build;
use crate::application::MEMORY;
use crate::application::dist;
use crate::contract::keep_the_contract;
use crate::contract::place;
use crate::contract::probe;
use crate::postgres::Postgres;
use crate::waiting;
use conformance::OPERATOR_TOKEN;
use conformance::WEBHOOK_TOKEN;
use conformance::site::FarEnds;
use conformance::site::PATIENCE;
use conformance::site::Place;
use conformance::site::SECRETS;
use conformance::wire;
use serde_json::json;
use servicenow_sync::Host;
use servicenow_sync::config::Draft;
use servicenow_sync::runtime::RuntimeOptions;
use servicenow_sync::runtime::WasmRuntime;
use spin_like::server::Loaded;
use spin_like::server::Server;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// Spin with each of the two builds, and our own gateway between them.
struct Three {
    spin: [Server; 2],
    host: Host,
}

impl Three {
    async fn start([p2, p3]: &[Loaded; 2], folder: &Path) -> anyhow::Result<Self> {
        let options = RuntimeOptions {
            cache_directory: Some(dist().join("cache")),
            ..RuntimeOptions::default()
        };
        let runtime = WasmRuntime::from_file(&dist().join("integration_probe.wasm"), &options)?;
        let config = Draft::read(&folder.join("sync.toml"))?.check(&runtime)?;
        Ok(Self {
            spin: [
                Server::start(p2, folder, MEMORY).await?,
                Server::start(p3, folder, MEMORY).await?,
            ],
            host: Host::start(config, runtime).await?,
        })
    }

    fn places(&self) -> Vec<Place> {
        let [one, two] = &self.spin;
        let host = Place {
            url: format!("http://{}", self.host.webhook_addr()),
            operator: format!("http://{}", self.host.admin_addr()),
            tick: None,
        };
        vec![place(one), host, place(two)]
    }
}

/// The files of our own gateway.
fn folder(far_ends: &FarEnds, store: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, secret) in SECRETS.into_iter().chain([("store", store)]) {
        fs::write(folder.path().join(name), secret).unwrap();
    }
    let text = format!(
        "server.listen = \"127.0.0.1:0\"\nadmin.listen = \"127.0.0.1:0\"\n\
         limits.lease-seconds = 5\nstore.url = {{ file = \"store\" }}\n{}",
        far_ends.configuration()
    );
    fs::write(folder.path().join("sync.toml"), text).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn spin_gateways_and_ours_keep_the_contract_together_on_one_database() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    let far_ends = FarEnds::somewhere().await.unwrap();
    let url = postgres.url();
    let loaded = [Build::P2, Build::P3].map(|build| probe(build, &far_ends, Some(&url)));
    let folder = folder(&far_ends, &url);
    let path = folder.path().to_owned();
    let start = move || {
        let (loaded, path) = (loaded.clone(), path.clone());
        async move {
            let three = Three::start(&loaded, &path).await?;
            let places = three.places();
            Ok((three, places))
        }
    };
    keep_the_contract(far_ends, Build::P3.except(), start).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_went_back_forgets_what_holds_only_while_nothing_is_lost() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    let far_ends = FarEnds::somewhere().await.unwrap();
    let keys = "SELECT string_agg(key, ' ' ORDER BY key) FROM servicenow_sync_keys \
        WHERE key IN ('p.pair', 'p.unbroken.since')";
    for build in [Build::P2, Build::P3] {
        let folder = tempfile::tempdir().unwrap();
        let loaded = probe(build, &far_ends, Some(&postgres.url()));
        let server = Server::start(&loaded, folder.path(), MEMORY).await.unwrap();
        let tick = place(&server).tick.unwrap();
        let uses_the_store = async || {
            let answer = wire::send("POST", &tick, OPERATOR_TOKEN, vec![], PATIENCE).await;
            assert_eq!(answer.unwrap().status, 200);
        };
        uses_the_store().await;
        postgres.sql(
            "INSERT INTO servicenow_sync_keys SELECT key, 'x', nextval('servicenow_sync_revision') \
             FROM unnest(ARRAY['p.pair', 'p.unbroken.since']) AS key ON CONFLICT DO NOTHING",
        );
        uses_the_store().await;
        assert_eq!(postgres.sql(keys), "p.pair p.unbroken.since");
        postgres.sql("UPDATE servicenow_sync_meta SET value = value - 1 WHERE name = 'history'");
        uses_the_store().await;
        assert_eq!(postgres.sql(keys), "p.pair");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_keeps_its_history_to_itself_is_used_all_the_same() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    postgres.sql(
        "CREATE ROLE guest LOGIN PASSWORD 'guest'; GRANT ALL ON SCHEMA public TO guest; \
         REVOKE EXECUTE ON FUNCTION pg_control_system() FROM public",
    );
    let url = postgres.url();
    let (_, place) = url.rsplit_once('@').unwrap();
    let url = format!("postgresql://guest:guest@{place}");
    let far_ends = FarEnds::somewhere().await.unwrap();
    for build in [Build::P2, Build::P3] {
        let folder = tempfile::tempdir().unwrap();
        let loaded = probe(build, &far_ends, Some(&url));
        let server = Server::start(&loaded, folder.path(), MEMORY).await.unwrap();
        let ready = format!("{}/readyz", server.url());
        let answer = wire::send("GET", &ready, "", vec![], PATIENCE)
            .await
            .unwrap();
        assert_eq!(answer.status, 200, "{build:?}: {}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_confirmed_early_whatever_the_role_is_used_to() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    postgres.sql("ALTER ROLE sync SET synchronous_commit = off");
    let far_ends = FarEnds::somewhere().await.unwrap();
    for build in [Build::P2, Build::P3] {
        let folder = tempfile::tempdir().unwrap();
        let loaded = probe(build, &far_ends, Some(&postgres.url()));
        let server = Server::start(&loaded, folder.path(), MEMORY).await.unwrap();
        let url = server.url();
        let ready = format!("{url}/readyz");
        let answer = wire::send("GET", &ready, "", vec![], PATIENCE).await;
        assert_eq!(answer.unwrap().status, 200);
        postgres.sql(
            "CREATE SEQUENCE IF NOT EXISTS times_early; \
             CREATE OR REPLACE FUNCTION early() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 IF current_setting('synchronous_commit') = 'off' \
                     THEN PERFORM nextval('times_early'); END IF; RETURN NULL; \
             END $$; \
             CREATE OR REPLACE TRIGGER early AFTER INSERT OR UPDATE OR DELETE \
             ON servicenow_sync_keys FOR EACH STATEMENT EXECUTE FUNCTION early()",
        );
        // What comes of it is written on another connection, since it waited.
        let key = &far_ends.key(&format!("early-{build:?}"));
        let body = json!([[{ "schedule": { "key": key, "reason": "to be done" } }]]);
        let body = body.to_string().into_bytes();
        let probe = format!("{url}/probe");
        let answer = wire::send("POST", &probe, WEBHOOK_TOKEN, body, PATIENCE).await;
        assert_eq!(answer.unwrap().status, 200, "{build:?}");
        let asked = far_ends.far_end.asked(key, PATIENCE).await.unwrap();
        asked.done();
        server.at_rest().await;
        assert_eq!(waiting::count(&postgres), 0, "{build:?}");
        let is_early = postgres.sql("SELECT is_called FROM times_early");
        assert_eq!(is_early, "f", "{build:?}");
    }
}
