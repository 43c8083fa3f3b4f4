//! What the person who waits is told: what goes on, and how long it took.

use anyhow::Result;
use std::time::Duration;
use std::time::Instant;

/// Says in one line what is about to happen.
pub(crate) fn say(what: &str) {
    eprintln!("==> {what}");
}

/// Says what is about to happen, does it, and says how long it took.
pub(crate) fn stage<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    say(what);
    let start = Instant::now();
    let result = work();
    let outcome = if result.is_ok() {
        "done in"
    } else {
        "failed after"
    };
    eprintln!("    {outcome} {}", elapsed(start.elapsed()));
    result
}

/// `0.4 s`, `12 s` or `3 min 05 s`: no more digits than anyone reads.
fn elapsed(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        _ => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short_to_read() {
        assert_eq!(elapsed(Duration::from_millis(420)), "0.4 s");
        assert_eq!(elapsed(Duration::from_millis(59_900)), "59 s");
        assert_eq!(elapsed(Duration::from_secs(185)), "3 min 05 s");
    }
}
