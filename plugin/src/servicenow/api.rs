//! The calls of the Table API that the sync makes.
//!
//! A call has succeeded if the status is the expected one *and* the body is
//! JSON *and* it has a `result` and no `error`: a list that ran into the time
//! limit, for example, is a 200 with both.

use super::Entry;
use super::Query;
use super::Record;
use super::SysId;
use crate::HttpRequest;
use crate::configuration::Integration;
use crate::far_end::Kind;
use crate::far_end::Trouble;
use crate::far_end::clock_ms;
use crate::far_end::header;
use crate::far_end::json_answer;
use crate::far_end::said;
use crate::json;
use crate::json::list;
use crate::plan::Side;
use crate::session::Effects;
use crate::text;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use serde_json::Map;
use serde_json::Value;

/// Columns to write, raw values.
pub type Columns = Map<String, Value>;

/// ServiceNow itself cancels a transaction at 60 s. Giving up earlier would
/// leave a create in the air that is still going to happen.
const TIMEOUT_MS: u32 = 65_000;

/// How many changed incidents a page covers, with those that cannot be seen.
pub(crate) const CHANGED_PAGE: u64 = 200;

/// The Table API of one instance.
pub struct ServiceNowApi<'a> {
    effects: &'a Effects,
    integration: &'a Integration,
    offline: bool,
    heard: Cell<Heard>,
}

/// What the headers of the last answer said, as far as they did.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    clock_ms: Option<u64>,
    total: Option<u64>,
}

/// A page of what was changed.
pub(crate) struct Changed {
    /// In the order asked for, with just what tells of the change.
    pub(crate) records: Vec<Record>,
    /// Whether there may be more behind it.
    pub(crate) more: bool,
    /// Whether the user may see hardly any of the first ones: the count of a list
    /// is not filtered by rights.
    pub(crate) hides_most: bool,
}

/// What a look-up of one record brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Just one.
    One(SysId),
    /// None.
    None,
    /// More than one.
    Several,
}

/// One of the values that a choice column may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What is stored.
    pub value: String,
    /// What people see, in one of the instance's languages.
    pub label: String,
}

impl<'a> ServiceNowApi<'a> {
    /// Speaks through `effects` to the instance of an integration; not at all
    /// if `offline`.
    pub fn new(effects: &'a Effects, integration: &'a Integration, offline: bool) -> Self {
        Self {
            effects,
            integration,
            offline,
            heard: Cell::default(),
        }
    }

    /// What the instance's own clock showed at the last answer, in Unix
    /// milliseconds.
    pub(crate) fn clock_ms(&self) -> Option<u64> {
        self.heard.get().clock_ms
    }

    /// A page of the incidents that were changed at or after a time, behind
    /// `behind` if that is given. The limit of a page counts also records that
    /// the user may not see, so `skip` goes on where none could be seen.
    pub(crate) async fn changed(
        &self,
        since: &str,
        behind: Option<&SysId>,
        skip: u64,
    ) -> Result<Changed, Trouble> {
        let query = Query::changed(since, behind)
            .ok_or_else(|| Trouble::unreadable(format!("\"{since}\" is no time")))?;
        let path = format!(
            "incident?sysparm_query={}&sysparm_limit={CHANGED_PAGE}&sysparm_offset={skip}\
             &sysparm_fields=sys_id,sys_updated_on,sys_mod_count,state,correlation_id",
            query.encoded()
        );
        let (what, result) = self.call("GET", &path, None).await?;
        let rows = list(&result).iter().cloned();
        let records: Vec<Record> = rows.filter_map(Record::from_result).collect();
        if records.iter().any(|r| r.raw("sys_updated_on") < since) {
            return Err(Kind::Refused.because(format!(
                "{what} answered with a record that was not changed since {since}; the \
                 integration user must be able to read sys_updated_on"
            )));
        }
        let shown = records.len() as u64;
        let total = self.heard.get().total.unwrap_or(shown);
        let hides_most = shown * 20 < total.min(CHANGED_PAGE);
        let more = match self.heard.get().total {
            Some(total) => total > skip + CHANGED_PAGE,
            None => shown >= CHANGED_PAGE,
        };
        Ok(Changed {
            records,
            more,
            hides_most,
        })
    }

