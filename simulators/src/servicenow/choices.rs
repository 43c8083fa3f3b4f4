//! The choices of a fresh instance, and the labels that people see for them.
//!
//! Labels live in `sys_choice`, where an administrator renames and translates
//! them; a value without a row is shown as it is.

use super::options::CloseCodes;

/// One choice: element, value, English label, German label.
pub(super) type Choice = (&'static str, &'static str, &'static str, &'static str);

/// The choices of an instance, in the order of their sequence numbers.
pub(super) fn choices(close_codes: CloseCodes) -> Vec<Choice> {
    let mut choices = CHOICES.to_vec();
    let sets: &[&[Choice]] = match close_codes {
        CloseCodes::Current => &[CURRENT_CLOSE_CODES],
        CloseCodes::Legacy => &[LEGACY_CLOSE_CODES],
        CloseCodes::Both => &[CURRENT_CLOSE_CODES, LEGACY_CLOSE_CODES],
    };
    choices.extend(sets.iter().copied().flatten());
    choices
}

/// The category that a subcategory belongs to.
pub(super) fn dependent_value(element: &str, value: &str) -> &'static str {
    match (element, value) {
        ("subcategory", "email" | "os") => "software",
        ("subcategory", "dns" | "vpn") => "network",
        ("subcategory", "oracle" | "sql server") => "database",
        _ => "",
    }
}

/// States of a task that is no incident; an incident has its own.
pub(super) const TASK_STATES: &[Choice] = &[
    ("state", "-5", "Pending", "Ausstehend"),
    ("state", "1", "Open", "Offen"),
    ("state", "2", "Work in Progress", "In Arbeit"),
    (
        "state",
        "3",
        "Closed Complete",
        "Abgeschlossen - vollständig",
    ),
    (
        "state",
        "4",
        "Closed Incomplete",
        "Abgeschlossen - unvollständig",
    ),
    (
        "state",
        "7",
        "Closed Skipped",
        "Abgeschlossen - übersprungen",
    ),
];

const CHOICES: &[Choice] = &[
    ("state", "1", "New", "Neu"),
    ("state", "2", "In Progress", "In Bearbeitung"),
    ("state", "3", "On Hold", "In Wartestellung"),
    ("state", "6", "Resolved", "Gelöst"),
    ("state", "7", "Closed", "Geschlossen"),
    ("state", "8", "Canceled", "Abgebrochen"),
    ("incident_state", "1", "New", "Neu"),
    ("incident_state", "2", "In Progress", "In Bearbeitung"),
    ("incident_state", "3", "On Hold", "In Wartestellung"),
    ("incident_state", "6", "Resolved", "Gelöst"),
    ("incident_state", "7", "Closed", "Geschlossen"),
    ("incident_state", "8", "Canceled", "Abgebrochen"),
    ("impact", "1", "1 - High", "1 - Hoch"),
    ("impact", "2", "2 - Medium", "2 - Mittel"),
    ("impact", "3", "3 - Low", "3 - Niedrig"),
    ("urgency", "1", "1 - High", "1 - Hoch"),
    ("urgency", "2", "2 - Medium", "2 - Mittel"),
    ("urgency", "3", "3 - Low", "3 - Niedrig"),
    ("severity", "1", "1 - High", "1 - Hoch"),
    ("severity", "2", "2 - Medium", "2 - Mittel"),
    ("severity", "3", "3 - Low", "3 - Niedrig"),
    ("priority", "1", "1 - Critical", "1 - Kritisch"),
    ("priority", "2", "2 - High", "2 - Hoch"),
    ("priority", "3", "3 - Moderate", "3 - Moderat"),
    ("priority", "4", "4 - Low", "4 - Niedrig"),
    ("priority", "5", "5 - Planning", "5 - Planung"),
    ("hold_reason", "1", "Awaiting Caller", "Wartet auf Anrufer"),
    ("hold_reason", "3", "Awaiting Problem", "Wartet auf Problem"),
    ("hold_reason", "4", "Awaiting Vendor", "Wartet auf Anbieter"),
    ("hold_reason", "5", "Awaiting Change", "Wartet auf Änderung"),
    ("category", "inquiry", "Inquiry / Help", "Anfrage / Hilfe"),
    ("category", "software", "Software", "Software"),
    ("category", "hardware", "Hardware", "Hardware"),
    ("category", "network", "Network", "Netzwerk"),
    ("category", "database", "Database", "Datenbank"),
    ("notify", "1", "Do Not Notify", "Nicht benachrichtigen"),
    ("notify", "2", "Send Email", "E-Mail senden"),
    ("escalation", "0", "Normal", "Normal"),
    (
        "approval",
        "not requested",
        "Not Yet Requested",
        "Noch nicht angefordert",
    ),
    (
        "upon_approval",
        "proceed",
        "Proceed to Next Task",
        "Weiter zur nächsten Aufgabe",
    ),
    (
        "upon_reject",
        "cancel",
        "Cancel all future Tasks",
        "Alle künftigen Aufgaben abbrechen",
    ),
    ("subcategory", "email", "Email", "E-Mail"),
    ("subcategory", "os", "Operating System", "Betriebssystem"),
    ("subcategory", "dns", "DNS", "DNS"),
    ("subcategory", "vpn", "VPN", "VPN"),
    ("subcategory", "oracle", "Oracle", "Oracle"),
    (
        "subcategory",
        "sql server",
        "MS SQL Server",
        "MS SQL Server",
    ),
    ("contact_type", "phone", "Phone", "Telefon"),
    ("contact_type", "email", "Email", "E-Mail"),
    ("contact_type", "monitoring", "Monitoring", "Überwachung"),
    ("sys_class_name", "incident", "Incident", "Incident"),
];

