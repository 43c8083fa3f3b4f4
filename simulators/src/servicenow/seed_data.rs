//! What is in an instance before anybody uses it.

use std::collections::BTreeSet;

use super::choices::TASK_STATES;
use super::choices::choices;
use super::choices::dependent_value;
use super::custom_field::CustomKind;
use super::instance::Instance;
use super::instance::Record;
use super::schema::Column;
use super::schema::Kind;
use super::session::Account;

/// The time of all seeded records: 2026-01-01 00:00:00 UTC.
const SEEDED_MS: u64 = 1_767_225_600_000;

/// The stamp of that time.
const SEEDED_ON: &str = "2026-01-01 00:00:00";

/// People who work on incidents: user name, first name, last name, and what
/// is before the `@example.com` of their address. Ana and Bo have the
/// addresses of the people in the simulated Flashduty.
const PEOPLE: [(&str, &str, &str, &str); 4] = [
    ("abel.tuter", "Abel", "Tuter", "abel.tuter"),
    ("beth.anglin", "Beth", "Anglin", "beth.anglin"),
    ("ana.silva", "Ana", "Silva", "ana"),
    ("bo.chen", "Bo", "Chen", "bo"),
];

/// Has left: a record that is not active.
const FORMER: (&str, &str, &str, &str) = ("fred.luddy", "Fred", "Luddy", "fred.luddy");

const GROUPS: [&str; 4] = ["Service Desk", "Hardware", "Network", "Database"];

/// Configuration items: name, class, fully qualified name, support group.
const ITEMS: [(&str, &str, &str, &str); 3] = [
    (
        "checkout-db-01",
        "cmdb_ci_db_instance",
        "checkout-db-01.example.com",
        "Database",
    ),
    (
        "edge-router-7",
        "cmdb_ci_ip_router",
        "edge-router-7.example.com",
        "Network",
    ),
    ("Checkout", "cmdb_ci_service", "", "Service Desk"),
];

/// Fills an empty instance.
pub(super) fn seed(instance: &mut Instance) {
    let password = instance.options.people_password.clone();
    seed_user(
        instance,
        "admin",
        ("System", "Administrator", "admin"),
        &password,
        &["admin"],
    );
    for (user_name, first_name, last_name, mailbox) in PEOPLE.into_iter().chain([FORMER]) {
        let names = (first_name, last_name, mailbox);
        seed_user(instance, user_name, names, &password, &["itil"]);
    }
    set_user(instance, FORMER.0, "active", "false");
    seed_integration_user(instance);
    for name in GROUPS {
        let fields = [("name", name), ("active", "true")];
        insert(instance, "sys_user_group", &fields);
    }
    seed_items(instance);
    seed_choices(instance);
    seed_dictionary(instance);
}

fn seed_integration_user(instance: &mut Instance) {
    let user_name = instance.options.integration_user.clone();
    let password = instance.options.integration_password.clone();
    let roles = instance.options.integration_roles.clone();
    let web_service_access_only = instance.options.web_service_access_only;
    let names = ("Flashduty", "Integration", user_name.as_str());
    seed_user(instance, &user_name, names, &password, &[]);
    if let Some(account) = instance.accounts.get_mut(&user_name) {
        account.roles = roles;
    }
    if web_service_access_only {
        set_user(instance, &user_name, "web_service_access_only", "true");
    }
}

fn set_user(instance: &mut Instance, user_name: &str, column: &str, text: &str) {
    if let Some(account) = instance.accounts.get(user_name)
        && let Some(mut user) = instance.record("sys_user", &account.sys_id).cloned()
    {
        user.insert(column.to_owned(), text.to_owned());
        instance.store("sys_user", user, SEEDED_MS, 0);
    }
}

fn seed_user(
    instance: &mut Instance,
    user_name: &str,
    (first_name, last_name, mailbox): (&str, &str, &str),
    password: &str,
    roles: &[&str],
) {
    let fields = [
        ("user_name", user_name),
        ("first_name", first_name),
        ("last_name", last_name),
        ("name", &format!("{first_name} {last_name}")),
        ("email", &format!("{mailbox}@example.com")),
        ("active", "true"),
        ("locked_out", "false"),
        ("internal_integration_user", "false"),
        ("web_service_access_only", "false"),
    ];
    let sys_id = insert(instance, "sys_user", &fields);
    let account = Account {
        sys_id,
        password: password.to_owned(),
        roles: roles
            .iter()
            .map(|role| (*role).to_owned())
            .collect::<BTreeSet<_>>(),
    };
    instance.accounts.insert(user_name.to_owned(), account);
}

