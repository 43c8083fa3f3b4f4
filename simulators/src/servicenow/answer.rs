//! The outside of answers: headers, JSON bodies, HTML pages.

use serde_json::Value;

use super::refusal::Refusal;
use crate::Request;
use crate::Response;

/// A request header; its name is in lower case.
pub(super) fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request
        .headers
        .iter()
        .find(|(other, _)| other == name)
        .map(|(_, value)| value.as_str())
}

pub(super) fn json(status: u16, body: &Value) -> Response {
    Response {
        status,
        headers: vec![(
            "content-type".to_owned(),
            "application/json;charset=UTF-8".to_owned(),
        )],
        body: body.to_string().into_bytes(),
    }
}

pub(super) fn html(status: u16, body: String) -> Response {
    Response {
        status,
        headers: vec![(
            "content-type".to_owned(),
            "text/html;charset=UTF-8".to_owned(),
        )],
        body: body.into_bytes(),
    }
}

pub(super) fn empty(status: u16) -> Response {
    Response {
        status,
        headers: Vec::new(),
        body: Vec::new(),
    }
}

pub(super) fn refusal(refusal: &Refusal) -> Response {
    let mut response = json(refusal.status, &refusal.body());
    if refusal.status == 401 {
        let challenge = "BASIC realm=\"Service-now\"".to_owned();
        response
            .headers
            .push(("www-authenticate".to_owned(), challenge));
    }
    response
}

/// What an instance adds to every answer of its APIs. It also sets cookies;
/// a client that keeps them has its requests queued one behind the other.
pub(super) fn dress(response: &mut Response, transaction: &str) {
    let session = format!("JSESSIONID={transaction}; Path=/; HttpOnly; SameSite=None");
    for (name, value) in [
        (
            "x-is-logged-in",
            if response.status == 401 {
                "false"
            } else {
                "true"
            },
        ),
        ("x-transaction-id", transaction),
        ("x-content-type-options", "nosniff"),
        ("pragma", "no-store,no-cache"),
        (
            "cache-control",
            "no-cache,no-store,must-revalidate,max-age=-1",
        ),
        ("expires", "0"),
        ("server", "ServiceNow"),
        ("set-cookie", &session),
    ] {
        response.headers.push((name.to_owned(), value.to_owned()));
    }
}
