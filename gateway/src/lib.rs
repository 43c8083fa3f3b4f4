//! What every gateway for integration plugins must do, free of any runtime.
//!
//! A gateway stands between the world and a plugin: it owns HTTP, the
//! key-value store, the clock, the secrets and the work queue. This crate is
//! all of that which does not depend on how WebAssembly is run, where keys are
//! kept, or which HTTP library is used. Those three come in through the traits
//! [`Runtime`], [`Store`] and [`Client`], time and chance through
//! [`Environment`].
//!
//! Data flows one way:
//!
//! ```text
//! request -> authenticate -> durable -> answer -> work -> session -> plan -> effects -> store
//! ```

// A test that meets something unexpected should stop right there.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod address;
mod admin;
mod authentication;
mod backoff;
mod client;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod contract;
mod credential;
pub mod document;
mod egress;
mod environment;
mod exchange;
pub mod explain;
mod gate;
mod gates;
mod gateway;
mod kept;
mod key;
mod line;
mod memory_store;
mod metrics;
mod origin;
mod pace;
mod policy;
mod proof;
mod queue;
mod redaction;
mod rehearsal;
mod replay;
mod retry_after;
mod runtime;
mod secret;
mod session;
pub mod settings;
mod setup;
pub mod sql;
mod standard_webhooks;
mod store;
mod suggestion;
mod toml;
mod versioned;

pub use address::AddressPolicy;
pub use address::Network;
pub use admin::OPERATOR_ROUTES;
pub use admin::OperatorRoute;
pub use admin::alive;
pub use admin::expected_method;
pub use admin::unauthorized;
pub use authentication::Sender;
pub use authentication::error_response;
pub use authentication::unserved;
pub use client::Client;
pub use client::OutgoingRequest;
pub use client::SendFailure;
pub use environment::Environment;
pub use gates::ClosedGate;
pub use gateway::Gateway;
pub use gateway::Incoming;
pub use gateway::Next;
pub use gateway::ParkedError;
pub use gateway::RecoverError;
pub use gateway::Status;
pub use kept::Kept;
pub use line::harmless;
pub use memory_store::MemoryStore;
pub use metrics::Metrics;
pub use policy::MOST_BODY_BYTES;
pub use policy::Policy;
pub use proof::Accepted;
pub use queue::WorkCounts;
pub use queue::WorkItem;
pub use queue::WorkPage;
pub use rehearsal::Rehearsal;
pub use rehearsal::Rehearsed;
pub use rehearsal::RehearsedWork;
pub use runtime::Runtime;
pub use runtime::Session;
pub use runtime::Trap;
pub use secret::Secret;
pub use store::Refused;
pub use store::Store;
pub use store::StoreError;
pub use store::UNBROKEN;
pub use suggestion::did_you_mean;
