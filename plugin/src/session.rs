//! Runs straight-line `async` code as a session.
//!
//! An effect is a future: polled first, it joins the list of effects asked for;
//! polled again after its reply came, it is ready. [`Driver::resume`] hands out
//! replies, polls the code once, and returns what it asks for next. Effects
//! that are awaited together (`join`) are asked for together.
//!
//! Wakers matter only to combinators that poll selectively; each effect keeps
//! its waker and wakes it with its reply, so those work too.

use crate::Effect;
use crate::Entry;
use crate::HttpFailure;
use crate::HttpRequest;
use crate::Level;
use crate::LogRecord;
use crate::Page;
use crate::Precondition;
use crate::Reply;
use crate::Response;
use crate::Scan;
use crate::Schedule;
use crate::Verdict;
use crate::Write;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::future::pending;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context as Task;
use std::task::Poll;
use std::task::Waker;

/// The handle through which a session's code asks for effects.
#[derive(Clone, Default)]
pub struct Effects(Rc<RefCell<Queue>>);

#[derive(Default)]
struct Queue {
    now_ms: u64,
    /// Asked for since the last resume.
    asked: Vec<Effect>,
    /// Who waits for them, in the same order.
    waiting: Vec<(u64, Waker)>,
    replies: BTreeMap<u64, Reply>,
    next_ticket: u64,
}

/// One effect: not yet asked for, or waiting under a ticket.
struct Ask<'a> {
    effects: &'a Effects,
    effect: Option<Effect>,
    ticket: u64,
}

impl Future for Ask<'_> {
    type Output = Reply;

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Reply> {
        let mut queue = self.effects.0.borrow_mut();
        match self.effect.take() {
            Some(effect) => {
                let ticket = queue.next_ticket;
                queue.next_ticket += 1;
                queue.asked.push(effect);
                queue.waiting.push((ticket, task.waker().clone()));
                drop(queue);
                self.ticket = ticket;
                Poll::Pending
            }
            None => match queue.replies.remove(&self.ticket) {
                Some(reply) => Poll::Ready(reply),
                None => Poll::Pending,
            },
        }
    }
}

/// What a gateway answered does not fit what was asked. The session then waits
/// for ever, which ends it without a verdict: the gateway counts that as a
/// failed attempt, and nothing here has to pretend to handle it.
macro_rules! expect {
    ($effects:expr, $effect:expr, $pattern:pat => $value:expr) => {
        match $effects.ask($effect).await {
            $pattern => $value,
            _ => pending().await,
        }
    };
}

impl Effects {
    fn ask(&self, effect: Effect) -> Ask<'_> {
        Ask { effects: self, effect: Some(effect), ticket: 0 }
    }

    /// The gateway's clock at the last resume, in Unix milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.0.borrow().now_ms
    }

    /// Answers the caller, and goes on.
    pub async fn respond(&self, response: Response) {
        expect!(self, Effect::Respond(response), Reply::Done => ())
    }

    /// Sends a request to a far end.
    pub async fn http(&self, request: HttpRequest) -> Result<Response, HttpFailure> {
        expect!(self, Effect::Http(request), Reply::Http(result) => result)
    }

    /// Reads keys, in order.
    pub async fn get<const N: usize>(&self, keys: [String; N]) -> [Option<Entry>; N] {
        let entries = expect!(self, Effect::Get(keys.into()), Reply::Entries(entries) => entries);
        match entries.try_into() {
            Ok(entries) => entries,
            Err(_) => pending().await,
        }
    }

    /// Reads a page of the keys that begin with `prefix`.
    pub async fn scan(&self, prefix: String, after: Option<String>, limit: u32) -> Page {
        expect!(self, Effect::Scan(Scan { prefix, after, limit }), Reply::Page(page) => page)
    }

    /// Writes a key and returns its new revision, or `None` if the precondition
    /// did not hold.
    pub async fn write(
        &self,
        key: String,
        precondition: Precondition,
        value: Option<Vec<u8>>,
    ) -> Option<u64> {
        let write = Write { key, precondition, value };
        expect!(self, Effect::Write(write), Reply::Written(result) => result.ok())
    }

    /// Asks for a work session.
    pub async fn schedule(&self, key: String, due_ms: u64, reason: &str) {
        let schedule = Schedule { key, due_ms, reason: reason.into() };
        expect!(self, Effect::Schedule(schedule), Reply::Done => ())
    }

    /// Logs a fixed message with fields.
    pub async fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let fields = fields.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
        let record = LogRecord { level, message: message.into(), fields };
        expect!(self, Effect::Log(record), Reply::Done => ())
    }
}

