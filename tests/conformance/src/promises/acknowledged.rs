//! Guarantee 2: a request is answered with success when what it led to is durable.

use crate::site::Site;
use anyhow::ensure;
use serde_json::Value;
use serde_json::json;

fn write(key: &str) -> Value {
    json!({ "write": { "key": key, "value": { "text": "written" } } })
}

fn schedule(key: &str) -> Value {
    json!({ "schedule": { "key": key, "reason": "to see" } })
}

pub(super) async fn what_was_asked_for_before_the_answer_is_done_although_the_session_broke_after_it(
    site: &Site,
) -> anyhow::Result<()> {
    // In the step of the answer, and in the one before it.
    for (name, earlier) in [("with", false), ("before", true)] {
        let key = site.key(&format!("acknowledged-{name}"));
        let wanted = [write(&key), schedule(&key)];
        let answer = json!({ "respond": 200 });
        let program = if earlier {
            json!([wanted, [answer], ["trap"]])
        } else {
            json!([[wanted[0], wanted[1], answer], ["trap"]])
        };
        let answer = site.post(&program).await?;
        ensure!(answer.status == 200, "answered {}", answer.status);
        let found = site.read(&key).await?;
        ensure!(!found.is_null(), "the write {name} the answer is lost");
        site.asked(&key).await?.done();
    }
    Ok(())
}

pub(super) async fn a_session_that_breaks_before_its_answer_is_answered_with_a_failure(
    site: &Site,
) -> anyhow::Result<()> {
    let answer = site.post(&json!([[{ "get": [] }], ["trap"]])).await?;
    ensure!(
        (500..600).contains(&answer.status),
        "answered {}: {}",
        answer.status,
        answer.text
    );
    Ok(())
}

pub(super) async fn a_session_goes_on_after_its_answer(site: &Site) -> anyhow::Result<()> {
    let key = site.key("after-the-answer");
    let answer = site
        .post(&json!([[{ "respond": 202 }], [{ "get": [] }], [write(&key), schedule(&key)]]))
        .await?;
    ensure!(answer.status == 202, "answered {}", answer.status);
    site.asked(&key).await?.done();
    let found = site.read(&key).await?;
    ensure!(!found.is_null(), "a write after the answer was not done");
    Ok(())
}

pub(super) async fn a_session_without_an_answer_acknowledges_nothing(
    site: &Site,
) -> anyhow::Result<()> {
    // A session that asks for nothing more is over.
    let answer = site.post(&json!([[]])).await?;
    ensure!(
        (500..600).contains(&answer.status),
        "answered {}: {}",
        answer.status,
        answer.text
    );
    Ok(())
}

pub(super) async fn an_operator_is_heard_as_a_sender_is(site: &Site) -> anyhow::Result<()> {
    let key = site.key("operated");
    let program = json!([[write(&key)]]).to_string().into_bytes();
    let answer = site
        .operate("POST", "/plugin/some/path?and=query", site.token(), program)
        .await?;
    ensure!(
        answer.status == 200,
        "answered {}: {}",
        answer.status,
        answer.text
    );
    let input = &answer.json()["input"];
    ensure!(
        input["path"] == "/some/path" && input["query"] == "and=query",
        "the session was given {input}"
    );
    let found = site.read(&key).await?;
    ensure!(!found.is_null(), "its write is lost");
    Ok(())
}