    /// Which of some incidents a query finds that an operator wrote.
    pub(crate) async fn among(&self, ids: &[SysId], query: &Query) -> Result<Vec<SysId>, Trouble> {
        let mut found = Vec::new();
        for ids in ids.chunks(50) {
            let path = format!(
                "incident?sysparm_query={}&sysparm_limit=50&sysparm_fields=sys_id",
                Query::ids(ids).and(query).encoded()
            );
            let (_, result) = self.call("GET", &path, None).await?;
            let rows = list(&result).iter();
            found.extend(rows.filter_map(|row| row["sys_id"].as_str().and_then(SysId::parse)));
        }
        Ok(found)
    }

    /// Whether there is access to the API at all.
    pub fn is_available(&self) -> bool {
        !self.offline && self.integration.servicenow.credential.is_some()
    }

    /// The incident as it is now.
    pub async fn record(&self, id: &SysId) -> Result<Record, Trouble> {
        let path = format!("incident/{id}?{}", self.shape());
        let record = self.one("GET", &path, None).await?;
        if record.sys_id != *id {
            let got = record.sys_id;
            return Err(Trouble::unreadable(format!(
                "asked ServiceNow for {id}, got {got}"
            )));
        }
        Ok(record)
    }

    /// The incidents that have a `sys_id`, or a correlation id that begins so. A row
    /// that has neither tells that the instance ignored a condition, and is refused.
    pub async fn find(&self, id: &SysId, correlation: &str) -> Result<Vec<Record>, Trouble> {
        let query = Query::equals("sys_id", id.as_str())
            .zip(Query::prefixed("correlation_id", correlation))
            .map(|(a, b)| a.or(&b).ascending("sys_created_on"))
            .ok_or_else(|| {
                Kind::Refused.because(format!("\"{correlation}\" cannot be looked up"))
            })?;
        let path = format!(
            "incident?sysparm_query={}&sysparm_limit=100&{}",
            query.encoded(),
            self.shape()
        );
        let (what, result) = self.call("GET", &path, None).await?;
        // Nothing may be created because of an answer that is none.
        let Some(rows) = result.as_array() else {
            return Err(Trouble::unreadable(format!(
                "{what} answered without a list"
            )));
        };
        let records: Vec<Record> = rows
            .iter()
            .cloned()
            .filter_map(Record::from_result)
            .collect();
        let is_meant =
            |r: &Record| r.sys_id == *id || r.raw("correlation_id").starts_with(correlation);
        match records.len() == rows.len() && records.iter().all(is_meant) {
            true => Ok(records),
            false => Err(Kind::Refused.because(format!(
                "ServiceNow answered a look-up of correlation_id {correlation} with another \
                 record; the integration user must be able to read sys_id and correlation_id"
            ))),
        }
    }

    /// The record of a table that holds a value in a column. Rows that hold
    /// another one tell that the instance ignored the condition.
    pub async fn find_by(&self, table: &str, by: &str, value: &str) -> Result<Found, Trouble> {
        let query = Query::text(by, value).ok_or_else(|| {
            let value = text::cut(value, 40);
            Kind::Refused.because(format!("\"{value}\" cannot be looked up"))
        })?;
        let path = format!(
            "{table}?sysparm_query={}&sysparm_limit=2&sysparm_fields=sys_id,{by}",
            query.encoded()
        );
        let (_, result) = self.call("GET", &path, None).await?;
        let wanted = text::lower_case(value);
        let mut found = list(&result)
            .iter()
            .filter(|row| {
                row[by]
                    .as_str()
                    .is_some_and(|held| text::lower_case(held) == wanted)
            })
            .filter_map(|row| row["sys_id"].as_str().and_then(SysId::parse));
        Ok(match (found.next(), found.next()) {
            (None, _) => Found::None,
            (Some(id), None) => Found::One(id),
            (Some(_), Some(_)) => Found::Several,
        })
    }

    /// The choices of a column of incidents, in every language. Empty also
    /// where the user may not read them.
    pub async fn choices(&self, column: &str) -> Result<Vec<Choice>, Trouble> {
        let query = Query::choices(column)
            .ok_or_else(|| Kind::Refused.because(format!("\"{column}\" cannot be looked up")))?;
        let path = format!(
            "sys_choice?sysparm_query={}&sysparm_limit=1000&sysparm_fields=element,value,label",
            query.encoded()
        );
        let (_, result) = self.call("GET", &path, None).await?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(list(&result)
            .iter()
            .filter(|row| row["element"] == column)
            .map(|row| Choice {
                value: text(&row["value"]),
                label: text(&row["label"]),
            })
            .collect())
    }

