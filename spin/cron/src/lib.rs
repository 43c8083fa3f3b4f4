//! A component for Spin's cron trigger, which has a gateway do what is due: it
//! sends `POST /tick` with the operator's token.
//!
//! The gateway may be anywhere, also in the same application. It is found by its
//! URL all the same, since a trigger other than HTTP does not know the routes.

mod bindings;
mod tick;
mod url;

struct Component;

impl bindings::Guest for Component {
    /// What is wrong goes to Spin's log, and the next event tries again.
    fn handle_cron_event(_: bindings::Metadata) -> Result<(), bindings::Error> {
        tick::tick().map_err(bindings::Error::Other)
    }
}
