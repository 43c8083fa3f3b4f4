//! Simulators of ServiceNow and Flashduty.
//!
//! Each system is a pure state machine: [`Simulator::handle`] takes a request
//! and the time and returns the answer; what the system would push to others
//! (webhooks) comes out of [`Simulator::take_due`]. Neither reads a clock nor
//! opens a socket, so a test drives them through a year in a millisecond.
//! `server` puts a thin HTTP server around either of them, in real time; it is
//! there with the feature of that name, which is on unless switched off.
//!
//! Three conventions let a pure state machine misbehave on the wire, and wait
//! for others:
//!
//! * a [`Response`] of status [`CLOSE`] closes the connection unanswered;
//! * the header [`DELAY_MS`] of a response holds it back, and is not sent;
//! * the header [`AWAIT`] of a response holds it back until
//!   [`Simulator::late_answer`] has the one to send instead.
//!
//! They know nothing of the product that they help to test: whoever integrates
//! with one of the two systems can use them.

#![forbid(unsafe_code)]
// The library itself is linted by the build without tests.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod flashduty;
#[cfg(feature = "server")]
pub mod server;
pub mod servicenow;

/// The status of a [`Response`] that is never sent: the connection is closed
/// instead, as by a crashed process or a load balancer that gave up.
pub const CLOSE: u16 = 0;

/// Names the response header that holds the answer back by its value in
/// milliseconds. The simulator has done its work by then; only the client
/// waits. The header itself is not sent.
pub const DELAY_MS: &str = "x-simulator-delay-ms";

/// Names the response header whose value is a token: the answer depends on
/// what comes of a push, and [`Simulator::late_answer`] gives it for that
/// token when it is known. The header itself is not sent.
pub const AWAIT: &str = "x-simulator-await";

/// An HTTP request as a simulator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Upper case.
    pub method: String,
    /// Still percent-encoded, without the query.
    pub path: String,
    /// Still percent-encoded, without the question mark; may be empty.
    pub query: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// HTTP status code, or [`CLOSE`] for no answer at all.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// A request that a simulated system sends by itself: a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// Names this delivery to [`Simulator::delivered`].
    pub id: u64,
    /// Absolute URL.
    pub url: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Sent by `POST`.
    pub body: Vec<u8>,
    /// How long the system waits for the answer, in milliseconds.
    pub timeout_ms: u64,
}

/// What came of a [`Push`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The receiver answered, with whatever status.
    Answered(Response),
    /// The connection failed, or was closed before an answer.
    Failed(String),
    /// No answer within the time limit.
    TimedOut,
}

/// A simulated system.
pub trait Simulator: Send + 'static {
    /// Answers one request. `now_ms` is Unix milliseconds and never goes back.
    fn handle(&mut self, request: &Request, now_ms: u64) -> Response;

    /// Takes the pushes that are due at `now_ms`, in the order to send them.
    fn take_due(&mut self, now_ms: u64) -> Vec<Push>;

    /// When something will be due next without a further request, in Unix
    /// milliseconds: a push, or a change of state by time alone.
    fn next_due(&self) -> Option<u64>;

    /// Tells what came of a push; the system may decide to send it again.
    fn delivered(&mut self, push: u64, delivery: &Delivery, now_ms: u64);

    /// The answer to a request that depends on what comes of a push: the one
    /// that [`Simulator::handle`] gave is provisional, and names `token` in
    /// the header [`AWAIT`]. None for as long as it is not known.
    fn late_answer(&mut self, token: u64) -> Option<Response> {
        let _ = token;
        None
    }
}
