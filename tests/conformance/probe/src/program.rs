//! What a session can be told to do, as JSON: a list of steps, each of which is
//! a list of actions that are asked for together.

use alloc::string::String;
use alloc::vec::Vec;
use serde::Deserialize;

/// One effect, one harm, or a verdict.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Action {
    /// Reads keys.
    Get(Vec<String>),
    /// Reads a page of keys.
    Scan {
        /// What they begin with.
        prefix: String,
        /// Behind which key to go on.
        after: Option<String>,
        /// How many at most.
        limit: u32,
    },
    /// Writes a key that is absent, unless a revision is given.
    Write {
        /// The key.
        key: String,
        /// The revision that it must stand at.
        revision: Option<u64>,
        /// The new value; none deletes the key.
        value: Option<Bytes>,
    },
    /// Schedules work.
    Schedule {
        /// Its key.
        key: String,
        /// So many milliseconds after the gateway's clock; at once if absent.
        in_ms: Option<u64>,
        /// Why.
        reason: String,
    },
    /// Waits for work.
    Await {
        /// Its key.
        key: String,
        /// How long at most.
        timeout_ms: u32,
    },
    /// Sends a request.
    Http {
        /// The method.
        method: String,
        /// The URL.
        url: String,
        /// Names and values.
        #[serde(default)]
        headers: Vec<(String, String)>,
        /// The body.
        body: Option<Bytes>,
        /// Name of a credential.
        credential: Option<String>,
        /// How long to wait for the answer.
        timeout_ms: u32,
    },
    /// Writes a log record.
    Log(String),
    /// Answers the caller with the findings so far.
    Respond(u16),
    /// Ends a work session.
    Finish(Verdict),
    /// Traps.
    Trap,
    /// Calculates for ever.
    Loop,
    /// Calls itself for ever.
    Recurse,
    /// Takes so many MiB of memory and writes to all of it.
    Grow(u32),
    /// Asks to read nothing, so many times at once.
    Flood(u32),
    /// Asks to read nothing, again and again, for ever.
    Forever,
}

/// How a work session is told to end.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Verdict {
    /// Nothing is left to do.
    Done,
    /// Again.
    Retry {
        /// So many milliseconds after the gateway's clock at the earliest.
        in_ms: Option<u64>,
        /// Whether this was an attempt.
        counts: bool,
        /// Why.
        reason: String,
    },
    /// Not again, for this reason.
    Park(String),
    /// None: the session just ends.
    None,
}

/// A value or a body.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bytes {
    /// As text.
    Text(String),
    /// Each of the 256 bytes once.
    Every,
    /// The letter `x`, so many times.
    Long(usize),
}

impl Bytes {
    pub(crate) fn make(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Every => (0..=255).collect(),
            Self::Long(length) => alloc::vec![b'x'; *length],
        }
    }
}
