//! Everything that needs more than one command: `cargo xtask help`.
//!
//! Each task sets up what it needs by itself, says in one line what it is about
//! to do, and works from any directory of the checkout.

#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal"
)]

mod bench;
mod checkout;
mod command;
mod component;
mod conformance;
mod copy;
mod debian;
mod demo;
mod dist;
mod endure;
mod fuzz;
mod lint;
mod metadata;
mod mutants;
mod postgres;
mod program;
mod reproducible;
mod runtimes;
mod sbom;
mod simulate;
mod stage;
mod test;
mod toolchain;
mod wit_package;
mod workers;

use anyhow::Result;
use clap::Parser;
use clap::Subcommand;
use std::path::PathBuf;
use std::process::ExitCode;
use toolchain::Way;

/// Set-up, build, test, lint, demo and measurements of ServiceNow Sync.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,

    /// Where the standard library of the WebAssembly target comes from. Chosen
    /// by itself; this is for trying the other ways.
    #[arg(long, value_enum, env = "XTASK_TARGET", hide = true, global = true)]
    target_from: Option<Way>,
}

#[derive(Subcommand)]
enum Task {
    /// Build the plugin as a component: dist/servicenow_sync.wasm.
    Build,
    /// Build what is handed out: the plugin, the Spin gateway alone and composed
    /// with the plugin, and the explain service, with their checksums in
    /// dist/SHA256SUMS.
    Dist,
    /// Build the component and run every test; install PostgreSQL, which some
    /// of them start for themselves, if it is missing.
    Test {
        /// Also run the tests that need a program from outside, such as another
        /// gateway's runtime, which is installed below target/. They are marked
        /// `#[ignore]`.
        #[arg(long)]
        all_gateways: bool,
        /// Run only tests whose name contains one of these.
        #[arg(value_name = "FILTER")]
        filters: Vec<String>,
    },
    /// Check format, clippy, documentation, licences and sources.
    Lint,
    /// Put deliberate bugs into a copy, one at a time, and see whether the
    /// plugin's tests notice.
    Mutants {
        /// Other bugs, which the simulation must notice.
        #[arg(long)]
        simulation: bool,
        /// Try only bugs whose name contains one of these.
        #[arg(value_name = "FILTER")]
        filters: Vec<String>,
    },
    /// Treat the program badly for longer than the tests do.
    Endure(endure::Endure),
    /// Feed what reads foreign bytes with bytes that nobody meant to send, and
    /// look for new ways through the code.
    Fuzz {
        /// Which of the folders in fuzz/corpus; all of them unless given.
        #[arg(value_name = "TARGET")]
        targets: Vec<String>,
        /// How long for each target.
        #[arg(long, default_value_t = 60, conflicts_with_all = ["input", "minimise"])]
        seconds: u32,
        /// No input has more bytes. Short ones are many times as quick.
        #[arg(long, value_name = "BYTES", default_value_t = 32 << 10, conflicts_with_all = ["input", "minimise"])]
        longest: u32,
        /// Run one target with this one input, to see why it crashed.
        #[arg(
            long,
            value_name = "FILE",
            requires = "targets",
            conflicts_with = "minimise"
        )]
        input: Option<PathBuf>,
        /// Keep in fuzz/corpus what was found so far, and only what leads
        /// somewhere that nothing smaller does.
        #[arg(long)]
        minimise: bool,
    },
    /// Build the probe, a plugin that shows what a gateway makes of the contract:
    /// dist/integration_probe.wasm. With `--url`, put a gateway that has it to
    /// the test.
    Conformance {
        /// Flags of the suite: `--url`, `--operator`, `--tick`; `--help` tells all
        /// of them.
        #[arg(
            value_name = "FLAG",
            trailing_var_arg = true,
            allow_hyphen_values = true
        )]
        flags: Vec<String>,
    },
    /// Build the component twice, in different places, and compare the bytes.
    Reproducible,
    /// Write what the gateway and the plugin are made of, as CycloneDX:
    /// dist/*.cdx.json.
    Sbom,
    /// Show an incident travel through the simulators and the gateway.
    Demo {
        /// Flags of the demo: `-v` shows every request, `--exit` ends it after
        /// the story instead of keeping it up for you.
        #[arg(
            value_name = "FLAG",
            trailing_var_arg = true,
            allow_hyphen_values = true
        )]
        flags: Vec<String>,
    },
    /// Simulate two gateways between both systems, people, and everything that
    /// can go wrong, in virtual time.
    Simulate {
        /// Flags of the simulation: `--events N`, `--seed S`, `--shrink`; `--help`
        /// tells all of them.
        #[arg(
            value_name = "FLAG",
            trailing_var_arg = true,
            allow_hyphen_values = true
        )]
        flags: Vec<String>,
    },
    /// Measure a release build.
    Bench,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    let from = cli.target_from;
    match &cli.task {
        Task::Build => component::build(&component::PLUGIN, from).map(drop),
        Task::Dist => dist::run(from),
        Task::Test {
            all_gateways,
            filters,
        } => test::run(from, *all_gateways, filters),
        Task::Lint => lint::run(),
        Task::Mutants {
            simulation: false,
            filters,
        } => mutants::run(filters),
        Task::Mutants {
            simulation: true,
            filters,
        } => mutants::run_planted(filters),
        Task::Endure(endure) => endure::run(from, endure),
        Task::Fuzz {
            targets,
            seconds,
            longest,
            input,
            minimise,
        } => match (input, minimise) {
            (Some(input), _) => fuzz::try_out(&targets[0], input),
            (None, true) => fuzz::minimise(targets, *longest),
            (None, false) => fuzz::run(targets, *seconds, *longest),
        },
        Task::Conformance { flags } => conformance::run(from, flags),
        Task::Reproducible => reproducible::run(from),
        Task::Sbom => sbom::run(),
        Task::Demo { flags } => demo::run(from, flags),
        Task::Simulate { flags } => simulate::run(from, flags),
        Task::Bench => bench::run(from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_demo_gets_its_flags_as_they_are() {
        let cli = Cli::try_parse_from(["xtask", "demo", "-v", "--exit"]);
        let Ok(Cli {
            task: Task::Demo { flags },
            ..
        }) = cli
        else {
            panic!("not a demo")
        };
        assert_eq!(flags, ["-v", "--exit"]);
    }
}
