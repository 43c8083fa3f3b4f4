//! `explain`: what would be done with a captured event, and why, by a
//! configuration of which no secret is looked up.

use crate::config::Draft;
use crate::runtime::WasmRuntime;
use anyhow::anyhow;
use integration_gateway::explain::Event;
use integration_gateway::explain::ExplainError;
use integration_gateway::explain::Explainer;
use integration_gateway::explain::Explanation;

impl Draft {
    /// Checks the configuration as far as that goes without secrets, and lets
    /// the plugin rehearse an event.
    pub async fn explain(
        self,
        runtime: &WasmRuntime,
        event: &Event,
    ) -> anyhow::Result<Explanation> {
        let (asked, limits) = self.check_without_secrets(runtime)?;
        let explainer = Explainer {
            runtime,
            configuration: &asked.configuration,
            requirements: &asked.requirements,
            limits: &limits,
        };
        let explained = explainer.explain(event).await;
        explained.map_err(|error| match error {
            ExplainError::Ambiguous(paths) => anyhow!(
                "several paths take the event; name one with --path: {}",
                paths.join(", ")
            ),
            error => error.into(),
        })
    }
}
