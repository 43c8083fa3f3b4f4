//! What an operator watches.
//!
//! Every label has few values: a path is a configured one, an origin an
//! allowed one, and the rest are words from this crate. What strangers send is
//! counted, never named. So a family is a short list.
//!
//! The crate that usually does this brings locks, hash tables and the printing of
//! fractions, which nothing else in a gateway that is a component needs. So times
//! are counted in whole milliseconds here.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

/// Counters and gauges of a gateway.
pub struct Metrics(Mutex<Numbers>);

#[derive(Default)]
struct Numbers {
    webhooks: Family<u64>,
    answer_seconds: Family<Times>,
    sessions: Family<u64>,
    session_seconds: Family<Times>,
    requests: Family<u64>,
    work: Family<u64>,
    gates: Family<u64>,
    reloads: Family<u64>,
    configured: Family<u64>,
}

/// Numbers of one name, each with its labels as they are shown.
type Family<N> = Vec<(String, N)>;

/// How long something took.
#[derive(Default)]
struct Times {
    sum_ms: u64,
    count: u64,
    /// How many took no longer than each bound.
    within: Vec<u64>,
}

/// The bounds of a histogram in whole milliseconds, and as they are shown.
type Bounds = [(u64, &'static str)];

const ANSWER_BOUNDS: [(u64, &str); 12] = [
    (1, "0.001"),
    (2, "0.0025"),
    (5, "0.005"),
    (10, "0.01"),
    (25, "0.025"),
    (50, "0.05"),
    (100, "0.1"),
    (250, "0.25"),
    (500, "0.5"),
    (1000, "1.0"),
    (2000, "2.0"),
    (5000, "5.0"),
];

const SESSION_BOUNDS: [(u64, &str); 11] = [
    (10, "0.01"),
    (50, "0.05"),
    (100, "0.1"),
    (250, "0.25"),
    (500, "0.5"),
    (1000, "1.0"),
    (2500, "2.5"),
    (5000, "5.0"),
    (15_000, "15.0"),
    (60_000, "60.0"),
    (300_000, "300.0"),
];

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut numbers = Numbers::default();
        // So that an increase shows from the first one on.
        for outcome in ["applied", "refused"] {
            number(&mut numbers.reloads, &[("outcome", outcome)]);
        }
        number(&mut numbers.answer_seconds, &[]);
        Self(Mutex::new(numbers))
    }

    pub(crate) fn count_webhook(&self, path: &str, outcome: &str) {
        let labels = [("path", path), ("outcome", outcome)];
        *number(&mut self.numbers().webhooks, &labels) += 1;
    }

    pub(crate) fn observe_answer(&self, ms: u64) {
        number(&mut self.numbers().answer_seconds, &[]).observe(&ANSWER_BOUNDS, ms);
    }

    pub(crate) fn observe_session(&self, kind: &str, verdict: &str, ms: u64) {
        let mut numbers = self.numbers();
        let ended = [("kind", kind), ("verdict", verdict)];
        *number(&mut numbers.sessions, &ended) += 1;
        let took = number(&mut numbers.session_seconds, &ended[..1]);
        took.observe(&SESSION_BOUNDS, ms);
    }

    pub(crate) fn count_request(&self, origin: &str, outcome: &str) {
        let labels = [("origin", origin), ("outcome", outcome)];
        *number(&mut self.numbers().requests, &labels) += 1;
    }

    pub(crate) fn count_reload(&self, outcome: &str) {
        *number(&mut self.numbers().reloads, &[("outcome", outcome)]) += 1;
    }

    pub(crate) fn set_configured(&self, now_ms: u64) {
        *number(&mut self.numbers().configured, &[]) = now_ms / 1000;
    }

    pub(crate) fn set_work(&self, state: &str, count: usize) {
        *number(&mut self.numbers().work, &[("state", state)]) = count as u64;
    }

    /// Adds up numbers of closed gates by origin and reason, in the place of all
    /// that were shown before: one whose origin is used no more would stay for ever.
    pub(crate) fn set_gates(&self, gates: &[(&str, &str, u64)]) {
        let mut family = Family::new();
        for &(origin, why, count) in gates {
            *number(&mut family, &[("origin", origin), ("why", why)]) += count;
        }
        self.numbers().gates = family;
    }

    /// All metrics in the OpenMetrics text format, whose media type is
    /// [`Metrics::CONTENT_TYPE`].
    pub fn encode(&self) -> String {
        let numbers = self.numbers();
        let mut text = Text(String::new());
        text.counters(
            "webhooks",
            "Requests received, by configured path and what became of them.",
            &numbers.webhooks,
        );
        text.histograms(
            "webhook_answer_seconds",
            "Time until a received request was answered.",
            &ANSWER_BOUNDS,
            &numbers.answer_seconds,
        );
        text.counters(
            "sessions",
            "Sessions of the plugin, by what opened them and how they ended.",
            &numbers.sessions,
        );
        text.histograms(
            "session_seconds",
            "Wall time of sessions.",
            &SESSION_BOUNDS,
            &numbers.session_seconds,
        );
        text.counters(
            "http_requests",
            "Requests that the plugin asked for, by origin and outcome; held and refused ones were not sent.",
            &numbers.requests,
        );
        text.gauges(
            "work_items",
            "Work by state: due now, waiting for its time, running, parked.",
            &numbers.work,
        );
        text.gauges(
            "gates_closed",
            "Gates that hold back requests, by origin and what closed them.",
            &numbers.gates,
        );
        text.counters(
            "configuration_reloads",
            "Configurations read anew while running, by what became of them.",
            &numbers.reloads,
        );
        text.gauges(
            "configuration_timestamp_seconds",
            "Unix time since which the configuration is in force.",
            &numbers.configured,
        );
        text.0 + "# EOF\n"
    }

    /// The media type of [`Metrics::encode`].
    pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    fn numbers(&self) -> MutexGuard<'_, Numbers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Times {
    fn observe(&mut self, bounds: &Bounds, ms: u64) {
        self.sum_ms += ms;
        self.count += 1;
        self.within.resize(bounds.len(), 0);
        for (within, (most_ms, _)) in self.within.iter_mut().zip(bounds) {
            *within += u64::from(ms <= *most_ms);
        }
    }
}

