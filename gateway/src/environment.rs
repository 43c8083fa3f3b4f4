/// What makes a gateway's run unrepeatable, in one place, so that a simulation
/// can supply its own.
pub trait Environment {
    /// Unix time in milliseconds. It may step back.
    fn now_ms(&self) -> u64;

    /// Milliseconds since some moment, on a clock that nobody sets and that
    /// goes on while the machine sleeps. Leases and the time of a session are
    /// measured on it.
    fn steady_ms(&self) -> u64;

    /// 64 random bits, for jitter and identifiers; no secret is made of them.
    /// Two gateways that share a store must not draw the same.
    fn random(&self) -> u64;

    /// Waits for so many milliseconds.
    #[allow(async_fn_in_trait)] // As in `Runtime`.
    async fn sleep(&self, ms: u64);

    /// Called when work fell due or will fall due at the given Unix time in
    /// milliseconds: whoever runs the work should look again by then.
    fn work_due(&self, due_ms: u64);
}
