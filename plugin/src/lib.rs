//! Keeps Flashduty incidents and ServiceNow incidents in step: the mapping and
//! sync logic, and nothing else.
//!
//! The crate is pure. It opens no socket, reads no clock, rolls no dice: what
//! it wants done it returns as an [`Effect`], and what came of it arrives as a
//! [`Reply`]. The same input and the same replies give the same effects, so a
//! run can be explained, replayed and simulated with the code that runs in
//! production. It is built without the standard library, so it could not do
//! otherwise, and what a panic would say takes no room.
//!
//! Sync is based on state, not on events. A webhook is a *hint* that an
//! incident may have changed; [`intake`] makes it durable and answers. Later,
//! [`sync`] reads what both sides hold now, [`plan`](mod@plan) compares it with
//! what they last agreed on, and only the difference is written. Duplicates,
//! disorder, echoes and forged bodies therefore change nothing.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`session`] | runs straight-line `async` code over effects and replies |
//! | [`configuration`] | what an operator can say, parsed and checked |
//! | [`condition`] | Flashduty's filter language: which incidents take part |
//! | [`intake`] | a webhook: parse, make durable, schedule work, answer |
//! | [`sync`] | a work item: read both sides, create or converge |
//! | [`reconcile`] | a work item: ask a side what no webhook told of |
//! | [`plan`](mod@plan) | pure: base and snapshots in, changes and decisions out |
//! | [`pair`] | the record of two incidents that belong together |
//! | [`flashduty`], [`servicenow`] | each far end: its types, webhook and API |

#![no_std]
#![deny(
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used
)] // A panic takes the whole session with it, and says nothing: the target has no output.

#[macro_use]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod address;
mod component;
mod date;
mod far_end;
mod first_look;
mod hint;
mod json;
mod keys;
mod operator;
mod outcome;
mod regex;
mod schema;
mod text;
mod watch;

pub mod comment;
pub mod condition;
pub mod configuration;
pub mod flashduty;
pub mod intake;
pub mod pair;
pub mod plan;
pub mod reconcile;
pub mod servicenow;
pub mod session;
pub mod severity;
pub mod state;
pub mod sync;
pub mod template;
pub mod texts;

#[allow(missing_docs, unsafe_code, clippy::all, unreachable_pub)]
mod contract {
    wit_bindgen::generate!({
        path: "../wit",
        world: "plugin",
        additional_derives: [PartialEq, Clone],
        pub_export_macro: true,
    });
}

pub use component::describe;
pub use component::open;
pub use contract::exports::integration::plugin::integration::*;
