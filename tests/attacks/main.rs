//! The gateway under attack from the network, one threat of `SECURITY.md` a
//! module: with the real plugin, on real sockets unless a hundred thousand tries
//! are needed, and always with a look at what was written or connected to.
#![allow(clippy::unwrap_used)]

mod admin;
mod bombs;
mod chance;
mod forged;
mod recorded;
mod replay;
mod ssrf;
