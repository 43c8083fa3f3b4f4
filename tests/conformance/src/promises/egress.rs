//! Guarantee 6: requests go where the operator let them, and what is told of
//! them is true.

use crate::far_end::FarEnd;
use crate::site::A_WHILE;
use crate::site::Site;
use anyhow::ensure;
use serde_json::Value;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;
use tokio::time::sleep;

fn get(url: &str) -> Value {
    json!({ "http": { "method": "GET", "url": url, "timeout-ms": 5000 } })
}

fn at(far_end: &FarEnd, path: &str) -> Value {
    get(&format!("{}{path}", far_end.origin()))
}

pub(super) async fn what_no_operator_named_is_not_reached(site: &Site) -> anyhow::Result<()> {
    let named = site.far_end().address();
    let elsewhere = site.elsewhere().address();
    let port = elsewhere.port();
    for url in [
        format!("http://{elsewhere}/"),
        format!("http://localhost:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://0.0.0.0:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://{named}@{elsewhere}/"),
        format!("http://{elsewhere}/?http://{named}/"),
        format!("http://{elsewhere}/#@{named}"),
        format!("http://{elsewhere}\\@{named}/"),
        format!("https://{named}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "file:///etc/passwd".to_owned(),
        String::new(),
    ] {
        let reply = site.ask(get(&url)).await?;
        ensure!(!reply["refused"].is_null(), "{url:?} was answered {reply}");
    }
    ensure!(site.elsewhere().requests() == 0, "something arrived");
    Ok(())
}

pub(super) async fn a_redirect_is_an_answer_and_is_not_followed(site: &Site) -> anyhow::Result<()> {
    let targets = [site.elsewhere(), site.other()];
    for target in targets {
        let path = format!("/redirect/{}", target.address());
        let reply = site.ask(at(site.far_end(), &path)).await?;
        ensure!(reply["status"] == 302, "answered {reply}");
        ensure!(target.seen("/").is_empty(), "the redirect was followed");
    }
    Ok(())
}

pub(super) async fn every_status_is_an_answer(site: &Site) -> anyhow::Result<()> {
    for status in [200, 404, 500] {
        let path = format!("/status/{status}?answer");
        let reply = site
            .ask(at(site.far_end(), &format!("/status/{status}")))
            .await?;
        ensure!(reply["status"] == status, "{path} was answered {reply}");
    }
    Ok(())
}

pub(super) async fn bodies_arrive_as_they_were_sent(site: &Site) -> anyhow::Result<()> {
    for (told, expected) in [
        (json!("every"), json!({ "every": null })),
        (json!({ "long": 300_000 }), json!({ "long": 300_000 })),
        (json!({ "text": "" }), json!({ "text": "" })),
    ] {
        let mut request = at(site.far_end(), "/mirror");
        request["http"]["method"] = json!("POST");
        request["http"]["headers"] = json!([["content-type", "application/json"]]);
        request["http"]["body"] = told;
        let reply = site.ask(request).await?;
        ensure!(
            reply["body"] == expected,
            "expected {expected}, answered {reply}"
        );
        let headers = reply["headers"].as_array().cloned().unwrap_or_default();
        let mut names = headers.iter().filter_map(|header| header[0].as_str());
        ensure!(
            names.all(|name| !name.chars().any(char::is_uppercase)),
            "names of headers are in lower case, found {headers:?}"
        );
    }
    Ok(())
}

pub(super) async fn a_far_end_that_is_not_there_was_not_asked(site: &Site) -> anyhow::Result<()> {
    site.other().close().await;
    // Of a connection that was kept, and is cut only now, nobody can say so.
    let kept = site.ask(at(site.other(), "/status/200")).await;
    sleep(A_WHILE).await;
    let reply = site.ask(at(site.other(), "/status/200")).await;
    site.other().open().await?;
    let (kept, reply) = (kept?, reply?);
    ensure!(kept["status"].is_null(), "answered {kept}");
    ensure!(!reply["unreachable"].is_null(), "answered {reply}");
    Ok(())
}

pub(super) async fn an_answer_that_is_cut_or_late_may_have_been_carried_out(
    site: &Site,
) -> anyhow::Result<()> {
    for path in ["/cut", "/silent"] {
        let mut request = at(site.far_end(), path);
        request["http"]["timeout-ms"] = json!(700);
        let start = Instant::now();
        let reply = site.ask(request).await?;
        ensure!(!reply["unknown"].is_null(), "{path} was answered {reply}");
        let took = start.elapsed();
        ensure!(
            took < Duration::from_secs(10),
            "{path}: it waited {took:?}, not 0.7 s"
        );
        let sent = site.far_end().seen(path).len();
        ensure!(sent == 1, "{path} was asked {sent} times");
    }
    Ok(())
}
