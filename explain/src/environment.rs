//! What the service is told by whoever starts it.

use integration_gateway::Accepted;
use integration_gateway::Secret;

/// The variable that holds the text of `sync.toml`.
pub(crate) const CONFIGURATION: &str = "SYNC_CONFIG";
/// The variable that holds the token of who may ask.
pub(crate) const TOKEN: &str = "ADMIN_TOKEN";

/// The variables that mean something here.
#[derive(Default)]
pub(crate) struct Environment {
    /// The text of the configuration; empty if there is none.
    pub(crate) configuration: String,
    /// Empty if there is no token.
    pub(crate) accepted: Accepted,
}

impl Environment {
    /// Picks them out of all variables. White space at the end of the token does
    /// not count, as with every secret.
    pub(crate) fn of(variables: &[(String, String)]) -> Self {
        let value = |wanted: &str| {
            let found = variables.iter().find(|(name, _)| name == wanted);
            found.map_or("", |(_, value)| value.as_str())
        };
        let accepted = match value(TOKEN).trim_end() {
            "" => Accepted::default(),
            token => Accepted::new(&[Secret::new(token)]),
        };
        Self {
            configuration: value(CONFIGURATION).to_owned(),
            accepted,
        }
    }
}
