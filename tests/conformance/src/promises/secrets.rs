//! Guarantee 5: no secret enters a session, and none goes where it does not
//! belong.

use crate::OTHER_SECRET;
use crate::PROBE_SECRET;
use crate::WEBHOOK_TOKEN;
use crate::far_end::FarEnd;
use crate::site::PATIENCE;
use crate::site::Site;
use crate::site::short;
use anyhow::ensure;
use serde_json::Value;
use serde_json::json;

fn get(far_end: &FarEnd, path: &str, credential: Option<&str>) -> Value {
    let url = format!("{}{path}", far_end.origin());
    json!({ "http": { "method": "GET", "url": url, "credential": credential, "timeout-ms": 5000 } })
}

/// Whether a text holds a secret, as it is or as it goes over the wire.
fn secret_in<'a>(text: &str, token: &'a str) -> Option<&'a str> {
    let secrets = [token, WEBHOOK_TOKEN, PROBE_SECRET, OTHER_SECRET];
    secrets.into_iter().find(|secret| text.contains(secret))
}

fn has_no_secret(site: &Site, what: &str, text: &str) -> anyhow::Result<()> {
    let found = secret_in(text, site.token());
    ensure!(found.is_none(), "{what} holds a secret: {}", short(text));
    Ok(())
}

pub(super) async fn a_request_without_a_proof_opens_no_session(site: &Site) -> anyhow::Result<()> {
    let key = site.key("unproven");
    let program = json!([[{ "write": { "key": key, "value": { "text": "" } } }]]);
    for token in ["", "canary-guess", PROBE_SECRET, site.token()] {
        let body = program.to_string().into_bytes();
        let answer = site.post_with(token, body, PATIENCE).await?;
        ensure!(
            answer.status == 401,
            "with {token:?} answered {}",
            answer.status
        );
    }
    ensure!(site.read(&key).await?.is_null(), "a session was opened");
    Ok(())
}

pub(super) async fn a_session_sees_nothing_of_the_proof(site: &Site) -> anyhow::Result<()> {
    let findings = site.findings(json!([])).await?;
    ensure!(
        findings["input"]["path"] == "/probe",
        "given {}",
        findings["input"]
    );
    has_no_secret(site, "the session of a request", &findings.to_string())?;
    let answer = site
        .operate("POST", "/plugin/run", site.token(), b"[]".to_vec())
        .await?;
    ensure!(
        answer.status == 200,
        "an operator was answered {}",
        answer.status
    );
    has_no_secret(site, "the session of an operator", &answer.text)?;
    let key = site.key("no-secret");
    site.schedule(&key, None, "to see").await?;
    let asked = site.asked(&key).await?;
    has_no_secret(site, "the session of work", &asked.findings.to_string())?;
    asked.done();
    Ok(())
}

pub(super) async fn the_operators_proof_opens_what_is_the_operators_and_nothing_else(
    site: &Site,
) -> anyhow::Result<()> {
    for token in ["", "canary-guess", WEBHOOK_TOKEN] {
        let answer = site
            .operate("POST", "/plugin/run", token, b"[]".to_vec())
            .await?;
        ensure!(
            answer.status == 401,
            "with {token:?} answered {}",
            answer.status
        );
    }
    Ok(())
}

/// The heads of what arrived on a path.
fn arrived(far_end: &FarEnd, path: &str) -> Vec<String> {
    far_end
        .seen(path)
        .into_iter()
        .map(|seen| seen.head)
        .collect()
}

pub(super) async fn a_credential_is_attached_where_it_belongs(site: &Site) -> anyhow::Result<()> {
    for (far_end, name, secret) in [
        (site.far_end(), "probe", PROBE_SECRET),
        (site.other(), "other", OTHER_SECRET),
    ] {
        let path = format!("/status/200?{name}");
        let path = path.as_str();
        let reply = site.ask(get(far_end, path, Some(name))).await?;
        ensure!(!reply["status"].is_null(), "{name}: answered {reply}");
        let heads = arrived(far_end, path);
        ensure!(heads.len() == 1, "{name}: {} requests arrived", heads.len());
        ensure!(
            heads[0].contains(secret),
            "{name} was not attached: {}",
            heads[0]
        );
    }
    Ok(())
}

pub(super) async fn a_credential_goes_nowhere_else(site: &Site) -> anyhow::Result<()> {
    for (far_end, name) in [
        (site.other(), "probe"),
        (site.far_end(), "other"),
        (site.elsewhere(), "probe"),
    ] {
        let path = format!("/status/200?not-for-{name}");
        let reply = site.ask(get(far_end, &path, Some(name))).await?;
        ensure!(!reply["refused"].is_null(), "{name}: answered {reply}");
        ensure!(arrived(far_end, &path).is_empty(), "{name}: it was sent");
    }
    Ok(())
}

pub(super) async fn a_credential_that_does_not_exist_is_refused(site: &Site) -> anyhow::Result<()> {
    let path = "/status/200?no-such-credential";
    let reply = site.ask(get(site.far_end(), path, Some("nobody"))).await?;
    ensure!(!reply["refused"].is_null(), "answered {reply}");
    ensure!(arrived(site.far_end(), path).is_empty(), "it was sent");
    has_no_secret(site, "the refusal", &reply.to_string())
}

pub(super) async fn a_request_without_a_credential_carries_none(site: &Site) -> anyhow::Result<()> {
    let path = "/status/200?without";
    site.ask(get(site.far_end(), path, None)).await?;
    let heads = arrived(site.far_end(), path);
    ensure!(heads.len() == 1, "{} requests arrived", heads.len());
    has_no_secret(site, "the request", &heads[0])
}

pub(super) async fn a_far_end_that_repeats_a_credential_does_not_give_it_away(
    site: &Site,
) -> anyhow::Result<()> {
    let reply = site
        .ask(get(site.far_end(), "/echo", Some("probe")))
        .await?;
    ensure!(reply["status"] == 200, "answered {reply}");
    has_no_secret(site, "the answer", &reply.to_string())
}

pub(super) async fn the_headers_that_are_the_gateways_are_never_the_plugins(
    site: &Site,
) -> anyhow::Result<()> {
    for (name, value) in [
        ("authorization", "Bearer of-the-plugin"),
        ("cookie", "of-the-plugin=1"),
        ("host", "of-the-plugin"),
    ] {
        let path = format!("/status/200?header-{name}");
        let mut request = get(site.far_end(), &path, None);
        request["http"]["headers"] = json!([[name, value]]);
        // Refused, ended or sent without: each of them is well.
        let _ = site.post(&json!([[request]])).await?;
        for head in arrived(site.far_end(), &path) {
            ensure!(!head.contains("of-the-plugin"), "it was sent: {head}");
        }
    }
    Ok(())
}
