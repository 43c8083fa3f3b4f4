//! Text with places that an incident fills in.
//!
//! `{{name}}` stands for a value of the incident, `{{name|other words}}` for the
//! value or, where it is empty, for the other words. That is all: no loops, no
//! conditions, nothing that could run long or fail. A template engine would be
//! larger than the whole plugin.

use crate::text;
use alloc::string::String;
use core::iter::successors;
use serde::Deserialize;
use serde::Serialize;

/// The longest template, in bytes.
const TEMPLATE: usize = 4000;

/// Text of more bytes is not added to: no field takes as much, and a value that
/// is named many times would fill the memory.
const FILLED: usize = 64 << 10;

/// A template as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Template(String);

impl From<&str> for Template {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl Template {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text with every place filled in by `value`; what it does not know
    /// is empty.
    pub fn render(&self, value: &dyn Fn(&str) -> Option<String>) -> String {
        let mut text = String::new();
        for part in self.parts() {
            if text.len() > FILLED {
                break;
            }
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Place { name, otherwise } => {
                    let found = value(name).filter(|found| !found.is_empty());
                    text.push_str(found.as_deref().unwrap_or(otherwise));
                }
            }
        }
        text
    }

    /// The names of the places.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts().filter_map(|part| match part {
            Part::Place { name, .. } => Some(name),
            Part::Text(_) => None,
        })
    }

    /// What is wrong with it, if `is_known` tells which names there are.
    pub fn problem(&self, is_known: &dyn Fn(&str) -> bool) -> Option<String> {
        if self.0.len() > TEMPLATE {
            let found = self.0.len();
            return Some(format!("expected at most {TEMPLATE} bytes, found {found}"));
        }
        if count(&self.0, "{{") != count(&self.0, "}}") {
            return Some(format!(
                "expected a }}}} for every {{{{, found \"{}\"",
                self.0
            ));
        }
        let unknown = self.names().find(|name| !is_known(name))?;
        Some(format!("\"{unknown}\" is no value of an incident"))
    }

    fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let mut rest = self.0.as_str();
        core::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            if let Some((place, behind)) = rest
                .strip_prefix("{{")
                .and_then(|inside| text::split_once(inside, "}}"))
            {
                rest = behind;
                let (name, otherwise) = place.split_once('|').unwrap_or((place, ""));
                let name = name.trim();
                return Some(Part::Place { name, otherwise });
            }
            // Behind the first character, which may be the brace of no place.
            let first = rest.chars().next().map_or(0, char::len_utf8);
            let next = text::find(rest.get(first..)?, "{{");
            let (part, behind) = rest.split_at_checked(next.map_or(rest.len(), |at| first + at))?;
            rest = behind;
            Some(Part::Text(part))
        })
    }
}

/// How often a part stands in a text.
fn count(text: &str, part: &str) -> usize {
    let behind = |(_, rest)| text::split_once(rest, part);
    successors(text::split_once(text, part), |split| behind(*split)).count()
}

enum Part<'a> {
    Text(&'a str),
    Place { name: &'a str, otherwise: &'a str },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(template: &str) -> String {
        Template::from(template).render(&|name| match name {
            "title" => Some("disk full".into()),
            "labels.host" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn places_are_filled_in_and_text_stays() {
        assert_eq!(render("{{title}}"), "disk full");
        assert_eq!(render("[{{ title }}] on äö {x}"), "[disk full] on äö {x}");
        assert_eq!(render("no place"), "no place");
        assert_eq!(render(""), "");
    }

    #[test]
    fn what_is_empty_or_missing_is_replaced_by_the_other_words() {
        assert_eq!(render("{{labels.host|unknown host}}"), "unknown host");
        assert_eq!(render("{{labels.other|}}{{labels.other}}"), "");
    }

    #[test]
    fn a_value_that_looks_like_a_place_is_not_filled_in_again() {
        let template = Template::from("{{title}}");
        assert_eq!(template.render(&|_| Some("{{title}}".into())), "{{title}}");
    }

    #[test]
    fn what_is_filled_in_again_and_again_does_not_fill_the_memory() {
        let template = Template::from("{{labels}}".repeat(TEMPLATE / 10).as_str());
        let value = "x".repeat(200_000);
        let text = template.render(&|_| Some(value.clone()));
        assert_eq!(text.len(), value.len());
        let text = template.render(&|_| Some("{{labels}}".into()));
        assert_eq!(text.len(), TEMPLATE);
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        let problem = |text: &str| Template::from(text).problem(&|name| name == "title");
        assert_eq!(problem("{{title}} {{title|x}}"), None);
        assert_eq!(
            problem("{{title}").unwrap(),
            "expected a }} for every {{, found \"{{title}\""
        );
        assert_eq!(
            problem("{{titel}}").unwrap(),
            "\"titel\" is no value of an incident"
        );
        assert_eq!(
            problem(&"x".repeat(4001)).unwrap(),
            "expected at most 4000 bytes, found 4001"
        );
    }
}
