use crate::bindings::fermyon::spin::variables;
use crate::state::State;

/// Why there is no value.
pub(crate) enum Missing {
    /// No variable can have this name.
    Invalid(String),
    /// The component has none of this name.
    Undefined(String),
}

impl State {
    /// The value of a variable of the component.
    pub(crate) fn variable(&self, name: String) -> Result<String, Missing> {
        let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !is_name {
            return Err(Missing::Invalid(name));
        }
        let found = self.application.variables.get(&name).cloned();
        found.ok_or_else(|| Missing::Undefined(format!("no variable for {name:?}")))
    }
}

impl variables::Host for State {
    async fn get(&mut self, name: String) -> wasmtime::Result<Result<String, variables::Error>> {
        Ok(self.variable(name).map_err(|missing| match missing {
            Missing::Invalid(name) => variables::Error::InvalidName(name),
            Missing::Undefined(why) => variables::Error::Undefined(why),
        }))
    }
}
