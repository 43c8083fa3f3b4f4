//! A simulation of everything: two gateways with the real logic and the real
//! plugin on one store, both systems, people on both sides, and whatever can go
//! wrong between them, in one thread and in virtual time.
//!
//! All of a run follows from its seed. So a run that fails can be run again,
//! looked at, and made short ([`shrink`]). What must be true at the end is in
//! `oracle.rs`; what goes wrong, and how often, in [`profile`].
//!
//! | module | what it is |
//! | --- | --- |
//! | [`chance`], [`decisions`] | what follows from the seed |
//! | [`setup`] | how the plugin is configured |
//! | [`stage`] | virtual time, tasks, processes that crash and pause |
//! | [`clock`], [`store`], [`network`], [`post`] | what a gateway stands on, and what can happen to it |
//! | [`machine`], [`plugin`] | a gateway, and the plugin in it |
//! | [`far_ends`], [`people`] | both systems, and who works with them |
//! | [`world`], [`trouble`] | one run of all of it, and what goes wrong in it |
//! | [`scenario`] | one kind of trouble, for days |
//! | [`trace`], [`coverage`], [`report`] | what happened, and how often |

pub mod chance;
pub mod clock;
pub mod coverage;
pub mod decisions;
pub mod far_ends;
pub mod machine;
pub mod network;
mod operator;
mod oracle;
pub mod people;
pub mod plugin;
pub mod post;
pub mod profile;
pub mod report;
pub mod scenario;
pub mod setup;
pub mod shrink;
pub mod stage;
pub mod store;
pub mod trace;
pub mod trouble;
pub mod world;

pub use servicenow_sync_native::Native;
pub use world::Outcome;
pub use world::Plan;
pub use world::run;
