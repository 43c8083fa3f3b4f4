//! The plugin, as the component that this one is composed with. It lives in the
//! same instance, so a session that traps takes the request with it.

use integration_gateway::Runtime;
use integration_gateway::Session;
use integration_gateway::Trap;
use integration_gateway::contract;

/// The imported plugin.
pub(crate) struct ImportedPlugin;

impl Runtime for ImportedPlugin {
    type Session = ImportedSession;
    const OUTLIVES_TRAPS: bool = false;

    async fn open(
        &self,
        input: contract::Input,
        context: contract::Context,
    ) -> Result<ImportedSession, Trap> {
        Ok(ImportedSession(contract::Session::new(&input, &context)))
    }
}

pub(crate) struct ImportedSession(contract::Session);

impl Session for ImportedSession {
    async fn resume(
        &mut self,
        now_ms: u64,
        replies: Vec<contract::Reply>,
    ) -> Result<Vec<contract::Effect>, Trap> {
        Ok(self.0.resume(now_ms, &replies))
    }
}
