//! Guarantee 1: each key is linearizable, and nothing of the gateway's is in the
//! way.

use crate::site::Site;
use anyhow::Context as _;
use anyhow::ensure;
use futures_util::future::join_all;
use futures_util::future::try_join_all;
use serde_json::Value;
use serde_json::json;

pub(super) async fn a_confirmed_write_is_seen_by_every_later_read(
    site: &Site,
) -> anyhow::Result<()> {
    let key = site.key("seen");
    let mut revision = None;
    for n in 0..20 {
        let text = n.to_string();
        revision = site.write(&key, revision, Some(&text)).await?;
        let expected = json!({ "value": { "text": text }, "revision": revision });
        let found = site.read(&key).await?;
        ensure!(found == expected, "expected {expected}, found {found}");
    }
    site.write(&key, revision, None).await?;
    let found = site.read(&key).await?;
    ensure!(found.is_null(), "deleted, and still there: {found}");
    Ok(())
}

pub(super) async fn a_key_is_created_once(site: &Site) -> anyhow::Result<()> {
    for round in 0..5 {
        let key = site.key(&format!("created-{round}"));
        let names: Vec<String> = (0..16).map(|n| format!("client {n}")).collect();
        let creations = names.iter().map(|name| site.write(&key, None, Some(name)));
        let results = try_join_all(creations).await?;
        let won: Vec<_> = names
            .iter()
            .zip(&results)
            .filter(|(_, r)| r.is_some())
            .collect();
        let [(name, revision)] = won.as_slice() else {
            anyhow::bail!("{} of 16 clients created {key:?}", won.len());
        };
        let expected = json!({ "value": { "text": name }, "revision": revision });
        let found = site.read(&key).await?;
        ensure!(found == expected, "expected {expected}, found {found}");
    }
    Ok(())
}

pub(super) async fn a_write_at_another_revision_is_refused_and_changes_nothing(
    site: &Site,
) -> anyhow::Result<()> {
    let key = site.key("revised");
    let first = site.write(&key, None, Some("one")).await?;
    let second = site.write(&key, first, Some("one")).await?;
    ensure!(first != second, "two writes have the revision {first:?}");
    ensure!(first != Some(0) && second != Some(0), "a revision is 0");
    let before = site.read(&key).await?;
    for (revision, value) in [
        (first, Some("three")),
        (first, None),
        (Some(0), Some("three")),
        (None, Some("three")),
    ] {
        let written = site.write(&key, revision, value).await?;
        ensure!(
            written.is_none(),
            "a write at the revision {revision:?} was done, and the key stood at {second:?}"
        );
    }
    let found = site.read(&key).await?;
    ensure!(found == before, "refused writes made {found} of {before}");
    let absent = site.key("never-there");
    for value in [Some("one"), None] {
        let written = site.write(&absent, second, value).await?;
        ensure!(written.is_none(), "what is absent stood at a revision");
    }
    Ok(())
}

pub(super) async fn a_key_that_was_deleted_does_not_stand_at_its_old_revision(
    site: &Site,
) -> anyhow::Result<()> {
    let key = site.key("deleted");
    let old = site.write(&key, None, Some("one")).await?;
    let deleted = site.write(&key, old, None).await?;
    ensure!(
        deleted == Some(0),
        "a deletion was answered {deleted:?}, not 0"
    );
    site.write(&key, None, Some("two")).await?;
    let written = site.write(&key, old, Some("three")).await?;
    ensure!(written.is_none(), "it stands at its old revision again");
    Ok(())
}

pub(super) async fn increments_at_a_revision_are_not_lost(site: &Site) -> anyhow::Result<()> {
    const CLIENTS: usize = 8;
    const TIMES: usize = 4;
    let key = &site.key("counter");
    site.write(key, None, Some("0")).await?;
    let client = async || {
        let mut done = 0;
        while done < TIMES {
            let found = site.read(key).await?;
            let number: usize = found["value"]["text"]
                .as_str()
                .and_then(|text| text.parse().ok())
                .with_context(|| format!("the counter is {found}"))?;
            let next = (number + 1).to_string();
            let written = site
                .write(key, found["revision"].as_u64(), Some(&next))
                .await?;
            done += usize::from(written.is_some());
        }
        anyhow::Ok(())
    };
    for result in join_all((0..CLIENTS).map(|_| client())).await {
        result?;
    }
    let found = site.read(key).await?;
    let expected = (CLIENTS * TIMES).to_string();
    ensure!(
        found["value"]["text"] == expected,
        "after {expected} increments the counter is {found}"
    );
    Ok(())
}

