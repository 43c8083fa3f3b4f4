//! The plugin, as it runs in a gateway of the simulation: in whatever runtime is
//! given, and watched.

use crate::far_ends::FLASHDUTY_URL;
use crate::stage::Stage;
use integration_gateway::Runtime;
use integration_gateway::Session;
use integration_gateway::Trap;
use integration_gateway::contract::Context;
use integration_gateway::contract::Effect;
use integration_gateway::contract::HttpRequest;
use integration_gateway::contract::Input;
use integration_gateway::contract::Reply;
use integration_gateway::contract::Verdict;
use simulators::flashduty::READS;
use std::rc::Rc;

/// A runtime whose sessions are watched.
pub struct Watched<R> {
    runtime: R,
    stage: Rc<Stage>,
    process: usize,
}

impl<R> Watched<R> {
    /// Watches the sessions of one process.
    pub fn new(runtime: R, stage: Rc<Stage>, process: usize) -> Self {
        Self {
            runtime,
            stage,
            process,
        }
    }
}

impl<R: Runtime> Runtime for Watched<R> {
    type Session = WatchedSession<R::Session>;

    async fn open(&self, input: Input, context: Context) -> Result<Self::Session, Trap> {
        let key = match &input {
            Input::Work(work) => Some(work.key.clone()),
            Input::Request(_) | Input::Operator(_) => None,
        };
        self.stage.asks(key.clone());
        {
            let mut report = self.stage.report.borrow_mut();
            report.sessions += 1;
            if key.as_ref().is_some_and(|key| !key.contains(".poll-")) {
                report.pair_sessions += 1;
            }
        }
        Ok(WatchedSession {
            session: self.runtime.open(input, context).await?,
            stage: Rc::clone(&self.stage),
            process: self.process,
            key,
            has_written: false,
        })
    }
}

/// A session of [`Watched`].
pub struct WatchedSession<S> {
    session: S,
    stage: Rc<Stage>,
    process: usize,
    key: Option<String>,
    has_written: bool,
}

/// Whether a request changes something at a far end.
fn writes(request: &HttpRequest) -> bool {
    let path = request.url.strip_prefix(FLASHDUTY_URL);
    match path.and_then(|path| path.split('?').next()) {
        Some(path) => !READS.contains(&path),
        None => request.method != "GET",
    }
}

impl<S: Session> Session for WatchedSession<S> {
    async fn resume(&mut self, now_ms: u64, replies: Vec<Reply>) -> Result<Vec<Effect>, Trap> {
        let resumed = self.session.resume(now_ms, replies).await;
        match (&resumed, &self.key) {
            (Err(trap), _) => self
                .stage
                .violation("no session breaks", format!("{trap} in {:?}", self.key)),
            (Ok(effects), Some(key)) if effects.is_empty() => {
                self.stage.violation(
                    "no session breaks",
                    format!("the work of {key} ended without a verdict"),
                );
            }
            _ => {}
        }
        if let (Ok(effects), Some(key)) = (&resumed, &self.key) {
            for effect in effects {
                match effect {
                    Effect::Http(request) if !self.has_written && writes(request) => {
                        self.has_written = true;
                        self.stage.report.borrow_mut().syncs += 1;
                    }
                    Effect::Finish(verdict) => {
                        if let Verdict::Park(_) = verdict {
                            self.stage.report.borrow_mut().count("work parked");
                        }
                        let process = self.process;
                        self.stage
                            .note(format_args!("gateway {process}: {key}: {verdict:?}"));
                    }
                    Effect::Log(record) if record.message == "decided" => {
                        let said = record
                            .fields
                            .iter()
                            .skip(2)
                            .map(|(_, value)| value.as_str());
                        let said: Vec<&str> = said.collect();
                        self.stage.note(format_args!("    {}", said.join(" | ")));
                    }
                    _ => {}
                }
            }
        }
        resumed
    }
}
