//! Faults of the Open API, on demand.
//!
//! A fault holds for the next so many calls or until a time, for all paths or
//! for one. The cruel ones carry the call out and then do not say so: a client
//! that repeats a create after them makes a second incident.

use serde::Deserialize;
use serde::Serialize;

use super::envelope::ApiError;
use super::envelope::ErrorCode;
use super::envelope::wrap;
use crate::Response;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// 429 `RequestTooFrequently`, with `Retry-After: 2`.
    TooManyRequests,
    /// 500 `InternalError`; nothing was done.
    InternalError,
    /// 503 `ServiceUnavailable`; nothing was done.
    ServiceUnavailable,
    /// 401 `Unauthorized`, although the key is right.
    Unauthorized,
    /// 200 with an HTML page, as from a proxy in between.
    HtmlPage,
    /// The connection is closed without an answer; nothing was done.
    ConnectionClosed,
    /// The call is carried out, and the answer is 500.
    CommitThenInternalError,
    /// The call is carried out, and the connection is closed.
    CommitThenConnectionClosed,
}

/// A fault, and when it happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedFault {
    /// What goes wrong.
    pub fault: Fault,
    /// Only calls of this path; `None`: every call.
    #[serde(default)]
    pub path: Option<String>,
    /// For how many calls; with neither this nor a time: one.
    #[serde(default)]
    pub next: Option<u32>,
    /// Until when, in Unix milliseconds.
    #[serde(default)]
    pub until_ms: Option<u64>,
}

impl PlannedFault {
    /// The next `count` calls, of whatever path.
    pub fn next(fault: Fault, count: u32) -> PlannedFault {
        PlannedFault {
            fault,
            path: None,
            next: Some(count),
            until_ms: None,
        }
    }

    /// Every call before a time.
    pub fn until(fault: Fault, until_ms: u64) -> PlannedFault {
        PlannedFault {
            fault,
            path: None,
            next: None,
            until_ms: Some(until_ms),
        }
    }

    /// Restricts it to one path.
    #[must_use]
    pub fn on(mut self, path: &str) -> PlannedFault {
        self.path = Some(path.to_owned());
        self
    }

    fn is_over(&self, now_ms: u64) -> bool {
        match (self.next, self.until_ms) {
            (Some(0), _) => true,
            (_, Some(until_ms)) => now_ms >= until_ms,
            _ => false,
        }
    }
}

/// The faults that are planned, in the order in which they were.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    planned: Vec<PlannedFault>,
}

impl Faults {
    pub(super) fn plan(&mut self, mut fault: PlannedFault) {
        if fault.until_ms.is_none() {
            fault.next.get_or_insert(1);
        }
        self.planned.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.planned.clear();
    }

    pub(super) fn planned(&self) -> &[PlannedFault] {
        &self.planned
    }

    /// The fault that befalls a call, if any; uses it up.
    pub(super) fn strike(&mut self, path: &str, now_ms: u64) -> Option<Fault> {
        self.use_up(now_ms, |only| only.is_none_or(|only| only == path))
    }

    /// As [`Faults::strike`], but only by faults that name the path.
    pub(super) fn strike_named(&mut self, path: &str, now_ms: u64) -> Option<Fault> {
        self.use_up(now_ms, |only| only == Some(path))
    }

    fn use_up(&mut self, now_ms: u64, hits: impl Fn(Option<&str>) -> bool) -> Option<Fault> {
        self.planned.retain(|fault| !fault.is_over(now_ms));
        let fault = self
            .planned
            .iter_mut()
            .find(|fault| hits(fault.path.as_deref()))?;
        if let Some(left) = &mut fault.next {
            *left -= 1;
        }
        Some(fault.fault)
    }
}

impl Fault {
    /// Whether the call is carried out before things go wrong.
    pub(super) fn commits(self) -> bool {
        matches!(
            self,
            Fault::CommitThenInternalError | Fault::CommitThenConnectionClosed
        )
    }

    /// The answer that the client gets.
    pub(super) fn response(self, request_id: &str) -> Response {
        let error = |code, message| wrap(request_id, Err(ApiError::new(code, message)));
        match self {
            Fault::TooManyRequests => too_many_requests(request_id, 2),
            Fault::InternalError | Fault::CommitThenInternalError => {
                error(ErrorCode::InternalError, "something went wrong")
            }
            Fault::ServiceUnavailable => error(ErrorCode::ServiceUnavailable, "try again later"),
            Fault::Unauthorized => error(ErrorCode::Unauthorized, "app_key: is not valid"),
            Fault::HtmlPage => Response {
                status: 200,
                headers: vec![("content-type".to_owned(), "text/html".to_owned())],
                body: b"<!doctype html><title>Maintenance</title><p>Back soon.".to_vec(),
            },
            Fault::ConnectionClosed | Fault::CommitThenConnectionClosed => Response {
                status: 0,
                headers: Vec::new(),
                body: Vec::new(),
            },
        }
    }
}

/// 429, with the number of seconds to wait.
pub(super) fn too_many_requests(request_id: &str, retry_after_s: u64) -> Response {
    let mut response = wrap(
        request_id,
        Err(ApiError::new(
            ErrorCode::RequestTooFrequently,
            "too many requests for this account",
        )),
    );
    response
        .headers
        .push(("retry-after".to_owned(), retry_after_s.to_string()));
    response
}