/// The number with these labels, which is made if there is none.
fn number<'f, N: Default>(family: &'f mut Family<N>, labels: &[(&str, &str)]) -> &'f mut N {
    let labels = shown(labels);
    let known = family.iter().position(|(known, _)| *known == labels);
    let at = known.unwrap_or(family.len());
    if known.is_none() {
        family.push((labels, N::default()));
    }
    &mut family[at].1
}

/// `name="value",name="value"`
fn shown(labels: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in labels {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(name);
        text.push_str("=\"");
        for c in value.chars() {
            match c {
                '"' | '\\' => text.extend(['\\', c]),
                '\n' => text.push_str("\\n"),
                c => text.push(c),
            }
        }
        text.push('"');
    }
    text
}

/// Families as OpenMetrics writes them. One without a number is left out.
struct Text(String);

impl Text {
    fn counters(&mut self, name: &str, help: &str, family: &Family<u64>) {
        self.family(name, help, "counter", "_total", family);
    }

    fn gauges(&mut self, name: &str, help: &str, family: &Family<u64>) {
        self.family(name, help, "gauge", "", family);
    }

    fn family(&mut self, name: &str, help: &str, kind: &str, suffix: &str, family: &Family<u64>) {
        if family.is_empty() {
            return;
        }
        self.head(name, help, kind);
        for (labels, number) in family {
            self.line(name, suffix, labels, number);
        }
    }

    fn histograms(&mut self, name: &str, help: &str, bounds: &Bounds, family: &Family<Times>) {
        if family.is_empty() {
            return;
        }
        self.head(name, help, "histogram");
        for (labels, times) in family {
            let sum = format!("{}.{:03}", times.sum_ms / 1000, times.sum_ms % 1000);
            self.line(name, "_sum", labels, &sum);
            self.line(name, "_count", labels, &times.count);
            let comma = if labels.is_empty() { "" } else { "," };
            for (at, (_, bound)) in bounds.iter().enumerate() {
                let labels = format!("{labels}{comma}le=\"{bound}\"");
                let within = times.within.get(at).copied().unwrap_or_default();
                self.line(name, "_bucket", &labels, &within);
            }
            let labels = format!("{labels}{comma}le=\"+Inf\"");
            self.line(name, "_bucket", &labels, &times.count);
        }
    }

    // Writing into a string does not fail.

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        let _ = write!(
            self.0,
            "# HELP gateway_{name} {help}\n# TYPE gateway_{name} {kind}\n"
        );
    }

    fn line(&mut self, name: &str, suffix: &str, labels: &str, value: &dyn fmt::Display) {
        let _ = match labels {
            "" => writeln!(self.0, "gateway_{name}{suffix} {value}"),
            _ => writeln!(self.0, "gateway_{name}{suffix}{{{labels}}} {value}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_what_took_no_longer_than_each_bound() {
        let metrics = Metrics::new();
        for ms in [10, 11, 1500, 300_001] {
            metrics.observe_session("work", "done", ms);
        }
        let text = metrics.encode();
        for line in [
            "# HELP gateway_session_seconds Wall time of sessions.",
            "# TYPE gateway_session_seconds histogram",
            "gateway_session_seconds_sum{kind=\"work\"} 301.522",
            "gateway_session_seconds_count{kind=\"work\"} 4",
            "gateway_session_seconds_bucket{kind=\"work\",le=\"0.01\"} 1",
            "gateway_session_seconds_bucket{kind=\"work\",le=\"0.05\"} 2",
            "gateway_session_seconds_bucket{kind=\"work\",le=\"1.0\"} 2",
            "gateway_session_seconds_bucket{kind=\"work\",le=\"2.5\"} 3",
            "gateway_session_seconds_bucket{kind=\"work\",le=\"300.0\"} 3",
            "gateway_session_seconds_bucket{kind=\"work\",le=\"+Inf\"} 4",
            "gateway_webhook_answer_seconds_bucket{le=\"0.001\"} 0",
            "gateway_webhook_answer_seconds_sum 0.000",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(text.ends_with("\n# EOF\n"), "{text}");
    }

    #[test]
    fn bounds_are_shown_in_seconds() {
        for (ms, shown) in ANSWER_BOUNDS.into_iter().chain(SESSION_BOUNDS) {
            let seconds: f64 = shown.parse().unwrap();
            assert_eq!(ms, (seconds * 1000.0) as u64, "{shown}");
        }
    }

    #[test]
    fn a_label_ends_where_it_ends() {
        let metrics = Metrics::new();
        metrics.count_webhook("/a\"b\\c\nd", "accepted");
        let expected =
            r#"gateway_webhooks_total{path="/a\"b\\c\nd",outcome="accepted"} 1"#.to_owned() + "\n";
        assert!(metrics.encode().contains(&expected));
    }
}
