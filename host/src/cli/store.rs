//! What an operator does with a store while no gateway is running on it.
//!
//! An export is lines of JSON: a first one that says what it is, one for each
//! key in the order of keys, and a last one with their number, by which a file
//! that was cut short is known. A value that is text stands there as text, so
//! that it can be read and searched.

use crate::config::Draft;
use crate::store::HostStore;
use anyhow::Context as _;
use anyhow::bail;
use anyhow::ensure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::Args;
use clap::Subcommand;
use futures_util::StreamExt as _;
use futures_util::TryStreamExt as _;
use futures_util::stream;
use integration_gateway::Kept;
use integration_gateway::Store as _;
use integration_gateway::UNBROKEN;
use integration_gateway::contract::KeyedEntry;
use integration_gateway::contract::Precondition;
use integration_gateway::contract::Scan;
use integration_gateway::contract::Write;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;
use std::io::BufRead;
use std::io::BufWriter;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

/// Of the lines of an export. It grows when an older program could not read
/// them.
const FORMAT: u32 = 1;
/// How many keys are written at the same time.
const TOGETHER: usize = 128;
/// So many problems are told; the rest are counted.
const MOST_PROBLEMS: usize = 20;

#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Prints everything in the store, a line of JSON for each key.
    ///
    /// A store in a file must not be in use. A database may be, but then what
    /// is printed is not of one moment: stop the gateways before a move. The
    /// lines hold what incidents hold, and no credentials.
    #[command(after_long_help = EXPORT_EXAMPLES)]
    Export(ConfigFile),
    /// Reads an export from standard input into the store, which must be empty.
    ///
    /// Everything is read and checked before anything is written.
    #[command(after_long_help = IMPORT_EXAMPLES)]
    Import(ConfigFile),
    /// Tells what is in the store: keys by kind, sizes, and the oldest work.
    Inspect(ConfigFile),
    /// Reads everything, and checks that this version can work with it.
    ///
    /// A file is compared with its checksums as well.
    /// Exits with 0 if all is well, else with 1 after printing what is wrong.
    /// What the plugin wrote is only read; the plugin knows what it means.
    Verify(ConfigFile),
}

#[derive(Debug, Args)]
pub(super) struct ConfigFile {
    /// The configuration, of which `[store]` counts.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "sync.toml",
        env = "SERVICENOW_SYNC_CONFIG"
    )]
    config: PathBuf,
}

const EXPORT_EXAMPLES: &str = "\
Examples:
  servicenow-sync store export > store.jsonl";

const IMPORT_EXAMPLES: &str = "\
Examples:
  servicenow-sync store export --config file.toml |
    servicenow-sync store import --config postgresql.toml";

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Head {
    servicenow_sync_store: u32,
}

/// The last line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tail {
    keys: usize,
}

/// All lines in between.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    key: String,
    /// As it was. An import gives new ones, since only equality means anything.
    revision: u64,
    #[serde(flatten)]
    value: Value,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Value {
    Text(String),
    Base64(String),
}

impl StoreCommand {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(async {
                let (Self::Export(file)
                | Self::Import(file)
                | Self::Inspect(file)
                | Self::Verify(file)) = self;
                let location = Draft::read(&file.config)?.store()?;
                if let Self::Import(_) = self {
                    let found = read_export(io::stdin().lock())?;
                    return import(&location.open().await?, found).await;
                }
                if let Self::Verify(_) = self {
                    return verify(&location.open_verified().await?).await;
                }
                let store = location.open_existing().await?;
                if let Self::Export(_) = self {
                    return export(&store).await;
                }
                writeln!(io::stdout(), "store in {location}")?;
                inspect(&store).await
            })
    }
}

/// Does something with every entry, in the order of keys.
async fn each(
    store: &HostStore,
    mut act: impl FnMut(KeyedEntry) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let page = store
            .scan(&Scan {
                prefix: String::new(),
                after: after.take(),
                limit: 1000,
            })
            .await?;
        page.entries.into_iter().try_for_each(&mut act)?;
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

async fn export(store: &HostStore) -> anyhow::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    let head = Head {
        servicenow_sync_store: FORMAT,
    };
    writeln!(out, "{}", serde_json::to_string(&head)?)?;
    let mut keys = 0;
    each(store, |found| {
        let line = Line {
            key: found.key,
            revision: found.entry.revision,
            value: match String::from_utf8(found.entry.value) {
                Ok(text) => Value::Text(text),
                Err(error) => Value::Base64(BASE64.encode(error.as_bytes())),
            },
        };
        keys += 1;
        Ok(writeln!(out, "{}", serde_json::to_string(&line)?)?)
    })
    .await?;
    writeln!(out, "{}", serde_json::to_string(&Tail { keys })?)?;
    Ok(out.flush()?)
}

