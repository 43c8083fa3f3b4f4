//! The shared store: the tables that the wasmtime gateway has in PostgreSQL,
//! reached through Spin. Gateways of both kinds may use them at the same time.
//!
//! Spin keeps connections open, 64 for each address, and hands them on from one
//! instance to the next. Whoever wants one when all are taken waits without a
//! limit, and an instance may have to wait half a minute for another system. So
//! it keeps a connection from one statement to the next, and gives it back as
//! soon as it waits for something else. Whether the server keeps what it confirms
//! is looked at with the first one, and again when that look is old.

use crate::store::sql::Value;
use crate::wasi;
use crate::wasi::postgres;
use crate::wasi::postgres::Connection;
use crate::wasi::postgres::DbValue;
use crate::wasi::postgres::Error;
use crate::wasi::postgres::ParameterValue;
use integration_gateway::Secret;
use integration_gateway::StoreError;
use integration_gateway::sql::CREATE_IN_POSTGRES;
use integration_gateway::sql::NOTE_HISTORY;
use integration_gateway::sql::READ_HISTORY;
use integration_gateway::sql::READ_SCHEMA;
use integration_gateway::sql::SCHEMA;
use integration_gateway::sql::SET_BACK;
use std::cell::Cell;
use std::cell::RefCell;
use std::rc::Rc;
use url::Host;
use url::Position;
use url::Url;

/// What is confirmed must be on the disk. A standby answers reads, but not with
/// what was written a moment ago. The last column is whether something else is
/// usual for this role or database than what [`SET`] sets.
const LOOK: &str = "SELECT current_setting('fsync') = 'on', pg_is_in_recovery(), \
    to_regclass('servicenow_sync_meta') IS NOT NULL, \
    current_setting('synchronous_commit') = 'off' \
        OR current_setting('default_transaction_isolation') <> 'read committed'";

/// What a server answers that has another kind of log, or keeps it to itself, as
/// Spin's errors have it: feature not supported, undefined function, object not in
/// prerequisite state, insufficient privilege.
const UNTOLD: [&str; 4] = [
    "SqlState(E0A000)",
    "SqlState(E42883)",
    "SqlState(E55000)",
    "SqlState(E42501)",
];

/// What is confirmed must be on the disk, where stricter settings are left alone;
/// and a write that waited for another one must see it, to be refused: in a
/// stricter isolation it would fail.
///
/// A connection that was used before is as the server makes them: Spin takes back
/// whatever was set on it.
const SET: &str = "SELECT \
    set_config('default_transaction_isolation', 'read committed', false), \
    CASE WHEN current_setting('synchronous_commit') = 'off' \
        THEN set_config('synchronous_commit', 'on', false) END";

/// How long a look holds: another server, which may have lost something, does not
/// take over faster.
const FRESH_NS: u64 = 5_000_000_000;

/// In seconds: how long an address may take to answer, and how long what was sent
/// may be on its way. Spin sets no limit.
const PATIENCE: [(&str, &str); 2] = [("connect_timeout", "10"), ("tcp_user_timeout", "10")];

pub(crate) struct Postgres {
    url: Secret,
    /// For the next statement. Each that runs has it too.
    connection: RefCell<Option<Rc<Connection>>>,
    looked: Cell<Option<Look>>,
}

/// What a look at a server found.
#[derive(Clone, Copy)]
struct Look {
    /// When, on the steady clock.
    at_ns: u64,
    /// Whether a connection has to be told what is promised.
    is_told: bool,
}

impl Postgres {
    pub(crate) fn new(url: Secret) -> Self {
        Self {
            url,
            connection: RefCell::default(),
            looked: Cell::default(),
        }
    }

