//! The glue between the contract's world and the plugin's own code; the only
//! file that knows that there is WebAssembly.

use crate::Context;
use crate::Effect;
use crate::Guest;
use crate::GuestSession;
use crate::Input;
use crate::Manifest;
use crate::Problem;
use crate::Reply;
use crate::Requirements;
use crate::configuration::Configuration;
use crate::intake;
use crate::operator;
use crate::schema::schema;
use crate::session::Driver;
use crate::sync;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;

/// A fifth of the size of the standard library's allocator.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: rlsf::GlobalTlsf = rlsf::GlobalTlsf::new();

/// Nobody could read what a panic says, so none of its texts is kept.
#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn trap(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

struct Plugin;

impl Guest for Plugin {
    type Session = RefCell<Driver>;

    fn describe() -> Manifest {
        describe()
    }

    fn configure(configuration: String) -> Result<Requirements, Vec<Problem>> {
        Configuration::parse(&configuration).map(|c| c.requirements())
    }
}

impl GuestSession for RefCell<Driver> {
    fn new(input: Input, context: Context) -> Self {
        RefCell::new(open(input, &context))
    }

    fn resume(&self, now_ms: u64, replies: Vec<Reply>) -> Vec<Effect> {
        self.borrow_mut().resume(now_ms, replies)
    }
}

// The generated exports are the one place that needs `unsafe`: they read what
// the gateway wrote into linear memory.
#[allow(unsafe_code, missing_docs, unreachable_pub)]
mod exports {
    use super::Plugin;
    use crate::contract;
    contract::export!(Plugin with_types_in contract);
}

/// Tells what this plugin is.
pub fn describe() -> Manifest {
    Manifest {
        name: "servicenow-sync".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        description: "Keeps Flashduty incidents and ServiceNow incidents in step.".into(),
        configuration_schema: schema(),
    }
}

/// Opens a session. Natively, this is the whole plugin.
pub fn open(input: Input, context: &Context) -> Driver {
    let configuration = Configuration::parse(&context.configuration);
    let rehearsal = context.rehearsal.clone();
    Driver::start(|effects| async move {
        match input {
            Input::Request(request) => {
                let rehearsed = rehearsal.is_some();
                intake::receive(&effects, configuration, rehearsed, request).await;
                None
            }
            Input::Operator(request) => {
                operator::receive(&effects, configuration, request).await;
                None
            }
            Input::Work(work) => {
                Some(sync::run(&effects, configuration, rehearsal.as_deref(), work).await)
            }
        }
    })
}
