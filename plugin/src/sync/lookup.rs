//! Values that only the instance knows: which record a name means, and which
//! choice a label.

use super::Stop;
use super::case::Case;
use crate::Level;
use crate::Precondition;
use crate::far_end::Kind;
use crate::flashduty::short_hash;
use crate::json;
use crate::keys;
use crate::plan::Plan;
use crate::plan::Reference;
use crate::servicenow::Columns;
use crate::servicenow::Found;
use crate::text;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;
use serde::Deserialize;
use serde::Serialize;

/// How long an answer is believed.
const FRESH_MS: u64 = 24 * 60 * 60 * 1000;

/// An answer as it is remembered.
#[derive(Serialize, Deserialize)]
struct Remembered {
    at_ms: u64,
    value: String,
}

/// Where an answer is kept, and how the key stood when it was looked at.
struct Place(String, Precondition);

impl Case<'_> {
    /// Puts looked-up values into the plan's columns. Returns the columns
    /// whose values the instance does not know: they are not written.
    pub(super) async fn look_up(&mut self, plan: &mut Plan) -> Result<Columns, Stop> {
        let mut unknown = Columns::new();
        for reference in core::mem::take(&mut plan.references) {
            let Reference {
                column,
                table,
                by,
                value,
            } = &reference;
            let found = match value.as_str() {
                "" => Ok(String::new()),
                _ => self.reference(table, by, value).await?,
            };
            match found {
                Ok(sys_id) => {
                    json::set(&mut plan.columns, column, sys_id);
                }
                Err(why) => {
                    self.give_up(column, &why);
                    json::set(&mut unknown, column, value.as_str());
                }
            }
        }
        for column in core::mem::take(&mut plan.choices) {
            let Some(value) = plan.columns.get(&column).and_then(|v| v.as_str()) else {
                continue;
            };
            let value = value.to_owned();
            match self.choice(&column, &value).await? {
                Ok(known) => {
                    json::set(&mut plan.columns, &column, known);
                }
                // Without it ServiceNow refuses to resolve, and says less why.
                Err(why) if column == "close_code" => {
                    return Err(Kind::Refused.because(why).into());
                }
                Err(why) => {
                    self.give_up(&column, &why);
                    let columns = core::mem::take(&mut plan.columns);
                    plan.columns = json::kept(columns, &|name, _| name != column);
                    json::set(&mut unknown, &column, value);
                }
            }
        }
        Ok(unknown)
    }

    /// Leaves a column, or a field of Flashduty's, alone.
    pub(super) fn give_up(&mut self, field: &str, why: &str) {
        self.note(&format!("{field} is left alone: {why}"));
        let fields = [("field", field), ("why", why)];
        self.log(Level::Warn, "a field is left alone", &fields);
    }

    /// The `sys_id` of the one record that holds a value, or why there is none.
    async fn reference(
        &self,
        table: &str,
        by: &str,
        value: &str,
    ) -> Result<Result<String, String>, Stop> {
        let (place, known) = self.remembered(&format!("{table} {by} {value}")).await;
        if let Some(known) = known {
            return Ok(Ok(known));
        }
        match self.servicenow.find_by(table, by, value).await {
            Ok(Found::One(sys_id)) => {
                self.remember(place, sys_id.as_str());
                Ok(Ok(sys_id.to_string()))
            }
            Ok(Found::None) => Ok(Err(format!("no {table} has {by} \"{value}\""))),
            Ok(Found::Several) => Ok(Err(format!("several {table} have {by} \"{value}\""))),
            Err(trouble) if trouble.is_final() => Ok(Err(trouble.reason().into())),
            Err(trouble) => Err(trouble.into()),
        }
    }

    /// The value of a choice that is given by value or by label, or why it is
    /// none. Where the list cannot be read, everything is believed.
    async fn choice(&self, column: &str, given: &str) -> Result<Result<String, String>, Stop> {
        let (place, known) = self
            .remembered(&format!("sys_choice {column} {given}"))
            .await;
        if let Some(known) = known {
            return Ok(Ok(known));
        }
        let choices = match self.servicenow.choices(column).await {
            Ok(choices) => choices,
            Err(trouble) if trouble.is_final() => Vec::new(),
            Err(trouble) => return Err(trouble.into()),
        };
        if given.is_empty() || choices.is_empty() {
            return Ok(Ok(given.to_owned()));
        }
        let label = text::lower_case(given);
        let by_value = choices.iter().find(|choice| choice.value == given);
        let by_label = || choices.iter().find(|c| text::lower_case(&c.label) == label);
        let Some(choice) = by_value.or_else(by_label) else {
            // Each is there once in every language.
            let mut values: Vec<&str> = Vec::new();
            for choice in &choices {
                if !values.contains(&choice.value.as_str()) {
                    values.push(&choice.value);
                }
            }
            return Ok(Err(format!(
                "{column} has no choice \"{given}\" at the instance; it has {}",
                text::joined(&values, ", ")
            )));
        };
        self.remember(place, &choice.value);
        Ok(Ok(choice.value.clone()))
    }

    /// The answer to a question, if it is fresh, and the place where the next
    /// one is kept.
    async fn remembered(&self, question: &str) -> (Place, Option<String>) {
        let key = keys::answer(&self.integration.id, &short_hash(question.as_bytes()));
        let [entry] = self.effects.get([key.clone()]).await;
        let Some(entry) = entry else {
            return (Place(key, Precondition::Absent), None);
        };
        let place = Place(key, Precondition::Revision(entry.revision));
        let known = json::read::<Remembered>(&entry.value).ok();
        let known = known.filter(|answer| {
            let age_ms = self.effects.now_ms().checked_sub(answer.at_ms);
            age_ms.is_some_and(|age_ms| age_ms < FRESH_MS)
        });
        (place, known.map(|answer| answer.value))
    }

    /// Keeps an answer, unless somebody else has kept one meanwhile.
    fn remember(&self, Place(key, precondition): Place, value: &str) {
        let answer = Remembered {
            at_ms: self.effects.now_ms(),
            value: value.to_owned(),
        };
        self.effects.put(key, precondition, json::write(&answer));
    }
}