    async fn connection(&self) -> Result<Rc<Connection>, StoreError> {
        let kept = self.connection.borrow().clone();
        if let Some(connection) = kept {
            return Ok(connection);
        }
        let url = self.url.reveal();
        let connection = postgres::open(url).await.map_err(|e| {
            // Where Spin does not allow the address it names it whole.
            StoreError(error(e).0.replace(url, "the URL"))
        })?;
        let ask = async |statement: &str| query(&connection, statement, Vec::new()).await;
        let run = async |statement: &str, parameters: Vec<_>| {
            let done = postgres::execute(&connection, statement, parameters);
            done.await.map_err(error)
        };
        let now_ns = wasi::steady_ns();
        match self.looked.get() {
            Some(look) if now_ns - look.at_ns < FRESH_NS => {
                if look.is_told {
                    ask(SET).await?;
                }
            }
            _ => self.looked.set(Some(Look {
                at_ns: now_ns,
                is_told: prepare(url, ask, run).await?,
            })),
        }
        // Somebody else may have been faster; either will do.
        let connection = Rc::new(connection);
        self.connection.replace(Some(Rc::clone(&connection)));
        Ok(connection)
    }

    /// Gives the connection back, unless a statement runs on it.
    pub(crate) fn rest(&self) {
        let mut connection = self.connection.borrow_mut();
        drop(connection.take_if(|connection| Rc::strong_count(connection) == 1));
    }
}

impl Postgres {
    pub(crate) async fn query(
        &self,
        statement: &str,
        parameters: Vec<Value>,
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        let connection = self.connection().await?;
        let parameters = parameters.into_iter().map(to_postgres).collect();
        let rows = query(&connection, statement, parameters).await?;
        Ok(rows
            .into_iter()
            .map(|row| row.into_iter().map(from_postgres).collect())
            .collect())
    }
}

/// Checks a server and the objects in it. Returns whether each connection has to
/// be told what is promised, as this one was.
async fn prepare(
    url: &str,
    ask: impl AsyncFn(&str) -> Result<Vec<Vec<DbValue>>, StoreError>,
    run: impl AsyncFn(&str, Vec<ParameterValue>) -> Result<(), StoreError>,
) -> Result<bool, StoreError> {
    let found = ask(LOOK).await?;
    let told = |place: usize| found.first().and_then(|row| row.get(place));
    let is = |place: usize| matches!(told(place), Some(DbValue::Boolean(true)));
    let is_told = is(3);
    if !is(0) {
        return Err(StoreError(
            "this PostgreSQL server runs with fsync = off, so it loses what it confirmed when the \
             power fails; set fsync = on, or name another server"
                .to_owned(),
        ));
    }
    if is(1) {
        return Err(StoreError(
            "this PostgreSQL server is a standby; name the primary".to_owned(),
        ));
    }
    if is_told {
        ask(SET).await?;
    }
    if !is(2) {
        run(CREATE_IN_POSTGRES, Vec::new()).await?;
    }
    let histories = match ask(READ_HISTORY).await {
        Err(error) if UNTOLD.iter().any(|code| error.0.contains(code)) => Vec::new(),
        histories => histories?,
    };
    if let Some([noted, DbValue::Int64(history)]) = histories.first().map(Vec::as_slice) {
        if !matches!(noted, DbValue::Int64(noted) if noted == history) {
            if !matches!(noted, DbValue::DbNull) {
                tracing::warn!(store = name(url), "{SET_BACK}");
            }
            run(NOTE_HISTORY, vec![ParameterValue::Int64(*history)]).await?;
        }
        return Ok(is_told);
    }
    let schema = ask(READ_SCHEMA).await?;
    let found = match schema.first().and_then(|row| row.first()) {
        Some(DbValue::Int64(SCHEMA)) => return Ok(is_told),
        Some(DbValue::Int64(found)) => found.to_string(),
        _ => "none".to_owned(),
    };
    Err(StoreError(format!(
        "expected a database of schema {SCHEMA}, found {found}; nothing was changed; run the \
         version that created it, or name another database"
    )))
}

/// What a database is called where its user and password are not to be told.
fn name(url: &str) -> String {
    let url = Url::parse(url);
    url.map_or_else(
        |_| String::new(),
        |url| url[Position::BeforeHost..Position::AfterPath].to_owned(),
    )
}

