//! The demo's story through the Spin gateway, with the plugin that every other
//! gateway runs.

use crate::application::Build;
use crate::application::MEMORY;
use crate::application::application;
use crate::application::dist;
use crate::application::load;
use conformance::wire;
use spin_like::server::Server;
use std::fs;
use std::time::Duration;
use support::Setting;
use support::World;
use support::program::story_through_host;
use support::story;
use support::world::ADMIN_TOKEN;
use tokio::join;
use tokio::time::sleep;

const PATIENCE: Duration = Duration::from_secs(60);

/// The secrets of a world: the files beside its configuration, by their names
/// as variables.
fn secrets(world: &World) -> Vec<(String, String)> {
    let folder = world.configuration().with_file_name("");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    let secrets = files.filter(|file| file.path().extension().is_none());
    secrets
        .map(|file| {
            let name = file.file_name().into_string().unwrap();
            let secret = fs::read_to_string(file.path()).unwrap();
            (name.replace('-', "_"), secret)
        })
        .collect()
}

/// As whoever runs Spin would have it.
async fn tick(url: String) {
    loop {
        let ticked = wire::send("POST", &url, ADMIN_TOKEN, vec![], PATIENCE).await;
        let ticked = ticked.unwrap();
        assert_eq!(ticked.status, 200, "{}", ticked.text);
        sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_spin_gateway_writes_what_ours_writes() {
    let expected = story_through_host().await.unwrap();
    let (p2, p3) = join!(story_through(Build::P2), story_through(Build::P3));
    assert_eq!(p2, expected);
    assert_eq!(p3, expected);
}

async fn story_through(build: Build) -> Vec<String> {
    let setting = Setting::default();
    let mut world = World::without_gateway(&setting).await.unwrap();
    let configuration = fs::read_to_string(world.configuration()).unwrap();
    let origins = [world.flashduty.url(), world.servicenow.url()];
    let secrets = secrets(&world);
    let secrets: Vec<_> = secrets.iter().map(|(n, s)| (&n[..], &s[..])).collect();
    let loaded = load(application(build, &configuration, origins, &secrets));
    let databases = tempfile::tempdir().unwrap();
    let server = Server::start(&loaded, databases.path(), MEMORY)
        .await
        .unwrap();
    let ticking = tokio::spawn(tick(format!("{}/tick?seconds=5", server.url())));
    world.through(server.address(), &setting).await.unwrap();
    let mut writes = world.writes();
    story::play(&world, &mut |_| {}).await.unwrap();
    let transcript = writes.transcript(&world);
    assert!(!ticking.is_finished(), "a tick failed");
    ticking.abort();
    transcript
}

#[test]
fn the_plugin_in_the_spin_gateway_is_the_plugin_of_every_other() {
    let plugin = fs::read(dist().join("servicenow_sync.wasm")).unwrap();
    for file in ["servicenow_sync_spin.wasm", "servicenow_sync_spin_p3.wasm"] {
        let composed = fs::read(dist().join(file)).unwrap();
        let is_there = composed.windows(plugin.len()).any(|part| part == plugin);
        assert!(is_there, "{file}: `cargo xtask dist` composes them");
    }
}