    /// Creates an incident. Asking twice makes two, unless the instance
    /// honours the `sys_id` among the columns.
    pub async fn create(&self, columns: &Columns) -> Result<Record, Trouble> {
        self.one("POST", &format!("incident?{}", self.shape()), Some(columns))
            .await
    }

    /// Changes columns of an incident and returns it as it then is: a column
    /// that the user may not write, or that does not exist, is left out
    /// silently.
    pub async fn update(&self, id: &SysId, columns: &Columns) -> Result<Record, Trouble> {
        self.one(
            "PATCH",
            &format!("incident/{id}?{}", self.shape()),
            Some(columns),
        )
        .await
    }

    /// The entries of some journals, oldest first and without marks. Empty also
    /// where the user may not read them, which is not an error to ServiceNow.
    pub async fn entries(
        &self,
        id: &SysId,
        journals: &[&'static str],
    ) -> Result<Vec<Entry>, Trouble> {
        let query = Query::equals("element_id", id.as_str())
            .map(|of| of.and(&Query::one_of("element", journals)))
            .map(|query| query.ascending("sys_created_on"))
            .ok_or_else(|| Kind::Refused.because(format!("\"{id}\" cannot be looked up")))?;
        let path = format!(
            "sys_journal_field?sysparm_query={}&sysparm_limit=1000\
             &sysparm_fields=sys_id,element_id,element,value,sys_created_on,sys_created_by",
            query.encoded()
        );
        let (_, result) = self.call("GET", &path, None).await?;
        let rows = list(&result);
        Ok(rows
            .iter()
            .filter(|row| {
                let is_asked_for = |element: &&str| row["element"] == **element;
                row["element_id"] == id.as_str() && journals.iter().any(is_asked_for)
            })
            .filter_map(Entry::from_row)
            .collect())
    }

    fn shape(&self) -> String {
        format!(
            "sysparm_display_value=all&sysparm_exclude_reference_link=true&sysparm_fields={}",
            Record::columns(self.integration)
        )
    }

    async fn one(
        &self,
        method: &str,
        path: &str,
        columns: Option<&Columns>,
    ) -> Result<Record, Trouble> {
        let (what, result) = self.call(method, path, columns).await?;
        // What was written may well be there; it only cannot be seen.
        Record::from_result(result)
            .ok_or_else(|| Kind::Unknown.because(format!("{what} answered without a sys_id")))
    }

    async fn call(
        &self,
        method: &str,
        path: &str,
        columns: Option<&Columns>,
    ) -> Result<(String, Value), Trouble> {
        let mut headers = vec![("accept".to_owned(), "application/json".to_owned())];
        let body = columns.map(|columns| {
            headers.push(("content-type".into(), "application/json".into()));
            json::text(&Value::Object(columns.clone())).into_bytes()
        });
        let request = HttpRequest {
            method: method.into(),
            url: format!("{}/api/now/table/{path}", self.integration.servicenow.url),
            headers,
            body: body.unwrap_or_default(),
            credential: self.integration.servicenow.credential.clone(),
            timeout_ms: TIMEOUT_MS,
        };
        let table = path.split('?').next().unwrap_or_default();
        let table = table.split('/').next().unwrap_or_default();
        let what = format!("ServiceNow's {method} {table}");
        let result = self.effects.http(request).await;
        self.heard.set(Heard {
            clock_ms: clock_ms(&result, self.clock_ms()),
            total: result
                .as_ref()
                .ok()
                .and_then(|response| text::number(header(response, "x-total-count")?)),
        });
        let (status, mut answer) = json_answer(result, &what)?;
        let has_error = answer.get("error").is_some_and(|e| !e.is_null());
        if matches!(status, 200 | 201) && !has_error && answer.get("result").is_some() {
            return Ok((what, answer["result"].take()));
        }
        let error = &answer["error"];
        let (message, detail) = (said(&error["message"]), said(&error["detail"]));
        let why = format!("{what} answered {status}: {message}: {detail}");
        let kind = match status {
            404 => Kind::Missing(Side::ServiceNow),
            401 | 429 => Kind::NotNow,
            400..=499 => Kind::Refused,
            _ => Kind::Unknown,
        };
        Err(kind.because(why))
    }
}
