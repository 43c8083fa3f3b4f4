//! One run of the plugin: takes effects, carries them out, gives replies.
//!
//! Effects of one step are carried out at the same time, up to a limit, with
//! one exception: an answer to the caller waits for every write and schedule
//! that was asked for before it. Only then is it true that nothing which was
//! answered with success can be lost.

use crate::Client;
use crate::Environment;
use crate::Gateway;
use crate::Runtime;
use crate::Session as _;
use crate::Store;
use crate::StoreError;
use crate::contract::Context;
use crate::contract::Effect;
use crate::contract::Entry;
use crate::contract::Headers;
use crate::contract::Input;
use crate::contract::Level;
use crate::contract::LogRecord;
use crate::contract::Precondition;
use crate::contract::Reply;
use crate::contract::Response;
use crate::contract::Retry;
use crate::contract::Standing;
use crate::contract::Verdict;
use crate::contract::Write;
use crate::key;
use crate::line::one_line;
use crate::queue::Held;
use crate::queue::Now;
use crate::setup::Setup;
use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::Map;
use serde_json::Value;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

const LONGEST_VALUE: usize = 1 << 20;
const MOST_KEYS: usize = 1000;
/// So many keys are read before their values are counted.
const KEYS_AT_ONCE: usize = 16;
/// How often work that is awaited is looked at: another gateway on the same
/// store may be the one that does it.
const LOOK_AGAIN_MS: u64 = 20;

/// Why a session was ended that another gateway may be about to run again.
pub(crate) const LAPSED: &str = "the lease on this work lapsed before it could be renewed";

/// How a session ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum End {
    /// It asked for nothing more.
    Quiet,
    /// It finished with a verdict.
    Verdict(Verdict),
    /// It trapped, went over a limit or broke the contract.
    Failed(String),
    /// The store failed.
    Store(StoreError),
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A session that is run, on the setup that is in force when it begins.
pub(crate) struct Run<'g, R, S, C, E> {
    pub(crate) gateway: &'g Gateway<R, S, C, E>,
    pub(crate) setup: &'g Setup<R, C>,
    /// When it has taken too long, on the steady clock.
    pub(crate) deadline_ms: u64,
    effects: u32,
    /// The key of its work, if it was opened by work: it may go on as long as
    /// the gateway holds that.
    pub(crate) work: Option<String>,
    /// Places, by their ids, that it has sent something to.
    pub(crate) reached: Mutex<Vec<String>>,
    held: Mutex<Option<Held>>,
}

/// How far a session has come.
struct Course<S> {
    session: S,
    /// To what it asked for last.
    replies: Vec<Reply>,
    caller: Caller,
    /// The step in which it answered its caller, while the rest of that is to be
    /// carried out.
    answered: Option<Step>,
}

/// Who waits for an answer.
#[derive(Clone, Copy, PartialEq)]
enum Caller {
    Nobody,
    Waits,
    Answered,
}

/// The effects of one resume, in the order in which they are carried out.
#[derive(Default)]
struct Step {
    /// What must be done before the caller is answered.
    first: Vec<Effect>,
    response: Option<Response>,
    others: Vec<Effect>,
    verdict: Option<Verdict>,
    /// Of each effect up to the response, whether it is one of the first or that.
    order: Vec<bool>,
    /// To the first and the response.
    replies: Vec<Reply>,
}

impl<'g, R: Runtime, S: Store, C: Client, E: Environment> Run<'g, R, S, C, E> {
    pub(crate) fn new(gateway: &'g Gateway<R, S, C, E>, setup: &'g Setup<R, C>) -> Self {
        let limits = &setup.policy.limits;
        let started_ms = gateway.environment.steady_ms();
        Self {
            gateway,
            setup,
            deadline_ms: started_ms + u64::from(limits.session_seconds) * 1000,
            effects: 0,
            work: None,
            reached: Mutex::default(),
            held: Mutex::default(),
        }
    }

    /// Runs the session to its end. `answer` takes the answer to the caller, at
    /// most once; in a work session there is none.
    pub(crate) async fn finish(&mut self, input: Input, mut answer: impl FnMut(Response)) -> End {
        let mut course = match self.open(input).await {
            Ok(course) => course,
            Err(end) => return end,
        };
        loop {
            match self.go_on(&mut course).await {
                Ok(response) => answer(response),
                Err(end) => return end,
            }
        }
    }

