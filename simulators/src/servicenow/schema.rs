//! Tables and their columns.
//!
//! `incident` extends `task`: a column of the one may be defined on the other,
//! which shows in `sys_dictionary` and nowhere else.

use std::collections::BTreeMap;

use super::custom_field::CustomField;
use super::instance::JOURNAL;

/// What a column holds, as far as it matters for writing and showing it.
/// Every value is stored as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Choice,
    Integer,
    Boolean,
    DateTime,
    /// Holds a sys_id of the named table.
    Reference(&'static str),
    /// Writing appends an entry; the raw value is always empty.
    Journal,
    /// Shows the entries of all journals; never written.
    JournalList,
}

impl Kind {
    /// The name of the type in `sys_dictionary`; a choice is a word there.
    pub(super) fn internal_type(self) -> &'static str {
        match self {
            Kind::Text | Kind::Choice => "string",
            Kind::Integer => "integer",
            Kind::Boolean => "boolean",
            Kind::DateTime => "glide_date_time",
            Kind::Reference(_) => "reference",
            Kind::Journal => "journal_input",
            Kind::JournalList => "journal_list",
        }
    }
}

/// One column of a table.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) kind: Kind,
    /// In characters; longer text is cut.
    pub(super) max_length: usize,
    /// The table whose dictionary entry it is.
    pub(super) defined_on: &'static str,
}

type Columns = BTreeMap<String, Column>;

/// The tables of an instance.
#[derive(Debug, Default)]
pub(super) struct Schema {
    tables: BTreeMap<&'static str, Columns>,
}

impl Schema {
    pub(super) fn new(custom_fields: &[CustomField]) -> Schema {
        let mut tables = BTreeMap::new();
        for (table, parts) in TABLES {
            let mut columns = Columns::new();
            for (defined_on, definitions) in *parts {
                for &(name, label, kind, max_length) in *definitions {
                    let column = Column {
                        name: name.to_owned(),
                        label: label.to_owned(),
                        kind,
                        max_length,
                        defined_on,
                    };
                    columns.insert(name.to_owned(), column);
                }
            }
            tables.insert(*table, columns);
        }
        if let Some(incident) = tables.get_mut("incident") {
            for field in custom_fields {
                let column = Column {
                    name: field.name.clone(),
                    label: field.label.clone(),
                    kind: field.kind.column(),
                    max_length: field.kind.max_length(),
                    defined_on: "incident",
                };
                incident.insert(field.name.clone(), column);
            }
        }
        Schema { tables }
    }

    /// The columns of a table; none if there is no such table.
    pub(super) fn columns(&self, table: &str) -> Option<&Columns> {
        self.tables.get(table)
    }

    pub(super) fn column(&self, table: &str, name: &str) -> Option<&Column> {
        self.tables.get(table)?.get(name)
    }

    pub(super) fn tables(&self) -> impl Iterator<Item = &'static str> {
        self.tables.keys().copied()
    }

    /// The column at the end of a path such as `caller_id.name`.
    pub(super) fn walk(&self, table: &str, path: &str) -> Option<&Column> {
        match path.split_once('.') {
            None => self.column(table, path),
            Some((head, rest)) => match self.column(table, head)?.kind {
                Kind::Reference(target) => self.walk(target, rest),
                _ => None,
            },
        }
    }
}

type Definitions = &'static [(&'static str, &'static str, Kind, usize)];

const TABLES: &[(&str, &[(&str, Definitions)])] = &[
    (
        "incident",
        &[("task", SYSTEM), ("task", TASK), ("incident", INCIDENT)],
    ),
    ("sys_user", &[("sys_user", SYSTEM), ("sys_user", USER)]),
    (
        "sys_user_group",
        &[("sys_user_group", SYSTEM), ("sys_user_group", GROUP)],
    ),
    ("cmdb_ci", &[("cmdb_ci", SYSTEM), ("cmdb_ci", CI)]),
    (
        "sys_choice",
        &[("sys_choice", SYSTEM), ("sys_choice", CHOICE)],
    ),
    (JOURNAL, &[(JOURNAL, JOURNAL_ENTRY)]),
    (
        "sys_dictionary",
        &[("sys_dictionary", SYSTEM), ("sys_dictionary", DICTIONARY)],
    ),
];

const USER_REF: Kind = Kind::Reference("sys_user");
const GROUP_REF: Kind = Kind::Reference("sys_user_group");

/// Columns that the platform keeps by itself.
const SYSTEM: Definitions = &[
    ("sys_id", "Sys ID", Kind::Text, 32),
    ("sys_created_on", "Created", Kind::DateTime, 40),
    ("sys_created_by", "Created by", Kind::Text, 40),
    ("sys_updated_on", "Updated", Kind::DateTime, 40),
    ("sys_updated_by", "Updated by", Kind::Text, 40),
    ("sys_mod_count", "Updates", Kind::Integer, 40),
    ("sys_tags", "Tags", Kind::Text, 40),
];

