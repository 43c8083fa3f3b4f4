//! One request that goes out, and its answer.

use crate::client::address;
use crate::client::cut;
use crate::client::failure;
use crate::client::limits;
use crate::client::no_request;
use crate::message;
use crate::p2::Outgoing;
use crate::p2::bindings::http::FutureIncomingResponse;
use crate::p2::bindings::outgoing_handler;
use crate::p2::body;
use crate::p2::reactor::ready;
use integration_gateway::OutgoingRequest;
use integration_gateway::SendFailure;
use integration_gateway::contract::Response;

/// Sends a request and reads its answer, a little beyond the most that it may
/// have if it is longer.
pub(crate) async fn exchange(request: OutgoingRequest) -> Result<Response, SendFailure> {
    let OutgoingRequest {
        method,
        url,
        headers,
        body,
        timeout_ms,
        max_response_bytes,
    } = request;
    let outgoing = Outgoing::new(message::of_request(headers, &method, body.len())?);
    address(&outgoing, &method, &url)?;
    let outgoing_body = outgoing.body().map_err(|()| no_request(&method))?;
    let answer = outgoing_handler::handle(outgoing, Some(limits(timeout_ms)))
        .map_err(|error| failure(&error))?;
    body::write(outgoing_body, &body).await;
    receive(answer, max_response_bytes).await
}

async fn receive(answer: FutureIncomingResponse, most: usize) -> Result<Response, SendFailure> {
    ready(answer.subscribe()).await;
    let answer = match answer.get() {
        Some(Ok(answer)) => answer.map_err(|error| failure(&error))?,
        Some(Err(())) | None => return Err(cut("it is not there")),
    };
    let (status, headers) = (answer.status(), answer.headers().entries());
    let body = answer.consume().map_err(|()| cut("it has no body"))?;
    let body = body::read(&body, most).await.map_err(|why| cut(&why))?;
    Ok(Response {
        status,
        headers: message::pairs(headers),
        body,
    })
}