/// Checks a URL, and sees to it that a connection that leaves the machine is
/// encrypted, and that none waits for ever. A URL without `sslmode` means: with
/// TLS if the other side has it, which whoever is on the way can deny.
pub(crate) fn checked(url: &Secret) -> Result<Secret, String> {
    let expected = "expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE, found something else; \
                    percent-encode characters such as @ / : # in user and password";
    let mut parsed = Url::parse(url.reveal()).map_err(|_| expected.to_owned())?;
    if !matches!(parsed.scheme(), "postgres" | "postgresql") {
        return Err(expected.to_owned());
    }
    let is_local = match parsed.host() {
        // The scheme is not one of the web's, so an address is read as a name.
        Some(Host::Domain(name)) => matches!(name, "localhost" | "127.0.0.1"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err(expected.to_owned()),
    };
    let named: Vec<_> = parsed
        .query_pairs()
        .map(|(name, _)| name.into_owned())
        .collect();
    let says = |name| named.iter().any(|found| found == name);
    // These lead elsewhere, whatever the URL begins with.
    let is_local = is_local && !says("host") && !says("hostaddr");
    if !is_local && !says("sslmode") {
        parsed.query_pairs_mut().append_pair("sslmode", "require");
    }
    for (name, seconds) in PATIENCE {
        if !says(name) {
            parsed.query_pairs_mut().append_pair(name, seconds);
        }
    }
    Ok(Secret::new(parsed.as_str()))
}

async fn query(
    connection: &Connection,
    statement: &str,
    parameters: Vec<ParameterValue>,
) -> Result<Vec<Vec<DbValue>>, StoreError> {
    let rows = postgres::query(connection, statement, parameters).await;
    rows.map_err(error)
}

fn to_postgres(value: Value) -> ParameterValue {
    match value {
        Value::Integer(number) => ParameterValue::Int64(number),
        Value::Text(text) => ParameterValue::Str(text),
        Value::Blob(bytes) => ParameterValue::Binary(bytes),
        Value::Other => ParameterValue::DbNull,
    }
}

fn from_postgres(value: DbValue) -> Value {
    match value {
        DbValue::Int64(number) => Value::Integer(number),
        DbValue::Str(text) => Value::Text(text),
        DbValue::Binary(bytes) => Value::Blob(bytes),
        _ => Value::Other,
    }
}

fn error(error: Error) -> StoreError {
    StoreError(match error {
        Error::ConnectionFailed(why) => format!("no connection to PostgreSQL: {why}"),
        Error::QueryFailed(why) => format!("PostgreSQL: {why}"),
        Error::BadParameter(why) | Error::ValueConversionFailed(why) | Error::Other(why) => {
            format!("PostgreSQL: {why}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[test]
    fn a_connection_that_leaves_the_machine_is_encrypted() {
        for (url, expected) in [
            (
                "postgresql://a:b@db.example/sync",
                "postgresql://a:b@db.example/sync?sslmode=require",
            ),
            (
                "postgres://a@10.0.0.1:5433/sync?application_name=x",
                "postgres://a@10.0.0.1:5433/sync?application_name=x&sslmode=require",
            ),
            (
                "postgres://a@db.example/sync?sslmode=disable",
                "postgres://a@db.example/sync?sslmode=disable",
            ),
            (
                "postgres://a@localhost/sync?a=b",
                "postgres://a@localhost/sync?a=b",
            ),
            (
                "postgres://a@127.0.0.1/sync?a=b",
                "postgres://a@127.0.0.1/sync?a=b",
            ),
            ("postgres://a@[::1]/sync?a=b", "postgres://a@[::1]/sync?a=b"),
            (
                "postgres://a@localhost/sync?host=db.example",
                "postgres://a@localhost/sync?host=db.example&sslmode=require",
            ),
            (
                "postgres://a@[::1]/sync?hostaddr=203.0.113.9",
                "postgres://a@[::1]/sync?hostaddr=203.0.113.9&sslmode=require",
            ),
        ] {
            let found = checked(&Secret::new(url)).unwrap();
            let expected = format!("{expected}&connect_timeout=10&tcp_user_timeout=10");
            assert_eq!(found.reveal(), expected);
        }
    }

    #[test]
    fn a_database_is_named_without_its_password() {
        let url = "postgres://a:canary@db.example:5433/sync?sslmode=require";
        assert_eq!(name(url), "db.example:5433/sync");
    }

    #[test]
    fn a_url_may_say_how_long_to_wait() {
        let url = "postgres://a@localhost/sync?connect_timeout=3";
        let found = checked(&Secret::new(url)).unwrap();
        assert_eq!(found.reveal(), format!("{url}&tcp_user_timeout=10"));
    }

    #[test]
    fn a_connection_is_told_what_is_promised_where_something_else_is_usual() {
        for is_unusual in [false, true] {
            let told = Cell::new(0);
            let ask = async |statement: &str| -> Result<Vec<Vec<DbValue>>, StoreError> {
                let looked = [true, false, true, is_unusual];
                Ok(match statement {
                    LOOK => vec![looked.map(DbValue::Boolean).into()],
                    SET => {
                        told.set(told.get() + 1);
                        Vec::new()
                    }
                    READ_HISTORY => vec![vec![DbValue::Int64(7); 2]],
                    other => panic!("{other}"),
                })
            };
            let run = async |statement: &str, _| panic!("{statement}");
            let prepared = prepare("", ask, run).now_or_never().unwrap();
            assert_eq!(prepared, Ok(is_unusual));
            assert_eq!(told.get(), u32::from(is_unusual));
        }
    }

    /// Prepares a connection of which the server answers this.
    fn prepared(
        history: &Result<Vec<Vec<DbValue>>, StoreError>,
        schema: &[Vec<DbValue>],
    ) -> Result<bool, String> {
        let ask = async |statement: &str| match statement {
            LOOK => Ok(vec![[true, false, true].map(DbValue::Boolean).into()]),
            READ_HISTORY => history.clone(),
            READ_SCHEMA => Ok(schema.to_vec()),
            other => panic!("{other}"),
        };
        let run = async |statement: &str, _| panic!("{statement}");
        let prepared = prepare("", ask, run).now_or_never().unwrap();
        prepared.map_err(|error| error.0)
    }

    #[test]
    fn a_database_of_another_schema_is_left_as_it_is() {
        let said = |schema: Vec<Vec<DbValue>>| prepared(&Ok(Vec::new()), &schema);
        assert_eq!(said(vec![vec![DbValue::Int64(1)]]), Ok(false));
        for (schema, found) in [(vec![vec![DbValue::Int64(2)]], "2"), (vec![], "none")] {
            let expected = format!(
                "expected a database of schema 1, found {found}; nothing was changed; run the \
                 version that created it, or name another database"
            );
            assert_eq!(said(schema), Err(expected));
        }
    }

    #[test]
    fn only_a_server_that_keeps_its_history_to_itself_may_tell_none() {
        let said = |code: &str| {
            let text = format!("Error {{ kind: Db, cause: Some(DbError {{ code: {code}, .. }}) }}");
            prepared(&Err(StoreError(text)), &[vec![DbValue::Int64(1)]])
        };
        for code in UNTOLD {
            assert_eq!(said(code), Ok(false));
        }
        let error = said("SqlState(E57014)").unwrap_err();
        assert!(error.contains("E57014"), "{error}");
    }

    #[test]
    fn a_url_that_cannot_be_read_is_not_shown() {
        for url in ["mysql://a:canary@db/sync", "canary", "postgres:///canary"] {
            assert_eq!(
                checked(&Secret::new(url)).unwrap_err(),
                "expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE, found something else; \
                 percent-encode characters such as @ / : # in user and password"
            );
        }
    }
}
