/// Counters and gauges of a gateway.
pub struct Metrics {}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {}
    }

    /// All metrics in the OpenMetrics text format.
    pub fn encode(&self) -> String {
        String::new()
    }
}
