//! One request that goes out, and its answer.

use crate::client::address;
use crate::client::cut;
use crate::client::failure;
use crate::client::limits;
use crate::client::word;
use crate::message;
use crate::p3::Outgoing;
use crate::p3::body;
use crate::p3::body::Writer;
use futures_util::future::Either;
use futures_util::future::pending;
use futures_util::future::select;
use integration_gateway::OutgoingRequest;
use integration_gateway::SendFailure;
use integration_gateway::contract::Response;
use spin_sdk::wasip3::http::client;
use spin_sdk::wasip3::http::types;
use std::convert::Infallible;
use std::pin::pin;

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
    let headers = message::of_request(headers, &method, body.len())?;
    let (writer, reader, end) = Writer::new();
    let reader = (!body.is_empty()).then_some(reader);
    let (outgoing, _) = Outgoing::new(headers, reader, end, Some(limits(timeout_ms)));
    address(&outgoing, &method, &url)?;
    let writing = async {
        writer.write(body).await;
        pending::<Infallible>().await
    };
    // Whoever answers early need not have read everything.
    match select(pin!(receive(outgoing, max_response_bytes)), pin!(writing)).await {
        Either::Left((answer, _)) => answer,
        Either::Right((never, _)) => match never {},
    }
}

async fn receive(outgoing: Outgoing, most: usize) -> Result<Response, SendFailure> {
    let answer = client::send(outgoing)
        .await
        .map_err(|error| failure(&error))?;
    let (status, headers) = (answer.get_status_code(), answer.get_headers().copy_all());
    let take = |went| types::Response::consume_body(answer, went);
    let body = body::read(take, most)
        .await
        .map_err(|error| cut(word(&error)))?;
    Ok(Response {
        status,
        headers: message::pairs(headers),
        body,
    })
}