const TASK: Definitions = &[
    ("active", "Active", Kind::Boolean, 40),
    ("activity_due", "Activity due", Kind::DateTime, 40),
    (
        "additional_assignee_list",
        "Additional assignee list",
        Kind::Text,
        4000,
    ),
    ("approval", "Approval", Kind::Choice, 40),
    ("approval_history", "Approval history", Kind::Journal, 4000),
    ("approval_set", "Approval set", Kind::DateTime, 40),
    ("assigned_to", "Assigned to", USER_REF, 32),
    ("assignment_group", "Assignment group", GROUP_REF, 32),
    ("business_duration", "Business duration", Kind::Text, 40),
    (
        "business_service",
        "Service",
        Kind::Reference("cmdb_ci_service"),
        32,
    ),
    ("calendar_duration", "Duration", Kind::Text, 40),
    ("close_notes", "Close notes", Kind::Text, 4000),
    ("closed_at", "Closed", Kind::DateTime, 40),
    ("closed_by", "Closed by", USER_REF, 32),
    (
        "cmdb_ci",
        "Configuration item",
        Kind::Reference("cmdb_ci"),
        32,
    ),
    ("comments", "Additional comments", Kind::Journal, 4000),
    (
        "comments_and_work_notes",
        "Comments and Work notes",
        Kind::JournalList,
        4000,
    ),
    ("company", "Company", Kind::Reference("core_company"), 32),
    ("contact_type", "Contact type", Kind::Choice, 40),
    ("contract", "Contract", Kind::Reference("ast_contract"), 32),
    (
        "correlation_display",
        "Correlation display",
        Kind::Text,
        100,
    ),
    ("correlation_id", "Correlation ID", Kind::Text, 100),
    ("delivery_plan", "Delivery plan", Kind::Text, 32),
    ("delivery_task", "Delivery task", Kind::Text, 32),
    ("description", "Description", Kind::Text, 4000),
    ("due_date", "Due date", Kind::DateTime, 40),
    ("escalation", "Escalation", Kind::Choice, 40),
    ("expected_start", "Expected start", Kind::DateTime, 40),
    ("follow_up", "Follow up", Kind::DateTime, 40),
    ("group_list", "Group list", Kind::Text, 4000),
    ("impact", "Impact", Kind::Choice, 40),
    ("knowledge", "Knowledge", Kind::Boolean, 40),
    ("location", "Location", Kind::Reference("cmn_location"), 32),
    ("made_sla", "Made SLA", Kind::Boolean, 40),
    ("number", "Number", Kind::Text, 40),
    ("opened_at", "Opened", Kind::DateTime, 40),
    ("opened_by", "Opened by", USER_REF, 32),
    ("order", "Order", Kind::Integer, 40),
    ("parent", "Parent", Kind::Reference("task"), 32),
    ("priority", "Priority", Kind::Choice, 40),
    (
        "reassignment_count",
        "Reassignment count",
        Kind::Integer,
        40,
    ),
    ("rejection_goto", "Rejection goto", Kind::Text, 32),
    ("route_reason", "Route reason", Kind::Choice, 40),
    (
        "service_offering",
        "Service offering",
        Kind::Reference("service_offering"),
        32,
    ),
    ("short_description", "Short description", Kind::Text, 160),
    ("skills", "Skills", Kind::Text, 4000),
    ("sla_due", "SLA due", Kind::DateTime, 40),
    ("state", "State", Kind::Choice, 40),
    ("sys_class_name", "Task type", Kind::Choice, 80),
    ("sys_domain", "Domain", GROUP_REF, 32),
    ("sys_domain_path", "Domain Path", Kind::Text, 255),
    ("task_effective_number", "Effective number", Kind::Text, 40),
    ("time_worked", "Time worked", Kind::Text, 40),
    ("universal_request", "Universal Request", Kind::Text, 32),
    ("upon_approval", "Upon approval", Kind::Choice, 40),
    ("upon_reject", "Upon reject", Kind::Choice, 40),
    ("urgency", "Urgency", Kind::Choice, 40),
    ("user_input", "User input", Kind::Text, 4000),
    ("watch_list", "Watch list", Kind::Text, 4000),
    ("wf_activity", "Workflow activity", Kind::Text, 32),
    ("work_end", "Actual end", Kind::DateTime, 40),
    ("work_notes", "Work notes", Kind::Journal, 4000),
    ("work_notes_list", "Work notes list", Kind::Text, 4000),
    ("work_start", "Actual start", Kind::DateTime, 40),
];

