//! Guarantee 4: work stays until a session finishes it.

use crate::far_end::Asked;
use crate::promises::CannotTell;
use crate::site::PATIENCE;
use crate::site::Site;
use crate::site::short;
use anyhow::ensure;
use serde_json::Value;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;
use tokio::time::sleep;

/// A new piece of work, in its first session.
async fn begin(site: &Site, name: &str) -> anyhow::Result<(String, Asked)> {
    let key = site.key(name);
    site.schedule(&key, None, "begin").await?;
    let asked = site.asked(&key).await?;
    ensure!(
        asked.attempt() == 0,
        "it begins with attempt {}",
        asked.attempt()
    );
    Ok((key, asked))
}

/// Ends a session like that, and expects another one, of this attempt and of the
/// same reasons.
async fn again(site: &Site, name: &str, steps: Value, attempt: u64) -> anyhow::Result<()> {
    let (key, first) = begin(site, name).await?;
    first.tell(steps);
    let second = site.asked(&key).await?;
    let found = second.attempt();
    let given = second.reasons();
    second.done();
    ensure!(
        found == attempt,
        "the next session is attempt {found}, not {attempt}"
    );
    ensure!(given == ["begin"], "its reasons became {given:?}");
    let standing = site.standing(&key).await?;
    ensure!(standing == "none", "done, it stands at {standing}");
    Ok(())
}

fn retry(in_ms: Option<u64>, counts: bool) -> Value {
    let retry = json!({ "in-ms": in_ms, "counts": counts, "reason": "not yet" });
    json!([[{ "finish": { "retry": retry } }]])
}

/// It may have been due when the gateway started, long before the suite did.
pub(super) async fn standing_work_is_run(site: &Site) -> anyhow::Result<()> {
    let start = Instant::now();
    while site.read("conformance-standing").await?.is_null() {
        ensure!(start.elapsed() < PATIENCE, "it was not run");
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

pub(super) async fn a_retry_that_counts_is_an_attempt(site: &Site) -> anyhow::Result<()> {
    again(site, "counts", retry(None, true), 1).await
}

pub(super) async fn a_retry_that_does_not_count_is_none(site: &Site) -> anyhow::Result<()> {
    again(site, "counts-not", retry(None, false), 0).await
}

pub(super) async fn a_retry_is_not_before_its_time(site: &Site) -> anyhow::Result<()> {
    let (key, first) = begin(site, "not-before").await?;
    let start = Instant::now();
    first.tell(retry(Some(2000), false));
    let second = site.asked(&key).await?;
    let after = second.at - start;
    second.done();
    ensure!(
        after >= Duration::from_millis(1950),
        "not before 2 s, it ran after {after:?}"
    );
    Ok(())
}

pub(super) async fn a_session_that_traps_is_an_attempt(site: &Site) -> anyhow::Result<()> {
    again(site, "traps", json!([["trap"]]), 1).await
}

pub(super) async fn a_session_without_a_verdict_is_an_attempt(site: &Site) -> anyhow::Result<()> {
    again(site, "no-verdict", json!([[{ "finish": "none" }]]), 1).await
}

pub(super) async fn what_stands_before_a_verdict_is_done_and_what_stands_behind_it_is_not(
    site: &Site,
) -> anyhow::Result<()> {
    let [before, behind] = [site.key("before-verdict"), site.key("behind-verdict")];
    let (key, asked) = begin(site, "verdict").await?;
    let write = |key: &str| json!({ "write": { "key": key, "value": { "text": "" } } });
    asked.tell(json!([[write(&before), { "finish": "done" }, write(&behind)]]));
    site.standing(&key).await?;
    ensure!(
        !site.read(&before).await?.is_null(),
        "the write before it is lost"
    );
    ensure!(
        site.read(&behind).await?.is_null(),
        "the write behind it was done"
    );
    Ok(())
}

async fn park(site: &Site, name: &str) -> anyhow::Result<String> {
    let (key, asked) = begin(site, name).await?;
    asked.tell(json!([[{ "finish": { "park": "a person must look" } }]]));
    let standing = site.standing(&key).await?;
    let expected = json!({ "parked": "a person must look" });
    ensure!(standing == expected, "parked, it stands at {standing}");
    site.is_quiet(&key, "parked work was run").await?;
    Ok(key)
}

pub(super) async fn parked_work_shows_its_reason_and_goes_on_when_it_is_scheduled(
    site: &Site,
) -> anyhow::Result<()> {
    let key = park(site, "parked").await?;
    site.schedule(&key, None, "news").await?;
    let asked = site.asked(&key).await?;
    let given = asked.reasons();
    asked.done();
    ensure!(given.contains(&"news".to_owned()), "given {given:?}");
    Ok(())
}

pub(super) async fn parked_work_is_released_by_the_operator(site: &Site) -> anyhow::Result<()> {
    let key = park(site, "released").await?;
    let after: String = key.chars().take(key.len() - 1).collect();
    let list = format!("/work?after={after}");
    let list = site.operate("GET", &list, site.token(), vec![]).await?;
    if list.status == 404 {
        return Err(CannotTell("there is no /work on the operator's surface").into());
    }
    ensure!(
        list.text.contains(&key) && list.text.contains("a person must look"),
        "the list of work shows neither key nor reason: {}",
        short(&list.text)
    );
    let release = format!("/work/{key}/release");
    let answer = site.operate("POST", &release, site.token(), vec![]).await?;
    ensure!(
        answer.status == 200,
        "a release was answered {}",
        answer.status
    );
    site.asked(&key).await?.done();
    Ok(())
}

pub(super) async fn waiting_work_says_why(site: &Site) -> anyhow::Result<()> {
    let (key, asked) = begin(site, "waiting").await?;
    asked.tell(retry(Some(3_600_000), false));
    let standing = site.standing(&key).await?;
    ensure!(
        standing == json!({ "waiting": "not yet" }),
        "it stands at {standing}"
    );
    Ok(())
}

/// A far end asks to wait. Whether the gateway holds requests back then or lets
/// the plugin do it, the work goes on, and none of it is an attempt.
pub(super) async fn work_that_waits_for_a_far_end_goes_on_when_that_does(
    site: &Site,
) -> anyhow::Result<()> {
    let other = site.other();
    let get = |path: &str| {
        let url = format!("{}{path}", other.origin());
        json!({ "http": { "method": "GET", "url": url, "credential": "other", "timeout-ms": 5000 } })
    };
    let (key, mut asked) = begin(site, "limited").await?;
    asked.tell(json!([[get("/status/429")], [get("/status/200")]]));
    let start = Instant::now();
    loop {
        asked = site.asked(&key).await?;
        let replies = asked.findings["replies"].as_array();
        let last = replies
            .and_then(|steps| steps.last())
            .cloned()
            .unwrap_or_default();
        if last[0]["status"] == 200 {
            break;
        }
        ensure!(
            !last[0]["held"].is_null(),
            "neither answered nor held: {last}"
        );
        ensure!(
            start.elapsed() < 4 * PATIENCE,
            "held for {:?}",
            start.elapsed()
        );
        asked.tell(retry(None, false));
        asked = site.far_end().asked(&key, 4 * PATIENCE).await?;
        ensure!(asked.attempt() == 0, "to be held is an attempt");
        asked.tell(json!([[get("/status/200")]]));
    }
    asked.done();
    Ok(())
}