/// Reads all of it, so that an import either begins with what can be stored and
/// read again, or does not begin.
fn read_export(input: impl BufRead) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut lines = input.lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let head: Head = serde_json::from_str(&first)
        .ok()
        .context("line 1: expected the first line of an export; `store export` makes one")?;
    ensure!(
        head.servicenow_sync_store == FORMAT,
        "line 1: expected an export of format {FORMAT}, found {}; import it with the version that \
         made it",
        head.servicenow_sync_store
    );
    let mut found = BTreeMap::new();
    for (n, text) in lines.enumerate() {
        let text = text?;
        let at = || format!("line {}", n + 2);
        if let Ok(tail) = serde_json::from_str::<Tail>(&text) {
            ensure!(
                tail.keys == found.len(),
                "{}: expected {} keys before this, found {}; the export is damaged",
                at(),
                tail.keys,
                found.len()
            );
            return Ok(found);
        }
        let line: Line = serde_json::from_str(&text).with_context(at)?;
        let at = || format!("{}: {:?}", at(), line.key);
        let value = match line.value {
            Value::Text(text) => text.into_bytes(),
            Value::Base64(text) => BASE64.decode(text).with_context(at)?,
        };
        if let Err(problem) = Kept::read(&line.key, &value) {
            bail!(
                "{}: {problem}; import it with the version that made it, or take the line out and \
                 lower `keys` in the last line by one",
                at()
            );
        }
        ensure!(
            !found.contains_key(&line.key),
            "{}: the key is there twice",
            at()
        );
        found.insert(line.key, value);
    }
    bail!("the export ends without its last line, so it was cut short; make it again")
}

async fn import(store: &HostStore, mut found: BTreeMap<String, Vec<u8>>) -> anyhow::Result<()> {
    let empty_it = match store {
        HostStore::File(_) => "move the file away",
        HostStore::Postgres(_) => "drop the objects whose names begin with servicenow_sync_",
    };
    let mut there = 0;
    each(store, |_| {
        there += 1;
        Ok(())
    })
    .await?;
    ensure!(
        there == 0,
        "expected an empty store, found {there} keys in it; nothing was changed; {empty_it}, or \
         name another store in `[store]`"
    );
    let all = found.len();
    // An export does not know what happened after it was made.
    found.retain(|key, _| !key.starts_with(UNBROKEN));
    let keys = found.len();
    let writes = found.into_iter().map(|(key, value)| Write {
        key,
        precondition: Precondition::Absent,
        value: Some(value),
    });
    stream::iter(writes)
        .map(|write| async {
            let key = write.key.clone();
            match store.write(write).await? {
                Ok(_) => anyhow::Ok(()),
                Err(_refused) => bail!("somebody else wrote the key {key:?}"),
            }
        })
        .buffer_unordered(TOGETHER)
        .try_collect::<()>()
        .await
        .with_context(|| format!("the import is not complete; {empty_it}, and import again"))?;
    let mut told = format!("imported {keys} keys");
    if keys < all {
        told += &format!(
            "; left out {} that held only in the store they come from, so for 150 s nothing is \
             created for incidents that existed before",
            all - keys
        );
    }
    Ok(writeln!(io::stdout(), "{told}")?)
}

/// How much there is of one kind.
#[derive(Default)]
struct Sum {
    keys: u64,
    bytes: usize,
}

async fn inspect(store: &HostStore) -> anyhow::Result<()> {
    let mut kinds: BTreeMap<String, Sum> = BTreeMap::new();
    let (mut waiting, mut parked, mut leased) = (0, 0, 0);
    let mut oldest: Option<(u64, String)> = None;
    each(store, |found| {
        let bytes = found.key.len() + found.entry.value.len();
        let kind = match Kept::read(&found.key, &found.entry.value) {
            // By convention, a plugin's key begins with its kind and a full stop.
            Ok(Kept::Plugin { key }) => {
                let kind = key.split('.').next().unwrap_or_default();
                format!("plugin: {kind}")
            }
            Ok(Kept::Work {
                key,
                due_ms,
                parked: is_parked,
                leased: is_leased,
            }) => {
                match (is_parked, is_leased) {
                    (true, _) => parked += 1,
                    (_, true) => leased += 1,
                    _ => waiting += 1,
                }
                if !is_parked && oldest.as_ref().is_none_or(|(due, _)| due_ms < *due) {
                    oldest = Some((due_ms, key));
                }
                "gateway: work".to_owned()
            }
            Ok(Kept::Gate { .. }) => "gateway: closed gates".to_owned(),
            Err(_) => "not readable, see `store verify`".to_owned(),
        };
        let sum = kinds.entry(kind).or_default();
        sum.keys += 1;
        sum.bytes += bytes;
        Ok(())
    })
    .await?;
    let mut out = io::stdout().lock();
    let size = store.bytes_on_disk().await?;
    writeln!(out, "{size} bytes on disk")?;
    writeln!(out, "{:>10} {:>12}  kind", "keys", "bytes")?;
    for (kind, sum) in &kinds {
        writeln!(out, "{:>10} {:>12}  {kind}", sum.keys, sum.bytes)?;
    }
    writeln!(
        out,
        "work: {waiting} waiting, {leased} in a session, {parked} parked"
    )?;
    if let Some((due_ms, key)) = oldest {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let when = match (due_ms / 1000).checked_sub(now) {
            None => format!("due for {} s", now - due_ms / 1000),
            Some(seconds) => format!("due in {seconds} s"),
        };
        writeln!(out, "oldest: {key}, {when}")?;
    }
    Ok(())
}

async fn verify(store: &HostStore) -> anyhow::Result<()> {
    let (mut keys, mut problems) = (0, Vec::new());
    each(store, |found| {
        keys += 1;
        if let Err(problem) = Kept::read(&found.key, &found.entry.value) {
            problems.push(format!("{}: {problem}", found.key));
        }
        Ok(())
    })
    .await?;
    let count = problems.len();
    if count > 0 {
        problems.truncate(MOST_PROBLEMS);
        problems.push(format!("{count} of {keys} keys cannot be read"));
        bail!(problems.join("\n"));
    }
    Ok(writeln!(io::stdout(), "{keys} keys, all well")?)
}
