//! Reads and writes bodies.

use crate::p2::bindings::http::IncomingBody;
use crate::p2::bindings::http::OutgoingBody;
use crate::p2::bindings::streams::OutputStream;
use crate::p2::bindings::streams::StreamError;
use crate::p2::reactor::ready;

/// At most so much is asked for at once.
const CHUNK_BYTES: u64 = 64 << 10;
/// At most so much may be written at once.
const BLOCK_BYTES: usize = 4096;

/// Reads a body to its end, or a little beyond `most` bytes of it. An error says
/// how it was cut.
pub(crate) async fn read(body: &IncomingBody, most: usize) -> Result<Vec<u8>, String> {
    let stream = body
        .stream()
        .map_err(|()| "it was read before".to_owned())?;
    let mut bytes = Vec::new();
    while bytes.len() <= most {
        match stream.read(CHUNK_BYTES) {
            Ok(chunk) if chunk.is_empty() => ready(stream.subscribe()).await,
            Ok(chunk) => bytes.extend(chunk),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => return Err(error.to_debug_string()),
        }
    }
    Ok(bytes)
}

/// Writes a whole body while others go on. That nobody takes it is no error:
/// whoever answers early need not read on.
pub(crate) async fn write(body: OutgoingBody, bytes: &[u8]) {
    let Ok(stream) = body.write() else {
        return;
    };
    let mut rest = bytes;
    while !rest.is_empty() {
        match stream.check_write() {
            Ok(0) => ready(stream.subscribe()).await,
            Ok(most) => {
                let most = usize::try_from(most).unwrap_or(usize::MAX).min(rest.len());
                let (now, later) = rest.split_at(most);
                if stream.write(now).is_err() {
                    break;
                }
                rest = later;
            }
            Err(_) => break,
        }
    }
    drop(stream);
    if rest.is_empty() {
        let _ = OutgoingBody::finish(body, None);
    }
}

/// Writes bytes, and returns when they are on their way, or nobody takes them.
pub(crate) fn write_now(stream: &OutputStream, bytes: &[u8]) {
    for block in bytes.chunks(BLOCK_BYTES) {
        if stream.blocking_write_and_flush(block).is_err() {
            return;
        }
    }
}
