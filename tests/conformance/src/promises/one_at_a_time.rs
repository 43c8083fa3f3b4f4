//! Guarantee 3: work of one key runs in one session at a time.

use crate::site::A_WHILE;
use crate::site::Site;
use anyhow::ensure;
use futures_util::future::try_join;
use futures_util::future::try_join_all;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;
use tokio::time::sleep;

pub(super) async fn work_of_one_key_runs_in_one_session_at_a_time(
    site: &Site,
) -> anyhow::Result<()> {
    let key = &site.key("one-at-a-time");
    let wanted: BTreeSet<String> = (0..16).map(|n| format!("reason {n}")).collect();
    let schedules = try_join_all(wanted.iter().map(|reason| site.schedule(key, None, reason)));
    let sessions = async {
        let mut given = BTreeSet::new();
        while given != wanted {
            let asked = site.asked(key).await?;
            given.extend(asked.reasons());
            sleep(Duration::from_millis(20)).await;
            asked.done();
        }
        anyhow::Ok(())
    };
    try_join(schedules, sessions).await?;
    let most = site.far_end().most_at_once(key);
    ensure!(most == 1, "{most} sessions of {key:?} ran at a time");
    Ok(())
}

pub(super) async fn what_is_scheduled_during_a_session_makes_the_work_run_once_more(
    site: &Site,
) -> anyhow::Result<()> {
    let key = &site.key("once-more");
    site.schedule(key, None, "first").await?;
    let first = site.asked(key).await?;
    ensure!(first.reasons() == ["first"], "given {:?}", first.reasons());
    for reason in ["second", "third", "second"] {
        site.schedule(key, None, reason).await?;
    }
    site.is_quiet(key, "a second session began during the first")
        .await?;
    first.done();
    let second = site.asked(key).await?;
    let given = second.reasons();
    ensure!(given == ["second", "third"], "given {given:?}");
    ensure!(second.attempt() == 0, "it counts as an attempt");
    second.done();
    site.is_quiet(key, "it ran more than once more").await?;
    let standing = site.standing(key).await?;
    ensure!(standing == "none", "afterwards it stands at {standing}");
    Ok(())
}

pub(super) async fn what_is_scheduled_before_its_session_is_one_item(
    site: &Site,
) -> anyhow::Result<()> {
    let key = &site.key("one-item");
    for reason in ["first", "second", "first", "third"] {
        site.schedule(key, Some(3000), reason).await?;
    }
    let asked = site.asked(key).await?;
    let given = asked.reasons();
    ensure!(given == ["first", "second", "third"], "given {given:?}");
    asked.done();
    site.is_quiet(key, "it ran twice").await
}

pub(super) async fn work_does_not_run_before_it_is_due(site: &Site) -> anyhow::Result<()> {
    let key = &site.key("due");
    let start = Instant::now();
    site.schedule(key, Some(1200), "later").await?;
    let asked = site.asked(key).await?;
    let after = asked.at - start;
    ensure!(
        after >= Duration::from_millis(1150),
        "due after 1.2 s, it ran after {after:?}"
    );
    asked.done();
    Ok(())
}

pub(super) async fn the_earlier_due_time_stays(site: &Site) -> anyhow::Result<()> {
    let [sooner, later] = [site.key("sooner"), site.key("not-later")];
    site.schedule(&sooner, Some(3_600_000), "in an hour")
        .await?;
    site.schedule(&sooner, None, "now").await?;
    let asked = site.asked(&sooner).await?;
    let given = asked.reasons();
    ensure!(given == ["in an hour", "now"], "given {given:?}");
    asked.done();
    site.schedule(&later, Some(500), "soon").await?;
    site.schedule(&later, Some(3_600_000), "in an hour").await?;
    site.asked(&later).await?.done();
    Ok(())
}

pub(super) async fn at_most_sixteen_reasons_are_kept(site: &Site) -> anyhow::Result<()> {
    let key = &site.key("many-reasons");
    site.schedule(key, None, "begin").await?;
    let first = site.asked(key).await?;
    for n in 0..20 {
        site.schedule(key, None, &format!("reason {n}")).await?;
    }
    first.done();
    let asked = site.asked(key).await?;
    let given = asked.reasons().len();
    asked.done();
    ensure!(given == 16, "of 20 reasons {given} were given; 16 are kept");
    Ok(())
}

pub(super) async fn work_of_other_keys_runs_meanwhile(site: &Site) -> anyhow::Result<()> {
    let slow = &site.key("slow");
    site.schedule(slow, None, "to hold it up").await?;
    let held = site.asked(slow).await?;
    for n in 0..4 {
        let other = site.key(&format!("beside-{n}"));
        site.schedule(&other, None, "beside").await?;
        site.asked(&other).await?.done();
        let standing = site.standing(&other).await?;
        ensure!(standing == "none", "{other:?} stands at {standing}");
    }
    sleep(A_WHILE).await;
    held.done();
    Ok(())
}
