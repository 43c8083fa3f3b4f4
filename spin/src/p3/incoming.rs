//! Requests that come in, and their answers: the one thing that the component
//! exports.

use crate::client::word;
use crate::handler::serve;
use crate::log;
use crate::message;
use crate::p3::Request;
use crate::p3::body;
use crate::p3::body::Writer;
use crate::p3::clocks;
use crate::p3::turn;
use futures_util::FutureExt as _;
use futures_util::future::select;
use integration_gateway::Incoming;
use integration_gateway::contract::Response;
use spin_sdk::wasip3::exports::http::handler::Guest;
use spin_sdk::wasip3::http::types;
use spin_sdk::wasip3::http::types::ErrorCode;
use spin_sdk::wasip3::spawn;
use std::cell::Cell;
use std::future::IntoFuture as _;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

/// An answer has gone after this, whatever the runtime says.
const SENT_NS: u64 = 5_000_000_000;

/// What the component exports.
pub(crate) struct Component;

/// Who waits for an answer.
pub(crate) struct Caller(Rc<Cell<Option<Response>>>);

impl Guest for Component {
    /// Called for each request, also while others are under way.
    async fn handle(request: Request) -> Result<types::Response, ErrorCode> {
        log::install();
        let answer = Rc::default();
        let mut serving = Box::pin(serve(request, Caller(Rc::clone(&answer))));
        let mut serving = poll_fn(move |context| {
            turn::begin();
            serving.as_mut().poll(context)
        });
        let mut is_over = false;
        let answer = poll_fn(|context| {
            is_over = serving.poll_unpin(context).is_ready();
            match answer.take() {
                None if !is_over => Poll::Pending,
                answer => Poll::Ready(answer),
            }
        });
        let answer = answer.await.ok_or(ErrorCode::InternalError(None))?;
        let (answer, sending) = encode(answer);
        // What comes behind the answer goes on beside the next requests, but not
        // before the answer has gone: a trap would take it along.
        spawn(async move {
            sending.await;
            if !is_over {
                serving.await;
            }
        });
        Ok(answer)
    }
}

/// A request without its body, which may not be worth reading.
pub(crate) fn head(request: &Request) -> Incoming {
    let headers = request.get_headers().copy_all();
    message::incoming(request.get_method(), request.get_path_with_query(), headers)
}

/// Reads the body, no further than a little beyond `most` bytes.
pub(crate) async fn read(request: Request, most: usize) -> Result<Vec<u8>, String> {
    let take = |went| Request::consume_body(request, went);
    body::read(take, most)
        .await
        .map_err(|error| word(&error).to_owned())
}

/// Answers a request. The component goes on afterwards.
pub(crate) fn answer(to: Caller, response: Response) {
    let Caller(answer) = to;
    answer.set(Some(response));
}

/// An answer, and who sends it.
fn encode(response: Response) -> (types::Response, impl Future<Output = ()>) {
    let headers = message::of_answer(response.headers, response.body.len());
    let (writer, reader, end) = Writer::new();
    let (outgoing, sent) = types::Response::new(headers, Some(reader), end);
    if outgoing.set_status_code(response.status).is_err() {
        let _ = outgoing.set_status_code(500);
    }
    let sending = async move {
        writer.write(response.body).await;
        let limit = pin!(clocks::sleep(SENT_NS));
        let _ = select(pin!(sent.into_future()), limit).await;
    };
    (outgoing, sending)
}
