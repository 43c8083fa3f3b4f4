//! PostgreSQL databases over a pool of connections, as Spin has one for each
//! address. Whoever opens one has it to itself until it is dropped, and who comes
//! when all are taken waits without a limit.

use crate::bindings::fermyon::spin::postgres;
use crate::bindings::fermyon::spin::rdbms_types;
use crate::bindings::fermyon::spin::rdbms_types::Column;
use crate::bindings::fermyon::spin::rdbms_types::DbDataType;
use crate::bindings::fermyon::spin::rdbms_types::DbValue;
use crate::bindings::fermyon::spin::rdbms_types::Error;
use crate::bindings::fermyon::spin::rdbms_types::ParameterValue;
use crate::bindings::fermyon::spin::rdbms_types::RowSet;
use crate::manifest::Application;
use crate::state::State;
use deadpool_postgres::Manager;
use deadpool_postgres::ManagerConfig;
use deadpool_postgres::Object;
use deadpool_postgres::Pool;
use deadpool_postgres::RecyclingMethod;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use tokio_postgres::Config;
use tokio_postgres::NoTls;
use tokio_postgres::Row;
use tokio_postgres::config::Host;
use tokio_postgres::types::ToSql;
use tokio_postgres::types::Type;
use wasmtime::component::Resource;

/// Connections to one address, as many as Spin has.
const MOST: usize = 64;

/// Pools by their addresses.
#[derive(Default)]
pub(crate) struct Pools {
    by_address: Mutex<BTreeMap<String, Pool>>,
    statements: Arc<AtomicUsize>,
}

impl Pools {
    fn get(&self, address: &str, config: Config) -> Result<Pool, Error> {
        let mut pools = self
            .by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(address) {
            return Ok(pool.clone());
        }
        // What was set on a connection is forgotten with whoever set it.
        let clean = ManagerConfig {
            recycling_method: RecyclingMethod::Clean,
        };
        let manager = Manager::from_config(config, NoTls, clean);
        let pool = Pool::builder(manager).max_size(MOST).build();
        let pool = pool.map_err(|error| Error::ConnectionFailed(error.to_string()))?;
        pools.insert(address.to_owned(), pool.clone());
        Ok(pool)
    }

    /// How many connections instances hold.
    pub(crate) fn held(&self) -> usize {
        let pools = self
            .by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let status = pools.values().map(Pool::status);
        status.map(|status| status.size - status.available).sum()
    }

    /// How many statements were sent so far.
    pub(crate) fn statements(&self) -> usize {
        self.statements.load(Ordering::SeqCst)
    }
}

/// What a component takes for a connection.
#[derive(Clone)]
#[allow(unreachable_pub, reason = "the generated bindings name it")]
pub struct Connection {
    taken: Arc<Object>,
    /// Counts those of all connections.
    statements: Arc<AtomicUsize>,
}

impl Connection {
    /// Takes a connection, to where the component may connect.
    pub(crate) async fn open(
        application: &Application,
        pools: &Pools,
        address: &str,
    ) -> Result<Self, Error> {
        let failed = |error: String| Error::ConnectionFailed(error);
        let config: Config = address.parse().map_err(|e| failed(format!("{e}")))?;
        if !is_allowed(application, &config) {
            return Err(failed("the address is not allowed".to_owned()));
        }
        let taken = pools.get(address, config)?.get().await;
        Ok(Self {
            taken: Arc::new(taken.map_err(|e| failed(e.to_string()))?),
            statements: Arc::clone(&pools.statements),
        })
    }

