//! What comes in and what is answered, one after the other, as text:
//!
//! ```text
//! flashduty
//! {"event_type":"i_new","incident":{…}}
//! =====
//! 200 retry-after: 5; content-type: application/json
//! {"data":{…}}
//! =====
//! unknown
//! ```

use crate::first_line;
use crate::scene::Answer;
use integration_gateway::SendFailure;
use integration_gateway::contract::Response;

const SEPARATOR: &[u8] = b"\n=====\n";

/// One part of a transcript: what it is, and its body.
pub(crate) struct Part<'a> {
    pub(crate) head: String,
    pub(crate) body: &'a [u8],
}

/// All parts.
pub(crate) fn parts(data: &[u8]) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = data;
    loop {
        let windows = rest.windows(SEPARATOR.len());
        let end = windows.into_iter().position(|window| window == SEPARATOR);
        let (head, body) = first_line(&rest[..end.unwrap_or(rest.len())]);
        parts.push(Part { head, body });
        match end {
            Some(end) => rest = &rest[end + SEPARATOR.len()..],
            None => return parts,
        }
    }
}

impl Part<'_> {
    /// The answer that it describes, if it does.
    pub(crate) fn answer(&self) -> Option<Answer> {
        let (word, headers) = self.head.split_once(' ').unwrap_or((&self.head, ""));
        let why = || "the far end".to_owned();
        Some(match word {
            "refused" => Err(SendFailure::Refused(why())),
            "unreachable" => Err(SendFailure::Unreachable(why())),
            "unknown" => Err(SendFailure::Unknown(why())),
            status => Ok(Response {
                status: status.parse().ok()?,
                headers: self::headers(headers.split("; ")),
                body: self.body.to_vec(),
            }),
        })
    }
}

/// Headers, each `name: value`.
pub(crate) fn headers<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    let pairs = lines.filter_map(|line| line.split_once(": "));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
