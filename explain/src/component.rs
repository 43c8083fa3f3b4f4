//! The one thing that the component exports: requests come in, and answers go
//! out.

use crate::bindings::Guest;
use crate::bindings::OutputStream;
use crate::bindings::StreamError;
use crate::bindings::get_environment;
use crate::bindings::get_stderr;
use crate::bindings::http::Fields;
use crate::bindings::http::IncomingRequest;
use crate::bindings::http::Method;
use crate::bindings::http::OutgoingBody;
use crate::bindings::http::OutgoingResponse;
use crate::bindings::http::ResponseOutparam;
use crate::bindings::poll;
use crate::bindings::wall_clock;
use crate::environment::Environment;
use crate::plugin::ImportedPlugin;
use crate::service::Service;
use integration_gateway::Incoming;
use integration_gateway::contract::Response;
use integration_gateway::contract::configure;
use std::panic;

/// At most so much is asked for at once.
const CHUNK_BYTES: u64 = 64 << 10;
/// At most so much may be written at once.
const BLOCK_BYTES: usize = 4096;

/// What the component exports.
pub(crate) struct Component;

impl Guest for Component {
    /// Some runtimes call it more than once in an instance, none while it runs.
    fn handle(request: IncomingRequest, caller: ResponseOutparam) {
        panic::set_hook(Box::new(|panic| tell(&panic.to_string())));
        let head = head(&request);
        let service = Service {
            runtime: &ImportedPlugin,
            configure: &configure,
            environment: &Environment::of(&get_environment()),
            now_ms: now_ms(),
            tell: &tell,
        };
        let body = |most| read(&request, most);
        answer(caller, &service.answer(head, &body));
    }
}

/// A request without its body, which may not be worth reading. Of the methods
/// those have a name that somebody here asks for.
fn head(request: &IncomingRequest) -> Incoming {
    let target = request.path_with_query().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let headers = request.headers().entries().into_iter();
    Incoming {
        method: match request.method() {
            Method::Get => "GET",
            Method::Post => "POST",
            _ => "another",
        }
        .to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: headers
            .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()))
            .collect(),
        body: Vec::new(),
    }
}

/// Reads the body, no further than a little beyond `most` bytes. An error says
/// how it was cut.
fn read(request: &IncomingRequest, most: usize) -> Result<Vec<u8>, String> {
    let was_read = |()| "it was read before".to_owned();
    let body = request.consume().map_err(was_read)?;
    let stream = body.stream().map_err(was_read)?;
    let mut bytes = Vec::new();
    while bytes.len() <= most {
        match stream.read(CHUNK_BYTES) {
            Ok(chunk) if chunk.is_empty() => drop(poll(&[&stream.subscribe()])),
            Ok(chunk) => bytes.extend(chunk),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => return Err(error.to_debug_string()),
        }
    }
    Ok(bytes)
}

/// Answers a request.
fn answer(to: ResponseOutparam, response: &Response) {
    let mut headers: Vec<(String, Vec<u8>)> = response
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().into_bytes()))
        .collect();
    let length = response.body.len().to_string();
    headers.push(("content-length".to_owned(), length.into_bytes()));
    let headers = Fields::from_list(&headers).unwrap_or_else(|_| Fields::new());
    let outgoing = OutgoingResponse::new(headers);
    // Each that is answered here is one.
    let _ = outgoing.set_status_code(response.status);
    let body = outgoing.body();
    ResponseOutparam::set(to, Ok(outgoing));
    let Ok(body) = body else {
        return;
    };
    if let Ok(stream) = body.write() {
        write(&stream, &response.body);
    }
    let _ = OutgoingBody::finish(body, None);
}

/// Writes bytes, and returns when they are on their way, or nobody takes them.
fn write(stream: &OutputStream, bytes: &[u8]) {
    for block in bytes.chunks(BLOCK_BYTES) {
        if stream.blocking_write_and_flush(block).is_err() {
            return;
        }
    }
}

/// Writes a line for whoever runs the service.
fn tell(line: &str) {
    write(&get_stderr(), format!("{line}\n").as_bytes());
}

fn now_ms() -> u64 {
    let now = wall_clock::now();
    now.seconds * 1000 + u64::from(now.nanoseconds) / 1_000_000
}
