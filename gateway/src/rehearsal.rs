//! A rehearsal: what a plugin would do with a request, without doing it.
//!
//! One request session is run, and then the work that it asked for, each key
//! once. Nothing leaves the process: every HTTP request is refused, the store is
//! a scratch one in memory, and the clock stands still. What the plugin logs is
//! the outcome.

use crate::MemoryStore;
use crate::Runtime;
use crate::Session as _;
use crate::Store as _;
use crate::contract::Context;
use crate::contract::Effect;
use crate::contract::HttpFailure;
use crate::contract::Input;
use crate::contract::LogRecord;
use crate::contract::Precondition;
use crate::contract::Reply;
use crate::contract::Request;
use crate::contract::Response;
use crate::contract::Schedule;
use crate::contract::Standing;
use crate::contract::Verdict;
use crate::contract::Work;
use crate::contract::Write;
use crate::key;
use crate::session::bound;
use crate::session::check;
use crate::session::reply_size;
use crate::session::size;
use crate::settings::LimitSettings;

/// Work beyond this is not looked at: one request is about one thing, which
/// may lead on to another.
const MOST_WORK: usize = 8;

/// What a rehearsal begins with.
pub struct Rehearsal<'a, R> {
    /// Runs the plugin.
    pub runtime: &'a R,
    /// The document that the plugin's `configure` accepted.
    pub configuration: &'a str,
    /// What a session may use. Of the times none counts, since the clock
    /// stands still.
    pub limits: &'a LimitSettings,
    /// What far ends shall be taken to hold, in the plugin's own terms; may be
    /// empty.
    pub supposed: &'a str,
    /// What time it is, in Unix milliseconds.
    pub now_ms: u64,
}

/// What came of a rehearsal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rehearsed {
    /// What the caller would be answered, if anything.
    pub response: Option<Response>,
    /// What the plugin logged, in order.
    pub logged: Vec<LogRecord>,
    /// How the request session failed, if it did.
    pub failure: Option<String>,
    /// The work that was due, in order.
    pub work: Vec<RehearsedWork>,
}

/// One item of work in a rehearsal.
#[derive(Clone, Debug, PartialEq)]
pub struct RehearsedWork {
    /// Its key.
    pub key: String,
    /// The plugin's verdict, or why there is none.
    pub ended: Result<Verdict, String>,
}

impl<R: Runtime> Rehearsal<'_, R> {
    /// Runs a request session, and then the work that is due at once.
    pub async fn run(&self, request: Request) -> Rehearsed {
        let mut stage = Stage::default();
        let input = Input::Request(request);
        if let Err(failure) = self.session(input, &mut stage).await {
            stage.rehearsed.failure = Some(failure);
            return stage.rehearsed;
        }
        let mut at = 0;
        while let Some(work) = stage.due.get(at).cloned() {
            at += 1;
            let key = work.key.clone();
            let ended = match self.session(Input::Work(work), &mut stage).await {
                Ok(Some(verdict)) => Ok(verdict),
                Ok(None) => Err("the plugin gave no verdict".to_owned()),
                Err(failure) => Err(failure),
            };
            stage.rehearsed.work.push(RehearsedWork { key, ended });
        }
        stage.rehearsed
    }

    /// Runs one session, and returns the verdict that it finished with.
    async fn session(&self, input: Input, stage: &mut Stage) -> Result<Option<Verdict>, String> {
        let is_request = matches!(input, Input::Request(_));
        let context = Context {
            configuration: self.configuration.to_owned(),
            rehearsal: Some(self.supposed.to_owned()),
        };
        let opened = self.runtime.open(input, context).await;
        let mut session = opened.map_err(|trap| trap.to_string())?;
        let mut effects = 0_u32;
        let mut replies = Vec::new();
        loop {
            let resumed = session.resume(self.now_ms, replies).await;
            let asked = resumed.map_err(|trap| trap.to_string())?;
            if asked.is_empty() {
                return Ok(None);
            }
            effects = effects.saturating_add(u32::try_from(asked.len()).unwrap_or(u32::MAX));
            if effects > self.limits.effects {
                return Err(format!(
                    "the session asked for more than {} effects (limits.effects)",
                    self.limits.effects
                ));
            }
            bound(asked.iter().map(size).sum(), self.limits.step_bytes)?;
            replies = Vec::new();
            for effect in asked {
                check(&effect)?;
                let only_in_requests = matches!(effect, Effect::Respond(_) | Effect::AwaitWork(_));
                if only_in_requests && !is_request {
                    return Err("the plugin responded or awaited work in a work session".into());
                }
                if let Effect::Finish(verdict) = effect {
                    return Ok(Some(verdict));
                }
                replies.push(stage.carry_out(effect, self.now_ms).await?);
            }
            bound(replies.iter().map(reply_size).sum(), self.limits.step_bytes)?;
        }
    }
}

/// What sessions of one rehearsal leave for each other.
#[derive(Default)]
struct Stage {
    store: MemoryStore,
    due: Vec<Work>,
    rehearsed: Rehearsed,
}

impl Stage {
    async fn carry_out(&mut self, effect: Effect, now_ms: u64) -> Result<Reply, String> {
        Ok(match effect {
            Effect::Http(_) => {
                let why = "a rehearsal sends nothing".to_owned();
                Reply::Http(Err(HttpFailure::Refused(why)))
            }
            Effect::Get(keys) => {
                let keys: Result<Vec<String>, String> =
                    keys.iter().map(|key| key::stored(key)).collect();
                let entries = self.store.get(&keys?).await;
                Reply::Entries(entries.map_err(|e| e.to_string())?)
            }
            Effect::Scan(scan) => {
                let page = self.store.scan(&key::stored_scan(&scan)?).await;
                Reply::Page(key::seen(page.map_err(|e| e.to_string())?))
            }
            // No key is ever at this revision.
            Effect::Write(write) if write.precondition == Precondition::Revision(0) => {
                Reply::Written(Err(()))
            }
            Effect::Write(write) => {
                let key = key::stored(&write.key)?;
                let written = self.store.write(Write { key, ..write }).await;
                let written = written.map_err(|e| e.to_string())?;
                Reply::Written(written.map_err(|_refused| ()))
            }
            Effect::Schedule(schedule) => {
                self.schedule(schedule, now_ms);
                Reply::Done
            }
            Effect::AwaitWork(awaiting) => {
                // Work runs after the request, so there is nothing to wait for.
                let is_due = self.due.iter().any(|work| work.key == awaiting.key);
                Reply::Standing(match is_due {
                    true => Standing::UnderWay,
                    false => Standing::None,
                })
            }
            Effect::Log(record) => {
                self.rehearsed.logged.push(record);
                Reply::Done
            }
            Effect::Respond(response) => {
                if self.rehearsed.response.replace(response).is_some() {
                    return Err("the plugin responded twice".to_owned());
                }
                Reply::Done
            }
            Effect::Finish(_) => Reply::Done,
        })
    }

    fn schedule(&mut self, schedule: Schedule, now_ms: u64) {
        let is_known = self.due.iter().any(|work| work.key == schedule.key);
        if schedule.due_ms <= now_ms && !is_known && self.due.len() < MOST_WORK {
            self.due.push(Work {
                key: schedule.key,
                reasons: vec![schedule.reason],
                attempt: 0,
            });
        }
    }
}
