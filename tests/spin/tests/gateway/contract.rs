//! The Spin gateway with the probe in the plugin's place.

use crate::application::Build;
use crate::application::MEMORY;
use crate::application::application;
use crate::application::dist;
use crate::application::load;
use conformance::OPERATOR_TOKEN;
use conformance::WEBHOOK_TOKEN;
use conformance::promises;
use conformance::site::FarEnds;
use conformance::site::Options;
use conformance::site::PATIENCE;
use conformance::site::Place;
use conformance::site::Restart;
use conformance::site::SECRETS;
use conformance::site::Site;
use conformance::wire;
use serde_json::Value;
use serde_json::json;
use spin_like::server::Loaded;
use spin_like::server::Server;
use std::sync::Arc;
use tokio::join;
use tokio::sync::Mutex;

/// What a gateway that is a component leaves to its runtime: Spin bounds the
/// memory of an instance, and not its time.
const OF_THE_RUNTIME: [&str; 1] = ["a_session_that_calculates_for_ever_is_ended"];

/// The same for WASI 0.3, where Spin has an instance run sessions of several
/// requests: one that traps takes the others along. That nothing is lost by it is
/// a test of its own, below.
const OF_THE_SHARED_INSTANCE: [&str; 2] = [
    OF_THE_RUNTIME[0],
    "a_session_that_goes_over_a_limit_is_ended_and_no_other",
];

impl Build {
    /// The promises that it does not keep by itself.
    pub(crate) fn except(self) -> &'static [&'static str] {
        match self {
            Self::P2 => &OF_THE_RUNTIME,
            Self::P3 => &OF_THE_SHARED_INSTANCE,
        }
    }
}

/// The application with the probe, in SQLite or in the database of that URL.
pub(crate) fn probe(build: Build, far_ends: &FarEnds, database: Option<&str>) -> Loaded {
    let store = database.map_or("", |_| "store.url = { file = \"store_url\" }");
    let configuration = format!(
        "limits.lease-seconds = 5\n{store}\n{}",
        far_ends.configuration()
    );
    let origins = [far_ends.far_end.origin(), far_ends.other.origin()];
    let mut secrets = SECRETS.to_vec();
    secrets.extend(database.map(|url| ("store_url", url)));
    let mut application = application(build, &configuration, origins, &secrets);
    application.source = dist().join(build.with_probe());
    load(application)
}

pub(crate) fn place(server: &Server) -> Place {
    let url = server.url();
    Place {
        tick: Some(format!("{url}/tick")),
        operator: url.clone(),
        url,
    }
}

/// Puts what `start` starts, gateways on one store, to the test.
pub(crate) async fn keep_the_contract<Running, Starting>(
    far_ends: FarEnds,
    except: &[&str],
    start: impl Fn() -> Starting + Send + Sync + 'static,
) where
    Running: Send + 'static,
    Starting: Future<Output = anyhow::Result<(Running, Vec<Place>)>> + Send,
{
    let (first, places) = start().await.unwrap();
    let (running, start) = (Arc::new(Mutex::new(Some(first))), Arc::new(start));
    let restart: Restart = Box::new(move || {
        let (running, start) = (Arc::clone(&running), Arc::clone(&start));
        Box::pin(async move {
            let mut running = running.lock().await;
            drop(running.take());
            let (again, places) = start().await?;
            *running = Some(again);
            Ok(places)
        })
    });
    let options = Options {
        places,
        token: OPERATOR_TOKEN.to_owned(),
        restart: Some(restart),
    };
    let site = Site::new(options, far_ends);
    let broken = promises::broken(&site, except).await;
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

async fn keeps_the_contract_with_sqlite(build: Build) {
    let far_ends = FarEnds::somewhere().await.unwrap();
    let loaded = probe(build, &far_ends, None);
    let folder = tempfile::tempdir().unwrap();
    let databases = folder.path().to_owned();
    let start = move || {
        let (loaded, databases) = (loaded.clone(), databases.clone());
        async move {
            let server = Server::start(&loaded, &databases, MEMORY).await?;
            let places = vec![place(&server)];
            Ok((server, places))
        }
    };
    keep_the_contract(far_ends, build.except(), start).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_spin_gateway_keeps_the_contract_with_sqlite() {
    keeps_the_contract_with_sqlite(Build::P2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_spin_gateway_for_wasi_0_3_keeps_the_contract_with_sqlite() {
    keeps_the_contract_with_sqlite(Build::P3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_trap_takes_along_in_its_instance_is_taken_up_after_its_lease() {
    let far_ends = FarEnds::somewhere().await.unwrap();
    let loaded = probe(Build::P3, &far_ends, None);
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&loaded, folder.path(), MEMORY).await.unwrap();
    let place = place(&server);
    let send = async |url: &str, token: &str, steps: Value| {
        let body = steps.to_string().into_bytes();
        let answer = wire::send("POST", url, token, body, PATIENCE).await;
        answer.unwrap().status
    };
    let probe = format!("{}/probe", place.url);
    let key = &far_ends.key("beside-a-trap");
    let schedule = json!([[{ "schedule": { "key": key, "reason": "to be cut" } }]]);
    assert_eq!(send(&probe, WEBHOOK_TOKEN, schedule).await, 200);
    // It is never answered, so if it were not cut, it would not be run again.
    let _cut = far_ends.far_end.asked(key, PATIENCE).await.unwrap();
    assert_eq!(send(&probe, WEBHOOK_TOKEN, json!([["trap"]])).await, 500);
    let tick = format!("{}?seconds=20", place.tick.unwrap());
    let again = async {
        let asked = far_ends.far_end.asked(key, PATIENCE).await.unwrap();
        asked.done();
    };
    let (ticked, ()) = join!(send(&tick, OPERATOR_TOKEN, json!([])), again);
    assert_eq!(ticked, 200);
}
