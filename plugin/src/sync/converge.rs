//! Two incidents that belong together are brought to hold the same.
//!
//! Only the side that a hint is about is read; the other one only if that side
//! holds something else than at the last agreement. So an echo of our own
//! write costs one read, and a write is always decided on what both sides
//! hold at that moment.

use super::Stop;
use super::case::Case;
use crate::Level;
use crate::flashduty::Step;
use crate::plan::Decision;
use crate::plan::FlashdutyView;
use crate::plan::Outcome;
use crate::plan::Plan;
use crate::plan::ServiceNowView;
use crate::plan::Situation;
use crate::plan::confirm;
use crate::plan::plan;
use crate::servicenow::Record;
use alloc::string::ToString;
use alloc::vec::Vec;

impl Case<'_> {
    /// Reads, plans, and carries the plan out.
    pub(super) async fn converge(&mut self, newly_linked: bool) -> Result<(), Stop> {
        let both = newly_linked || self.is_unprompted();
        if both || self.flashduty_events().next().is_some() {
            self.read_incident().await?;
        }
        if both || self.servicenow_bodies().next().is_some() {
            self.read_record().await?;
        }
        let mut plan = self.plan();
        if !both && !plan.decisions.is_empty() {
            self.read_incident().await?;
            self.read_record().await?;
            plan = self.plan();
        }
        let Plan {
            decisions,
            columns,
            steps,
            mut base,
        } = plan;
        if !columns.is_empty()
            && let Some(id) = self.sys_id()
        {
            let record = self.servicenow.update(&id, &columns).await?;
            let dropped: Vec<&str> = columns
                .iter()
                .filter(|(column, value)| record.raw(column) != value.as_str().unwrap_or_default())
                .filter(|(column, _)| record.has(column))
                .map(|(column, _)| column.as_str())
                .collect();
            if !dropped.is_empty() {
                let dropped = dropped.join(", ");
                self.log(
                    Level::Warn,
                    "ServiceNow did not take a column as it was sent; may the user write it?",
                    &[("columns", &dropped)],
                )
                .await;
            }
            confirm(&mut base, &columns, (&record).into());
            self.record = Some(record);
        }
        let mut snoozed_until_ms = match &self.incident {
            Some(incident) => incident.snoozed_until_ms(),
            None => self.pair.snoozed_until_ms,
        };
        if let Some(id) = self.incident_id() {
            for step in &steps {
                self.flashduty.step(&id, step).await?;
                if let Step::Snooze { minutes } = step {
                    snoozed_until_ms = self.effects.now_ms() + u64::from(*minutes) * 60_000;
                }
            }
            if !steps.is_empty() {
                self.incident = None;
            }
        }
        if base != self.pair.base || snoozed_until_ms != self.pair.snoozed_until_ms {
            self.pair.base = base;
            self.pair.snoozed_until_ms = snoozed_until_ms;
            for decision in decisions.iter().filter(|d| d.outcome != Outcome::InStep) {
                self.pair.note(self.effects.now_ms(), decision.to_string());
            }
            self.save().await?;
        }
        self.report(&decisions).await;
        Ok(())
    }

    /// What ServiceNow holds: as read, else as the newest webhook shows it.
    pub(super) fn servicenow_view(&self) -> Option<ServiceNowView> {
        match &self.record {
            Some(record) => Some(record.into()),
            None if self.servicenow.is_available() => None,
            None => self.servicenow_bodies().last().map(ServiceNowView::from),
        }
    }

    fn plan(&self) -> Plan {
        let signature = self.signature();
        let signature = signature.as_deref();
        let now_ms = self.effects.now_ms();
        let flashduty = self
            .incident
            .as_ref()
            .map(|i| FlashdutyView::new(i, signature, now_ms));
        plan(Situation {
            integration: self.integration,
            base: &self.pair.base,
            flashduty: flashduty.as_ref(),
            servicenow: self.servicenow_view().as_ref(),
            signature,
            born_in_servicenow: self.is_born_in_servicenow(),
        })
    }

    async fn report(&self, decisions: &[Decision]) {
        for decision in decisions {
            let level = match decision.outcome {
                Outcome::InStep => Level::Debug,
                _ => Level::Info,
            };
            self.log(level, "decided", &[("decision", &decision.to_string())])
                .await;
        }
    }
}

impl Record {
    /// Whether a column came back at all; journals and unreadable ones do not.
    fn has(&self, column: &str) -> bool {
        Self::COLUMNS.split(',').any(|known| known.trim() == column)
    }
}
