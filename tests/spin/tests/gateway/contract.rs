//! The Spin gateway with the probe in the plugin's place.

use crate::application::MEMORY;
use crate::application::application;
use crate::application::dist;
use crate::application::load;
use conformance::OPERATOR_TOKEN;
use conformance::promises;
use conformance::site::FarEnds;
use conformance::site::Options;
use conformance::site::Place;
use conformance::site::Restart;
use conformance::site::SECRETS;
use conformance::site::Site;
use spin_like::server::Loaded;
use spin_like::server::Server;
use std::sync::Arc;
use tokio::sync::Mutex;

/// What a gateway that is a component leaves to its runtime: Spin bounds the
/// memory of an instance, and not its time.
const OF_THE_RUNTIME: [&str; 1] = ["a_session_that_calculates_for_ever_is_ended"];

/// The application with the probe, in SQLite or in the database of that URL.
pub(crate) fn probe(far_ends: &FarEnds, database: Option<&str>) -> Loaded {
    let store = database.map_or("", |_| "store.url = { file = \"store_url\" }");
    let configuration = format!(
        "limits.lease-seconds = 5\n{store}\n{}",
        far_ends.configuration()
    );
    let origins = [far_ends.far_end.origin(), far_ends.other.origin()];
    let mut secrets = SECRETS.to_vec();
    secrets.extend(database.map(|url| ("store_url", url)));
    let mut application = application(&configuration, origins, &secrets);
    application.source = dist().join("integration_probe_spin.wasm");
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
    let broken = promises::broken(&site, &OF_THE_RUNTIME).await;
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_spin_gateway_keeps_the_contract_with_sqlite() {
    let far_ends = FarEnds::somewhere().await.unwrap();
    let loaded = probe(&far_ends, None);
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
    keep_the_contract(far_ends, start).await;
}