const INCIDENT: Definitions = &[
    ("business_stc", "Business resolve time", Kind::Integer, 40),
    ("calendar_stc", "Resolve time", Kind::Integer, 40),
    ("caller_id", "Caller", USER_REF, 32),
    ("category", "Category", Kind::Choice, 40),
    ("cause", "Probable cause", Kind::Text, 4000),
    (
        "caused_by",
        "Caused by Change",
        Kind::Reference("change_request"),
        32,
    ),
    ("child_incidents", "Child Incidents", Kind::Integer, 40),
    ("close_code", "Resolution code", Kind::Choice, 40),
    ("hold_reason", "On hold reason", Kind::Choice, 40),
    ("incident_state", "Incident state", Kind::Choice, 40),
    ("lessons_learned", "Lessons learned", Kind::Text, 4000),
    ("notify", "Notify", Kind::Choice, 40),
    ("origin_id", "Origin", Kind::Text, 32),
    ("origin_table", "Origin table", Kind::Text, 80),
    (
        "parent_incident",
        "Parent Incident",
        Kind::Reference("incident"),
        32,
    ),
    ("problem_id", "Problem", Kind::Reference("problem"), 32),
    ("reopen_count", "Reopen count", Kind::Integer, 40),
    ("reopened_by", "Last reopened by", USER_REF, 32),
    ("reopened_time", "Last reopened at", Kind::DateTime, 40),
    ("resolved_at", "Resolved", Kind::DateTime, 40),
    ("resolved_by", "Resolved by", USER_REF, 32),
    (
        "rfc",
        "Change Request",
        Kind::Reference("change_request"),
        32,
    ),
    ("severity", "Severity", Kind::Choice, 40),
    ("subcategory", "Subcategory", Kind::Choice, 40),
];

const USER: Definitions = &[
    ("active", "Active", Kind::Boolean, 40),
    ("date_format", "Date format", Kind::Text, 40),
    ("email", "Email", Kind::Text, 100),
    ("first_name", "First name", Kind::Text, 50),
    (
        "internal_integration_user",
        "Internal Integration User",
        Kind::Boolean,
        40,
    ),
    ("last_name", "Last name", Kind::Text, 50),
    ("locked_out", "Locked out", Kind::Boolean, 40),
    ("name", "Name", Kind::Text, 151),
    (
        "enable_multifactor_authn",
        "Enable Multifactor Authentication",
        Kind::Boolean,
        40,
    ),
    (
        "password_needs_reset",
        "Password needs reset",
        Kind::Boolean,
        40,
    ),
    ("preferred_language", "Language", Kind::Text, 3),
    ("time_zone", "Time zone", Kind::Text, 40),
    ("title", "Title", Kind::Text, 60),
    ("user_name", "User ID", Kind::Text, 40),
    (
        "web_service_access_only",
        "Web service access only",
        Kind::Boolean,
        40,
    ),
];

const GROUP: Definitions = &[
    ("active", "Active", Kind::Boolean, 40),
    ("description", "Description", Kind::Text, 1000),
    ("email", "Group email", Kind::Text, 100),
    ("manager", "Manager", USER_REF, 32),
    ("name", "Name", Kind::Text, 80),
];

const CI: Definitions = &[
    ("assigned_to", "Assigned to", USER_REF, 32),
    ("asset_tag", "Asset tag", Kind::Text, 40),
    ("fqdn", "Fully qualified domain name", Kind::Text, 255),
    ("ip_address", "IP Address", Kind::Text, 255),
    ("name", "Name", Kind::Text, 255),
    (
        "operational_status",
        "Operational status",
        Kind::Integer,
        40,
    ),
    ("serial_number", "Serial number", Kind::Text, 255),
    ("short_description", "Description", Kind::Text, 1000),
    ("support_group", "Support group", GROUP_REF, 32),
    ("sys_class_name", "Class", Kind::Text, 80),
];

const CHOICE: Definitions = &[
    ("dependent_value", "Dependent value", Kind::Text, 100),
    ("element", "Element", Kind::Text, 80),
    ("inactive", "Inactive", Kind::Boolean, 40),
    ("label", "Label", Kind::Text, 100),
    ("language", "Language", Kind::Text, 40),
    ("name", "Table", Kind::Text, 80),
    ("sequence", "Sequence", Kind::Integer, 40),
    ("value", "Value", Kind::Text, 100),
];

const JOURNAL_ENTRY: Definitions = &[
    ("element", "Element", Kind::Text, 80),
    ("element_id", "Element ID", Kind::Text, 32),
    ("name", "Name", Kind::Text, 80),
    ("sys_created_by", "Created by", Kind::Text, 40),
    ("sys_created_on", "Created", Kind::DateTime, 40),
    ("sys_id", "Sys ID", Kind::Text, 32),
    ("sys_tags", "Tags", Kind::Text, 40),
    ("value", "Value", Kind::Text, usize::MAX),
];

const DICTIONARY: Definitions = &[
    ("active", "Active", Kind::Boolean, 40),
    ("choice", "Choice", Kind::Choice, 40),
    ("column_label", "Column label", Kind::Text, 80),
    ("element", "Column name", Kind::Text, 80),
    ("internal_type", "Type", Kind::Text, 40),
    ("mandatory", "Mandatory", Kind::Boolean, 40),
    ("max_length", "Max length", Kind::Integer, 40),
    ("name", "Table", Kind::Text, 80),
    ("read_only", "Read only", Kind::Boolean, 40),
    ("reference", "Reference", Kind::Text, 80),
];