    async fn open(&mut self, input: Input) -> Result<Course<R::Session>, End> {
        let mut caller = Caller::Waits;
        if let Input::Work(work) = &input {
            self.work = Some(work.key.clone());
            caller = Caller::Nobody;
        }
        let context = Context {
            configuration: self.setup.configuration.clone(),
            rehearsal: None,
        };
        let opened = self.setup.runtime.open(input, context).await;
        Ok(Course {
            session: opened.map_err(|trap| End::Failed(trap.to_string()))?,
            replies: Vec::new(),
            caller,
            answered: None,
        })
    }

    /// Goes on until the session answers its caller, or ends.
    async fn go_on(&mut self, course: &mut Course<R::Session>) -> Result<Response, End> {
        loop {
            let step = match course.answered.take() {
                Some(step) => step,
                None => {
                    let asked = self.resume(course).await?;
                    let mut step = self.step(asked, course.caller)?;
                    if let Some(response) = step.response.take() {
                        let first = std::mem::take(&mut step.first);
                        step.replies = self.carry_out_together(first).await?;
                        step.replies.push(Reply::Done);
                        course.caller = Caller::Answered;
                        course.answered = Some(step);
                        return Ok(checked(response));
                    }
                    step
                }
            };
            let others = self.carry_out_together(step.others).await?;
            if let Some(verdict) = step.verdict {
                return Err(End::Verdict(verdict));
            }
            course.replies = in_order(&step.order, step.replies, others);
        }
    }

    /// Gives the session its replies, and returns what it asks for.
    async fn resume(&self, course: &mut Course<R::Session>) -> Result<Vec<Effect>, End> {
        let now = Now::of(&self.gateway.environment);
        if now.steady_ms > self.deadline_ms {
            return Err(End::Failed(format!(
                "the session took longer than {} s (limits.session-seconds)",
                self.setup.policy.limits.session_seconds
            )));
        }
        let replies = std::mem::take(&mut course.replies);
        match course.session.resume(now.ms, replies).await {
            Ok(asked) if asked.is_empty() => Err(End::Quiet),
            Ok(asked) => Ok(asked),
            Err(trap) => Err(End::Failed(trap.to_string())),
        }
    }

    /// Checks what the session asks for, and puts it in order.
    fn step(&mut self, mut asked: Vec<Effect>, caller: Caller) -> Result<Step, End> {
        let limits = &self.setup.policy.limits;
        self.effects = self
            .effects
            .saturating_add(u32::try_from(asked.len()).unwrap_or(u32::MAX));
        if self.effects > limits.effects {
            return Err(End::Failed(format!(
                "the session asked for more than {} effects (limits.effects)",
                limits.effects
            )));
        }
        bound(asked.iter().map(size).sum(), limits.step_bytes).map_err(End::Failed)?;
        // Nothing is carried out after a verdict.
        let mut verdict = None;
        if let Some(at) = asked.iter().position(|e| matches!(e, Effect::Finish(_))) {
            asked.truncate(at + 1);
            if let Some(Effect::Finish(found)) = asked.pop() {
                verdict = Some(found);
            }
        }
        for effect in &asked {
            check(effect).map_err(End::Failed)?;
        }
        if caller == Caller::Nobody && asked.iter().any(|e| matches!(e, Effect::AwaitWork(_))) {
            let why = "the plugin awaited work in a work session; work does not wait for work";
            return Err(End::Failed(why.to_owned()));
        }
        let mut step = Step {
            verdict,
            ..Step::default()
        };
        let Some(at) = asked.iter().position(|e| matches!(e, Effect::Respond(_))) else {
            step.others = asked;
            return Ok(step);
        };
        let rest = asked.split_off(at + 1);
        if caller == Caller::Nobody {
            let why = "the plugin responded in a work session, where nobody is waiting";
            return Err(End::Failed(why.to_owned()));
        }
        if caller == Caller::Answered || rest.iter().any(|e| matches!(e, Effect::Respond(_))) {
            return Err(End::Failed("the plugin responded twice".to_owned()));
        }
        // What must be durable goes first; the others need not be waited for.
        for effect in asked {
            let is_first = match effect {
                Effect::Respond(response) => {
                    step.response = Some(response);
                    true
                }
                Effect::Write(_) | Effect::Schedule(_) => {
                    step.first.push(effect);
                    true
                }
                effect => {
                    step.others.push(effect);
                    false
                }
            };
            step.order.push(is_first);
        }
        step.others.extend(rest);
        Ok(step)
    }

    async fn carry_out_together(&self, asked: Vec<Effect>) -> Result<Vec<Reply>, End> {
        // It is counted as it comes, so that never much more than the limit and
        // what is under way is held.
        let moved = AtomicUsize::new(0);
        let under_way: Vec<_> = asked
            .into_iter()
            .map(|effect| self.carry_out(effect, &moved))
            .collect();
        let mut done = stream::iter(under_way).buffered(self.setup.policy.limits.concurrency);
        let mut replies = Vec::new();
        let mut end = None;
        // A failure does not cut off the others: a request that is under way
        // should be heard out, since it may have been carried out.
        while let Some(reply) = done.next().await {
            match reply {
                Ok(reply) => replies.push(reply),
                Err(error) => end = end.or(Some(error)),
            }
        }
        end.map_or(Ok(replies), Err)
    }

