//! Custom fields: their definitions, and which values they accept.

use serde_json::Value;
use serde_json::json;

use super::params::kind;

const TEXT_LIMIT: usize = 3000;

/// What a custom field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A string of at most 3000 characters.
    Text,
    /// A string, one of the options.
    SingleSelect(Vec<String>),
    /// An array of strings, each one of the options.
    MultiSelect(Vec<String>),
    /// `true` or `false`.
    Checkbox,
}

/// The definition of a custom field.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// 24 hex digits.
    pub field_id: String,
    /// The key in an incident's `fields`; never changes.
    pub name: String,
    /// What people see.
    pub display_name: String,
    /// What it holds.
    pub kind: FieldKind,
    /// Written on new incidents only.
    pub default: Option<Value>,
}

impl Field {
    /// Tells what is wrong with a value, if anything.
    pub(super) fn check(&self, value: &Value) -> Result<(), String> {
        let refuse = |expected: &str| {
            Err(format!(
                "field_value: field {:?} expects {expected}, found {}",
                self.name,
                kind(value)
            ))
        };
        match (&self.kind, value) {
            (FieldKind::Text, Value::String(text)) => {
                let length = text.chars().count();
                if length > TEXT_LIMIT {
                    return Err(format!(
                        "field_value: field {:?} holds at most {TEXT_LIMIT} characters, found {length}",
                        self.name
                    ));
                }
                Ok(())
            }
            (FieldKind::SingleSelect(options), Value::String(choice)) => {
                self.check_choice(options, choice)
            }
            (FieldKind::MultiSelect(options), Value::Array(choices)) => {
                for choice in choices {
                    match choice.as_str() {
                        Some(choice) => self.check_choice(options, choice)?,
                        None => return refuse("an array of strings"),
                    }
                }
                Ok(())
            }
            (FieldKind::Checkbox, Value::Bool(_)) => Ok(()),
            (FieldKind::Text | FieldKind::SingleSelect(_), _) => refuse("a string"),
            (FieldKind::MultiSelect(_), _) => refuse("an array of strings"),
            (FieldKind::Checkbox, _) => refuse("true or false"),
        }
    }

    fn check_choice(&self, options: &[String], choice: &str) -> Result<(), String> {
        if options.iter().any(|option| option == choice) {
            return Ok(());
        }
        Err(format!(
            "field_value: field {:?} has no option {choice:?}; it has {}",
            self.name,
            options.join(", ")
        ))
    }

    /// The object of `/field/list` and `/field/info`.
    pub(super) fn to_json(&self, account_id: i64, creator_id: i64) -> Value {
        let (field_type, value_type, options) = match &self.kind {
            FieldKind::Text => ("text", "string", Value::Null),
            FieldKind::SingleSelect(options) => ("single_select", "string", json!(options)),
            FieldKind::MultiSelect(options) => ("multi_select", "string", json!(options)),
            FieldKind::Checkbox => ("checkbox", "bool", Value::Null),
        };
        json!({
            "field_id": self.field_id,
            "account_id": account_id,
            "field_name": self.name,
            "display_name": self.display_name,
            "description": "",
            "field_type": field_type,
            "value_type": value_type,
            "options": options,
            "default_value": self.default,
            "status": "enabled",
            "creator_id": creator_id,
            "updated_by": creator_id,
            "created_at": super::account::FOUNDED_AT,
            "updated_at": super::account::FOUNDED_AT,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Field;
    use super::FieldKind;
    use serde_json::Value;
    use serde_json::json;

    fn field(kind: FieldKind) -> Field {
        Field {
            field_id: String::new(),
            name: "f".to_owned(),
            display_name: String::new(),
            kind,
            default: None,
        }
    }

    #[test]
    fn each_type_accepts_its_own_json_type_only() {
        let options = vec!["low".to_owned(), "high".to_owned()];
        let cases: [(FieldKind, Value); 4] = [
            (FieldKind::Text, json!("words")),
            (FieldKind::SingleSelect(options.clone()), json!("low")),
            (FieldKind::MultiSelect(options), json!(["low", "high"])),
            (FieldKind::Checkbox, json!(true)),
        ];
        for (kind, good) in cases {
            let field = field(kind);
            assert_eq!(field.check(&good), Ok(()));
            assert!(field.check(&json!({ "value": good })).is_err());
        }
    }

    #[test]
    fn an_unknown_option_is_told_with_the_known_ones() {
        let field = field(FieldKind::SingleSelect(vec!["low".to_owned()]));
        assert_eq!(
            field.check(&json!("hihg")),
            Err(r#"field_value: field "f" has no option "hihg"; it has low"#.to_owned())
        );
    }
}
