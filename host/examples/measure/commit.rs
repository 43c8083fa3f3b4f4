//! Durable writes alone and in groups, beside what the disk does without us.

use crate::table::heading;
use crate::table::line;
use crate::table::median;
use crate::table::spread;
use integration_gateway::Store as _;
use integration_gateway::contract::Precondition;
use integration_gateway::contract::Write;
use servicenow_sync::store::FileStore;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;
use tokio::task::JoinSet;

/// What a hint is about as long as.
const VALUE: [u8; 512] = [b'x'; 512];
/// How long, and how often at most, one kind of write is repeated.
const ROUND: (Duration, usize) = (Duration::from_secs(3), 1000);

pub(crate) async fn measure(folder: &Path) -> anyhow::Result<()> {
    heading("a durable write of 512 bytes");
    let mut file = File::create(folder.join("raw"))?;
    let mut raw = Vec::new();
    let begin = Instant::now();
    while begin.elapsed() < ROUND.0 && raw.len() < ROUND.1 {
        let start = Instant::now();
        file.write_all(&VALUE)?;
        file.sync_data()?;
        raw.push(start.elapsed());
    }
    let store = FileStore::open(&folder.join("commits.redb"))?;
    let mut alone = Vec::new();
    let begin = Instant::now();
    while begin.elapsed() < ROUND.0 && alone.len() < ROUND.1 {
        let start = Instant::now();
        put(&store, format!("alone-{}", alone.len())).await?;
        alone.push(start.elapsed());
    }
    let each = Duration::as_secs_f64;
    raw.sort();
    alone.sort();
    let ratio = each(&median(&alone)) / each(&median(&raw));
    spread("append and fsync, nothing else", raw);
    spread("in the store, one at a time", alone);
    line(
        "the store, against a bare fsync",
        format!("{ratio:.1} times"),
    );

    for writers in [1, 16, 128] {
        let (before, begin) = (store.commits(), Instant::now());
        let mut tasks = JoinSet::new();
        for writer in 0..writers {
            let store = store.clone();
            tasks.spawn(async move {
                let mut written = 0_u32;
                while begin.elapsed() < ROUND.0 {
                    put(&store, format!("of-{writers}-{writer}-{written}")).await?;
                    written += 1;
                }
                anyhow::Ok(written)
            });
        }
        let mut writes = 0;
        while let Some(done) = tasks.join_next().await {
            writes += done??;
        }
        let rate = f64::from(writes) / begin.elapsed().as_secs_f64();
        let group = f64::from(writes) / (store.commits() - before).max(1) as f64;
        line(
            &format!("a second, {writers} writing, {group:.1} to a commit"),
            format!("{rate:.0}"),
        );
    }
    Ok(())
}

async fn put(store: &FileStore, key: String) -> anyhow::Result<()> {
    let value = Some(VALUE.into());
    let write = Write {
        key,
        precondition: Precondition::Absent,
        value,
    };
    store
        .write(write)
        .await?
        .map_err(|_| anyhow::anyhow!("the key was there"))?;
    Ok(())
}
