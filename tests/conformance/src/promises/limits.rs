//! Guarantee 7: whoever goes over a limit is ended, and nobody else.

use crate::WEBHOOK_TOKEN;
use crate::site::PATIENCE;
use crate::site::Site;
use crate::site::short;
use anyhow::Context as _;
use anyhow::ensure;
use serde_json::Value;
use serde_json::json;
use std::time::Duration;

/// A gateway may let a session take minutes before it ends it.
const LONG: Duration = Duration::from_secs(330);

pub(super) async fn a_body_of_256_kib_is_taken_and_one_of_8_mib_is_not(
    site: &Site,
) -> anyhow::Result<()> {
    let key = site.key("too-long");
    let padded = |program: Value, length: usize| {
        let mut body = program.to_string().into_bytes();
        body.resize(length, b' ');
        body
    };
    let body = padded(json!([]), 256 << 10);
    let answer = site.post_with(WEBHOOK_TOKEN, body, PATIENCE).await?;
    ensure!(
        answer.status == 200,
        "256 KiB were answered {}",
        answer.status
    );
    let write = json!([[{ "write": { "key": key, "value": { "text": "" } } }]]);
    let body = padded(write, 8 << 20);
    // Who does not read it to the end may well cut the connection.
    if let Ok(answer) = site.post_with(WEBHOOK_TOKEN, body, PATIENCE).await {
        ensure!(
            answer.status == 413,
            "8 MiB were answered {}",
            answer.status
        );
    }
    ensure!(site.read(&key).await?.is_null(), "a session was opened");
    Ok(())
}

pub(super) async fn what_breaks_the_contract_ends_the_session_and_nothing_of_that_step_is_done(
    site: &Site,
) -> anyhow::Result<()> {
    let key = site.key("broken-step");
    let write = |key: &str, value: Value| json!({ "write": { "key": key, "value": value } });
    let good = write(&key, json!({ "text": "" }));
    let long = "k".repeat(201);
    for (what, bad) in [
        ("a key with a space", write("a key", json!({ "text": "" }))),
        ("a key with a slash", write("a/key", json!({ "text": "" }))),
        ("an empty key", write("", json!({ "text": "" }))),
        ("a key of 201 bytes", write(&long, json!({ "text": "" }))),
        (
            "a value of more than 1 MiB",
            write("conformance-large", json!({ "long": (1 << 20) + 1 })),
        ),
        (
            "a work key with a slash",
            json!({ "schedule": { "key": "a/key", "reason": "" } }),
        ),
        ("a read of a key with a slash", json!({ "get": ["a/key"] })),
    ] {
        let answer = site.post(&json!([[good, bad]])).await?;
        ensure!(
            (500..600).contains(&answer.status),
            "{what} was answered {}: {}",
            answer.status,
            short(&answer.text)
        );
        ensure!(
            site.read(&key).await?.is_null(),
            "{what}: what stood beside it was done"
        );
    }
    let twice = json!({ "respond": 200 });
    let answer = site.post(&json!([[good, twice, twice]])).await?;
    ensure!(answer.status >= 500, "two answers: the first got through");
    ensure!(
        site.read(&key).await?.is_null(),
        "two answers: what stood beside them was done"
    );
    site.post(&json!([[twice], [good, twice]])).await?;
    // The session goes on after the first answer, if only to its end.
    tokio::time::sleep(crate::site::A_WHILE).await;
    ensure!(
        site.read(&key).await?.is_null(),
        "a second answer: what stood beside it was done"
    );
    Ok(())
}

pub(super) async fn a_session_that_calculates_for_ever_is_ended(site: &Site) -> anyhow::Result<()> {
    no_other_is_ended(site, "for-ever", &[json!("loop")]).await
}

pub(super) async fn a_session_that_goes_over_a_limit_is_ended_and_no_other(
    site: &Site,
) -> anyhow::Result<()> {
    let harms = [
        json!("recurse"),
        json!({ "grow": 2048 }),
        json!({ "flood": 100_000 }),
        json!("forever"),
    ];
    no_other_is_ended(site, "over", &harms).await
}

/// Does harm in a session of its own, beside one that does none.
async fn no_other_is_ended(site: &Site, name: &str, harms: &[Value]) -> anyhow::Result<()> {
    let beside = site.key(&format!("beside-{name}"));
    site.schedule(&beside, None, "to be left alone").await?;
    let held = site.asked(&beside).await?;
    for harm in harms {
        let body = json!([[harm]]).to_string().into_bytes();
        let answer = site.post_with(WEBHOOK_TOKEN, body, LONG).await;
        let answer = answer.with_context(|| format!("{harm} was not ended"))?;
        ensure!(
            (500..600).contains(&answer.status),
            "{harm} was answered {}: {}",
            answer.status,
            short(&answer.text)
        );
        site.run(json!([]))
            .await
            .with_context(|| format!("after {harm}"))?;
    }
    let written = site.key(&format!("beside-{name}-written"));
    held.tell(json!([
        [{ "write": { "key": written, "value": { "text": "" } } }],
        [{ "finish": "done" }]
    ]));
    let standing = site.standing(&beside).await?;
    ensure!(
        standing == "none",
        "the session beside it stands at {standing}"
    );
    ensure!(
        !site.read(&written).await?.is_null(),
        "the session beside it was ended"
    );
    Ok(())
}

pub(super) async fn a_work_session_that_goes_over_a_limit_is_tried_again(
    site: &Site,
) -> anyhow::Result<()> {
    for (name, harm) in [
        ("flood", json!({ "flood": 100_000 })),
        ("answer", json!({ "respond": 200 })),
        (
            "await",
            json!({ "await": { "key": "conformance-x", "timeout-ms": 1 } }),
        ),
    ] {
        let key = site.key(&format!("harm-{name}"));
        site.schedule(&key, None, "begin").await?;
        site.asked(&key).await?.tell(json!([[harm]]));
        let again = site.far_end().asked(&key, LONG).await?;
        let attempt = again.attempt();
        again.done();
        ensure!(attempt == 1, "{name}: it is attempt {attempt}, not 1");
    }
    Ok(())
}
