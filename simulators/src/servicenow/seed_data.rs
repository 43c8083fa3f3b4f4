//! What is in an instance before anybody uses it.

use std::collections::BTreeSet;

use super::choices::choices;
use super::instance::Instance;
use super::instance::Record;
use super::schema::Kind;
use super::session::Account;

/// The time of all seeded records: 2026-01-01 00:00:00 UTC.
const SEEDED_MS: u64 = 1_767_225_600_000;

/// The stamp of that time.
const SEEDED_ON: &str = "2026-01-01 00:00:00";

/// People who work on incidents: user name, first name, last name.
const PEOPLE: [(&str, &str, &str); 2] = [
    ("abel.tuter", "Abel", "Tuter"),
    ("beth.anglin", "Beth", "Anglin"),
];

const GROUPS: [&str; 4] = ["Service Desk", "Hardware", "Network", "Database"];

/// Fills an empty instance.
pub(super) fn seed(instance: &mut Instance) {
    let password = instance.options.people_password.clone();
    seed_user(
        instance,
        "admin",
        ("System", "Administrator"),
        &password,
        &["admin"],
    );
    for (user_name, first_name, last_name) in PEOPLE {
        seed_user(
            instance,
            user_name,
            (first_name, last_name),
            &password,
            &["itil"],
        );
    }
    seed_integration_user(instance);
    for name in GROUPS {
        let fields = [("name", name), ("active", "true")];
        insert(instance, "sys_user_group", &fields);
    }
    seed_choices(instance);
    seed_dictionary(instance);
}

fn seed_integration_user(instance: &mut Instance) {
    let user_name = instance.options.integration_user.clone();
    let password = instance.options.integration_password.clone();
    let roles = instance.options.integration_roles.clone();
    let web_service_access_only = instance.options.web_service_access_only;
    let sys_id = seed_user(
        instance,
        &user_name,
        ("Flashduty", "Integration"),
        &password,
        &[],
    );
    if let Some(account) = instance.accounts.get_mut(&user_name) {
        account.roles = roles;
    }
    if web_service_access_only && let Some(mut user) = instance.record("sys_user", &sys_id).cloned()
    {
        user.insert("web_service_access_only".to_owned(), "true".to_owned());
        instance.store("sys_user", user, SEEDED_MS, 0);
    }
}

fn seed_user(
    instance: &mut Instance,
    user_name: &str,
    (first_name, last_name): (&str, &str),
    password: &str,
    roles: &[&str],
) -> String {
    let fields = [
        ("user_name", user_name),
        ("first_name", first_name),
        ("last_name", last_name),
        ("name", &format!("{first_name} {last_name}")),
        ("email", &format!("{user_name}@example.com")),
        ("active", "true"),
        ("locked_out", "false"),
        ("internal_integration_user", "false"),
        ("web_service_access_only", "false"),
    ];
    let sys_id = insert(instance, "sys_user", &fields);
    let account = Account {
        sys_id: sys_id.clone(),
        password: password.to_owned(),
        roles: roles
            .iter()
            .map(|role| (*role).to_owned())
            .collect::<BTreeSet<_>>(),
    };
    instance.accounts.insert(user_name.to_owned(), account);
    sys_id
}

fn seed_choices(instance: &mut Instance) {
    let language = instance.options.language.clone();
    for (sequence, (element, value, english, german)) in choices(instance.options.close_codes)
        .into_iter()
        .enumerate()
    {
        let sequence = sequence.to_string();
        let translation = (language == "de").then_some(("de", german));
        for (language, label) in [("en", english)].into_iter().chain(translation) {
            let fields = [
                ("name", "incident"),
                ("element", element),
                ("value", value),
                ("label", label),
                ("language", language),
                ("sequence", &sequence),
                ("inactive", "false"),
            ];
            insert(instance, "sys_choice", &fields);
        }
    }
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
            ("internal_type", column.kind.internal_type()),
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
