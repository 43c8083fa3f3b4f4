//! The shared store: three objects in a PostgreSQL database.
//!
//! Every operation is one statement that PostgreSQL carries out atomically, so
//! nothing is ever locked from here, and a connection that breaks leaves
//! nothing half done. A write that was confirmed is on the server's disk, and
//! every statement that begins later sees it: that is what makes each key
//! linearizable, and it holds as long as there is one primary. A failover to a
//! standby that lags loses what only the old primary had confirmed; each
//! connection looks whether there was one.
//!
//! What other kinds of gateways say too is in [`integration_gateway::sql`].

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
use integration_gateway::contract::Scan;
use integration_gateway::contract::Write;
use integration_gateway::sql;
use integration_gateway::sql::CREATE_IN_POSTGRES;
use integration_gateway::sql::CREATE_KEY_IN_POSTGRES;
use integration_gateway::sql::NOTE_HISTORY;
use integration_gateway::sql::PageStatement;
use integration_gateway::sql::READ_HISTORY;
use integration_gateway::sql::READ_SCHEMA;
use integration_gateway::sql::REPLACE_KEY_IN_POSTGRES;
use integration_gateway::sql::SCHEMA;
use integration_gateway::sql::SET_BACK;
use rustls::ClientConfig;
use rustls_platform_verifier::ConfigVerifierExt;
use std::collections::HashMap;
use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;
use tokio_postgres::Client;
use tokio_postgres::Config;
use tokio_postgres::Row;
use tokio_postgres::config::Host;
use tokio_postgres::config::SslMode;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres_rustls::MakeRustlsConnect;

const EXISTS: &str = "SELECT to_regclass('servicenow_sync_meta') IS NOT NULL";
const READ_FSYNC: &str = "SELECT current_setting('fsync') = 'on'";
/// On each connection, whatever is usual for this role or database: what is
/// confirmed must be on the disk, where stricter settings are left alone; and a
/// write that waited for another one must see it, to be refused: in a stricter
/// isolation it would fail.
const SET_WHAT_IS_PROMISED: &str = "SELECT \
    set_config('default_transaction_isolation', 'read committed', false), \
    CASE WHEN current_setting('synchronous_commit') = 'off' \
        THEN set_config('synchronous_commit', 'on', false) END";

const GET: &str = "SELECT key, value, revision FROM servicenow_sync_keys WHERE key = ANY($1)";
const DELETE_KEY: &str =
    "DELETE FROM servicenow_sync_keys WHERE key = $1 AND revision = $2 RETURNING 0::bigint";
const IS_ABSENT: &str = "SELECT 0::bigint \
    WHERE NOT EXISTS (SELECT FROM servicenow_sync_keys WHERE key = $1)";

const SIZE: &str = "SELECT pg_total_relation_size('servicenow_sync_keys')";

/// What a server answers that has another kind of log, or keeps it to itself.
const UNTOLD: [SqlState; 4] = [
    SqlState::FEATURE_NOT_SUPPORTED,
    SqlState::UNDEFINED_FUNCTION,
    SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
    SqlState::INSUFFICIENT_PRIVILEGE,
];

