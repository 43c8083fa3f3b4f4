//! Names for the places where a gateway can die, as the reliability page
//! knows them.

use serde_json::Value;

/// What a call of the store does, from its key and what is written.
pub fn store_point(verb: &str, key: &str, value: Option<&[u8]>) -> String {
    let value: Value = value
        .and_then(|value| serde_json::from_slice(value).ok())
        .unwrap_or_default();
    let thing = match key.split('.').nth(1).unwrap_or_default() {
        "work" if key.starts_with("g.") => work(verb, &value),
        "pair" => pair(verb, &value),
        other => other,
    };
    format!("{verb} {thing}")
}

fn work(verb: &str, record: &Value) -> &'static str {
    if verb != "write" {
        return "work";
    }
    let beat = record["lease"]["beat"].as_u64();
    match (beat, &record["parked"], &record["again"]) {
        (_, Value::Object(_), _) => "work: parked",
        (Some(_), _, Value::Object(_)) => "work: once more",
        (Some(0), ..) => "work: lease",
        (Some(_), ..) => "work: beat",
        (None, ..) if record["failure"].is_string() => "work: to be tried again",
        (None, ..) => "work: scheduled",
    }
}

fn pair(verb: &str, pair: &Value) -> &'static str {
    if verb != "write" {
        return "pair";
    }
    let is_linked = pair["flashduty"].is_string() && pair["servicenow"].is_string();
    if pair["ended"].is_string() {
        "pair: ended"
    } else if pair["creating"].is_object() {
        "pair: about to create"
    } else if !is_linked {
        "pair: not linked"
    } else if pair["unsettled_until_ms"].is_u64() {
        "pair: about to comment"
    } else if pair["introduced"] == false {
        "pair: linked"
    } else {
        "pair: in step"
    }
}

/// What a request to a far end does.
pub fn network_point(method: &str, path: &str, query: &str, body: &[u8]) -> String {
    if path == "/oauth_token.do" {
        return "fetch a token".to_owned();
    }
    let Some(table) = path.strip_prefix("/api/now/table/") else {
        return format!("Flashduty {path}");
    };
    let table = table.split('/').next().unwrap_or_default();
    let is_about = |column: &str| {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        body.get(column).is_some()
    };
    let what = match (method, table) {
        ("GET", "incident") if query.contains("sysparm_query") => "look up records",
        ("GET", "incident") => "read the record",
        ("GET", table) => return format!("ServiceNow read {table}"),
        ("POST", _) => "create the record",
        _ if is_about("comments") || is_about("work_notes") => "write a journal",
        _ => "write the record",
    };
    format!("ServiceNow {what}")
}
