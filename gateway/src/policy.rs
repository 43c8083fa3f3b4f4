use crate::AddressPolicy;
use crate::Secret;
use crate::contract::Problem;
use crate::contract::Requirements;
use crate::settings::SecretRef;
use crate::settings::Settings;

/// Settings that were checked against what the plugin needs, with every
/// secret in place.
pub struct Policy {
    plugin: String,
    addresses: AddressPolicy,
}

impl Policy {
    /// Checks settings, or tells every problem that was found in them, each
    /// with a JSON Pointer into the document of [`Settings`].
    ///
    /// `plugin` is the name in the plugin's manifest, `requirements` what its
    /// `configure` returned for the configuration in use, and `resolve` looks
    /// up a secret or says why it cannot.
    pub fn build(
        settings: &Settings,
        plugin: &str,
        requirements: &Requirements,
        resolve: &dyn Fn(&SecretRef) -> Result<Secret, String>,
    ) -> Result<Self, Vec<Problem>> {
        let _ = (settings, requirements, resolve);
        Ok(Self {
            plugin: plugin.to_owned(),
            addresses: todo!(),
        })
    }

    /// The addresses that a [`Client`](crate::Client) may connect to.
    pub fn addresses(&self) -> &AddressPolicy {
        &self.addresses
    }
}
