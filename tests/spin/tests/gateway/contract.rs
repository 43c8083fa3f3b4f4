//! The Spin gateway with the probe in the plugin's place.

use crate::application::MEMORY;
use crate::application::application;
use crate::application::dist;
use crate::application::load;
use conformance::OPERATOR_TOKEN;
use conformance::promises::Outcome;
use conformance::promises::PROMISES;
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

pub(crate) async fn check(site: &Site) {
    let mut broken = Vec::new();
    for promise in PROMISES {
        if OF_THE_RUNTIME.contains(&promise.name) {
            continue;
        }
        match promise.check(site).await {
            Outcome::Kept => {}
            Outcome::Broken(error) => broken.push(format!("{}: {error:#}", promise.sentence())),
            Outcome::NotChecked(why) => {
                broken.push(format!("{}: not checked, {why}", promise.sentence()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_spin_gateway_keeps_the_contract_with_sqlite() {
    let far_ends = FarEnds::somewhere().await.unwrap();
    let loaded = probe(&far_ends, None);
    let folder = tempfile::tempdir().unwrap();
    let databases = folder.path().to_owned();
    let first = Server::start(&loaded, &databases, MEMORY).await.unwrap();
    let places = vec![place(&first)];
    let running = Arc::new(Mutex::new(Some(first)));
    let restart: Restart = Box::new(move || {
        let (running, loaded, databases) = (running.clone(), loaded.clone(), databases.clone());
        Box::pin(async move {
            let mut running = running.lock().await;
            drop(running.take());
            let server = Server::start(&loaded, &databases, MEMORY).await?;
            let places = vec![place(&server)];
            *running = Some(server);
            Ok(places)
        })
    });
    let options = Options {
        places,
        token: OPERATOR_TOKEN.to_owned(),
        restart: Some(restart),
    };
    check(&Site::new(options, far_ends)).await;
}
