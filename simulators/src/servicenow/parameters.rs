//! The query string of a Table API request.

use super::display::DisplayMode;

/// Decoded parameters, in the order of the URL.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn parse(query: &str) -> Parameters {
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        Parameters(pairs.into_owned().collect())
    }

    /// A parameter that is given and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(other, value)| other == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// Whether a parameter is `true`, in any case.
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    pub(super) fn display_mode(&self) -> DisplayMode {
        DisplayMode::parse(self.get("sysparm_display_value").unwrap_or_default())
    }

    /// The columns asked for; none for all.
    pub(super) fn fields(&self) -> Option<Vec<String>> {
        let names = self.get("sysparm_fields")?.split(',');
        Some(names.map(|name| name.trim().to_owned()).collect())
    }

    /// The parameters that are conditions: `state=2`.
    pub(super) fn conditions(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .filter(|(name, _)| !name.starts_with("sysparm_"))
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}
