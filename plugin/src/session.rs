//! Runs straight-line `async` code as a session.
//!
//! Asking puts an effect on a list and gives a future that is ready once its
//! reply has come. [`Driver::resume`] hands out replies, polls the code once,
//! and returns what was asked for meanwhile. What is asked for before anything
//! is awaited goes out together.
//!
//! Wakers matter only to combinators that poll selectively; each future leaves
//! its waker and is woken with its reply, so those work too.

use crate::Awaiting;
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
use crate::Standing;
use crate::Verdict;
use crate::Write;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::future::Future;
use core::mem;
use core::pin::Pin;
use core::task::Context as Task;
use core::task::Poll;
use core::task::Waker;

/// The handle through which a session's code asks for effects.
#[derive(Clone, Default)]
pub struct Effects(Rc<RefCell<Queue>>);

#[derive(Default)]
struct Queue {
    now_ms: u64,
    /// Asked for since the last resume.
    asked: Vec<Effect>,
    /// The ticket of the first reply that has not come.
    unanswered: u64,
    /// The ticket of the next effect.
    next_ticket: u64,
    /// With their tickets; few at a time.
    replies: Vec<(u64, Reply)>,
    waiting: Vec<(u64, Waker)>,
}

/// An effect that has been asked for, and becomes what its reply holds.
///
/// Where a gateway's answer does not fit what was asked, that never comes. The
/// session ends without a verdict then, which the gateway counts as a failed
/// attempt, and nothing here has to pretend to handle it.
#[must_use = "where the reply tells nothing, there is no need to wait"]
pub struct Asked<'a, T> {
    effects: &'a Effects,
    ticket: u64,
    /// None if it is a reply of another kind.
    content: fn(Reply) -> Option<T>,
}

impl<T> Future for Asked<'_, T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<T> {
        let reply = self.effects.reply(self.ticket, task);
        match reply.and_then(self.content) {
            Some(content) => Poll::Ready(content),
            None => Poll::Pending,
        }
    }
}

