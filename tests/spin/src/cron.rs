//! The cron trigger of Spin 3, without its clock.

use crate::engine::compile;
use crate::manifest::Application;
use crate::state::State;
use std::path::Path;
use std::sync::Arc;
use wasmtime::Store;
use wasmtime::component::Linker;

#[allow(missing_docs, unreachable_pub)]
mod bindings {
    wasmtime::component::bindgen!({
        path: "wit/cron",
        world: "spin-cron",
        exports: { default: async },
    });
}

use bindings::fermyon::spin_cron::cron_types::Error;

/// Calls the component of an application once, in an instance of its own, and
/// tells what it says. Compiled code is kept in the folder.
pub async fn fire(application: &Application, cache: &Path) -> anyhow::Result<Result<(), String>> {
    let component = compile(&application.source, cache)?;
    let mut linker = Linker::new(component.engine());
    let answer = async {
        State::link(&mut linker)?;
        let application = Arc::new(application.clone());
        let state = State::new(&application, cache.to_owned(), Arc::default(), usize::MAX);
        let mut store = Store::new(component.engine(), state);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        let cron = bindings::SpinCron::instantiate_async(&mut store, &component, &linker).await?;
        let metadata = bindings::Metadata { timestamp: 0 };
        cron.call_handle_cron_event(&mut store, metadata).await
    };
    let answer = answer.await.map_err(crate::engine::anyhow_of)?;
    Ok(answer.map_err(|Error::Other(why)| why))
}
