//! The plugin as native code, where a gateway expects WebAssembly.
//!
//! It is the code that the component is built of, and runs many times as fast:
//! for tests that run millions of sessions, or watch each branch that is taken.

#![forbid(unsafe_code)]

use integration_gateway::Runtime;
use integration_gateway::Session;
use integration_gateway::Trap;
use integration_gateway::contract::Context;
use integration_gateway::contract::Effect;
use integration_gateway::contract::Input;
use integration_gateway::contract::Reply;
use integration_gateway::contract::Requirements;
use servicenow_sync_plugin::configuration::Configuration;
use servicenow_sync_plugin::session::Driver;

integration_gateway::bridge!(servicenow_sync_plugin);

/// The plugin's own code, without WebAssembly.
#[derive(Clone, Copy, Debug, Default)]
pub struct Native;

/// A session of [`Native`].
pub struct NativeSession(Driver);

impl Runtime for Native {
    type Session = NativeSession;

    async fn open(&self, input: Input, context: Context) -> Result<NativeSession, Trap> {
        let driver = servicenow_sync_plugin::open(to_input(input), &to_context(context));
        Ok(NativeSession(driver))
    }
}

impl Session for NativeSession {
    async fn resume(&mut self, now_ms: u64, replies: Vec<Reply>) -> Result<Vec<Effect>, Trap> {
        let replies = replies.into_iter().map(to_reply).collect();
        let effects = self.0.resume(now_ms, replies);
        Ok(effects.into_iter().map(from_effect).collect())
    }
}

/// What the plugin needs of its gateway for a configuration.
pub fn requirements(configuration: &Configuration) -> Requirements {
    from_requirements(configuration.requirements())
}
