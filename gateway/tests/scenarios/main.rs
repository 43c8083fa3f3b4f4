//! What a gateway does, told as scenarios around a scripted plugin.

// A scenario that meets something unexpected should stop right there.
#![allow(clippy::unwrap_used)]

mod answering;
mod awaiting;
mod limits;
mod operating;
mod outage;
mod pacing;
mod proving;
mod reconfiguring;
mod rehearsing;
mod requesting;
mod scene;
mod settings;
mod sharing;
mod short_lived;
mod straying;
mod threads;
mod timing;
mod working;
