//! Pages for people, so that `detail_url` leads somewhere.

use std::fmt::Write as _;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Flashduty;
use super::incident::Incident;
use crate::Response;

const HEAD: &str = "<!doctype html><html lang=en><meta charset=utf-8>\
<meta name=viewport content='width=device-width'><style>\
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem;\
border-bottom:1px solid #ddd;vertical-align:top}pre{white-space:pre-wrap;margin:0}</style>";

impl Flashduty {
    pub(super) fn page(&self, path: &str, now_ms: u64) -> Response {
        match path.strip_prefix("/incident/detail/") {
            None => html(200, &self.list_page(now_ms)),
            Some(id) => match self.incidents.get(id) {
                Some(incident) => html(200, &self.incident_page(incident, now_ms)),
                None => html(404, "<title>Not found</title><p>There is no such incident."),
            },
        }
    }

    fn list_page(&self, now_ms: u64) -> String {
        let mut page = format!(
            "<title>Incidents</title><h1>Incidents of {}</h1><p>A simulator of Flashduty. \
             Newest first.<table><tr><th>Num<th>Title<th>Severity<th>Progress<th>Channel",
            escape(&self.options.account_name)
        );
        for incident in self.incidents.values().rev() {
            // Writing to a String cannot fail.
            let _ = write!(
                page,
                "<tr><td><a href='/incident/detail/{id}'>{num}</a><td>{title}<td>{severity}\
                 <td>{progress}<td>{channel}",
                id = escape(&incident.incident_id),
                num = escape(&incident.num),
                title = escape(&incident.title),
                severity = incident.severity.as_str(),
                progress = progress(incident, now_ms),
                channel = escape(self.channel_name(incident)),
            );
        }
        page.push_str("</table>");
        page
    }

    fn incident_page(&self, incident: &Incident, now_ms: u64) -> String {
        let mut page = format!(
            "<title>{title}</title><p><a href='/'>All incidents</a><h1>{title}</h1><table>",
            title = escape(&incident.title)
        );
        let pairs = |map: Vec<String>| map.join("\n");
        let labels = incident
            .labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        let fields = incident
            .fields
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        let responders = incident.responders.iter().map(|responder| {
            let acknowledged = if responder.acknowledged_at > 0 {
                " (acknowledged)"
            } else {
                ""
            };
            format!("{}{acknowledged}", self.person_name(responder.person_id))
        });
        let rows = [
            ("Id", incident.incident_id.clone()),
            ("Channel", self.channel_name(incident).to_owned()),
            ("Severity", incident.severity.as_str().to_owned()),
            ("Status", incident.status.as_str().to_owned()),
            ("Progress", progress(incident, now_ms)),
            ("Responders", pairs(responders.collect())),
            ("Description", incident.description.clone()),
            ("Impact", incident.impact.clone()),
            ("Root cause", incident.root_cause.clone()),
            ("Resolution", incident.resolution.clone()),
            ("Labels", pairs(labels.collect())),
            ("Fields", pairs(fields.collect())),
            ("Alerts", incident.alerts.len().to_string()),
        ];
        for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
            let _ = write!(page, "<tr><th>{name}<td><pre>{}</pre>", escape(value));
        }
        page.push_str("</table><h2>Timeline</h2><table>");
        for entry in incident.timeline.iter().rev() {
            let who = entry
                .actor
                .member_id()
                .map_or_else(|| "system".to_owned(), |id| self.person_name(id));
            let _ = write!(
                page,
                "<tr><td>{}<td>{}<td>{}<td><pre>{}</pre>",
                clock(entry.created_ms),
                escape(&who),
                entry.kind.as_str(),
                escape(&entry.detail.to_string()),
            );
        }
        page.push_str("</table>");
        page
    }

    fn channel_name(&self, incident: &Incident) -> &str {
        self.account
            .channels
            .get(&incident.channel_id)
            .map_or("", |channel| channel.name.as_str())
    }

    fn person_name(&self, person_id: i64) -> String {
        self.account
            .members
            .get(&person_id)
            .map_or_else(|| person_id.to_string(), |member| member.name.clone())
    }
}

/// In UTC, or as milliseconds if it is beyond every calendar.
fn clock(ms: u64) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_else(|| ms.to_string())
}

fn progress(incident: &Incident, now_ms: u64) -> String {
    let progress = incident.progress.as_str();
    if incident.snoozed_before > now_ms / 1000 {
        format!("{progress}, snoozed")
    } else {
        progress.to_owned()
    }
}

fn html(status: u16, page: &str) -> Response {
    Response {
        status,
        headers: vec![(
            "content-type".to_owned(),
            "text/html; charset=utf-8".to_owned(),
        )],
        body: format!("{HEAD}{page}").into_bytes(),
    }
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
