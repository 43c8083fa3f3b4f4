use crate::contract::Context;
use crate::contract::Effect;
use crate::contract::Input;
use crate::contract::Reply;

/// Runs the plugin: wasmtime, another component, or native code in tests.
#[allow(async_fn_in_trait)] // Callers spawn with the concrete type, which tells whether it is `Send`.
pub trait Runtime {
    /// A running session.
    type Session: Session;

    /// Whether the gateway goes on when a session traps. Where it does not, it
    /// cannot count such a session as a try in vain, so whoever takes over the
    /// work of a gateway that fell silent does.
    const OUTLIVES_TRAPS: bool = true;

    /// Opens a session, if it can in an instance of its own, so that a trap in
    /// one cannot touch another.
    async fn open(&self, input: Input, context: Context) -> Result<Self::Session, Trap>;
}

/// One run of the plugin's logic.
#[allow(async_fn_in_trait)]
pub trait Session {
    /// Passes the replies to the last effects and takes the next effects; none
    /// means that the session has ended.
    async fn resume(&mut self, now_ms: u64, replies: Vec<Reply>) -> Result<Vec<Effect>, Trap>;
}

/// The session was ended from outside: it trapped, or went over its CPU time
/// or memory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the plugin was stopped: {0}")]
pub struct Trap(pub String);
