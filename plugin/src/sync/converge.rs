//! Two incidents that belong together are brought to hold the same.
//!
//! Only the side that a hint is about is read; the other one only if that side
//! holds something else than at the last agreement. So an echo of our own
//! write costs one read, and a write is always decided on what both sides
//! hold at that moment.

use super::Stop;
use super::case::Case;
use crate::Level;
use crate::flashduty::Incident;
use crate::flashduty::IncidentId;
use crate::flashduty::Step;
use crate::json;
use crate::pair::Base;
use crate::plan::Decision;
use crate::plan::FlashdutyView;
use crate::plan::Note;
use crate::plan::Outcome;
use crate::plan::Plan;
use crate::plan::ServiceNowView;
use crate::plan::Side;
use crate::plan::Situation;
use crate::plan::confirm;
use crate::plan::confirm_step;
use crate::plan::plan;
use crate::servicenow::Body;
use crate::servicenow::Columns;
use crate::text;
use alloc::string::ToString;
use alloc::vec::Vec;
use serde_json::Value;

/// A pair whose fields are written this often on *each* side within the window
/// is held up: three times to and fro are six writes, and the next is one too
/// many.
const BRAKE_WRITES: usize = 4;
const BRAKE_WINDOW_MS: u64 = 10 * 60 * 1000;