    async fn carry_out(&self, effect: Effect, moved: &AtomicUsize) -> Result<Reply, End> {
        if !self.may_go_on() {
            return Err(End::Store(StoreError(LAPSED.to_owned())));
        }
        let most = self.setup.policy.limits.step_bytes;
        let is_too_much = |more: usize| moved.load(Ordering::Relaxed).saturating_add(more) > most;
        // Others of this step have brought that, and one of them ends it.
        if is_too_much(0) {
            return Ok(Reply::Done);
        }
        let reply = match effect {
            Effect::Http(request) => Reply::Http(self.exchange(request).await),
            Effect::Get(keys) => {
                let keys: Result<Vec<String>, String> =
                    keys.iter().map(|key| key::stored(key)).collect();
                let keys = keys.map_err(End::Failed)?;
                let mut entries = Vec::new();
                for keys in keys.chunks(KEYS_AT_ONCE) {
                    entries.append(&mut self.gateway.store.get(keys).await?);
                    if is_too_much(entries_size(&entries)) {
                        break;
                    }
                }
                Reply::Entries(entries)
            }
            Effect::Scan(scan) => {
                let scan = key::stored_scan(&scan).map_err(End::Failed)?;
                Reply::Page(key::seen(self.gateway.store.scan(&scan).await?))
            }
            Effect::Write(write) => {
                let write = Write {
                    key: key::stored(&write.key).map_err(End::Failed)?,
                    ..write
                };
                // No key is ever at this revision.
                if write.precondition == Precondition::Revision(0) {
                    return Ok(Reply::Written(Err(())));
                }
                let written = self.gateway.store.write(write).await?;
                Reply::Written(written.map_err(|_refused| ()))
            }
            Effect::Schedule(schedule) => {
                let Gateway {
                    queue,
                    store,
                    environment,
                    ..
                } = self.gateway;
                queue.schedule(store, environment, &schedule).await?;
                environment.work_due(schedule.due_ms);
                Reply::Done
            }
            Effect::AwaitWork(awaiting) => {
                let now_ms = self.gateway.environment.steady_ms();
                let until_ms = now_ms + u64::from(awaiting.timeout_ms);
                let until_ms = until_ms.min(self.deadline_ms);
                let standing = self.await_work(&awaiting.key, until_ms).await?;
                Reply::Standing(standing)
            }
            Effect::Log(record) => {
                log(&record);
                Reply::Done
            }
            Effect::Respond(_) | Effect::Finish(_) => Reply::Done,
        };
        let bytes = reply_size(&reply);
        let before = moved.fetch_add(bytes, Ordering::Relaxed);
        bound(before.saturating_add(bytes), most).map_err(End::Failed)?;
        Ok(reply)
    }

    /// Whether no other gateway can have taken over what the session works on.
    pub(crate) fn may_go_on(&self) -> bool {
        let Gateway {
            queue, environment, ..
        } = self.gateway;
        let work = self.work.as_deref();
        work.is_none_or(|key| queue.holds(key, environment))
    }

    /// Takes note of what holds this session back. The last one counts.
    pub(crate) fn is_held(&self, place: String, until_ms: u64) {
        let held = Some(Held { place, until_ms });
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
    }

    /// What a verdict to try again waits for, if it is just for what held the
    /// session back.
    pub(crate) fn waits_for(&self, retry: &Retry) -> Option<Held> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let just_for = |held: &Held| retry.not_before_ms.is_none_or(|ms| ms == held.until_ms);
        held.clone().filter(|held| !retry.counts && just_for(held))
    }

    /// Waits until work of a key has nothing left to do at once, or until a time by
    /// the steady clock.
    async fn await_work(&self, key: &str, until_ms: u64) -> Result<Standing, StoreError> {
        let Gateway {
            environment,
            queue,
            store,
            gates,
            ..
        } = self.gateway;
        loop {
            let now = Now::of(environment);
            let standing = queue.standing(store, gates, key, now.ms).await?;
            if standing != Standing::UnderWay || now.steady_ms >= until_ms {
                return Ok(standing);
            }
            environment.sleep(LOOK_AGAIN_MS).await;
        }
    }
}

