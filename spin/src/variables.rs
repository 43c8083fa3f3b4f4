//! Configuration and secrets, which Spin keeps as variables of the application.

use crate::wasi::variables;
use integration_gateway::settings::SecretRef;
use std::fmt;

/// The name of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(String);

impl Name {
    /// Where Spin keeps a secret that a document names in another gateway's way.
    /// `{ env = "ADMIN_TOKEN" }` and `{ file = "secrets/admin-token" }` are both
    /// the variable `admin_token`, so that one document serves both gateways.
    pub(crate) fn of(reference: &SecretRef) -> Self {
        let text = match reference {
            SecretRef::Env(name) => name.as_str(),
            SecretRef::File(path) => path.rsplit(['/', '\\']).next().unwrap_or_default(),
        };
        let letter = |c: char| match c {
            '-' | '.' | ' ' => '_',
            c => c.to_ascii_lowercase(),
        };
        Self(text.chars().map(letter).collect())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Looks a secret up.
pub(crate) async fn secret(name: &Name) -> Result<String, String> {
    read(&name.0).await.map_err(|why| {
        format!(
            "the Spin variable {name}: {why}; declare it in [variables] and in \
             [component.gateway.variables] of spin.toml, and set SPIN_VARIABLE_{}",
            name.0.to_ascii_uppercase()
        )
    })
}

/// The value of a variable, or why there is none.
pub(crate) async fn read(name: &str) -> Result<String, String> {
    variables::get(name).await.map_err(|error| match error {
        variables::Error::InvalidName(_) => {
            "expected a name of a-z 0-9 _ that begins with a letter".to_owned()
        }
        variables::Error::Undefined(_) => "the component has none of this name".to_owned(),
        variables::Error::Provider(why) | variables::Error::Other(why) => why,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_a_variable_whichever_way_it_is_named() {
        for reference in [
            SecretRef::Env("SERVICENOW_PASSWORD".into()),
            SecretRef::File("secrets/servicenow-password".into()),
            SecretRef::File("/run/secrets/servicenow.password".into()),
            SecretRef::File("servicenow_password".into()),
        ] {
            assert_eq!(Name::of(&reference).to_string(), "servicenow_password");
        }
    }
}
