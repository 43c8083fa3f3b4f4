//! What the tests that cross crates stand on: a [`World`] of both simulators
//! and the real gateway with the real component, on loopback sockets, and the
//! [`story`] that the demo tells and a test checks.

#![forbid(unsafe_code)]

pub mod network;
mod people;
pub mod program;
mod quiet;
pub mod story;
mod transcript;
pub mod wire;
pub mod world;
pub mod writes;

pub use world::Setting;
pub use world::World;
