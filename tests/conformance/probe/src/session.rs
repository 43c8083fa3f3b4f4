//! How a session goes on from step to step.

use crate::Awaiting;
use crate::Context;
use crate::Effect;
use crate::HttpRequest;
use crate::Input;
use crate::Level;
use crate::LogRecord;
use crate::Precondition;
use crate::Reply;
use crate::Response;
use crate::Retry;
use crate::Scan;
use crate::Schedule;
use crate::Write;
use crate::component::Configuration;
use crate::component::STANDING;
use crate::findings;
use crate::findings::Findings;
use crate::harm;
use crate::program::Action;
use crate::program::Bytes;
use crate::program::Verdict;
use alloc::format;
use alloc::string::String;
use alloc::string::ToString as _;
use alloc::vec;
use alloc::vec::Vec;
use serde_json::json;

/// How long the far end may hold a work session up.
const PATIENCE_MS: u32 = 60_000;

/// A session that is under way.
#[derive(Debug)]
pub struct Probe {
    findings: Findings,
    configuration: Configuration,
    /// The key, in a work session.
    work: Option<String>,
    /// The steps to come, the next one last.
    steps: Vec<Vec<Action>>,
    /// Whether the next replies are the far end's answer.
    is_asking: bool,
    has_responded: bool,
    is_over: bool,
    /// Memory that was asked for.
    taken: Vec<Vec<u8>>,
}

impl Probe {
    /// A session that was opened.
    pub fn open(input: Input, context: Context) -> Self {
        let (work, steps, input) = match input {
            Input::Request(request) | Input::Operator(request) => {
                let seen = json!({
                    "method": request.method,
                    "path": request.path,
                    "query": request.query,
                    "headers": request.headers,
                });
                (None, program(&request.body), seen)
            }
            Input::Work(work) => {
                let seen = json!({
                    "key": work.key,
                    "reasons": work.reasons,
                    "attempt": work.attempt,
                });
                let steps = if work.key == STANDING {
                    Ok(at_the_start())
                } else {
                    Ok(vec![])
                };
                (Some(work.key), steps, seen)
            }
        };
        let mut steps = steps.unwrap_or_else(|_| vec![vec![Action::Respond(400)]]);
        steps.reverse();
        Self {
            configuration: Configuration::parse(&context.configuration).unwrap_or_default(),
            findings: Findings {
                input,
                configuration: context.configuration,
                ..Findings::default()
            },
            work,
            steps,
            is_asking: false,
            has_responded: false,
            is_over: false,
            taken: vec![],
        }
    }

    /// Takes replies, and tells what to do next.
    pub fn resume(&mut self, now_ms: u64, replies: &[Reply]) -> Vec<Effect> {
        self.findings.now_ms = now_ms;
        if self.is_over {
            return vec![];
        }
        if self.is_asking {
            self.is_asking = false;
            match told(replies) {
                Some(steps) => self.steps = steps,
                // It is not there, so the work waits for it.
                None => {
                    self.steps = vec![vec![Action::Finish(Verdict::Retry {
                        in_ms: None,
                        counts: false,
                        reason: "the far end did not say what to do".into(),
                    })]];
                }
            }
            self.steps.reverse();
        } else if !replies.is_empty() {
            let replies = replies.iter().map(findings::reply).collect();
            self.findings.replies.push(replies);
        }
        let Some(step) = self.steps.pop() else {
            return self.go_on();
        };
        if matches!(step.as_slice(), [Action::Forever]) {
            self.steps.push(step.clone());
        }
        let mut effects = Vec::new();
        for action in &step {
            self.ask(action, now_ms, &mut effects);
        }
        if effects.is_empty() {
            self.is_over = true;
        }
        effects
    }

