//! The gateway keeps the contract: with the probe in the plugin's place, in a
//! process that is killed and started again.
#![allow(clippy::unwrap_used)]

mod postgres;

use conformance::OPERATOR_TOKEN;
use conformance::promises;
use conformance::site::FarEnds;
use conformance::site::Options;
use conformance::site::Place;
use conformance::site::Restart;
use conformance::site::SECRETS;
use conformance::site::Site;
use postgres::Postgres;
use std::fs;
use std::io::BufRead as _;
use std::io::BufReader;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use tempfile::TempDir;

/// One gateway in a process of its own.
struct Gateway {
    process: Child,
    place: Place,
}

impl Gateway {
    fn start(configuration: &Path) -> Self {
        let component = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../dist/integration_probe.wasm"
        );
        assert!(
            Path::new(component).exists(),
            "run `cargo xtask conformance` first, which makes the probe"
        );
        let mut process = Command::new(env!("CARGO_BIN_EXE_servicenow-sync"))
            .args(["serve", "--plugin", component, "--config"])
            .arg(configuration)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        let stdout = process.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut ready).unwrap();
        let mut urls = ready
            .split_whitespace()
            .filter(|word| word.starts_with("http://"))
            .map(|url| url.trim_end_matches([',', '/']).to_owned());
        let mut url = || urls.next().expect("it did not start");
        let place = Place {
            url: url(),
            operator: url(),
            tick: None,
        };
        Self { process, place }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The folder of a gateway between the far ends.
fn folder(far_ends: &FarEnds, store: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, secret) in SECRETS.into_iter().chain([("store", store)]) {
        fs::write(folder.path().join(name), secret).unwrap();
    }
    let dist = concat!(env!("CARGO_MANIFEST_DIR"), "/../dist");
    let store = match store {
        "" => "",
        _ => "store.url = { file = \"store\" }",
    };
    let text = format!(
        r#"
plugin.cache-directory = "{dist}/cache"
server.listen = "127.0.0.1:0"
admin.listen = "127.0.0.1:0"
limits.lease-seconds = 5
{store}
{}"#,
        far_ends.configuration()
    );
    fs::write(folder.path().join("sync.toml"), text).unwrap();
    folder
}

/// Puts so many gateways on one store to the test.
async fn keep_the_contract(gateways: usize, store: &str) {
    let far_ends = FarEnds::somewhere().await.unwrap();
    let folder = folder(&far_ends, store);
    let configuration = folder.path().join("sync.toml");
    let start = move || -> Vec<Gateway> {
        (0..gateways)
            .map(|_| Gateway::start(&configuration))
            .collect()
    };
    let places = |running: &[Gateway]| running.iter().map(|g| g.place.clone()).collect();
    let running = Arc::new(Mutex::new(start()));
    let first = places(&running.lock().unwrap());
    let again = Arc::clone(&running);
    let restart: Restart = Box::new(move || {
        let mut running = again.lock().unwrap();
        running.clear();
        *running = start();
        let places = Ok(places(&running));
        Box::pin(async { places })
    });
    let options = Options {
        places: first,
        token: OPERATOR_TOKEN.to_owned(),
        restart: Some(restart),
    };
    let site = Site::new(options, far_ends);
    let broken = promises::broken(&site, &[]).await;
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_with_a_store_of_its_own_keeps_the_contract() {
    keep_the_contract(1, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_that_share_a_database_keep_the_contract() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    keep_the_contract(2, &postgres.url()).await;
}
