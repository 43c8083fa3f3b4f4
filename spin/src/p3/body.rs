//! Reads and writes bodies.

use spin_sdk::wasip3::http::types::ErrorCode;
use spin_sdk::wasip3::http::types::Trailers;
use spin_sdk::wasip3::wit_bindgen::FutureReader;
use spin_sdk::wasip3::wit_bindgen::FutureWriter;
use spin_sdk::wasip3::wit_bindgen::StreamReader;
use spin_sdk::wasip3::wit_bindgen::StreamResult;
use spin_sdk::wasip3::wit_bindgen::StreamWriter;
use spin_sdk::wasip3::wit_future;
use spin_sdk::wasip3::wit_stream;

/// At most so much is asked for at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Trailers, of which there are none; and whether the body before them is whole.
type End = Result<Option<Trailers>, ErrorCode>;

/// Reads a body to its end, or a little beyond `most` bytes of it. What is given
/// takes the body from its message, and tells that by the future how reading
/// went.
pub(crate) async fn read(
    take: impl FnOnce(FutureReader<Result<(), ErrorCode>>) -> (StreamReader<u8>, FutureReader<End>),
    most: usize,
) -> Result<Vec<u8>, ErrorCode> {
    let (_went, reader) = wit_future::new(|| Ok(()));
    let (mut stream, end) = take(reader);
    let mut bytes = Vec::new();
    while bytes.len() <= most {
        let (result, chunk) = stream.read(Vec::with_capacity(CHUNK_BYTES)).await;
        bytes.extend(chunk);
        if !matches!(result, StreamResult::Complete(_)) {
            end.await?;
            break;
        }
    }
    Ok(bytes)
}

/// Where a body is written. Dropped, it is at its end.
pub(crate) struct Writer {
    contents: StreamWriter<u8>,
    // Behind the contents, as it is told.
    _end: FutureWriter<End>,
}

impl Writer {
    /// A body that is empty so far.
    pub(crate) fn new() -> (Self, StreamReader<u8>, FutureReader<End>) {
        let (contents, reader) = wit_stream::new();
        let (end, told) = wit_future::new(|| Ok(None));
        let writer = Self {
            contents,
            _end: end,
        };
        (writer, reader, told)
    }

    /// Writes a whole body. That nobody takes it is no error: whoever answers
    /// early need not read on.
    pub(crate) async fn write(mut self, bytes: Vec<u8>) {
        self.contents.write_all(bytes).await;
    }
}
