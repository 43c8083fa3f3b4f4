//! What an operator watches.
//!
//! Every label has few values: a path is a configured one, an origin an
//! allowed one, and the rest are words from this crate. What strangers send is
//! counted, never named.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::EncodeMetric;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::fmt;

/// Counters and gauges of a gateway. A clone counts the same.
#[derive(Clone)]
pub struct Metrics {
    webhooks: Family<Labels, Counter>,
    answer_seconds: Histogram,
    sessions: Family<Labels, Counter>,
    session_seconds: Family<Labels, Histogram, fn() -> Histogram>,
    requests: Family<Labels, Counter>,
    work: Family<Labels, Gauge>,
    gates: Family<Labels, Gauge>,
    reloads: Family<Labels, Counter>,
    configured: Gauge,
}

/// Names and values. One type for all of them, since each type has a family's
/// whole code for itself.
type Labels = Vec<(&'static str, String)>;

fn labels<const N: usize>(labels: [(&'static str, &str); N]) -> Labels {
    labels
        .into_iter()
        .map(|(name, value)| (name, value.to_owned()))
        .collect()
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let metrics = Self {
            webhooks: Family::default(),
            answer_seconds: Histogram::new([
                0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0,
            ]),
            sessions: Family::default(),
            session_seconds: Family::new_with_constructor(|| {
                Histogram::new([0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0])
            }),
            requests: Family::default(),
            work: Family::default(),
            gates: Family::default(),
            reloads: Family::default(),
            configured: Gauge::default(),
        };
        // So that an increase shows from the first one on.
        for outcome in ["applied", "refused"] {
            drop(
                metrics
                    .reloads
                    .get_or_create(&labels([("outcome", outcome)])),
            );
        }
        metrics
    }

    pub(crate) fn count_webhook(&self, path: &str, outcome: &str) {
        let labels = labels([("path", path), ("outcome", outcome)]);
        self.webhooks.get_or_create(&labels).inc();
    }

    pub(crate) fn observe_answer(&self, ms: u64) {
        self.answer_seconds.observe(seconds(ms));
    }

    pub(crate) fn observe_session(&self, kind: &str, verdict: &str, ms: u64) {
        let ended = labels([("kind", kind), ("verdict", verdict)]);
        self.sessions.get_or_create(&ended).inc();
        let seconds = seconds(ms);
        let took = self
            .session_seconds
            .get_or_create(&labels([("kind", kind)]));
        took.observe(seconds);
    }

    pub(crate) fn count_request(&self, origin: &str, outcome: &str) {
        let labels = labels([("origin", origin), ("outcome", outcome)]);
        self.requests.get_or_create(&labels).inc();
    }

    pub(crate) fn count_reload(&self, outcome: &str) {
        let labels = labels([("outcome", outcome)]);
        self.reloads.get_or_create(&labels).inc();
    }

    pub(crate) fn set_configured(&self, now_ms: u64) {
        let seconds = i64::try_from(now_ms / 1000).unwrap_or(i64::MAX);
        self.configured.set(seconds);
    }

    /// Forgets the gauges of gates; those of origins in use come back.
    pub(crate) fn forget_gates(&self) {
        self.gates.clear();
    }

    pub(crate) fn set_work(&self, state: &str, count: usize) {
        set(&self.work, &labels([("state", state)]), count);
    }

    pub(crate) fn set_gates(&self, origin: &str, why: &str, count: usize) {
        set(
            &self.gates,
            &labels([("origin", origin), ("why", why)]),
            count,
        );
    }

    /// All metrics in the OpenMetrics text format, whose media type is
    /// [`Metrics::CONTENT_TYPE`].
    pub fn encode(&self) -> String {
        let mut registry = Registry::with_prefix("gateway");
        registry.register_collector(Box::new(self.clone()));
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
        text
    }

    /// The media type of [`Metrics::encode`].
    pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
}

/// A metric that is registered as itself brings its numbers' `Debug` along, which
/// takes some twenty thousand bytes of a component.
impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut encode = |name: &str, help: &str, metric: &dyn EncodeMetric| {
            if metric.is_empty() {
                return Ok(());
            }
            metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
        };
        encode(
            "webhooks",
            "Requests received, by configured path and what became of them.",
            &self.webhooks,
        )?;
        encode(
            "webhook_answer_seconds",
            "Time until a received request was answered.",
            &self.answer_seconds,
        )?;
        encode(
            "sessions",
            "Sessions of the plugin, by what opened them and how they ended.",
            &self.sessions,
        )?;
        encode(
            "session_seconds",
            "Wall time of sessions.",
            &self.session_seconds,
        )?;
        encode(
            "http_requests",
            "Requests that the plugin asked for, by origin and outcome; held and refused ones were not sent.",
            &self.requests,
        )?;
        encode(
            "work_items",
            "Work by state: due now, waiting for its time, running, parked.",
            &self.work,
        )?;
        encode(
            "gates_closed",
            "Gates that hold back requests, by origin and what closed them.",
            &self.gates,
        )?;
        encode(
            "configuration_reloads",
            "Configurations read anew while running, by what became of them.",
            &self.reloads,
        )?;
        encode(
            "configuration_timestamp_seconds",
            "Unix time since which the configuration is in force.",
            &self.configured,
        )
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

fn set(gauges: &Family<Labels, Gauge>, labels: &Labels, count: usize) {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    gauges.get_or_create(labels).set(count);
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}