    /// Runs one statement that returns rows.
    pub(crate) async fn query(
        &self,
        statement: &str,
        parameters: &[ParameterValue],
    ) -> Result<RowSet, Error> {
        self.statements.fetch_add(1, Ordering::SeqCst);
        let parameters = to_sql(parameters)?;
        let statement = self
            .taken
            .prepare(statement)
            .await
            .map_err(|error| failed(&error))?;
        let rows = self.taken.query(&statement, &borrowed(&parameters)).await;
        let columns = statement.columns().iter().map(|column| Column {
            name: column.name().to_owned(),
            data_type: data_type(column.type_()),
        });
        Ok(RowSet {
            columns: columns.collect(),
            rows: rows
                .map_err(|error| failed(&error))?
                .iter()
                .map(row)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Runs one statement that returns none, and tells how many it changed.
    async fn execute(&self, statement: &str, parameters: &[ParameterValue]) -> Result<u64, Error> {
        self.statements.fetch_add(1, Ordering::SeqCst);
        let parameters = to_sql(parameters)?;
        let changed = self.taken.execute(statement, &borrowed(&parameters)).await;
        changed.map_err(|error| failed(&error))
    }
}

impl rdbms_types::Host for State {}
impl postgres::Host for State {}

impl postgres::HostConnection for State {
    async fn open(
        &mut self,
        address: String,
    ) -> wasmtime::Result<Result<Resource<Connection>, Error>> {
        let opened = Connection::open(&self.application, &self.pools, &address).await;
        Ok(match opened {
            Ok(connection) => Ok(self.table.push(connection)?),
            Err(error) => Err(error),
        })
    }

    async fn query(
        &mut self,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<ParameterValue>,
    ) -> wasmtime::Result<Result<RowSet, Error>> {
        let connection = self.table.get(&connection)?.clone();
        let found = connection.query(&statement, &parameters).await;
        if found.as_ref().is_ok_and(|found| found.rows.is_empty()) {
            wasmtime::bail!("Spin 4.0 never returns from a query without rows: {statement}");
        }
        Ok(found)
    }

    async fn execute(
        &mut self,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<ParameterValue>,
    ) -> wasmtime::Result<Result<u64, Error>> {
        let connection = self.table.get(&connection)?.clone();
        Ok(connection.execute(&statement, &parameters).await)
    }

    async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

fn is_allowed(application: &Application, config: &Config) -> bool {
    let hosts = config.get_hosts().iter().enumerate();
    let ports = config.get_ports();
    let mut hosts = hosts.map(|(at, host)| match host {
        Host::Tcp(host) => {
            let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
            application.lets("postgres", host, port) || application.lets("postgresql", host, port)
        }
        Host::Unix(_) => false,
    });
    hosts.all(|is_allowed| is_allowed)
}

/// An error in Spin's words, which are those of the library for programmers.
fn failed(error: &tokio_postgres::Error) -> Error {
    Error::QueryFailed(format!("{error:?}"))
}

type Parameter = Box<dyn ToSql + Send + Sync>;

fn to_sql(parameters: &[ParameterValue]) -> Result<Vec<Parameter>, Error> {
    parameters.iter().map(parameter).collect()
}

fn borrowed(parameters: &[Parameter]) -> Vec<&(dyn ToSql + Sync)> {
    let parameters = parameters.iter();
    parameters
        .map(|parameter| parameter.as_ref() as &(dyn ToSql + Sync))
        .collect()
}

fn parameter(value: &ParameterValue) -> Result<Parameter, Error> {
    Ok(match value {
        ParameterValue::Boolean(truth) => Box::new(*truth),
        ParameterValue::Int8(number) => Box::new(*number),
        ParameterValue::Int16(number) => Box::new(*number),
        ParameterValue::Int32(number) => Box::new(*number),
        ParameterValue::Int64(number) => Box::new(*number),
        ParameterValue::Floating32(number) => Box::new(*number),
        ParameterValue::Floating64(number) => Box::new(*number),
        ParameterValue::Str(text) => Box::new(text.clone()),
        ParameterValue::Binary(bytes) => Box::new(bytes.clone()),
        ParameterValue::DbNull => Box::new(None::<i32>),
        // PostgreSQL has no unsigned numbers.
        ParameterValue::Uint8(_)
        | ParameterValue::Uint16(_)
        | ParameterValue::Uint32(_)
        | ParameterValue::Uint64(_) => {
            let why = "PostgreSQL has no unsigned numbers".to_owned();
            return Err(Error::ValueConversionFailed(why));
        }
    })
}

fn data_type(of: &Type) -> DbDataType {
    match *of {
        Type::BOOL => DbDataType::Boolean,
        Type::INT2 => DbDataType::Int16,
        Type::INT4 => DbDataType::Int32,
        Type::INT8 => DbDataType::Int64,
        Type::FLOAT4 => DbDataType::Floating32,
        Type::FLOAT8 => DbDataType::Floating64,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR => DbDataType::Str,
        Type::BYTEA => DbDataType::Binary,
        _ => DbDataType::Other,
    }
}

fn row(row: &Row) -> Result<Vec<DbValue>, Error> {
    let columns = row.columns().iter().enumerate();
    let values = columns.map(|(at, column)| {
        let value = match *column.type_() {
            Type::BOOL => row
                .try_get::<_, Option<_>>(at)
                .map(|v| v.map(DbValue::Boolean)),
            Type::INT2 => row
                .try_get::<_, Option<_>>(at)
                .map(|v| v.map(DbValue::Int16)),
            Type::INT4 => row
                .try_get::<_, Option<_>>(at)
                .map(|v| v.map(DbValue::Int32)),
            Type::INT8 => row
                .try_get::<_, Option<_>>(at)
                .map(|v| v.map(DbValue::Int64)),
            Type::FLOAT4 => row
                .try_get::<_, Option<_>>(at)
                .map(|v| v.map(DbValue::Floating32)),
            Type::FLOAT8 => row
                .try_get::<_, Option<_>>(at)
                .map(|v| v.map(DbValue::Floating64)),
            Type::TEXT | Type::VARCHAR | Type::BPCHAR => {
                row.try_get::<_, Option<_>>(at).map(|v| v.map(DbValue::Str))
            }
            Type::BYTEA => row
                .try_get::<_, Option<_>>(at)
                .map(|v| v.map(DbValue::Binary)),
            _ => Ok(Some(DbValue::Unsupported)),
        };
        let value = value.map_err(|error| Error::ValueConversionFailed(error.to_string()))?;
        Ok(value.unwrap_or(DbValue::DbNull))
    });
    values.collect()
}
