use crate::bindings::fermyon::spin::rdbms_types as p2;
use crate::p3::bindings::spin::postgres::postgres;
use crate::p3::bindings::spin::postgres::postgres::Column;
use crate::p3::bindings::spin::postgres::postgres::DbDataType;
use crate::p3::bindings::spin::postgres::postgres::DbValue;
use crate::p3::bindings::spin::postgres::postgres::Error;
use crate::p3::bindings::spin::postgres::postgres::ParameterValue;
use crate::p3::bindings::spin::postgres::postgres::QueryError;
use crate::p3::held;
use crate::p3::streamed;
use crate::postgres::Connection;
use crate::state::State;
use std::sync::Arc;
use wasmtime::component::Accessor;
use wasmtime::component::FutureReader;
use wasmtime::component::HasSelf;
use wasmtime::component::Resource;
use wasmtime::component::StreamReader;

type Found = (
    Vec<Column>,
    StreamReader<Vec<DbValue>>,
    FutureReader<Result<(), Error>>,
);

impl postgres::Host for State {}
impl postgres::HostConnection for State {}

impl<T: Send> postgres::HostConnectionWithStore<T> for HasSelf<State> {
    async fn open_async(
        accessor: &Accessor<T, Self>,
        address: String,
    ) -> wasmtime::Result<Result<Resource<Connection>, Error>> {
        let (application, pools) = accessor.with(|mut access| {
            let state = access.get();
            (Arc::clone(&state.application), Arc::clone(&state.pools))
        });
        match Connection::open(&application, &pools, &address).await {
            Ok(connection) => {
                let pushed = accessor.with(|mut access| access.get().table.push(connection));
                Ok(Ok(pushed?))
            }
            Err(error) => Ok(Err(to_error(error))),
        }
    }

    async fn query_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<ParameterValue>,
    ) -> wasmtime::Result<Result<Found, Error>> {
        let connection = held(accessor, &connection)?;
        let parameters: Result<Vec<_>, _> = parameters.into_iter().map(from_value).collect();
        let found = match parameters {
            Ok(parameters) => connection.query(&statement, &parameters).await,
            Err(error) => Err(error),
        };
        let found = match found {
            Ok(found) => found,
            Err(error) => return Ok(Err(to_error(error))),
        };
        let columns = found.columns.into_iter().map(to_column).collect();
        let rows = found.rows.into_iter();
        let rows: Vec<Vec<_>> = rows
            .map(|row| row.into_iter().map(to_value).collect())
            .collect();
        let (rows, end) = streamed(accessor, rows)?;
        Ok(Ok((columns, rows, end)))
    }

    async fn drop(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
    ) -> wasmtime::Result<()> {
        accessor.with(|mut access| access.get().table.delete(connection))?;
        Ok(())
    }
}

fn to_error(error: p2::Error) -> Error {
    match error {
        p2::Error::ConnectionFailed(why) => Error::ConnectionFailed(why),
        p2::Error::BadParameter(why) => Error::BadParameter(why),
        p2::Error::QueryFailed(why) => Error::QueryFailed(QueryError::Text(why)),
        p2::Error::ValueConversionFailed(why) => Error::ValueConversionFailed(why),
        p2::Error::Other(why) => Error::Other(why),
    }
}

fn to_column(column: p2::Column) -> Column {
    let data_type = match column.data_type {
        p2::DbDataType::Boolean => DbDataType::Boolean,
        p2::DbDataType::Int8 => DbDataType::Int8,
        p2::DbDataType::Int16 => DbDataType::Int16,
        p2::DbDataType::Int32 => DbDataType::Int32,
        p2::DbDataType::Int64 => DbDataType::Int64,
        p2::DbDataType::Floating32 => DbDataType::Floating32,
        p2::DbDataType::Floating64 => DbDataType::Floating64,
        p2::DbDataType::Str => DbDataType::Str,
        p2::DbDataType::Binary => DbDataType::Binary,
        other => DbDataType::Other(format!("{other:?}")),
    };
    Column {
        name: column.name,
        data_type,
    }
}

fn to_value(value: p2::DbValue) -> DbValue {
    match value {
        p2::DbValue::Boolean(truth) => DbValue::Boolean(truth),
        p2::DbValue::Int8(number) => DbValue::Int8(number),
        p2::DbValue::Int16(number) => DbValue::Int16(number),
        p2::DbValue::Int32(number) => DbValue::Int32(number),
        p2::DbValue::Int64(number) => DbValue::Int64(number),
        p2::DbValue::Floating32(number) => DbValue::Floating32(number),
        p2::DbValue::Floating64(number) => DbValue::Floating64(number),
        p2::DbValue::Str(text) => DbValue::Str(text),
        p2::DbValue::Binary(bytes) => DbValue::Binary(bytes),
        p2::DbValue::DbNull => DbValue::DbNull,
        _ => DbValue::Unsupported(Vec::new()),
    }
}

/// Of what this interface has more than the older one, nothing is used.
fn from_value(value: ParameterValue) -> Result<p2::ParameterValue, p2::Error> {
    Ok(match value {
        ParameterValue::Boolean(truth) => p2::ParameterValue::Boolean(truth),
        ParameterValue::Int8(number) => p2::ParameterValue::Int8(number),
        ParameterValue::Int16(number) => p2::ParameterValue::Int16(number),
        ParameterValue::Int32(number) => p2::ParameterValue::Int32(number),
        ParameterValue::Int64(number) => p2::ParameterValue::Int64(number),
        ParameterValue::Floating32(number) => p2::ParameterValue::Floating32(number),
        ParameterValue::Floating64(number) => p2::ParameterValue::Floating64(number),
        ParameterValue::Str(text) => p2::ParameterValue::Str(text),
        ParameterValue::Binary(bytes) => p2::ParameterValue::Binary(bytes),
        ParameterValue::DbNull => p2::ParameterValue::DbNull,
        other => {
            let why = format!("this host does not know {other:?}");
            return Err(p2::Error::ValueConversionFailed(why));
        }
    })
}
