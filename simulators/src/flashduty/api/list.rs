//! `/incident/list`: incidents by the time at which they began.
//!
//! There is no filter on the time of the last change, a window spans 31 days
//! at most, and the total is capped: whoever wants to know what has changed
//! has to walk all pages of all windows.

use serde_json::Value;
use serde_json::json;

use super::super::Flashduty;
use super::super::envelope::ApiError;
use super::super::incident::Incident;
use super::super::params::Params;
use super::super::params::required;
use super::super::severity::Progress;
use super::super::severity::Severity;
use super::Call;
use super::Page;

const LONGEST_WINDOW_S: u64 = 31 * 24 * 3600;
const TOTAL_LIMIT: usize = 1000;

/// What an incident has to be like.
struct Filter {
    start_time: u64,
    end_time: u64,
    progress: Vec<Progress>,
    severities: Vec<Severity>,
    channel_ids: Vec<i64>,
    creator_ids: Vec<i64>,
    closer_ids: Vec<i64>,
    responder_ids: Vec<i64>,
    acker_ids: Vec<i64>,
    incident_ids: Vec<String>,
    nums: Vec<String>,
    only_snoozed: bool,
    query: String,
}

impl Filter {
    fn read(params: &Params) -> Result<Filter, ApiError> {
        let start_time = required("start_time", params.amount("start_time")?)?;
        let end_time = required("end_time", params.amount("end_time")?)?;
        if end_time <= start_time {
            return Err(ApiError::invalid(format!(
                "end_time: expected a time after start_time {start_time}, found {end_time}"
            )));
        }
        if end_time - start_time > LONGEST_WINDOW_S {
            return Err(ApiError::invalid(format!(
                "end_time: expected at most 31 days after start_time, found {} seconds",
                end_time - start_time
            )));
        }
        let integers =
            |name| -> Result<_, ApiError> { Ok(params.integers(name)?.unwrap_or_default()) };
        Ok(Filter {
            start_time,
            end_time,
            progress: words(params, "progress", Progress::parse)?,
            severities: words(params, "incident_severity", Severity::parse)?,
            channel_ids: integers("channel_ids")?,
            creator_ids: integers("creator_ids")?,
            closer_ids: integers("closer_ids")?,
            responder_ids: integers("responder_ids")?,
            acker_ids: integers("acker_ids")?,
            incident_ids: params.texts("incident_ids")?.unwrap_or_default(),
            nums: params.texts("nums")?.unwrap_or_default(),
            only_snoozed: params.flag("is_snoozed")?.unwrap_or(false),
            query: params.text("query")?.unwrap_or_default().to_lowercase(),
        })
    }

    fn matches(&self, incident: &Incident, now: u64) -> bool {
        fn one_of<T: PartialEq>(wanted: &[T], found: &T) -> bool {
            wanted.is_empty() || wanted.contains(found)
        }
        let people = |wanted: &[i64], acknowledged: bool| {
            wanted.is_empty()
                || incident.responders.iter().any(|it| {
                    wanted.contains(&it.person_id) && (!acknowledged || it.acknowledged_at > 0)
                })
        };
        // Only what is closed has been closed by somebody.
        let closer = self.closer_ids.is_empty()
            || (!incident.is_open() && self.closer_ids.contains(&incident.closer.unwrap_or(0)));
        let nums = self.nums.is_empty()
            || self
                .nums
                .iter()
                .any(|num| num.eq_ignore_ascii_case(&incident.num));
        (self.start_time..=self.end_time).contains(&incident.start_time)
            && one_of(&self.progress, &incident.progress)
            && one_of(&self.severities, &incident.severity)
            && one_of(&self.channel_ids, &incident.channel_id)
            && one_of(&self.creator_ids, &incident.creator.unwrap_or(0))
            && one_of(&self.incident_ids, &incident.incident_id)
            && people(&self.responder_ids, false)
            && people(&self.acker_ids, true)
            && closer
            && nums
            && (!self.only_snoozed || incident.snoozed_before > now)
            && (self.query.is_empty() || self.speaks_of(incident))
    }

    fn speaks_of(&self, incident: &Incident) -> bool {
        [&incident.title, &incident.description, &incident.num]
            .into_iter()
            .chain(incident.labels.values())
            .any(|text| text.to_lowercase().contains(&self.query))
    }
}

impl Flashduty {
    /// Newest first unless `asc`. Ids sort by age, so the cursor is the id of
    /// the last incident of a page; it wins over the page number, and goes on
    /// even if that incident has been removed.
    pub(super) fn incident_list(&mut self, call: &Call) -> Result<Value, ApiError> {
        let params = &call.params;
        let filter = Filter::read(params)?;
        let mut page = Page::read(params, 20, 100)?;
        let ascending = params.flag("asc")?.unwrap_or(false);
        let now = call.now_ms / 1000;
        let mut found: Vec<&Incident> = self
            .incidents
            .values()
            .filter_map(|incident| self.lag.seen(incident, call.now_ms))
            .filter(|incident| filter.matches(incident, now))
            .collect();
        if !ascending {
            found.reverse();
        }
        let total = found.len().min(TOTAL_LIMIT);
        if let Some(cursor) = params
            .text("search_after_ctx")?
            .filter(|cursor| !cursor.is_empty())
        {
            if cursor.len() != 24 || !cursor.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(ApiError::invalid(format!(
                    "search_after_ctx: expected the value of an earlier answer, found {cursor:?}"
                )));
            }
            found.retain(|incident| {
                if ascending {
                    incident.incident_id.as_str() > cursor
                } else {
                    incident.incident_id.as_str() < cursor
                }
            });
            page.number = 1;
        }
        let (found, has_next_page) = page.cut(found);
        let cursor = found.last().map_or("", |last| last.incident_id.as_str());
        let items: Vec<Value> = found
            .iter()
            .map(|incident| self.incident_info(incident))
            .collect();
        Ok(json!({
            "total": total,
            "has_next_page": has_next_page,
            "search_after_ctx": cursor,
            "items": items,
        }))
    }
}

/// Words with commas between them.
fn words<T>(
    params: &Params,
    name: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, ApiError> {
    params
        .text(name)?
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(|word| {
            parse(word).ok_or_else(|| ApiError::invalid(format!("{name}: {word:?} is unknown")))
        })
        .collect()
}
