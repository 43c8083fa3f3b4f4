//! What came of work that a person waits for.

use crate::Standing;
use crate::configuration::Integration;
use crate::date;
use crate::intake::pair_of;
use crate::json;
use crate::json::object;
use crate::keys;
use crate::keys::Entity;
use crate::pair::Pair;
use crate::servicenow::SysId;
use crate::session::Effects;
use alloc::string::String;
use alloc::string::ToString;
use serde_json::Value;

/// Why a request is not answered with 200: the status and a sentence.
pub(crate) type Refusal = (u16, String);

/// A request on behalf of a person.
pub(crate) struct Asked<'a> {
    pub(crate) effects: &'a Effects,
    pub(crate) integration: &'a Integration,
    pub(crate) about: Entity,
    /// When, in Unix milliseconds: an older line of history is no answer.
    pub(crate) at_ms: u64,
    /// How long the person waits, in milliseconds.
    pub(crate) patience_ms: u32,
}

impl Asked<'_> {
    /// Waits for the pair's work, and tells how the pair is then.
    pub(crate) async fn outcome(
        &self,
        status: &str,
        is_done: &dyn Fn(&Pair) -> bool,
    ) -> Result<Value, Refusal> {
        let work = keys::work(&self.integration.id, &self.pair().await);
        let standing = self.effects.await_work(work, self.patience_ms).await;
        // Anew: it may have turned out to belong to another pair.
        let (name, pair) = self.read().await?;
        if is_done(&pair) {
            let mut body = object! {
                "status": status,
                "pair": name,
                "work": told(&standing),
            };
            if let Some(id) = &pair.servicenow {
                json::set(&mut body, "number", pair.number);
                let link = id.link(&self.integration.servicenow.url);
                json::set(&mut body, "link", link);
            }
            return Ok(body.into());
        }
        let under_way = object! { "status": "under way" }.into();
        Err(match standing {
            Standing::UnderWay => return Ok(under_way),
            Standing::Waiting(why) => (503, format!("not yet, it is tried again: {why}")),
            Standing::Parked(why) => (502, format!("given up: {why}")),
            Standing::None => {
                let last = pair.history.last().filter(|line| line.at_ms >= self.at_ms);
                let why = match last {
                    _ if self.integration.dry_run => "dry-run is on, so nothing is written",
                    Some(line) => &line.what,
                    // Whoever turns it down says so. It belongs to another pair.
                    None => return Ok(under_way),
                };
                (409, format!("not {status}: {why}"))
            }
        })
    }

    /// All that is remembered of the pair, as it is stored, and how its work
    /// stands; none if there is no such pair.
    pub(crate) async fn show(&self) -> Option<Value> {
        let name = self.pair().await;
        let id = &self.integration.id;
        let [entry] = self.effects.get([keys::pair(id, &name)]).await;
        let mut shown = json::parse(&entry?.value).ok()?;
        let work = keys::work(id, &name);
        let standing = self.effects.await_work(work, 0).await;
        for line in shown["history"].as_array_mut().into_iter().flatten() {
            line["at"] = date::stamp(line["at_ms"].as_i64().unwrap_or_default()).into();
        }
        shown["pair"] = name.to_string().into();
        shown["work"] = told(&standing).into();
        if let Some(id) = shown["servicenow"].as_str().and_then(SysId::parse) {
            shown["link"] = id.link(&self.integration.servicenow.url).into();
        }
        Some(shown)
    }

    /// The pair that the incident belongs to.
    pub(crate) async fn pair(&self) -> Entity {
        pair_of(self.effects, &self.integration.id, &self.about).await
    }

    /// The pair's name and record; an empty one if there is none.
    pub(crate) async fn read(&self) -> Result<(String, Pair), Refusal> {
        let name = self.pair().await;
        let key = keys::pair(&self.integration.id, &name);
        let [entry] = self.effects.get([key]).await;
        let pair = match entry {
            None => Ok(Pair::default()),
            Some(entry) => json::read(&entry.value),
        };
        let pair =
            pair.map_err(|e| (500, format!("the record of pair {name} is unreadable: {e}")))?;
        Ok((name.to_string(), pair))
    }
}

/// How work stands, in a sentence.
fn told(standing: &Standing) -> String {
    match standing {
        Standing::None => "done".into(),
        Standing::UnderWay => "still under way".into(),
        Standing::Waiting(why) => format!("will be tried again: {why}"),
        Standing::Parked(why) => format!("parked: {why}"),
    }
}
