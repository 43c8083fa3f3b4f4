//! Treats the program badly for longer than the tests do.

use crate::command::run as run_command;
use crate::component;
use crate::postgres;
use crate::program;
use crate::stage::stage;
use crate::toolchain::Way;
use anyhow::Result;
use clap::Args;
use clap::ValueEnum;

/// What to endure, and how much of it.
#[derive(Args)]
pub(crate) struct Endure {
    #[arg(value_enum)]
    what: What,
    /// How many kills, cuts, changes or components, instead of the number of the tests.
    #[arg(long)]
    times: Option<u64>,
    /// What all chance follows from; each run prints its own.
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// The process is killed while people work in both systems.
    Kills,
    /// The power is cut while the store is created, opened and written.
    PowerCuts,
    /// Two processes on one PostgreSQL are paused and killed.
    Postgres,
    /// Components that nobody wrote are loaded and run.
    Components,
    /// The disk is full for a while.
    FullDisk,
    /// One of two processes is killed, and the other takes over its work.
    Takeover,
}

impl What {
    /// In which program the test is, what else cargo is told to build it, and the
    /// test's module.
    fn test(self) -> (&'static str, &'static [&'static str], &'static str) {
        match self {
            Self::Kills => ("endure", &["--test", "endure"], "kills::"),
            Self::PowerCuts => ("servicenow_sync", &["--lib"], "power_cuts::"),
            Self::Postgres => ("endure", &["--test", "endure"], "sharing::"),
            Self::Components => ("runtime", &["--test", "runtime"], "random::"),
            Self::FullDisk => ("endure", &["--test", "endure"], "full_disk::"),
            Self::Takeover => (
                "process",
                &["--test", "process"],
                "sharing::when_one_is_killed",
            ),
        }
    }
}

pub(crate) fn run(way: Option<Way>, endure: &Endure) -> Result<()> {
    if !matches!(endure.what, What::PowerCuts) {
        component::build(&component::PLUGIN, way)?;
    }
    if matches!(endure.what, What::Postgres | What::Takeover) {
        postgres::prepare()?;
    }
    let (name, selection, module) = endure.what.test();
    let mut test = stage("building the test", || {
        program::one_built(program::tests().arg("--locked").args(selection), name)
    })?;
    test.args(["--nocapture", module]);
    if let Some(times) = endure.times {
        test.env("ENDURE_TIMES", times.to_string());
    }
    if matches!(endure.what, What::Takeover) {
        // As long as it is unless configured.
        test.env("LEASE_SECONDS", "20");
    }
    if let Some(seed) = endure.seed {
        test.env("ENDURE_SEED", seed.to_string());
    }
    stage("enduring", || run_command(&mut test))
}