/// Bounds what one step of a session moves.
pub(crate) fn bound(bytes: usize, most: usize) -> Result<(), String> {
    if bytes <= most {
        return Ok(());
    }
    Err(format!(
        "one step of the session moved {bytes} bytes, more than {most} (limits.step-bytes)"
    ))
}

/// Replies in the order of their effects. `order` tells, as far as that matters,
/// which of them are among the first.
fn in_order(order: &[bool], first: Vec<Reply>, others: Vec<Reply>) -> Vec<Reply> {
    let (mut first, mut others) = (first.into_iter(), others.into_iter());
    let mut replies = Vec::new();
    for is_first in order {
        replies.extend(match is_first {
            true => first.next(),
            false => others.next(),
        });
    }
    replies.extend(others);
    replies
}

/// Refuses effects that the contract does not know, before any of the same
/// step is carried out.
pub(crate) fn check(effect: &Effect) -> Result<(), String> {
    match effect {
        Effect::Get(keys) if keys.len() > MOST_KEYS => Err(format!(
            "the plugin asked for {} keys at once; at most {MOST_KEYS} are read",
            keys.len()
        )),
        Effect::Get(keys) => keys.iter().try_for_each(|key| key::check(key)),
        Effect::Scan(scan) => key::stored_scan(scan).map(|_| ()),
        Effect::Write(write) => {
            let length = write.value.as_ref().map_or(0, Vec::len);
            if length > LONGEST_VALUE {
                return Err(format!(
                    "the value for {:?} is {length} bytes long; at most {LONGEST_VALUE} are kept",
                    write.key
                ));
            }
            key::check(&write.key)
        }
        Effect::Schedule(schedule) => key::check(&schedule.key),
        Effect::AwaitWork(awaiting) => key::check(&awaiting.key),
        Effect::Respond(response) if !(200..600).contains(&response.status) => Err(format!(
            "the plugin responded with status {}; expected 200 to 599",
            response.status
        )),
        _ => Ok(()),
    }
}

/// A plugin's answer, as it may leave the gateway.
fn checked(response: Response) -> Response {
    Response {
        headers: crate::egress::end_to_end(response.headers),
        ..response
    }
}

/// Writes a plugin's log record, its fields as an object of JSON. Line breaks in
/// it could pass for records of the gateway in a log that is read line by line.
fn log(record: &LogRecord) {
    let message = one_line(&record.message);
    // One by one: to collect them would sort them first, and that is kilobytes.
    let mut fields = Map::new();
    for (name, value) in &record.fields {
        fields.insert(one_line(name), one_line(value).into());
    }
    // No text can fail to serialise.
    let fields = serde_json::to_string(&Value::Object(fields)).unwrap_or_default();
    match record.level {
        Level::Debug => tracing::debug!(target: "plugin", %fields, "{message}"),
        Level::Info => tracing::info!(target: "plugin", %fields, "{message}"),
        Level::Warn => tracing::warn!(target: "plugin", %fields, "{message}"),
        Level::Error => tracing::error!(target: "plugin", %fields, "{message}"),
    }
}

/// What an effect holds in memory, near enough.
pub(crate) fn size(effect: &Effect) -> usize {
    match effect {
        Effect::Respond(response) => response.body.len() + headers_size(&response.headers),
        Effect::Http(request) => {
            request.url.len() + request.body.len() + headers_size(&request.headers)
        }
        Effect::Get(keys) => keys.iter().map(String::len).sum(),
        Effect::Scan(scan) => scan.prefix.len(),
        Effect::Write(write) => write.key.len() + write.value.as_ref().map_or(0, Vec::len),
        Effect::Schedule(schedule) => schedule.key.len() + schedule.reason.len(),
        Effect::AwaitWork(awaiting) => awaiting.key.len(),
        Effect::Log(record) => record.message.len() + headers_size(&record.fields),
        Effect::Finish(Verdict::Done) => 0,
        Effect::Finish(Verdict::Retry(retry)) => retry.reason.len(),
        Effect::Finish(Verdict::Park(reason)) => reason.len(),
    }
}

pub(crate) fn reply_size(reply: &Reply) -> usize {
    match reply {
        Reply::Http(Ok(response)) => response.body.len() + headers_size(&response.headers),
        Reply::Entries(entries) => entries_size(entries),
        Reply::Page(page) => page
            .entries
            .iter()
            .map(|e| e.key.len() + e.entry.value.len())
            .sum(),
        Reply::Done | Reply::Http(Err(_)) | Reply::Written(_) | Reply::Standing(_) => 0,
    }
}

fn entries_size(entries: &[Option<Entry>]) -> usize {
    entries.iter().flatten().map(|e| e.value.len()).sum()
}

fn headers_size(headers: &Headers) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum()
}
