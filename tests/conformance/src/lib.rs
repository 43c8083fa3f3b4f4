//! Puts a gateway to the test of the contract, over HTTP.
//!
//! The gateway runs the probe, `dist/integration_probe.wasm`, in the plugin's
//! place: a component that does what this suite tells it to, in requests and, for
//! work, as the answers of a far end that the suite plays. So the suite sees
//! each session begin, holds it up, ends it one way or another, and looks what the
//! gateway makes of it. It needs nothing but the gateway's URLs and the
//! configuration that `docs/gateways.md` shows, so it works with any gateway,
//! whatever that is written in.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`promises`] | what is checked, by the guarantee that it belongs to |
//! | [`site`] | a gateway between the suite and its far ends |
//! | [`far_end`] | the far end: who asks for work, and what arrives |
//! | [`wire`] | a small HTTP client |

#![forbid(unsafe_code)]

pub mod far_end;
pub mod promises;
pub mod site;
pub mod wire;

/// The proof that opens the route `/probe`, as a bearer token.
pub const WEBHOOK_TOKEN: &str = "canary-webhook-0123456789";
/// The token of the operator, unless another is given.
pub const OPERATOR_TOKEN: &str = "canary-operator-0123456789";
/// The secret of the credential `probe`.
pub const PROBE_SECRET: &str = "canary-probe-0123456789";
/// The secret of the credential `other`.
pub const OTHER_SECRET: &str = "canary-other-0123456789";
