//! The program between both simulators, treated badly while people work in both
//! systems: what was acknowledged must be on the other side in the end, once.
//!
//! `cargo xtask endure` runs longer forms of these tests.
#![allow(clippy::unwrap_used)]
#![allow(clippy::print_stdout, reason = "the figures are what it is run for")]

mod full_disk;
mod gateway;
mod kills;
mod people;
#[path = "../postgres/mod.rs"]
mod postgres;
mod settling;
mod sharing;
mod systems;

/// How many times, if it is to be another number than usual.
fn times(usual: usize) -> usize {
    number("ENDURE_TIMES").map_or(usual, |times| times as usize)
}

/// Whether somebody asked for more than the usual, and has time.
fn is_long() -> bool {
    number("ENDURE_TIMES").is_some()
}

/// All chance follows from it.
fn seed() -> u64 {
    number("ENDURE_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32))
}

fn number(name: &str) -> Option<u64> {
    Some(std::env::var(name).ok()?.parse().unwrap())
}

fn tell(line: &str) {
    println!("{line}");
}
