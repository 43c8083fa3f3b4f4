//! The shared store: three objects in a PostgreSQL database.
//!
//! Every operation is one statement that PostgreSQL carries out atomically, so
//! nothing is ever locked from here, and a connection that breaks leaves
//! nothing half done. A write that was confirmed is on the server's disk, and
//! every statement that begins later sees it: that is what makes each key
//! linearizable, and it holds as long as there is one primary. A failover to a
//! standby that lags loses what only the old primary had confirmed.
//!
//! The statements are plain, without a function or a type of our own, so that
//! a gateway that reaches PostgreSQL some other way can share the tables.

use deadpool_postgres::Hook;
use deadpool_postgres::HookError;
use deadpool_postgres::Manager;
use deadpool_postgres::ManagerConfig;
use deadpool_postgres::Object;
use deadpool_postgres::Pool;
use deadpool_postgres::RecyclingMethod;
use deadpool_postgres::Runtime;
use integration_gateway::Refused;
use integration_gateway::Secret;
use integration_gateway::Store;
use integration_gateway::StoreError;
use integration_gateway::contract::Entry;
use integration_gateway::contract::KeyedEntry;
use integration_gateway::contract::Page;
use integration_gateway::contract::Precondition;
use integration_gateway::contract::Scan;
use integration_gateway::contract::Write;
use rustls::ClientConfig;
use rustls_platform_verifier::ConfigVerifierExt;
use std::collections::HashMap;
use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::Row;
use tokio_postgres::config::Host;
use tokio_postgres::config::SslMode;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::types::ToSql;
use tokio_postgres_rustls::MakeRustlsConnect;

/// Of the objects below. It grows when an older program could not use them.
const SCHEMA: i64 = 1;
/// Creates them all, or nothing. The lock keeps gateways that start at the same
/// time from getting into each other's way.
const CREATE: &str = r#"
    SELECT pg_advisory_xact_lock(7301462938450081);
    CREATE TABLE IF NOT EXISTS servicenow_sync_keys (
        key text COLLATE "C" PRIMARY KEY,
        value bytea NOT NULL,
        revision bigint NOT NULL
    );
    CREATE SEQUENCE IF NOT EXISTS servicenow_sync_revision;
    CREATE TABLE IF NOT EXISTS servicenow_sync_meta (
        name text PRIMARY KEY,
        value bigint NOT NULL
    );
    INSERT INTO servicenow_sync_meta VALUES ('schema', 1) ON CONFLICT DO NOTHING;
"#;
const EXISTS: &str = "SELECT to_regclass('servicenow_sync_meta') IS NOT NULL";
const READ_SCHEMA: &str = "SELECT value FROM servicenow_sync_meta WHERE name = 'schema'";
const READ_FSYNC: &str = "SELECT current_setting('fsync') = 'on'";
/// On each connection: what is confirmed must be on the disk, whatever is
/// usual for this role or database. Stricter settings are left alone.
const CONFIRM_WHAT_IS_DURABLE: &str = "SELECT set_config('synchronous_commit', 'on', false) \
    WHERE current_setting('synchronous_commit') = 'off'";

const GET: &str = "SELECT key, value, revision FROM servicenow_sync_keys WHERE key = ANY($1)";
/// One sequence for all keys, so that a key that is deleted and created again
/// never returns to a revision that it once had.
const CREATE_KEY: &str = "INSERT INTO servicenow_sync_keys (key, value, revision) \
    VALUES ($1, $2, nextval('servicenow_sync_revision')) \
    ON CONFLICT (key) DO NOTHING RETURNING revision";
const REPLACE_KEY: &str = "UPDATE servicenow_sync_keys \
    SET value = $2, revision = nextval('servicenow_sync_revision') \
    WHERE key = $1 AND revision = $3 RETURNING revision";
const DELETE_KEY: &str =
    "DELETE FROM servicenow_sync_keys WHERE key = $1 AND revision = $2 RETURNING 0::bigint";
const IS_ABSENT: &str = "SELECT 0::bigint \
    WHERE NOT EXISTS (SELECT FROM servicenow_sync_keys WHERE key = $1)";

const SIZE: &str = "SELECT pg_total_relation_size('servicenow_sync_keys')";