impl Effects {
    // No `async fn`, here and below: what is asked for would be kept in each
    // future that awaits it.
    fn ask<T>(&self, effect: Effect, content: fn(Reply) -> Option<T>) -> Asked<'_, T> {
        Asked {
            effects: self,
            ticket: self.tell(effect),
            content,
        }
    }

    /// The reply of that ticket; if it has not come, `task` is woken when it does.
    fn reply(&self, ticket: u64, task: &Task<'_>) -> Option<Reply> {
        let mut queue = self.0.borrow_mut();
        let ours = |(known, _): &(u64, Reply)| *known == ticket;
        match queue.replies.iter().position(ours) {
            Some(index) => Some(queue.replies.swap_remove(index).1),
            None => {
                queue.waiting.push((ticket, task.waker().clone()));
                None
            }
        }
    }

    /// Asks for an effect, and gives the ticket of its reply. Where that tells
    /// nothing it need not be awaited: the effect is carried out with the next
    /// one that is, or at the session's end.
    fn tell(&self, effect: Effect) -> u64 {
        let mut queue = self.0.borrow_mut();
        let ticket = queue.next_ticket;
        queue.next_ticket += 1;
        queue.asked.push(effect);
        ticket
    }

    /// The gateway's clock at the last resume, in Unix milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.0.borrow().now_ms
    }

    /// Answers the caller, and goes on.
    pub fn respond(&self, response: Response) {
        self.tell(Effect::Respond(response));
    }

    /// Sends a request to a far end.
    pub fn http(&self, request: HttpRequest) -> Asked<'_, Result<Response, HttpFailure>> {
        self.ask(Effect::Http(request), |reply| match reply {
            Reply::Http(result) => Some(result),
            _ => None,
        })
    }

    /// Reads keys, in order.
    pub fn get<const N: usize>(&self, keys: [String; N]) -> Asked<'_, [Option<Entry>; N]> {
        self.ask(Effect::Get(keys.into()), |reply| match reply {
            Reply::Entries(entries) => entries.try_into().ok(),
            _ => None,
        })
    }

    /// Reads any number of keys, in order.
    pub fn get_all(&self, keys: Vec<String>) -> Asked<'_, Vec<Option<Entry>>> {
        self.ask(Effect::Get(keys), |reply| match reply {
            Reply::Entries(entries) => Some(entries),
            _ => None,
        })
    }

    /// Returns once everything that was asked for before has been carried out.
    pub async fn carried_out(&self) {
        self.get([]).await;
    }

    /// Reads a page of the keys that begin with `prefix`.
    pub fn scan(&self, prefix: String, after: Option<String>, limit: u32) -> Asked<'_, Page> {
        let scan = Scan {
            prefix,
            after,
            limit,
        };
        self.ask(Effect::Scan(scan), |reply| match reply {
            Reply::Page(page) => Some(page),
            _ => None,
        })
    }

    /// Writes a key and returns its new revision, or `None` if the precondition
    /// did not hold.
    pub fn write(
        &self,
        key: String,
        precondition: Precondition,
        value: Option<Vec<u8>>,
    ) -> Asked<'_, Option<u64>> {
        let write = Write {
            key,
            precondition,
            value,
        };
        self.ask(Effect::Write(write), |reply| match reply {
            Reply::Written(result) => Some(result.ok()),
            _ => None,
        })
    }

    /// Writes a key if its precondition holds, and does not care if it does not.
    pub fn put(&self, key: String, precondition: Precondition, value: Vec<u8>) {
        self.tell(Effect::Write(Write {
            key,
            precondition,
            value: Some(value),
        }));
    }

    /// Deletes keys that stand at the given revisions, all at once. One that
    /// does not any more is left alone.
    pub fn delete(&self, keys: Vec<(String, u64)>) {
        for (key, revision) in keys {
            self.tell(Effect::Write(Write {
                key,
                precondition: Precondition::Revision(revision),
                value: None,
            }));
        }
    }

    /// Asks for a work session.
    pub fn schedule(&self, key: String, due_ms: u64, reason: &str) {
        let schedule = Schedule {
            key,
            due_ms,
            reason: reason.into(),
        };
        self.tell(Effect::Schedule(schedule));
    }

    /// Waits until work of a key has nothing left to do at once, for so long at
    /// most.
    pub fn await_work(&self, key: String, timeout_ms: u32) -> Asked<'_, Standing> {
        let awaiting = Awaiting { key, timeout_ms };
        self.ask(Effect::AwaitWork(awaiting), |reply| match reply {
            Reply::Standing(standing) => Some(standing),
            _ => None,
        })
    }

    /// Logs a fixed message with fields.
    pub fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let fields = fields
            .iter()
            .map(|&(k, v)| (k.to_owned(), v.to_owned()))
            .collect();
        let record = LogRecord {
            level,
            message: message.into(),
            fields,
        };
        self.tell(Effect::Log(record));
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
        let Some(code) = &mut self.code else {
            return Vec::new();
        };
        let waiting = {
            let mut queue = self.effects.0.borrow_mut();
            queue.now_ms = now_ms;
            let first = queue.unanswered;
            queue.unanswered = queue.next_ticket;
            let told = |(_, reply): &(u64, Reply)| !matches!(reply, Reply::Done);
            queue.replies.extend((first..).zip(replies).filter(told));
            mem::take(&mut queue.waiting)
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
    use alloc::string::ToString;

    fn entry(value: &[u8]) -> Reply {
        Reply::Entries(vec![Some(Entry {
            value: value.into(),
            revision: 1,
        })])
    }

    #[test]
    fn effects_are_asked_for_one_after_the_other() {
        let mut driver = Driver::start(|effects| async move {
            effects.get(["a".into()]).await;
            effects.get(["b".into()]).await;
            Some(Verdict::Done)
        });
        assert_eq!(driver.resume(1, vec![]), [Effect::Get(vec!["a".into()])]);
        assert_eq!(
            driver.resume(2, vec![entry(b"1")]),
            [Effect::Get(vec!["b".into()])]
        );
        assert_eq!(
            driver.resume(3, vec![entry(b"2")]),
            [Effect::Finish(Verdict::Done)]
        );
        assert_eq!(driver.resume(4, vec![]), []);
    }

    #[test]
    fn what_is_asked_for_together_goes_out_together_and_gets_its_own_replies() {
        let mut driver = Driver::start(|effects| async move {
            let a = effects.get_all(vec!["a".into()]);
            let b = effects.get_all(vec!["b".into()]);
            let (b, a) = (Reply::Entries(b.await), Reply::Entries(a.await));
            assert_eq!((a, b), (entry(b"1"), entry(b"2")));
            effects.delete(vec![("x".into(), 1), ("y".into(), 2)]);
            Some(Verdict::Done)
        });
        assert_eq!(driver.resume(1, vec![]).len(), 2);
        let last = driver.resume(2, vec![entry(b"1"), entry(b"2")]);
        assert_eq!(last.len(), 3);
        assert_eq!(last[2], Effect::Finish(Verdict::Done));
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
            driver.resume(9, vec![entry(b"")]),
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
