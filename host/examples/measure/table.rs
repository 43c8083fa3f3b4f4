//! One line for each thing that was measured.

use std::fmt::Display;
use std::time::Duration;

/// Begins a group of lines.
pub(crate) fn heading(text: &str) {
    println!("\n{text}");
}

/// One value.
pub(crate) fn line(what: &str, value: impl Display) {
    println!("  {what:<44} {value:>12}");
}

/// The middle and the tails of many values. A tail that so few values do not
/// have is left out. Returns the middle.
pub(crate) fn spread(what: &str, mut taken: Vec<Duration>) -> Duration {
    taken.sort();
    let count = taken.len();
    let mut text = format!("  {what:<44} {:>12}", shown(median(&taken)));
    for (name, share, least) in [("p99", 0.99, 100), ("p99.9", 0.999, 1000)] {
        if count >= least {
            text += &format!("   {name} {:>9}", shown(at(&taken, share)));
        }
    }
    println!("{text}   of {count}");
    median(&taken)
}

/// Microseconds, milliseconds or seconds, with three digits or so.
pub(crate) fn shown(time: Duration) -> String {
    match time.as_secs_f64() {
        s if s < 1e-3 => format!("{:.1} µs", s * 1e6),
        s if s < 1.0 => format!("{:.2} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

/// Of sorted values.
pub(crate) fn median(sorted: &[Duration]) -> Duration {
    at(sorted, 0.5)
}

fn at(sorted: &[Duration], share: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted
        .get((last as f64 * share) as usize)
        .copied()
        .unwrap_or_default()
}