const CONNECTIONS: usize = 16;
/// For one operation, with the wait for a connection, or for a new connection.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most entries of a page.
const PAGE_ENTRIES: u32 = 1000;
/// A page ends behind this many bytes of values, whatever its limit.
const PAGE_BYTES: i64 = 4 << 20;

/// Why a database was not opened as a store.
#[derive(Debug, thiserror::Error)]
pub enum OpenPostgresError {
    /// The URL cannot be read. It is not shown, since it holds a password.
    #[error(
        "store: expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE in `url` of `[store]`, \
         found something else; percent-encode characters such as @ / : # in user and password"
    )]
    Url,
    /// There are no certificates to check the server's with.
    #[error(
        "store: no TLS: {0}; install the system's CA certificates, or name a file of them in \
         SSL_CERT_FILE"
    )]
    Tls(rustls::Error),
    /// The server did not answer, or did not let us in.
    #[error("store: PostgreSQL cannot be used: {0}; check the server and `url` in `[store]`")]
    Unusable(String),
    /// It was created by a program that knows more than this one.
    #[error(
        "store: this database has schema {0}, and this program knows schema {SCHEMA}; nothing was \
         changed; run the version that created it, or name another database in `[store]`"
    )]
    Schema(i64),
    /// There is nothing yet.
    #[error("store: this database holds no store; `serve` and `store import` create one")]
    Missing,
    /// There are tables of our name that are not ours.
    #[error(
        "store: this database has a table servicenow_sync_meta without a schema in it; nothing \
         was changed; name another database in `[store]`"
    )]
    Foreign,
    /// It would lose what it confirmed.
    #[error(
        "store: this server runs with fsync = off, so it loses what it confirmed when the power \
         fails; set fsync = on, or name another server in `[store]`"
    )]
    NotDurable,
}

/// A [`Store`] in a PostgreSQL database. Clones share its connections.
#[derive(Clone)]
pub struct PostgresStore {
    pool: Pool,
}

impl PostgresStore {
    /// Connects, and creates what is not there yet.
    pub async fn connect(url: &Secret) -> Result<Self, OpenPostgresError> {
        Self::open(url, true).await
    }

    /// Connects, and changes nothing.
    pub async fn connect_existing(url: &Secret) -> Result<Self, OpenPostgresError> {
        Self::open(url, false).await
    }

    async fn open(url: &Secret, create: bool) -> Result<Self, OpenPostgresError> {
        let store = Self {
            pool: pool(configuration(url)?)?,
        };
        let unusable = |error: StoreError| OpenPostgresError::Unusable(error.0);
        if !store.ask(READ_FSYNC).await.map_err(unusable)? {
            return Err(OpenPostgresError::NotDurable);
        }
        if !store.ask(EXISTS).await.map_err(unusable)? {
            if !create {
                return Err(OpenPostgresError::Missing);
            }
            let client = store.client().await.map_err(unusable)?;
            let created = client.batch_execute(CREATE);
            created
                .await
                .map_err(|e| OpenPostgresError::Unusable(reason(&e)))?;
        }
        let found = store.query(READ_SCHEMA, &[]).await.map_err(unusable)?;
        match found.first().map(|row| row.get(0)) {
            Some(SCHEMA) => Ok(store),
            Some(found) => Err(OpenPostgresError::Schema(found)),
            None => Err(OpenPostgresError::Foreign),
        }
    }

    /// Whether a URL can be read, without connecting.
    pub(crate) fn check(url: &Secret) -> Result<(), OpenPostgresError> {
        configuration(url).map(drop)
    }

    /// How many bytes the keys take on the server's disk.
    pub async fn bytes_on_disk(&self) -> Result<u64, StoreError> {
        let rows = self.query(SIZE, &[]).await?;
        rows.first().map_or(Ok(0), |row| unsigned(row, 0))
    }

    async fn client(&self) -> Result<Object, StoreError> {
        self.pool.get().await.map_err(|e| StoreError(reason(&e)))
    }

    async fn ask(&self, question: &str) -> Result<bool, StoreError> {
        let rows = self.query(question, &[]).await?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }

    async fn query(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let client = self.client().await?;
        let answer = async {
            let statement = client.prepare_cached(statement).await?;
            client.query(&statement, parameters).await
        };
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(rows) => rows.map_err(|e| StoreError(reason(&e))),
            Err(_) => {
                // Whoever used this connection next would wait as well.
                drop(Object::take(client));
                let seconds = PATIENCE.as_secs();
                Err(StoreError(format!("no answer within {seconds} s")))
            }
        }
    }
}

impl Store for PostgresStore {
    fn is_shared(&self) -> bool {
        true
    }

    async fn get(&self, keys: &[String]) -> Result<Vec<Option<Entry>>, StoreError> {
        let rows = self.query(GET, &[&keys]).await?;
        let mut found: HashMap<String, Entry> = HashMap::new();
        for row in rows {
            let keyed = keyed_entry(&row)?;
            found.insert(keyed.key, keyed.entry);
        }
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    async fn scan(&self, scan: &Scan) -> Result<Page, StoreError> {
        let (comparison, from) = match &scan.after {
            Some(after) if *after >= scan.prefix => (">", after),
            _ => (">=", &scan.prefix),
        };
        let limit = i64::from(scan.limit.clamp(1, PAGE_ENTRIES));
        let behind = behind(&scan.prefix);
        let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![from, &limit, &PAGE_BYTES];
        let mut end = "";
        if let Some(behind) = &behind {
            parameters.push(behind);
            end = "AND key < $4";
        }
        // One entry more than asked for is looked at, to know whether there is
        // more; values are added up before any is read.
        let statement = format!(
            "SELECT key, value, revision, seen FROM ( \
                SELECT key, value, revision, \
                    count(*) OVER () AS seen, \
                    row_number() OVER (ORDER BY key) AS place, \
                    sum(octet_length(value)) OVER (ORDER BY key) - octet_length(value) AS before \
                FROM ( \
                    SELECT key, value, revision FROM servicenow_sync_keys \
                    WHERE key {comparison} $1 {end} ORDER BY key LIMIT $2::bigint + 1 \
                ) AS found \
            ) AS page WHERE place <= $2::bigint AND before <= $3::bigint ORDER BY key"
        );
        let rows = self.query(&statement, &parameters).await?;
        let seen = rows.first().map_or(Ok(0), |row| row.try_get::<_, i64>(3));
        let seen = seen.map_err(|e| StoreError(reason(&e)))?;
        let entries: Result<Vec<_>, _> = rows.iter().map(keyed_entry).collect();
        let entries = entries?;
        let next = match entries.last() {
            Some(last) if entries.len() < usize::try_from(seen).unwrap_or(0) => {
                Some(last.key.clone())
            }
            _ => None,
        };
        Ok(Page { entries, next })
    }

    async fn write(&self, write: Write) -> Result<Result<u64, Refused>, StoreError> {
        let Write {
            key,
            precondition,
            value,
        } = write;
        let expected = match precondition {
            Precondition::Absent => None,
            // A revision that no key of this store ever had.
            Precondition::Revision(revision) => match i64::try_from(revision) {
                Ok(revision) => Some(revision),
                Err(_) => return Ok(Err(Refused)),
            },
        };
        let rows = match (&value, &expected) {
            (Some(value), None) => self.query(CREATE_KEY, &[&key, value]).await,
            (Some(value), Some(expected)) => {
                self.query(REPLACE_KEY, &[&key, value, expected]).await
            }
            (None, Some(expected)) => self.query(DELETE_KEY, &[&key, expected]).await,
            (None, None) => self.query(IS_ABSENT, &[&key]).await,
        }?;
        match rows.first() {
            Some(row) => unsigned(row, 0).map(Ok),
            None => Ok(Err(Refused)),
        }
    }
}

fn keyed_entry(row: &Row) -> Result<KeyedEntry, StoreError> {
    let damaged = |e: tokio_postgres::Error| StoreError(reason(&e));
    Ok(KeyedEntry {
        key: row.try_get(0).map_err(damaged)?,
        entry: Entry {
            value: row.try_get(1).map_err(damaged)?,
            revision: unsigned(row, 2)?,
        },
    })
}

fn unsigned(row: &Row, column: usize) -> Result<u64, StoreError> {
    let number: i64 = row.try_get(column).map_err(|e| StoreError(reason(&e)))?;
    u64::try_from(number)
        .map_err(|_| StoreError(format!("expected no negative number, found {number}")))
}

/// The first key behind all that begin with a prefix; none if there is nothing
/// behind them.
fn behind(prefix: &str) -> Option<String> {
    let mut prefix = prefix.to_owned();
    while let Some(last) = prefix.pop() {
        // In UTF-8 the order of bytes is that of characters.
        if let Some(next) = (last..=char::MAX).nth(1) {
            prefix.push(next);
            return Some(prefix);
        }
    }
    None
}

fn configuration(url: &Secret) -> Result<Config, OpenPostgresError> {
    let mut config: Config = url.reveal().parse().map_err(|_| OpenPostgresError::Url)?;
    let is_local = config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    });
    // `prefer`, which is what a URL without `sslmode` means, would go on in the
    // clear if somebody in between says that there is no TLS.
    if config.get_ssl_mode() == SslMode::Prefer {
        config.ssl_mode(if is_local {
            SslMode::Disable
        } else {
            SslMode::Require
        });
    }
    // A standby answers reads, but not with what was written a moment ago.
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    config.connect_timeout(PATIENCE);
    if config.get_application_name().is_none() {
        config.application_name("servicenow-sync");
    }
    Ok(config)
}