/// Runs one session to its end.
pub struct Driver {
    effects: Effects,
    code: Option<Pin<Box<dyn Future<Output = Option<Verdict>>>>>,
}

impl Driver {
    /// Starts a session from its code, whose outcome is a verdict where the
    /// session does work. Nothing runs before the first [`resume`](Self::resume).
    pub fn start<F>(code: impl FnOnce(Effects) -> F) -> Self
    where
        F: Future<Output = Option<Verdict>> + 'static,
    {
        let effects = Effects::default();
        let code = Some(Box::pin(code(effects.clone())) as _);
        Self { effects, code }
    }

    /// Passes the replies to the last effects and returns the next effects;
    /// none means that the session has ended.
    pub fn resume(&mut self, now_ms: u64, replies: Vec<Reply>) -> Vec<Effect> {
        let Some(code) = &mut self.code else { return Vec::new() };
        let waiting = {
            let mut queue = self.effects.0.borrow_mut();
            queue.now_ms = now_ms;
            let waiting = mem::take(&mut queue.waiting);
            for ((ticket, _), reply) in waiting.iter().zip(replies) {
                queue.replies.insert(*ticket, reply);
            }
            waiting
        };
        for (_, waker) in waiting {
            waker.wake();
        }
        let outcome = code.as_mut().poll(&mut Task::from_waker(Waker::noop()));
        let mut asked = mem::take(&mut self.effects.0.borrow_mut().asked);
        if let Poll::Ready(verdict) = outcome {
            self.code = None;
            asked.extend(verdict.map(Effect::Finish));
        }
        asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join;

    fn keys(effects: &[Effect]) -> Vec<String> {
        effects
            .iter()
            .flat_map(|effect| match effect {
                Effect::Get(keys) => keys.clone(),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn effects_that_are_awaited_together_are_asked_for_together() {
        let mut driver = Driver::start(|effects| async move {
            join(effects.get(["a".into()]), effects.get(["b".into()])).await;
            effects.get(["c".into()]).await;
            Some(Verdict::Done)
        });
        let none = || Reply::Entries(vec![None]);
        assert_eq!(keys(&driver.resume(1, vec![])), ["a", "b"]);
        assert_eq!(keys(&driver.resume(2, vec![none(), none()])), ["c"]);
        assert_eq!(driver.resume(3, vec![none()]), [Effect::Finish(Verdict::Done)]);
        assert_eq!(driver.resume(4, vec![]), []);
    }

    #[test]
    fn replies_reach_the_effect_they_answer_whatever_is_polled_first() {
        let mut driver = Driver::start(|effects| async move {
            let (a, b) = join(effects.get(["a".into()]), effects.get(["b".into()])).await;
            let text = |e: [Option<Entry>; 1]| e[0].as_ref().map(|e| e.value.clone());
            assert_eq!((text(a), text(b)), (Some(b"1".to_vec()), Some(b"2".to_vec())));
            None
        });
        let entry = |v: &[u8]| Reply::Entries(vec![Some(Entry { value: v.into(), revision: 1 })]);
        driver.resume(1, vec![]);
        assert_eq!(driver.resume(2, vec![entry(b"1"), entry(b"2")]), []);
    }

    #[test]
    fn the_clock_is_that_of_the_last_resume() {
        let mut driver = Driver::start(|effects| async move {
            effects.get(["a".into()]).await;
            let reason = effects.now_ms().to_string();
            Some(Verdict::Park(reason))
        });
        driver.resume(7, vec![]);
        assert_eq!(
            driver.resume(9, vec![Reply::Entries(vec![None])]),
            [Effect::Finish(Verdict::Park("9".into()))]
        );
    }

    #[test]
    fn a_reply_of_the_wrong_kind_ends_the_session_without_a_verdict() {
        let mut driver = Driver::start(|effects| async move {
            effects.get(["a".into()]).await;
            Some(Verdict::Done)
        });
        driver.resume(1, vec![]);
        assert_eq!(driver.resume(2, vec![Reply::Done]), []);
    }
}
