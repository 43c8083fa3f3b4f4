//! `cargo xtask simulate`: runs worlds until so many events have happened, or
//! one of them goes wrong.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal"
)]

use clap::Parser;
use clap::ValueEnum;
use integration_gateway::Runtime;
use servicenow_sync::runtime::LoadError;
use servicenow_sync::runtime::RuntimeOptions;
use servicenow_sync::runtime::WasmRuntime;
use simulation::Native;
use simulation::Outcome;
use simulation::Plan;
use simulation::chance::Chance;
use simulation::coverage::CRASH_POINTS;
use simulation::report::Report;
use simulation::run;
use simulation::scenario;
use simulation::scenario::Summary;
use simulation::shrink::shrink;
use simulation::stage::Violation;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

/// Simulates two gateways between both systems, with everything that can go
/// wrong, until so many events have happened.
#[derive(Parser)]
struct Arguments {
    /// One kind of trouble for days, instead of everything at once.
    #[arg(value_enum)]
    scenario: Option<Scenario>,
    /// How many things people and monitoring do, in all worlds together.
    #[arg(long, default_value_t = 10_000)]
    events: u64,
    /// Everything follows from it; it is that of the first world. Unless given, 72
    /// for an outage, 7 for refusals, else 1.
    #[arg(long)]
    seed: Option<u64>,
    /// How much people do in one world.
    #[arg(long, default_value_t = 300)]
    events_per_world: usize,
    /// Worlds that run at the same time.
    #[arg(long)]
    threads: Option<usize>,
    /// Make the first world that fails short, with at most so many runs.
    #[arg(long, value_name = "RUNS", num_args = 0..=1, default_missing_value = "400")]
    shrink: Option<usize>,
    /// Print what happened in the first world.
    #[arg(long)]
    trace: bool,
    /// Go on after a failure, and tell how many there were.
    #[arg(long)]
    keep_going: bool,
    /// Fail if no gateway died at one of the moments that the report lists.
    #[arg(long)]
    every_crash_point: bool,
    /// Run each twentieth world a second time, in this component of the plugin, and
    /// fail if anything else happens there.
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
}

impl Arguments {
    fn seed(&self) -> u64 {
        self.seed.unwrap_or(match self.scenario {
            Some(Scenario::Outage) => 72,
            Some(Scenario::Refusals) => 7,
            Some(Scenario::Amnesia) | None => 1,
        })
    }
}

/// One world in so many runs in the component, too.
const COMPONENT_EVERY: u64 = 20;

#[derive(Clone, Copy, ValueEnum)]
enum Scenario {
    /// A system is down for 72 hours, while 100,000 things happen to 5,000
    /// incidents at the other.
    Outage,
    /// A system answers 429 for 24 hours, or 401.
    Refusals,
    /// The store is wiped or rolled back 1,000 times.
    Amnesia,
}

struct Progress {
    report: Report,
    failed: Vec<(u64, Outcome)>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = arguments.seed();
    match arguments.scenario {
        Some(Scenario::Outage) => return told(&scenario::outage(72, 5000, 100_000, seed)),
        Some(Scenario::Refusals) => return told(&scenario::refusals(24, seed)),
        Some(Scenario::Amnesia) if !arguments.trace => {
            return told(&scenario::amnesia(1000, seed));
        }
        Some(Scenario::Amnesia) | None => {}
    }
    if arguments.trace {
        let outcome = attempt(&Plan {
            keeps_trace: true,
            ..world(&arguments, seed)
        });
        println!("{}", outcome.trace.join("\n"));
        return tell(&arguments, seed, outcome);
    }
    let component = match arguments.component.as_deref().map(loaded).transpose() {
        Ok(component) => component,
        Err(error) => {
            println!("FAILED: {error}");
            return ExitCode::FAILURE;
        }
    };
    let in_component = AtomicU64::new(0);
    let start = Instant::now();
    let next = AtomicU64::new(0);
    let progress = Mutex::new(Progress {
        report: Report::default(),
        failed: Vec::new(),
    });
    let lock = || progress.lock().unwrap_or_else(PoisonError::into_inner);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads.unwrap_or(cores) {
            scope.spawn(|| {
                loop {
                    {
                        let progress = lock();
                        let is_over = progress.report.events >= arguments.events
                            || !progress.failed.is_empty() && !arguments.keep_going;
                        if is_over {
                            return;
                        }
                    }
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    let seed = seed_of(seed, number);
                    let plan = Plan::of(seed, arguments.events_per_world);
                    let mut outcome = attempt(&plan);
                    if let Some(component) = &component
                        && number.is_multiple_of(COMPONENT_EVERY)
                    {
                        in_component.fetch_add(1, Ordering::SeqCst);
                        let again = attempt_in(&plan, component.clone());
                        if (outcome.hash, &outcome.report) != (again.hash, &again.report) {
                            outcome.violations.push(Violation {
                                kind: "the component does the same",
                                what: format!("it does not in the world of seed {seed}"),
                            });
                            outcome.violations.extend(again.violations);
                        }
                    }
                    let mut progress = lock();
                    progress.report.add(&outcome.report);
                    if !outcome.violations.is_empty() {
                        if arguments.keep_going {
                            println!(
                                "{}\n    {}",
                                reproduction(&arguments, seed),
                                listed(&outcome)
                            );
                        }
                        progress.failed.push((seed, outcome));
                    }
                    if progress.report.worlds.is_multiple_of(50) {
                        let Report { worlds, events, .. } = progress.report;
                        let rate = events as f64 / start.elapsed().as_secs_f64();
                        eprintln!("{worlds} worlds, {events} events, {rate:.0} events/s");
                    }
                }
            });
        }
    });
    let Progress { report, mut failed } = progress
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let seconds = start.elapsed().as_secs_f64();
    println!("{report}");
    println!(
        "seed {seed}: {} events in {seconds:.0} s, {:.0} events/s",
        report.events,
        report.events as f64 / seconds
    );
    failed.sort_by_key(|(seed, _)| *seed);
    println!("worlds that failed: {}", failed.len());
    if component.is_some() {
        let worlds = in_component.into_inner();
        println!("worlds that ran in the component, too: {worlds}");
    }
    let missed = CRASH_POINTS.iter().filter(|point| point.hits(&report) == 0);
    let missed: Vec<&str> = missed.map(|point| point.name).collect();
    match failed.into_iter().next() {
        None if arguments.every_crash_point && !missed.is_empty() => {
            println!("FAILED: no gateway died when {}", missed.join("; when "));
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
        Some((seed, outcome)) => tell(&arguments, seed, outcome),
    }
}

