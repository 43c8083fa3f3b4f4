//! Worlds that follow from seeds: nothing is lost and nothing doubled in any of
//! them, and each is the same every time.
#![allow(clippy::unwrap_used)]

use simulation::Native;
use simulation::Plan;
use simulation::run;

/// How much people do in all worlds together. CI runs `cargo xtask simulate` for
/// fifty times as much, which is built for that.
const EVENTS: u64 = 1000;

#[test]
fn nothing_is_lost_and_nothing_doubled_whatever_goes_wrong() {
    let threads: Vec<_> = (0..2)
        .map(|thread| std::thread::spawn(move || run_worlds(thread, EVENTS / 2)))
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

fn run_worlds(thread: u64, events: u64) {
    let mut done = 0;
    for seed in (thread * 1_000_000..).skip(1) {
        if done >= events {
            return;
        }
        let outcome = run(&Plan::of(seed, 300), Native);
        assert!(
            outcome.violations.is_empty(),
            "{:#?}\ncargo xtask simulate --seed {seed} --events 1 --shrink",
            outcome.violations
        );
        done += outcome.report.events;
    }
}

#[test]
fn a_run_follows_from_its_seed() {
    for seed in 1..4 {
        let plan = Plan::of(seed, 150);
        let (first, second) = (run(&plan, Native), run(&plan, Native));
        assert_eq!(first.hash, second.hash, "{seed}");
        assert_eq!(first.report, second.report, "{seed}");
        assert_eq!(first.taken, second.taken, "{seed}");
    }
    assert_ne!(
        run(&Plan::of(1, 150), Native).hash,
        run(&Plan::of(2, 150), Native).hash
    );
}
