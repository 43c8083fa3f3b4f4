//! `servicenow-sync`: the wasmtime gateway for ServiceNow Sync.

#![forbid(unsafe_code)]

use clap::Parser;
use servicenow_sync::cli::Cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    Cli::parse().run()
}