/// Prints what came of a scenario.
fn told(summary: &Summary) -> ExitCode {
    println!("{}", summary.figures.join("\n"));
    if summary.broken.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("FAILED: {}", summary.broken.join("\n    "));
    ExitCode::FAILURE
}

/// The seed of a world.
fn seed_of(seed: u64, world: u64) -> u64 {
    match world {
        0 => seed,
        // Short enough to be read out.
        _ => Chance::of(seed, &[world]).draw() >> 24,
    }
}

/// The world of a seed.
fn world(arguments: &Arguments, seed: u64) -> Plan {
    match arguments.scenario {
        Some(_) => scenario::forgetful(seed),
        None => Plan::of(seed, arguments.events_per_world),
    }
}

fn reproduction(arguments: &Arguments, seed: u64) -> String {
    if arguments.scenario.is_some() {
        return format!("cargo xtask simulate amnesia --seed {seed} --trace");
    }
    format!(
        "cargo xtask simulate --seed {seed} --events 1 --events-per-world {} --trace",
        arguments.events_per_world
    )
}

/// The component in a file.
fn loaded(file: &Path) -> Result<WasmRuntime, LoadError> {
    let options = RuntimeOptions {
        cache_directory: Some(file.with_file_name("cache")),
        // Whatever else the machine does.
        cpu: Duration::from_mins(10),
        ..RuntimeOptions::default()
    };
    WasmRuntime::from_file(file, &options)
}

/// Runs a world; a panic in it is a failure like another.
fn attempt(plan: &Plan) -> Outcome {
    attempt_in(plan, Native)
}

fn attempt_in<R: Runtime + Clone + 'static>(plan: &Plan, runtime: R) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| run(plan, runtime))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Outcome {
            violations: vec![Violation {
                kind: "no panic",
                what: text.unwrap_or("of no text").to_owned(),
            }],
            taken: Vec::new(),
            trace: Vec::new(),
            hash: 0,
            report: Report::default(),
        }
    })
}

/// Tells what went wrong, if anything did.
fn tell(arguments: &Arguments, seed: u64, outcome: Outcome) -> ExitCode {
    if outcome.violations.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("FAILED: {}", reproduction(arguments, seed));
    println!("    {}", listed(&outcome));
    if let Some(runs) = arguments.shrink {
        let plan = world(arguments, seed);
        println!("{} decisions; making it short", outcome.taken.len());
        let (plan, _) = shrink(&plan, outcome, runs, attempt);
        let outcome = attempt(&Plan {
            keeps_trace: true,
            ..plan
        });
        println!("{}", outcome.trace.join("\n"));
        println!("{} decisions are left:", outcome.taken.len());
        println!("    {}", listed(&outcome));
    }
    ExitCode::FAILURE
}

fn listed(outcome: &Outcome) -> String {
    let violations: Vec<String> = outcome
        .violations
        .iter()
        .map(Violation::to_string)
        .collect();
    violations.join("\n    ")
}