    /// Nothing is left of what it was told.
    fn go_on(&mut self) -> Vec<Effect> {
        match &self.work {
            Some(key) => {
                self.is_asking = true;
                vec![Effect::Http(HttpRequest {
                    method: "POST".into(),
                    url: format!("{}/work/{key}", self.configuration.far_end),
                    headers: vec![("content-type".into(), "application/json".into())],
                    body: self.told_so_far(),
                    credential: Some("probe".into()),
                    timeout_ms: PATIENCE_MS,
                })]
            }
            None if self.has_responded => vec![],
            None => {
                self.is_over = true;
                vec![self.respond(200)]
            }
        }
    }

    fn ask(&mut self, action: &Action, now_ms: u64, effects: &mut Vec<Effect>) {
        effects.push(match action.clone() {
            Action::Get(keys) => Effect::Get(keys),
            Action::Scan {
                prefix,
                after,
                limit,
            } => Effect::Scan(Scan {
                prefix,
                after,
                limit,
            }),
            Action::Write {
                key,
                revision,
                value,
            } => Effect::Write(Write {
                key,
                precondition: revision.map_or(Precondition::Absent, Precondition::Revision),
                value: value.as_ref().map(Bytes::make),
            }),
            Action::Schedule { key, in_ms, reason } => Effect::Schedule(Schedule {
                key,
                due_ms: in_ms.map_or(0, |ms| now_ms + ms),
                reason,
            }),
            Action::Await { key, timeout_ms } => Effect::AwaitWork(Awaiting { key, timeout_ms }),
            Action::Http {
                method,
                url,
                headers,
                body,
                credential,
                timeout_ms,
            } => Effect::Http(HttpRequest {
                method,
                url,
                headers,
                body: body.as_ref().map(Bytes::make).unwrap_or_default(),
                credential,
                timeout_ms,
            }),
            Action::Log(message) => Effect::Log(LogRecord {
                level: Level::Info,
                message,
                fields: vec![],
            }),
            Action::Respond(status) => self.respond(status),
            Action::Finish(Verdict::None) => return,
            Action::Finish(verdict) => Effect::Finish(self.verdict(verdict, now_ms)),
            Action::Trap => trap(),
            Action::Loop => harm::calculate_for_ever(),
            Action::Recurse => {
                self.findings.now_ms = harm::call_itself(now_ms);
                return;
            }
            Action::Grow(mebibytes) => {
                self.taken.extend(harm::take_memory(mebibytes));
                Effect::Get(vec![])
            }
            Action::Flood(times) => {
                effects.extend((0..times).map(|_| Effect::Get(vec![])));
                return;
            }
            Action::Forever => Effect::Get(vec![]),
        });
    }

    fn verdict(&mut self, verdict: Verdict, now_ms: u64) -> crate::Verdict {
        self.is_over = true;
        match verdict {
            Verdict::Retry {
                in_ms,
                counts,
                reason,
            } => crate::Verdict::Retry(Retry {
                not_before_ms: in_ms.map(|ms| now_ms + ms),
                counts,
                reason,
            }),
            Verdict::Park(reason) => crate::Verdict::Park(reason),
            Verdict::Done | Verdict::None => crate::Verdict::Done,
        }
    }

    fn respond(&mut self, status: u16) -> Effect {
        self.has_responded = true;
        Effect::Respond(Response {
            status,
            headers: vec![("content-type".into(), "application/json".into())],
            body: self.told_so_far(),
        })
    }

    fn told_so_far(&self) -> Vec<u8> {
        serde_json::to_vec(&self.findings).unwrap_or_default()
    }
}

fn program(body: &[u8]) -> Result<Vec<Vec<Action>>, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

/// What the far end answered.
fn told(replies: &[Reply]) -> Option<Vec<Vec<Action>>> {
    match replies {
        [Reply::Http(Ok(response))] if response.status == 200 => program(&response.body).ok(),
        _ => None,
    }
}

/// Standing work says that it was run, without the far end, which may not be
/// there yet.
fn at_the_start() -> Vec<Vec<Action>> {
    let write = Action::Write {
        key: STANDING.into(),
        revision: None,
        value: Some(Bytes::Text("run".into())),
    };
    vec![vec![write], vec![Action::Finish(Verdict::Done)]]
}

/// Ends the session as a bug would.
fn trap() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    panic!("told to")
}
