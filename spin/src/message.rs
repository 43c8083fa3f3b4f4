//! Requests and answers in the words of WASI, of which both versions have the
//! same.

use crate::wasi::http::Fields;
use crate::wasi::http::Method;
use integration_gateway::Incoming;
use integration_gateway::SendFailure;
use integration_gateway::contract::Headers;

/// Headers as they are sent.
type Entries = Vec<(String, Vec<u8>)>;

/// A request without its body, which may not be worth reading.
pub(crate) fn incoming(method: Method, target: Option<String>, headers: Entries) -> Incoming {
    let target = target.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Incoming {
        method: name(method),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: pairs(headers),
        body: Vec::new(),
    }
}

/// Headers as the contract has them. What is no UTF-8 has no meaning here.
pub(crate) fn pairs(headers: Entries) -> Headers {
    headers
        .into_iter()
        .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()))
        .collect()
}

/// The headers of an answer with a body of that length.
pub(crate) fn of_answer(headers: Headers, length: usize) -> Fields {
    let mut all: Entries = headers
        .into_iter()
        .map(|(name, value)| (name, value.into_bytes()))
        .filter(|(name, _)| name != "content-length")
        // A plugin may have made them up.
        .filter(|header| Fields::from_list(std::slice::from_ref(header)).is_ok())
        .collect();
    all.push(content_length(length));
    Fields::from_list(&all).unwrap_or_else(|_| Fields::new())
}

/// The headers of a request with a body of that length.
pub(crate) fn of_request(
    headers: Headers,
    method: &str,
    length: usize,
) -> Result<Fields, SendFailure> {
    let mut all: Entries = headers
        .into_iter()
        .map(|(name, value)| (name, value.into_bytes()))
        .collect();
    if length > 0 || !matches!(method, "GET" | "HEAD") {
        all.push(content_length(length));
    }
    // A value may be a credential: only the names are told.
    Fields::from_list(&all).map_err(|_| {
        let names: Vec<_> = all.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(", ");
        SendFailure::Refused(format!(
            "one of these headers is not valid in HTTP: {names}"
        ))
    })
}

fn content_length(length: usize) -> (String, Vec<u8>) {
    ("content-length".to_owned(), length.to_string().into_bytes())
}

/// The method of that name.
pub(crate) fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn name(method: Method) -> String {
    match method {
        Method::Get => "GET".to_owned(),
        Method::Head => "HEAD".to_owned(),
        Method::Post => "POST".to_owned(),
        Method::Put => "PUT".to_owned(),
        Method::Delete => "DELETE".to_owned(),
        Method::Connect => "CONNECT".to_owned(),
        Method::Options => "OPTIONS".to_owned(),
        Method::Trace => "TRACE".to_owned(),
        Method::Patch => "PATCH".to_owned(),
        Method::Other(other) => other,
    }
}
