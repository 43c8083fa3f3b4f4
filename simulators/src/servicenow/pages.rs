//! A plain view for people, so that links into the instance lead somewhere.
//!
//! It needs no login. It shows times in UTC, the oldest entry first, and
//! escapes whatever it shows.

use std::fmt::Write as _;

use super::ServiceNow;
use super::answer;
use super::instance::NO_LAG;
use super::instance::Record;
use super::instance::value;
use super::parameters::Parameters;
use crate::Request;
use crate::Response;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;\
    padding:0 1em;color:#1d1d1f}table{border-collapse:collapse;width:100%}\
    td,th{text-align:left;padding:.3em .8em .3em 0;border-bottom:1px solid #ddd;\
    vertical-align:top}pre{white-space:pre-wrap;margin:.2em 0 1em;font:inherit}\
    small{color:#666}a{color:#0b5cad}";

/// The columns that the page of one incident shows.
const COLUMNS: &[&str] = &[
    "number",
    "sys_id",
    "state",
    "hold_reason",
    "impact",
    "urgency",
    "priority",
    "short_description",
    "description",
    "caller_id",
    "assignment_group",
    "assigned_to",
    "close_code",
    "close_notes",
    "correlation_id",
    "correlation_display",
    "opened_at",
    "resolved_at",
    "closed_at",
    "sys_created_on",
    "sys_created_by",
    "sys_updated_on",
    "sys_updated_by",
    "sys_mod_count",
];

impl ServiceNow {
    /// Answers requests for pages; none if the path is none of a page.
    pub(super) fn page(&self, request: &Request) -> Option<Response> {
        match request.path.as_str() {
            "/" | "/incident_list.do" => Some(answer::html(200, self.incident_list())),
            "/incident.do" => {
                let parameters = Parameters::parse(&request.query);
                Some(self.incident_page(parameters.get("sys_id")))
            }
            "/nav_to.do" => {
                let parameters = Parameters::parse(&request.query);
                // The inner address may be written without encoding.
                let inner = parameters.get("uri").unwrap_or_default();
                let query = inner.split_once('?').map_or("", |(_, query)| query);
                let inner = Parameters::parse(query);
                Some(self.incident_page(inner.get("sys_id").or(parameters.get("sys_id"))))
            }
            _ => None,
        }
    }

    fn incident_list(&self) -> String {
        let mut incidents: Vec<_> = self.incidents().collect();
        incidents.sort_by_key(|incident| std::cmp::Reverse(value(incident, "number")));
        let mut rows = String::new();
        for incident in incidents {
            let link = format!(
                "<a href=\"/incident.do?sys_id={}\">{}</a>",
                escape(value(incident, "sys_id")),
                escape(value(incident, "number"))
            );
            let cells = [
                "state",
                "urgency",
                "priority",
                "short_description",
                "sys_updated_on",
            ]
            .map(|column| format!("<td>{}</td>", escape(&self.cell(incident, column))));
            // Writing to a `String` cannot fail.
            let _ = writeln!(rows, "<tr><td>{link}</td>{}</tr>", cells.concat());
        }
        let table = if rows.is_empty() {
            "<p>No incidents yet.</p>".to_owned()
        } else {
            format!(
                "<table><tr><th>Number<th>State<th>Urgency<th>Priority<th>Short description<th>Updated (UTC)</tr>\n{rows}</table>"
            )
        };
        page("Incidents", &format!("<h1>Incidents</h1>\n{table}"))
    }

    fn incident_page(&self, sys_id: Option<&str>) -> Response {
        let Some(incident) = sys_id.and_then(|sys_id| self.incident(sys_id)) else {
            let body = "<h1>Record not found</h1>\n<p><a href=\"/\">All incidents</a></p>";
            return answer::html(404, page("Record not found", body));
        };
        let sys_id = value(incident, "sys_id");
        let mut rows = String::new();
        let custom = self.instance.options.custom_fields.iter();
        let custom = custom.map(|field| field.name.as_str());
        for column in COLUMNS.iter().copied().chain(custom) {
            let label = self.instance.schema.column("incident", column);
            let label = label.map_or(column, |column| &column.label);
            let _ = writeln!(
                rows,
                "<tr><th>{}</th><td><pre>{}</pre></td></tr>",
                escape(label),
                escape(&self.cell(incident, column))
            );
        }
        let mut journal = String::new();
        for entry in self.journal(sys_id) {
            let kind = if entry.element == "comments" {
                "Additional comments"
            } else {
                "Work notes"
            };
            let _ = writeln!(
                journal,
                "<small>{} - {} ({kind})</small>\n<pre>{}</pre>",
                escape(&entry.created_on),
                escape(&entry.created_by),
                escape(&entry.value)
            );
        }
        let number = escape(value(incident, "number"));
        let body = format!(
            "<p><a href=\"/\">All incidents</a></p>\n<h1>{number}</h1>\n<table>\n{rows}</table>\n\
            <h2>Activity</h2>\n{journal}\n\
            <form method=\"post\" action=\"/simulator/send-to-flashduty/{}\">\
            <button>Send To Flashduty</button></form>",
            escape(sys_id)
        );
        answer::html(200, page(&number, &body))
    }

    fn cell(&self, incident: &Record, column: &str) -> String {
        let raw = value(incident, column);
        match column {
            "caller_id" | "assigned_to" => self.instance.reference_name("sys_user", raw, NO_LAG),
            "assignment_group" => self.instance.reference_name("sys_user_group", raw, NO_LAG),
            _ => self
                .instance
                .label(&self.instance.options.language, "incident", column, raw),
        }
    }
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
        <style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
