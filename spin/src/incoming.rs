//! Requests that come in, and their answers.

use crate::bindings::http::Fields;
use crate::bindings::http::IncomingRequest;
use crate::bindings::http::Method;
use crate::bindings::http::OutgoingBody;
use crate::bindings::http::OutgoingResponse;
use crate::bindings::http::ResponseOutparam;
use crate::body;
use integration_gateway::Incoming;
use integration_gateway::contract::Headers;
use integration_gateway::contract::Response;

/// A request without its body, which may not be worth reading.
pub(crate) fn head(request: &IncomingRequest) -> Incoming {
    let target = request.path_with_query().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Incoming {
        method: name(request.method()),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: pairs(&request.headers()),
        body: Vec::new(),
    }
}

/// Reads the body, no further than a little beyond `most` bytes.
pub(crate) async fn body(request: &IncomingRequest, most: usize) -> Result<Vec<u8>, String> {
    let incoming = request
        .consume()
        .map_err(|()| "it was read before".to_owned())?;
    body::read(&incoming, most).await
}

/// Answers a request. The component goes on afterwards.
pub(crate) fn answer(to: ResponseOutparam, response: Response) {
    let mut headers: Vec<_> = response
        .headers
        .into_iter()
        .map(|(name, value)| (name, value.into_bytes()))
        .filter(|(name, _)| name != "content-length")
        // A plugin may have made them up.
        .filter(|header| Fields::from_list(std::slice::from_ref(header)).is_ok())
        .collect();
    let length = response.body.len().to_string();
    headers.push(("content-length".to_owned(), length.into_bytes()));
    let fields = Fields::from_list(&headers).unwrap_or_else(|_| Fields::new());
    let outgoing = OutgoingResponse::new(fields);
    if outgoing.set_status_code(response.status).is_err() {
        let _ = outgoing.set_status_code(500);
    }
    let body = outgoing.body();
    ResponseOutparam::set(to, Ok(outgoing));
    let Ok(body) = body else {
        return;
    };
    if let Ok(stream) = body.write() {
        body::write_now(&stream, &response.body);
    }
    let _ = OutgoingBody::finish(body, None);
}

/// Headers as the contract has them. What is no UTF-8 has no meaning here.
pub(crate) fn pairs(fields: &Fields) -> Headers {
    fields
        .entries()
        .into_iter()
        .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()))
        .collect()
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
