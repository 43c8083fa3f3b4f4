//! Requests that come in, and their answers: the one thing that the component
//! exports.

use crate::handler::serve;
use crate::log;
use crate::message;
use crate::p2::bindings::Guest;
pub(crate) use crate::p2::bindings::http::IncomingRequest as Request;
use crate::p2::bindings::http::OutgoingBody;
use crate::p2::bindings::http::OutgoingResponse;
pub(crate) use crate::p2::bindings::http::ResponseOutparam as Caller;
use crate::p2::body;
use crate::p2::reactor::block_on;
use integration_gateway::Incoming;
use integration_gateway::contract::Response;

/// What the component exports.
pub(crate) struct Component;

impl Guest for Component {
    /// Called once for each instance.
    fn handle(request: Request, caller: Caller) {
        log::install();
        block_on(serve(request, caller));
    }
}

/// A request without its body, which may not be worth reading.
pub(crate) fn head(request: &Request) -> Incoming {
    let headers = request.headers().entries();
    message::incoming(request.method(), request.path_with_query(), headers)
}

/// Reads the body, no further than a little beyond `most` bytes.
pub(crate) async fn read(request: Request, most: usize) -> Result<Vec<u8>, String> {
    let incoming = request
        .consume()
        .map_err(|()| "it was read before".to_owned())?;
    body::read(&incoming, most).await
}

/// Answers a request. The component goes on afterwards.
pub(crate) fn answer(to: Caller, response: Response) {
    let headers = message::of_answer(response.headers, response.body.len());
    let outgoing = OutgoingResponse::new(headers);
    if outgoing.set_status_code(response.status).is_err() {
        let _ = outgoing.set_status_code(500);
    }
    let body = outgoing.body();
    Caller::set(to, Ok(outgoing));
    let Ok(body) = body else {
        return;
    };
    if let Ok(stream) = body.write() {
        body::write_now(&stream, &response.body);
    }
    let _ = OutgoingBody::finish(body, None);
}
