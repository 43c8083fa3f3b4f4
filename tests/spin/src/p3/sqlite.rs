use crate::bindings::fermyon::spin::sqlite as p2;
use crate::p3::bindings::spin::sqlite::sqlite;
use crate::p3::bindings::spin::sqlite::sqlite::RowResult;
use crate::p3::bindings::spin::sqlite::sqlite::Value;
use crate::p3::held;
use crate::p3::streamed;
use crate::sqlite::Connection;
use crate::state::State;
use wasmtime::component::Accessor;
use wasmtime::component::FutureReader;
use wasmtime::component::HasSelf;
use wasmtime::component::Resource;
use wasmtime::component::StreamReader;

type Found = (
    Vec<String>,
    StreamReader<RowResult>,
    FutureReader<Result<(), sqlite::Error>>,
);

impl sqlite::Host for State {}
impl sqlite::HostConnection for State {}

impl<T: Send> sqlite::HostConnectionWithStore<T> for HasSelf<State> {
    async fn open_async(
        accessor: &Accessor<T, Self>,
        database: String,
    ) -> wasmtime::Result<Result<Resource<Connection>, sqlite::Error>> {
        accessor.with(|mut access| {
            let state = access.get();
            Ok(match state.open_database(&database) {
                Ok(connection) => Ok(state.table.push(connection)?),
                Err(error) => Err(to_error(error)),
            })
        })
    }

    async fn execute_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<Found, sqlite::Error>> {
        let connection = held(accessor, &connection)?;
        let parameters = parameters.into_iter().map(from_value).collect();
        let found = match connection.execute(statement, parameters).await? {
            Ok(found) => found,
            Err(error) => return Ok(Err(to_error(error))),
        };
        let rows: Vec<_> = found.rows.into_iter().map(to_row).collect();
        let (rows, end) = streamed(accessor, rows)?;
        Ok(Ok((found.columns, rows, end)))
    }

    async fn drop(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
    ) -> wasmtime::Result<()> {
        accessor.with(|mut access| access.get().table.delete(connection))?;
        Ok(())
    }
}

fn to_error(error: p2::Error) -> sqlite::Error {
    match error {
        p2::Error::NoSuchDatabase => sqlite::Error::NoSuchDatabase,
        p2::Error::AccessDenied => sqlite::Error::AccessDenied,
        p2::Error::InvalidConnection => sqlite::Error::InvalidConnection,
        p2::Error::DatabaseFull => sqlite::Error::DatabaseFull,
        p2::Error::Io(why) => sqlite::Error::Io(why),
    }
}

fn to_row(row: p2::RowResult) -> RowResult {
    let values = row.values.into_iter().map(|value| match value {
        p2::Value::Integer(number) => Value::Integer(number),
        p2::Value::Real(number) => Value::Real(number),
        p2::Value::Text(text) => Value::Text(text),
        p2::Value::Blob(bytes) => Value::Blob(bytes),
        p2::Value::Null => Value::Null,
    });
    RowResult {
        values: values.collect(),
    }
}

fn from_value(value: Value) -> p2::Value {
    match value {
        Value::Integer(number) => p2::Value::Integer(number),
        Value::Real(number) => p2::Value::Real(number),
        Value::Text(text) => p2::Value::Text(text),
        Value::Blob(bytes) => p2::Value::Blob(bytes),
        Value::Null => p2::Value::Null,
    }
}