impl Case<'_> {
    /// Reads, plans, and carries the plan out with these notes besides. True if
    /// nothing was done, since the record must be replaced by a new one first.
    pub(super) async fn converge(&mut self, more: &mut Vec<Note>) -> Result<bool, Stop> {
        let both = self.looks_at_both();
        let shown_s = self.pair.flashduty_shown_s;
        if both || self.hears_flashduty() {
            self.read_incident().await?;
        }
        if both || self.hears_servicenow() {
            self.read_record().await?;
        }
        let mut plan = self.plan();
        if !both && !plan.decisions.is_empty() {
            self.read_incident().await?;
            self.read_record().await?;
            plan = self.plan();
        }
        if self.is_dry {
            self.report(&plan.decisions);
            self.rehearse(&plan);
            return Ok(false);
        }
        if plan.successor {
            return Ok(true);
        }
        more.append(&mut self.merges_of_an_end().await?);
        plan.notes.extend_from_slice(more);
        let written_ms = self.brake(&plan)?;
        let unknown = self.look_up(&mut plan).await?;
        let Plan {
            decisions,
            columns,
            steps,
            notes,
            mut base,
            ..
        } = plan;
        if let Some(record) = &self.record {
            // What could not be looked up is not agreed on.
            let held = ServiceNowView::new(record, self.integration);
            confirm(&mut base, &unknown, held, self.integration);
        }
        // Before the values that they tell of are written over.
        self.tell_flashduty(&notes).await?;
        self.write_record(columns, &notes, &mut base).await?;
        let mut snoozed_until_ms = match &self.incident {
            Some(incident) => incident.snoozed_until_ms(),
            None => self.pair.snoozed_until_ms,
        };
        if let Some(id) = self.incident_id() {
            let mut unsure = Vec::new();
            for step in &steps {
                let is_taken = self.take(&id, step).await?;
                if let Step::Snooze { minutes } = step {
                    let now_ms = self.clock_of(Side::Flashduty);
                    snoozed_until_ms = now_ms + u64::from(*minutes) * 60_000;
                }
                if !is_taken || matches!(step, Step::Assign { .. } | Step::Unacknowledge) {
                    unsure.push(step);
                }
            }
            if !steps.is_empty() {
                self.incident = None;
            }
            if !unsure.is_empty() {
                self.read_incident().await?;
                if let Some(held) = self.flashduty_view() {
                    for step in unsure {
                        confirm_step(&mut base, step, &held, self.integration);
                    }
                }
            }
        }
        [
            self.pair.flashduty_written_ms,
            self.pair.servicenow_written_ms,
        ] = written_ms;
        if base != self.pair.base || snoozed_until_ms != self.pair.snoozed_until_ms {
            self.pair.base = base;
            self.pair.edition += 1;
            self.pair.snoozed_until_ms = snoozed_until_ms;
            for decision in decisions.iter().filter(|d| d.outcome != Outcome::InStep) {
                self.note(&decision.to_string());
            }
            self.save().await?;
            // A rule of the instance may have changed more than was written, and
            // nobody tells of that.
            if !self.plan().decisions.is_empty() {
                self.come_back(0, "changed by a write");
            }
        } else if shown_s != self.pair.flashduty_shown_s {
            self.save().await?;
        }
        self.report(&decisions);
        Ok(false)
    }

    /// Writes columns and notes, and takes over what the record then holds.
    pub(super) async fn write_record(
        &mut self,
        mut columns: Columns,
        notes: &[Note],
        base: &mut Base,
    ) -> Result<(), Stop> {
        let Some(id) = self.sys_id().filter(|_| self.servicenow.is_available()) else {
            return Ok(());
        };
        if let Some(record) = &self.record {
            // A label or a name may have turned out to be what stands there.
            let stands = |column: &str, value: &Value| record.stored(column) == value.as_str();
            let there = json::kept(columns.clone(), &stands);
            if !there.is_empty() {
                let held = ServiceNowView::new(record, self.integration);
                confirm(base, &there, held, self.integration);
                columns = json::kept(columns, &|column, value| !stands(column, value));
            }
        }
        let told = self.notes_for_servicenow(notes).await?;
        let record = match told {
            Some((mark, told)) => {
                json::set(&mut columns, "work_notes", told);
                self.write_journal(&id, &columns, &mark).await?.0
            }
            None if columns.is_empty() => return Ok(()),
            None => self.servicenow.update(&id, &columns).await?,
        };
        let dropped: Vec<&str> = columns
            .iter()
            .filter(|(column, _)| *column != "work_notes")
            .filter(|(column, value)| {
                record
                    .stored(column)
                    .is_some_and(|held| Some(held) != value.as_str())
            })
            .map(|(column, _)| column.as_str())
            .collect();
        if !dropped.is_empty() {
            self.did_not_take(&text::joined(&dropped, ", "));
        }
        let held = ServiceNowView::new(&record, self.integration);
        confirm(base, &columns, held, self.integration);
        self.take_record(record, true);
        Ok(())
    }

    /// Tells of columns that ServiceNow dropped without a word, or changed.
    pub(super) fn did_not_take(&mut self, columns: &str) {
        self.note(&format!("ServiceNow did not take {columns}"));
        self.log(
            Level::Warn,
            "ServiceNow did not take a column as it was sent; may the user write it?",
            &[("columns", columns)],
        );
    }

    /// Takes one step in Flashduty, and tells whether that was done. A custom
    /// field or a person that Flashduty does not take must not hold up everything
    /// else.
    async fn take(&mut self, id: &IncidentId, step: &Step) -> Result<bool, Stop> {
        let Err(trouble) = self.flashduty.step(id, step).await else {
            return Ok(true);
        };
        let what = match step {
            // Is it the incident that is missing, whoever reads it notices.
            _ if !trouble.is_final() => return Err(trouble.into()),
            Step::Field { name, .. } => name.as_str(),
            Step::Assign { .. } => "assignee",
            _ => return Err(trouble.into()),
        };
        self.give_up(what, trouble.reason());
        Ok(false)
    }

    /// Holds up a pair that is written to and fro: something else changes its
    /// fields back. People's changes go one way at a time. Returns when each side,
    /// Flashduty first, was written, with what the plan writes if that is taken.
    fn brake(&self, plan: &Plan) -> Result<[Vec<u64>; 2], Stop> {
        let now_ms = self.effects.now_ms();
        let pair = &self.pair;
        let sides = [
            (&pair.flashduty_written_ms, plan.writes_to_flashduty()),
            (&pair.servicenow_written_ms, plan.writes_to_servicenow()),
        ];
        let mut free_at_ms = Vec::new();
        let written_ms = sides.map(|(times, writes)| {
            let mut times = times.clone();
            times.retain(|at| *at <= now_ms && now_ms - at < BRAKE_WINDOW_MS);
            if writes {
                times.push(now_ms);
            }
            // No more are needed, and each is read and written with the pair.
            let surplus = times.len().saturating_sub(BRAKE_WRITES);
            times.drain(..surplus);
            if times.len() == BRAKE_WRITES {
                free_at_ms.extend(times.first().map(|at| at + BRAKE_WINDOW_MS));
            }
            times
        });
        // Only if it is so on both sides.
        let [a, b] = free_at_ms[..] else {
            return Ok(written_ms);
        };
        let reason = "fields were written to and fro within ten minutes; look for a rule on \
                      either side that changes them back";
        self.log(Level::Error, "brake", &[("reason", reason)]);
        Err(Stop::wait(a.min(b), reason))
    }

    /// What ServiceNow holds: as read, else as webhooks show it, the newest of those
    /// that show a field.
    pub(super) fn servicenow_view(&self) -> Option<ServiceNowView> {
        match &self.record {
            Some(record) => Some(ServiceNowView::new(record, self.integration)),
            None if self.servicenow.is_available() => None,
            None => {
                let record = Body::as_record(self.servicenow_bodies())?;
                Some(ServiceNowView::new(&record, self.integration))
            }
        }
    }

    /// What Flashduty holds, as far as that was read.
    fn flashduty_view(&self) -> Option<FlashdutyView> {
        Some(self.view_of(self.incident.as_ref()?))
    }

    /// What an incident shows.
    pub(super) fn view_of(&self, incident: &Incident) -> FlashdutyView {
        let signature = self.signature();
        // By its own clock a snooze ends, whatever the gateway's shows.
        let there_ms = self.clock_of(Side::Flashduty);
        FlashdutyView::new(incident, self.integration, signature.as_deref(), there_ms)
    }

    fn plan(&self) -> Plan {
        plan(Situation {
            integration: self.integration,
            base: &self.pair.base,
            flashduty: self.flashduty_view().as_ref(),
            servicenow: self.servicenow_view().as_ref(),
            signature: self.signature().as_deref(),
            born_in: self.born_in(),
            now_ms: self.effects.now_ms(),
            explain: self.explain,
        })
    }

    pub(super) fn report(&self, decisions: &[Decision]) {
        for decision in decisions {
            let level = match decision.outcome {
                Outcome::InStep => Level::Debug,
                _ => Level::Info,
            };
            let mut fields = vec![
                ("field", decision.field.as_str()),
                ("outcome", decision.outcome.as_str()),
                ("flashduty", &decision.flashduty),
                ("servicenow", &decision.servicenow),
                ("why", &decision.why),
            ];
            if !decision.before.is_empty() {
                fields.push(("before", &decision.before));
            }
            let own = &self.integration.field;
            let rule = own.iter().find(|rule| rule.key() == decision.field);
            if let Some(value) = rule.and_then(|rule| rule.value.as_ref()) {
                fields.push(("source", value.as_str()));
            }
            self.log(level, "decided", &fields);
        }
    }
}
