//! The one request.

use crate::bindings::http::ErrorCode;
use crate::bindings::http::Fields;
use crate::bindings::http::Method;
use crate::bindings::http::OutgoingBody;
use crate::bindings::http::OutgoingRequest;
use crate::bindings::http::RequestOptions;
use crate::bindings::outgoing_handler;
use crate::bindings::poll;
use crate::bindings::variables;
use crate::url;

/// It works for fifty seconds at most, so that the next minute's finds it done.
const TICK: &str = "/tick?seconds=50";
/// How long to wait for the answer to that.
const LIMIT_NS: u64 = 110_000_000_000;

/// Has the gateway do what is due, or tells why it did not.
pub(crate) fn tick() -> Result<(), String> {
    let origin = variable("gateway_origin")?;
    let token = variable("admin_token")?;
    match status(&origin, &token)? {
        200 => Ok(()),
        401 => Err(format!(
            "POST {origin}/tick: 401: the Spin variable admin_token is not a token of [admin] there"
        )),
        status => Err(format!("POST {origin}/tick: {status}")),
    }
}

fn status(origin: &str, token: &str) -> Result<u16, String> {
    let failed = |error: ErrorCode| format!("POST {origin}/tick: {error}");
    let unfit = |()| format!("POST {origin}/tick: it is no HTTP request");
    let (scheme, authority) = url::parts(origin)?;
    let headers = [
        ("authorization", format!("Bearer {token}")),
        ("content-length", "0".to_owned()),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.into_bytes()));
    let headers = Fields::from_list(&headers).map_err(|_| {
        "the Spin variable admin_token: expected a text that may stand in a header".to_owned()
    })?;
    let request = OutgoingRequest::new(headers);
    request.set_method(&Method::Post).map_err(unfit)?;
    request.set_scheme(Some(&scheme)).map_err(unfit)?;
    request.set_authority(Some(authority)).map_err(unfit)?;
    request.set_path_with_query(Some(TICK)).map_err(unfit)?;
    let body = request.body().map_err(unfit)?;
    let options = RequestOptions::new();
    let _ = options.set_first_byte_timeout(Some(LIMIT_NS));
    let answer = outgoing_handler::handle(request, Some(options)).map_err(failed)?;
    let _ = OutgoingBody::finish(body, None);
    poll(&[&answer.subscribe()]);
    match answer.get() {
        Some(Ok(Ok(answer))) => Ok(answer.status()),
        Some(Ok(Err(error))) => Err(failed(error)),
        Some(Err(())) | None => Err(failed(ErrorCode::InternalError(None))),
    }
}

fn variable(name: &str) -> Result<String, String> {
    let value = variables::get(name);
    value.map_err(|error| format!("the Spin variable {name}: {error}"))
}
