//! Makes a failing run short: leaves out decisions for as long as it still
//! fails.

use crate::decisions::Decision;
use crate::world::Outcome;
use crate::world::Plan;
use std::collections::BTreeSet;

/// Leaves out ever smaller parts of what was decided, until nothing more can be
/// left out, or after so many runs.
pub fn shrink(
    plan: &Plan,
    failed: Outcome,
    runs: usize,
    run: impl Fn(&Plan) -> Outcome,
) -> (Plan, Outcome) {
    let mut best = Plan {
        only: Some(failed.taken.iter().copied().collect()),
        ..plan.clone()
    };
    let mut outcome = failed;
    let broken = kind(&outcome);
    let mut left = runs;
    let mut parts = 2;
    loop {
        let decisions: Vec<Decision> = outcome.taken.clone();
        let size = decisions.len().div_ceil(parts);
        let mut is_shorter = false;
        for part in decisions.chunks(size.max(1)) {
            if left == 0 {
                return (best, outcome);
            }
            left -= 1;
            let rest: BTreeSet<Decision> = decisions
                .iter()
                .filter(|d| !part.contains(d))
                .copied()
                .collect();
            let shorter = Plan {
                only: Some(rest),
                ..best.clone()
            };
            let tried = run(&shorter);
            if kind(&tried) == broken {
                (best, outcome) = (shorter, tried);
                is_shorter = true;
                break;
            }
        }
        if is_shorter {
            parts = (parts - 1).max(2);
        } else if size <= 1 {
            return (best, outcome);
        } else {
            parts = (parts * 2).min(decisions.len());
        }
    }
}

/// Which rule was broken first.
fn kind(outcome: &Outcome) -> Option<&'static str> {
    outcome.violations.first().map(|violation| violation.kind)
}
