//! Everything that reads foreign bytes, fed with bytes that nobody meant to
//! send.
//!
//! A target is a function of bytes that panics where the product does something
//! that it never should. `cargo xtask fuzz` hands them to libFuzzer, which looks
//! for new ways through the code; a test hands them what it has found before,
//! from `corpus/`, at every run of the tests.
//!
//! The targets run what is in production: the gateway, and in it the plugin as
//! native code. What they read is text wherever that is possible, so that an
//! input that breaks something can be read, and written by hand.

#![forbid(unsafe_code)]

mod scene;
mod transcript;

mod targets {
    pub(crate) mod authentication;
    pub(crate) mod condition;
    pub(crate) mod configuration;
    pub(crate) mod journal;
    pub(crate) mod regex;
    pub(crate) mod session;
    pub(crate) mod settings;
    pub(crate) mod template;
    pub(crate) mod token;
    pub(crate) mod webhook;
}

use targets::authentication;
use targets::condition;
use targets::configuration;
use targets::journal;
use targets::regex;
use targets::session;
use targets::settings;
use targets::template;
use targets::token;
use targets::webhook;

/// Something that reads foreign bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// As it is called on the command line, and its folder in `corpus/`.
    pub name: &'static str,
    /// Panics if the product does what it never should.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 10] = [
    target("authentication", authentication::run),
    target("condition", condition::run),
    target("configuration", configuration::run),
    target("journal", journal::run),
    target("regex", regex::run),
    target("session", session::run),
    target("settings", settings::run),
    target("template", template::run),
    target("token", token::run),
    target("webhook", webhook::run),
];

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// The text of an input, as far as it is text.
fn lossy(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

/// An input's first line and all behind it.
fn first_line(data: &[u8]) -> (String, &[u8]) {
    match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => (lossy(&data[..end]), &data[end + 1..]),
        None => (lossy(data), &[]),
    }
}