const CURRENT_CLOSE_CODES: &[Choice] = &[
    ("close_code", "Duplicate", "Duplicate", "Duplikat"),
    (
        "close_code",
        "Known error",
        "Known error",
        "Bekannter Fehler",
    ),
    (
        "close_code",
        "No resolution provided",
        "No resolution provided",
        "Keine Lösung angegeben",
    ),
    (
        "close_code",
        "Resolved by caller",
        "Resolved by caller",
        "Durch Anrufer gelöst",
    ),
    (
        "close_code",
        "Resolved by change",
        "Resolved by change",
        "Durch Änderung gelöst",
    ),
    (
        "close_code",
        "Resolved by problem",
        "Resolved by problem",
        "Durch Problem gelöst",
    ),
    (
        "close_code",
        "Resolved by request",
        "Resolved by request",
        "Durch Anforderung gelöst",
    ),
    (
        "close_code",
        "Solution provided",
        "Solution provided",
        "Lösung bereitgestellt",
    ),
    (
        "close_code",
        "Workaround provided",
        "Workaround provided",
        "Umgehung bereitgestellt",
    ),
    ("close_code", "User error", "User error", "Benutzerfehler"),
];

const LEGACY_CLOSE_CODES: &[Choice] = &[
    (
        "close_code",
        "Solved (Work Around)",
        "Solved (Work Around)",
        "Gelöst (Umgehung)",
    ),
    (
        "close_code",
        "Solved (Permanently)",
        "Solved (Permanently)",
        "Gelöst (dauerhaft)",
    ),
    (
        "close_code",
        "Solved Remotely (Work Around)",
        "Solved Remotely (Work Around)",
        "Aus der Ferne gelöst (Umgehung)",
    ),
    (
        "close_code",
        "Solved Remotely (Permanently)",
        "Solved Remotely (Permanently)",
        "Aus der Ferne gelöst (dauerhaft)",
    ),
    (
        "close_code",
        "Not Solved (Not Reproducible)",
        "Not Solved (Not Reproducible)",
        "Nicht gelöst (nicht reproduzierbar)",
    ),
    (
        "close_code",
        "Not Solved (Too Costly)",
        "Not Solved (Too Costly)",
        "Nicht gelöst (zu teuer)",
    ),
    (
        "close_code",
        "Closed/Resolved by Caller",
        "Closed/Resolved by Caller",
        "Durch Anrufer geschlossen/gelöst",
    ),
];