const CONNECTIONS: usize = 16;
/// For one operation, with the wait for a connection, or for a new connection.
const PATIENCE: Duration = Duration::from_secs(10);

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
            pool: pool(configuration(url)?, create)?,
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
            let created = client.batch_execute(CREATE_IN_POSTGRES);
            created
                .await
                .map_err(|e| OpenPostgresError::Unusable(reason(&e)))?;
            notice(&client)
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
        let page = PageStatement::new(scan);
        let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&page.from, &page.limit, &page.bytes];
        if let Some(end) = &page.end {
            parameters.push(end);
        }
        let rows = self.query(&page.text, &parameters).await?;
        let seen = rows.first().map_or(Ok(0), |row| row.try_get(3));
        let seen = seen.map_err(|e| StoreError(reason(&e)))?;
        let entries: Result<Vec<_>, _> = rows.iter().map(keyed_entry).collect();
        Ok(sql::page(entries?, seen))
    }

    async fn write(&self, write: Write) -> Result<Result<u64, Refused>, StoreError> {
        let Write {
            key,
            precondition,
            value,
        } = write;
        let expected = match sql::expected(&precondition) {
            Ok(expected) => expected,
            Err(refused) => return Ok(Err(refused)),
        };
        let rows = match (&value, &expected) {
            (Some(value), None) => self.query(CREATE_KEY_IN_POSTGRES, &[&key, value]).await,
            (Some(value), Some(expected)) => {
                self.query(REPLACE_KEY_IN_POSTGRES, &[&key, value, expected])
                    .await
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

fn configuration(url: &Secret) -> Result<Config, OpenPostgresError> {
    let mut config: Config = url.reveal().parse().map_err(|_| OpenPostgresError::Url)?;
    let (hosts, addresses) = (config.get_hosts(), config.get_hostaddrs());
    let is_here = |host: &Host| match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    // Where there is an address, it is what is connected to, whatever the host
    // is called.
    let is_named = !(hosts.is_empty() && addresses.is_empty());
    let is_local =
        is_named && hosts.iter().all(is_here) && addresses.iter().all(IpAddr::is_loopback);
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

/// The connections. Those that are for more than a look notice if the database
/// was set back.
fn pool(config: Config, notices: bool) -> Result<Pool, OpenPostgresError> {
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
        .post_create(Hook::async_fn(move |client, _| {
            Box::pin(async move {
                match tokio::time::timeout(PATIENCE, prepare(client, notices)).await {
                    Ok(prepared) => prepared.map_err(HookError::Backend),
                    Err(_) => Err(HookError::message(format!(
                        "no answer within {} s",
                        PATIENCE.as_secs()
                    ))),
                }
            })
        }))
        .build()
        .map_err(|e| OpenPostgresError::Unusable(e.to_string()))
}

/// Makes a connection fit for use.
async fn prepare(client: &Client, notices: bool) -> Result<(), tokio_postgres::Error> {
    client.query(SET_WHAT_IS_PROMISED, &[]).await?;
    match notices {
        true => notice(client).await,
        false => Ok(()),
    }
}

/// Sees to it that the database has noticed if it was set back.
async fn notice(client: &Client) -> Result<(), tokio_postgres::Error> {
    let histories = match client.query_opt(READ_HISTORY, &[]).await {
        Ok(histories) => histories,
        Err(error) => {
            return match error.code() {
                // They are created next.
                Some(&SqlState::UNDEFINED_TABLE) => Ok(()),
                Some(code) if UNTOLD.contains(code) => {
                    let error = reason(&error);
                    tracing::debug!(error, "the server does not tell its history");
                    Ok(())
                }
                _ => Err(error),
            };
        }
    };
    let Some(histories) = histories else {
        return Ok(());
    };
    let (noted, history): (Option<i64>, i64) = (histories.try_get(0)?, histories.try_get(1)?);
    if noted == Some(history) {
        return Ok(());
    }
    let deleted = client.execute(NOTE_HISTORY, &[&history]).await?;
    if deleted > 0 {
        tracing::warn!("{SET_BACK}");
    }
    Ok(())
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
        for (place, expected) in [
            ("db.example.com/sync?", SslMode::Require),
            ("10.0.0.1:5433/sync?", SslMode::Require),
            ("localhost,db.example.com/sync?", SslMode::Require),
            ("localhost/sync?hostaddr=203.0.113.9&", SslMode::Require),
            ("/sync?hostaddr=203.0.113.9&", SslMode::Require),
            (
                "/sync?hostaddr=127.0.0.1,203.0.113.9&port=1,2&",
                SslMode::Require,
            ),
            ("/sync?host=/tmp&hostaddr=203.0.113.9&", SslMode::Require),
            ("/sync?", SslMode::Require),
            ("localhost/sync?", SslMode::Disable),
            ("127.0.0.1:5433/sync?", SslMode::Disable),
            ("localhost/sync?hostaddr=127.0.0.1&", SslMode::Disable),
            ("/sync?hostaddr=127.0.0.1,::1&", SslMode::Disable),
            ("%2Fvar%2Frun%2Fpostgresql/sync?", SslMode::Disable),
        ] {
            let url = format!("postgresql://user:pass@{place}");
            assert_eq!(
                ssl_mode(url.trim_end_matches(['?', '&'])),
                expected,
                "{place}"
            );
            let preferring = format!("{url}sslmode=prefer");
            assert_eq!(ssl_mode(&preferring), expected, "{place}");
            let plain = format!("{url}sslmode=disable");
            assert_eq!(ssl_mode(&plain), SslMode::Disable, "{place}");
            let required = format!("{url}sslmode=require");
            assert_eq!(ssl_mode(&required), SslMode::Require, "{place}");
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
}
