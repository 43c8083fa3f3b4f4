use crate::Policy;

/// What a configuration decides, as opposed to what a gateway has gathered
/// while it ran: queue, gates, accepted messages and metrics.
///
/// A gateway exchanges all of it at once. Whatever has begun ends on the setup
/// that it began with.
pub(crate) struct Setup<R, C> {
    pub(crate) policy: Policy,
    /// The plugin's document, as JSON text that its `configure` accepted.
    pub(crate) configuration: String,
    pub(crate) runtime: R,
    pub(crate) client: C,
}
