//! A plugin without a will of its own: it asks of its gateway what it is told
//! to ask, and tells what came of it.
//!
//! A request session runs the program in its body, step by step, and answers
//! with its findings. A work session asks the far end what to do (`POST
//! /work/KEY`, with its findings so far), does it, and asks again, until it is
//! told to finish. So whoever plays the far end sees every work session begin,
//! holds it up for as long as they like, and knows all that it was given.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`program`] | what a session can be told to do |
//! | [`findings`] | what it tells of its replies |
//! | [`session`] | how it goes on from step to step |
//! | `harm` | what no gateway should let it do |

#![no_std]

extern crate alloc;

mod component;
mod harm;

pub mod findings;
pub mod program;
pub mod session;

#[allow(missing_docs, unsafe_code, clippy::all, unreachable_pub)]
mod contract {
    wit_bindgen::generate!({
        path: "../../../wit",
        world: "plugin",
        pub_export_macro: true,
    });
}

pub use contract::exports::integration::plugin::integration::*;