pub(super) async fn keys_are_scanned_in_the_order_of_their_bytes_page_by_page(
    site: &Site,
) -> anyhow::Result<()> {
    let prefix = site.key("scan.");
    // In the order of ASCII, and a neighbour on either side.
    let names = [
        "-", "-.", ".", "0", "9", "A", "Z", "_", "a", "a.b", "a_", "ab", "z",
    ];
    let mut writes: Vec<Value> = names
        .iter()
        .rev()
        .map(|name| format!("{prefix}{name}"))
        .chain([site.key("scan-before"), site.key("scan_behind")])
        .map(|key| json!({ "write": { "key": key, "value": { "text": "" } } }))
        .collect();
    writes.rotate_left(5);
    site.run(json!([writes])).await?;
    let expected: Vec<String> = names.iter().map(|name| format!("{prefix}{name}")).collect();
    for limit in [1, 4, 100] {
        let mut found = Vec::new();
        let mut after = Value::Null;
        loop {
            let scan = json!({ "scan": { "prefix": prefix, "after": after, "limit": limit } });
            let page = site.ask(scan).await?;
            let keys = page["keys"].as_array().map_or(0, Vec::len);
            ensure!(keys <= limit, "asked for {limit} keys, got {keys}");
            let keys = page["keys"].as_array().into_iter().flatten();
            found.extend(keys.filter_map(Value::as_str).map(str::to_owned));
            ensure!(
                found.len() <= names.len(),
                "a scan goes on for ever: {found:?}"
            );
            after = page["next"].clone();
            if after.is_null() {
                break;
            }
        }
        ensure!(found == expected, "in pages of {limit}: {found:?}");
    }
    Ok(())
}

pub(super) async fn values_of_any_bytes_and_of_a_mebibyte_are_kept(
    site: &Site,
) -> anyhow::Result<()> {
    for (name, value) in [
        ("empty", json!({ "text": "" })),
        ("every", json!({ "every": null })),
        ("long", json!({ "long": 1 << 20 })),
    ] {
        // As a program says it, a form without a value is its name alone.
        let told = if name == "every" {
            json!("every")
        } else {
            value.clone()
        };
        let key = site.key(name);
        let write = json!({ "write": { "key": key, "value": told } });
        let written = site.ask(write).await?;
        ensure!(written["written"].is_u64(), "{name}: {written}");
        let found = site.read(&key).await?;
        ensure!(found["value"] == value, "{name}: found {found}");
    }
    Ok(())
}

pub(super) async fn keys_of_two_hundred_bytes_are_kept(site: &Site) -> anyhow::Result<()> {
    let mut key = site.key("ABCXYZabcxyz0189._-");
    key.extend(std::iter::repeat_n('k', 200 - key.len()));
    let revision = site.write(&key, None, Some("there")).await?;
    let found = site.read(&key).await?;
    ensure!(found["revision"].as_u64() == revision, "found {found}");
    // Work may have such a key too.
    site.schedule(&key, None, "long").await?;
    site.asked(&key).await?.done();
    Ok(())
}

/// Whatever a plugin scans, it sees what plugins wrote.
pub(super) async fn the_records_of_the_gateway_are_out_of_reach(site: &Site) -> anyhow::Result<()> {
    let key = site.key("kept-by-the-gateway");
    site.schedule(&key, Some(3_600_000), "later").await?;
    let mut after = Value::Null;
    loop {
        let scan = json!({ "scan": { "prefix": "", "after": after, "limit": 500 } });
        let page = site.ask(scan).await?;
        for found in page["keys"].as_array().into_iter().flatten() {
            let ours = found
                .as_str()
                .is_some_and(|k| k.starts_with("conformance-"));
            ensure!(ours, "a scan shows {found}, which the probe did not write");
            ensure!(*found != key, "the work {found} is a key of the plugin");
        }
        after = page["next"].clone();
        if after.is_null() {
            return Ok(());
        }
    }
}