fn seed_items(instance: &mut Instance) {
    for (name, class, fqdn, support_group) in ITEMS {
        let group = instance.by_reference_name("sys_user_group", support_group);
        let group = group.unwrap_or_default().to_owned();
        let fields = [
            ("name", name),
            ("sys_class_name", class),
            ("fqdn", fqdn),
            ("operational_status", "1"),
            ("support_group", &group),
        ];
        insert(instance, "cmdb_ci", &fields);
    }
}

fn seed_choices(instance: &mut Instance) {
    let mut sequence = 0;
    for (element, value, english, german) in choices(instance.options.close_codes) {
        let defined_on = instance.schema.column("incident", element);
        let of_task = defined_on.is_some_and(|column| column.defined_on == "task");
        // An incident has states of its own.
        let name = if instance.options.choices_of_task && of_task && element != "state" {
            "task"
        } else {
            "incident"
        };
        seed_choice(
            instance,
            name,
            element,
            &mut sequence,
            [value, english, german],
        );
    }
    if instance.options.choices_of_task {
        for &(element, value, english, german) in TASK_STATES {
            seed_choice(
                instance,
                "task",
                element,
                &mut sequence,
                [value, english, german],
            );
        }
    }
    for field in instance.options.custom_fields.clone() {
        if let CustomKind::Choice(choices) = field.kind {
            for choice in choices {
                let texts = [&*choice.value, &*choice.english, &*choice.german];
                seed_choice(instance, "incident", &field.name, &mut sequence, texts);
            }
        }
    }
}

/// A row for each language.
fn seed_choice(
    instance: &mut Instance,
    table: &str,
    element: &str,
    sequence: &mut u32,
    [value, english, german]: [&str; 3],
) {
    for (language, label) in [("en", english), ("de", german)] {
        let fields = [
            ("name", table),
            ("element", element),
            ("value", value),
            ("label", label),
            ("language", language),
            ("sequence", &sequence.to_string()),
            ("dependent_value", dependent_value(element, value)),
            ("inactive", "false"),
        ];
        insert(instance, "sys_choice", &fields);
    }
    *sequence += 1;
}

fn seed_dictionary(instance: &mut Instance) {
    let columns: Vec<_> = instance
        .schema
        .columns("incident")
        .into_iter()
        .flat_map(|columns| columns.values().cloned())
        .collect();
    for column in columns {
        let reference = match column.kind {
            Kind::Reference(table) => table,
            _ => "",
        };
        let choice = if column.kind == Kind::Choice {
            "1"
        } else {
            "0"
        };
        let fields = [
            ("name", column.defined_on),
            ("element", &column.name),
            ("column_label", &column.label),
            ("internal_type", internal_type(&column)),
            ("max_length", &column.max_length.to_string()),
            ("reference", reference),
            ("choice", choice),
            ("active", "true"),
            ("mandatory", "false"),
            ("read_only", "false"),
        ];
        insert(instance, "sys_dictionary", &fields);
    }
}

/// The choices of a few columns are numbers.
fn internal_type(column: &Column) -> &'static str {
    match column.name.as_str() {
        "escalation" | "hold_reason" | "impact" | "incident_state" | "notify" | "priority"
        | "severity" | "state" | "urgency" => "integer",
        _ => column.kind.internal_type(),
    }
}

fn insert(instance: &mut Instance, table: &str, fields: &[(&str, &str)]) -> String {
    let sys_id = instance.new_sys_id();
    let mut record: Record = instance
        .schema
        .columns(table)
        .into_iter()
        .flat_map(|columns| columns.keys())
        .map(|column| (column.clone(), String::new()))
        .collect();
    let system = [
        ("sys_id", sys_id.as_str()),
        ("sys_created_on", SEEDED_ON),
        ("sys_created_by", "system"),
        ("sys_updated_on", SEEDED_ON),
        ("sys_updated_by", "system"),
        ("sys_mod_count", "0"),
    ];
    for (column, value) in system.iter().chain(fields) {
        record.insert((*column).to_owned(), (*value).to_owned());
    }
    instance.store(table, record, SEEDED_MS, 0);
    sys_id
}
