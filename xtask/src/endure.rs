//! Treats the program badly for longer than the tests do.

use crate::command::cargo;
use crate::command::run as run_command;
use crate::component;
use crate::postgres;
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
    /// How many kills, cuts or changes, instead of the number of the tests.
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
}

impl What {
    /// Where the test is, and its module.
    fn test(self) -> &'static [&'static str] {
        match self {
            Self::Kills => &["--test", "endure", "--", "--nocapture", "kills::"],
            Self::PowerCuts => &["--lib", "--", "--nocapture", "power_cuts::"],
            Self::Postgres => &["--test", "endure", "--", "--nocapture", "sharing::"],
        }
    }
}

pub(crate) fn run(way: Option<Way>, endure: &Endure) -> Result<()> {
    if !matches!(endure.what, What::PowerCuts) {
        component::build(&component::PLUGIN, way)?;
    }
    if matches!(endure.what, What::Postgres) {
        postgres::prepare();
    }
    let mut test = cargo();
    test.args(["test", "--locked", "--package", "servicenow-sync"]);
    test.args(endure.what.test());
    if let Some(times) = endure.times {
        test.env("ENDURE_TIMES", times.to_string());
    }
    if let Some(seed) = endure.seed {
        test.env("ENDURE_SEED", seed.to_string());
    }
    stage("building the test, and enduring", || run_command(&mut test))
}