fn pool(config: Config) -> Result<Pool, OpenPostgresError> {
    // Another part of the program may have chosen before; that is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let tls = ClientConfig::with_platform_verifier().map_err(OpenPostgresError::Tls)?;
    let manager = Manager::from_config(
        config,
        MakeRustlsConnect::new(tls),
        ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        },
    );
    Pool::builder(manager)
        .max_size(CONNECTIONS)
        .wait_timeout(Some(PATIENCE))
        .create_timeout(Some(PATIENCE))
        .runtime(Runtime::Tokio1)
        .post_create(Hook::async_fn(|client, _| {
            Box::pin(async move {
                let asked = client.query(CONFIRM_WHAT_IS_DURABLE, &[]).await;
                asked.map(drop).map_err(HookError::Backend)
            })
        }))
        .build()
        .map_err(|e| OpenPostgresError::Unusable(e.to_string()))
}

/// An error with what it comes from, which is where the reason stands.
fn reason(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let deeper = error.to_string();
        // Some repeat what they come from.
        if !text.contains(&deeper) {
            text = format!("{text}: {deeper}");
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssl_mode(url: &str) -> SslMode {
        configuration(&Secret::new(url)).unwrap().get_ssl_mode()
    }

    #[test]
    fn without_a_word_tls_is_required_unless_the_server_is_on_this_machine() {
        for (host, expected) in [
            ("db.example.com", SslMode::Require),
            ("10.0.0.1:5433", SslMode::Require),
            ("localhost,db.example.com", SslMode::Require),
            ("localhost", SslMode::Disable),
            ("127.0.0.1:5433", SslMode::Disable),
            ("%2Fvar%2Frun%2Fpostgresql", SslMode::Disable),
        ] {
            let url = format!("postgresql://user:pass@{host}/sync");
            assert_eq!(ssl_mode(&url), expected, "{host}");
            let preferring = format!("{url}?sslmode=prefer");
            assert_eq!(ssl_mode(&preferring), expected, "{host}");
            let plain = format!("{url}?sslmode=disable");
            assert_eq!(ssl_mode(&plain), SslMode::Disable, "{host}");
            let required = format!("{url}?sslmode=require");
            assert_eq!(ssl_mode(&required), SslMode::Require, "{host}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_read_is_not_shown() {
        for url in [
            "canary",
            "https://canary@host",
            "postgresql://u:can#ary@h:x/",
        ] {
            let error = PostgresStore::check(&Secret::new(url)).unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with("store: expected postgresql://USER")
            );
        }
    }

    #[test]
    fn the_keys_of_a_prefix_end_before_the_next_prefix() {
        assert_eq!(behind("g.work."), Some("g.work/".to_owned()));
        assert_eq!(behind("a\u{10ffff}"), Some("b".to_owned()));
        assert_eq!(behind("\u{d7ff}"), Some("\u{e000}".to_owned()));
        assert_eq!(behind("\u{10ffff}"), None);
        assert_eq!(behind(""), None);
    }
}
