//! The plugin as native code, where the gateway expects WebAssembly.

use integration_gateway::Runtime;
use integration_gateway::Session;
use integration_gateway::Trap;
use servicenow_sync_plugin::open;
use servicenow_sync_plugin::session::Driver;

integration_gateway::bridge!(servicenow_sync_plugin);

pub(crate) struct Native;

pub(crate) struct NativeSession(Driver);

impl Runtime for Native {
    type Session = NativeSession;

    async fn open(
        &self,
        input: ours::Input,
        context: ours::Context,
    ) -> Result<NativeSession, Trap> {
        Ok(NativeSession(open(to_input(input), &to_context(context))))
    }
}

impl Session for NativeSession {
    async fn resume(
        &mut self,
        now_ms: u64,
        replies: Vec<ours::Reply>,
    ) -> Result<Vec<ours::Effect>, Trap> {
        let replies = replies.into_iter().map(to_reply).collect();
        let effects = self.0.resume(now_ms, replies);
        Ok(effects.into_iter().map(from_effect).collect())
    }
}
