//! What the two systems list.

use super::Gateway;
use serde_json::Value;
use serde_json::json;

impl Gateway {
    /// All incidents, the one and the others.
    fn all_incidents(&self) -> Vec<&Value> {
        let mut all: Vec<&Value> = self.incidents.iter().collect();
        all.extend((!self.incident.is_null()).then_some(&self.incident));
        all.sort_by_key(|incident| incident["incident_id"].as_str());
        all
    }

    /// `/incident/list`, oldest id first, a hundred at a time.
    pub(super) fn listed(&self, body: &Value) -> Value {
        let (since, until) = (&body["start_time"], &body["end_time"]);
        let span = since.as_i64().unwrap()..=until.as_i64().unwrap();
        assert!(span.end() - span.start() <= 31 * 86_400, "{body}");
        let after = body["search_after_ctx"].as_str().unwrap_or_default();
        let text = body["query"].as_str().unwrap_or_default();
        let mut found = self.all_incidents();
        found.retain(|incident| {
            span.contains(&incident["start_time"].as_i64().unwrap_or_default())
                && incident["incident_id"].as_str().unwrap() > after
                && incident["description"].as_str().unwrap().contains(text)
        });
        let more = found.len() > 100;
        found.truncate(100);
        let last = found.last().map(|incident| &incident["incident_id"]);
        json!({ "items": found, "has_next_page": more, "search_after_ctx": last })
    }

    /// `/incident/list-by-ids`.
    pub(super) fn listed_by_ids(&self, body: &Value) -> Value {
        let ids = body["incident_ids"].as_array().unwrap();
        assert!((1..=100).contains(&ids.len()), "{body}");
        let mut found = self.all_incidents();
        found.retain(|incident| ids.contains(&incident["incident_id"]));
        json!({ "items": found, "has_next_page": false })
    }

    /// A page of the incident table by the time of the last change, if that is
    /// asked for, and how many there are from there on.
    pub(super) fn changed(&self, table: &str, query: &str) -> Option<(Vec<Value>, usize)> {
        let query = decoded(query);
        let of = |name: &str| query.split('&').find_map(|p| p.strip_prefix(name));
        let conditions = of("sysparm_query=").unwrap_or_default();
        let rest = conditions.strip_prefix("sys_updated_on>=")?;
        assert_eq!(table, "incident");
        let since = rest.split('^').next().unwrap();
        let behind = rest.split("^ORsys_id>").nth(1);
        let behind = behind.and_then(|rest| rest.split('^').next());
        let number = |name: &str| of(name).map_or(0, |n| n.parse().unwrap());
        let mut rows = self.records.clone();
        rows.extend((!self.record.is_null()).then(|| self.record.clone()));
        let key = |row: &Value| {
            let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            (text("sys_updated_on"), text("sys_id"))
        };
        rows.retain(|row| {
            let (changed, id) = key(row);
            let is_behind = behind.is_none_or(|b| *changed != *since || *id > *b);
            *changed >= *since && is_behind
        });
        rows.sort_by_key(key);
        let total = rows.len();
        let skipped = rows.into_iter().skip(number("sysparm_offset="));
        let page = skipped.take(number("sysparm_limit="));
        let shown = page.filter(|row| row["hidden"] != true);
        Some((shown.collect(), total))
    }
}

fn decoded(query: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = query.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                let digits = std::str::from_utf8(&digits).unwrap();
                bytes.push(u8::from_str_radix(digits, 16).unwrap());
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// A time of June 2026 as ServiceNow writes it.
pub(crate) fn stamp(ms: u64) -> String {
    let (day, time) = parts(ms);
    format!("2026-06-{day:02} {time}")
}

/// A time of June 2026 as HTTP does.
pub(super) fn http_date(ms: u64) -> String {
    let (day, time) = parts(ms);
    format!("Mon, {day:02} Jun 2026 {time} GMT")
}

fn parts(ms: u64) -> (u64, String) {
    // The first of June.
    let seconds = ms / 1000 - 1_780_272_000;
    let (day, of_day) = (seconds / 86_400 + 1, seconds % 86_400);
    assert!((1..=30).contains(&day), "day {day}");
    let time = format!(
        "{:02}:{:02}:{:02}",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    );
    (day, time)
}
