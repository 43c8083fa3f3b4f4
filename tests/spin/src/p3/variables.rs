use crate::p3::bindings::spin::variables::variables;
use crate::state::State;
use crate::variables::Missing;
use wasmtime::component::Accessor;
use wasmtime::component::HasSelf;

impl variables::Host for State {}

impl<T: Send> variables::HostWithStore<T> for HasSelf<State> {
    async fn get(
        accessor: &Accessor<T, Self>,
        name: String,
    ) -> wasmtime::Result<Result<String, variables::Error>> {
        let found = accessor.with(|mut access| access.get().variable(name));
        Ok(found.map_err(|missing| match missing {
            Missing::Invalid(name) => variables::Error::InvalidName(name),
            Missing::Undefined(why) => variables::Error::Undefined(why),
        }))
    }
}
