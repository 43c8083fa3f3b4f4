//! Columns that an instance adds to `incident`.

use super::schema::Kind;

/// A column that an instance adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomField {
    /// Column name, `u_…` or `x_…`.
    pub name: String,
    /// What people see.
    pub label: String,
    /// What it holds.
    pub kind: CustomKind,
}

/// What a custom column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CustomKind {
    /// Text of so many characters; longer text is cut.
    Text(usize),
    /// One of these choices.
    Choice(Vec<CustomChoice>),
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// A stamp in UTC.
    DateTime,
    /// A record of `sys_user`.
    User,
    /// A record of `sys_user_group`.
    Group,
    /// A record of `cmdb_ci`.
    ConfigurationItem,
}

/// A choice of a custom column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomChoice {
    /// What the database holds.
    pub value: String,
    /// What people see who use English.
    pub english: String,
    /// What people see who use German.
    pub german: String,
}

impl CustomField {
    /// A column of `incident`.
    pub fn new(name: &str, label: &str, kind: CustomKind) -> CustomField {
        CustomField {
            name: name.to_owned(),
            label: label.to_owned(),
            kind,
        }
    }

    /// One column of nearly each kind, as an instance in use might have them:
    /// `u_service`, `u_environment`, `u_customer_impact`, `u_affected`,
    /// `u_detected_at`, `u_owner`.
    pub fn examples() -> Vec<CustomField> {
        let environments = [
            ("prod", "Production", "Produktion"),
            ("test", "Test", "Test"),
            ("dev", "Development", "Entwicklung"),
        ];
        let environments = environments.map(|(value, english, german)| CustomChoice {
            value: value.to_owned(),
            english: english.to_owned(),
            german: german.to_owned(),
        });
        let environments = CustomKind::Choice(environments.into());
        vec![
            CustomField::new("u_service", "Business service", CustomKind::Text(100)),
            CustomField::new("u_environment", "Environment", environments),
            CustomField::new("u_customer_impact", "Customers hit", CustomKind::Boolean),
            CustomField::new("u_affected", "Affected users", CustomKind::Integer),
            CustomField::new("u_detected_at", "Detected", CustomKind::DateTime),
            CustomField::new("u_owner", "Service owner", CustomKind::User),
        ]
    }
}

impl CustomKind {
    pub(super) fn column(&self) -> Kind {
        match self {
            CustomKind::Text(_) => Kind::Text,
            CustomKind::Choice(_) => Kind::Choice,
            CustomKind::Boolean => Kind::Boolean,
            CustomKind::Integer => Kind::Integer,
            CustomKind::DateTime => Kind::DateTime,
            CustomKind::User => Kind::Reference("sys_user"),
            CustomKind::Group => Kind::Reference("sys_user_group"),
            CustomKind::ConfigurationItem => Kind::Reference("cmdb_ci"),
        }
    }

    pub(super) fn max_length(&self) -> usize {
        match self {
            CustomKind::Text(max_length) => *max_length,
            _ => 40,
        }
    }
}
