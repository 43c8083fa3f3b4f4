use crate::bindings::fermyon::spin::variables;
use crate::state::State;

impl variables::Host for State {
    async fn get(&mut self, name: String) -> wasmtime::Result<Result<String, variables::Error>> {
        let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !is_name {
            return Ok(Err(variables::Error::InvalidName(name)));
        }
        let found = self.application.variables.get(&name).cloned();
        Ok(found.ok_or_else(|| variables::Error::Undefined(format!("no variable for {name:?}"))))
    }
}
