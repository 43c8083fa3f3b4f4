//! Guarantees 1, 2 and 4 after a crash, where the suite may cause one.

use crate::promises::CannotTell;
use crate::site::PATIENCE;
use crate::site::Site;
use anyhow::ensure;
use futures_util::future::try_join_all;
use std::time::Duration;
use tokio::time::Instant;
use tokio::time::sleep;

const STANDING: &str = "conformance-standing";

async fn crash(site: &Site) -> anyhow::Result<()> {
    if !site.can_restart() {
        return Err(CannotTell("nobody told how to end and start the gateway: --restart").into());
    }
    site.restart().await
}

pub(super) async fn what_was_acknowledged_is_done_after_a_crash(site: &Site) -> anyhow::Result<()> {
    let keys: Vec<String> = (0..12).map(|n| site.key(&format!("crash-{n}"))).collect();
    try_join_all(keys.iter().map(|key| site.schedule(key, None, "before"))).await?;
    crash(site).await?;
    for key in &keys {
        // Of a session that was cut there may be a request left.
        let asked = site.asked(key).await?;
        let given = asked.reasons();
        asked.done();
        ensure!(given == ["before"], "given {given:?}");
    }
    Ok(())
}

pub(super) async fn a_confirmed_write_survives_a_crash(site: &Site) -> anyhow::Result<()> {
    let key = site.key("crash-written");
    let revision = site.write(&key, None, Some("one")).await?;
    let revision = site.write(&key, revision, Some("two")).await?;
    let before = site.read(&key).await?;
    crash(site).await?;
    let found = site.read(&key).await?;
    ensure!(found == before, "{before} became {found}");
    let next = site.write(&key, revision, Some("three")).await?;
    ensure!(
        next.is_some_and(|next| Some(next) != revision),
        "its revision is {next:?}"
    );
    Ok(())
}

pub(super) async fn work_whose_session_was_cut_runs_again(site: &Site) -> anyhow::Result<()> {
    let key = site.key("crash-cut");
    site.schedule(&key, None, "begin").await?;
    let cut = site.asked(&key).await?;
    crash(site).await?;
    // With a lease to wait for, if the store is shared.
    let again = site.far_end().asked(&key, 3 * PATIENCE).await?;
    let given = again.reasons();
    again.done();
    drop(cut);
    ensure!(given == ["begin"], "given {given:?}");
    Ok(())
}

pub(super) async fn standing_work_is_run_at_every_start(site: &Site) -> anyhow::Result<()> {
    let found = site.read(STANDING).await?;
    site.write(STANDING, found["revision"].as_u64(), None)
        .await?;
    crash(site).await?;
    let start = Instant::now();
    while site.read(STANDING).await?.is_null() {
        ensure!(start.elapsed() < PATIENCE, "it was not run again");
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
