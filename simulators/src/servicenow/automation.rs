//! When scripts run: rules after writes, buttons when they are pressed.
//!
//! The rule is asynchronous: a write only queues a job, and the job reads the
//! incident as it is when it runs. Quick writes therefore send the same final
//! content several times, and states in between are never told.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use serde_json::json;

use super::ServiceNow;
use super::business_rule;
use super::business_rule::DisplayFor;
use super::business_rule::ManualForm;
use super::business_rule::TIMEOUT_MS;
use super::instance::value;
use super::outbound::Job;
use super::outbound::Message;
use super::outbound::USER_AGENT;
use super::refusal::Refusal;
use super::script;
use super::script::Outcome;
use super::script::Outgoing;
use super::script::Subject;
use super::script::Task;
use super::session::Session;
use super::ui_action::Form;
use super::ui_action::Race;
use super::ui_action::Shown;
use super::write::Input;
use super::write::Written;
use crate::Delivery;

/// Lines of the log of scripts that are kept.
const LOG_KEPT: usize = 1000;

/// Presses whose outcome is kept.
const PRESSES_KEPT: u64 = 1000;

/// The scripts under way, and what came of them.
#[derive(Debug, Default)]
pub(super) struct Automation {
    /// Scripts that wait for what comes of a push.
    suspended: BTreeMap<u64, Suspended>,
    /// What users saw, by the number of the press.
    presses: BTreeMap<u64, Shown>,
    log: VecDeque<String>,
}

#[derive(Debug)]
struct Suspended {
    sys_id: String,
    press: Option<u64>,
    task: Task,
}

impl ServiceNow {
    /// What follows from a write, whoever makes it: the business rule, and
    /// what happens to child incidents.
    pub(super) fn after_write(
        &mut self,
        table: &str,
        session: &Session,
        written: &Written,
        now_ms: u64,
    ) {
        if table == "incident" && written.changed {
            self.queue_rule(session, written, now_ms);
            self.follow_parent(session, written, now_ms);
        }
    }

    fn queue_rule(&mut self, session: &Session, written: &Written, now_ms: u64) {
        let Some(rule) = &self.instance.options.business_rule else {
            return;
        };
        if rule.skip_user.as_ref() == Some(&session.user_name) {
            return;
        }
        let at_ms = now_ms + rule.delay_ms;
        let job = Job {
            sys_id: written.sys_id.clone(),
            user_name: session.user_name.clone(),
            operation: if written.inserted { "insert" } else { "update" },
        };
        if let Some(condition) = rule.condition.clone() {
            let subject = Subject::Record {
                sys_id: job.sys_id.clone(),
                operation: job.operation,
                // The simulator does not keep the record before the write.
                previous_is_null: true,
                changes: Input::new(),
                code: format!("!!({condition}\n)"),
            };
            let outcome = self.run(session.clone(), subject, now_ms);
            self.note(&outcome);
            if !outcome.holds {
                return;
            }
        }
        self.queue.add_job(at_ms, job);
    }

    /// Runs the jobs that are due.
    pub(super) fn run_jobs(&mut self, now_ms: u64) {
        while let Some((at_ms, job)) = self.queue.take_job(now_ms) {
            // The script ends at once if the incident is gone.
            if self.instance.record("incident", &job.sys_id).is_some() {
                self.run_job(at_ms, &job, now_ms);
            }
        }
    }

    fn run_job(&mut self, at_ms: u64, job: &Job, now_ms: u64) {
        let instance = &self.instance;
        let (Some(rule), Some(incident)) = (
            &instance.options.business_rule,
            instance.record("incident", &job.sys_id),
        ) else {
            return;
        };
        let Some(code) = rule.script.clone() else {
            let untouched = value(incident, "sys_created_on") == value(incident, "sys_updated_on");
            let action = if rule.previous_is_null && untouched {
                "insert"
            } else {
                "update"
            };
            let body = business_rule::guide_body(instance, rule, incident, action);
            if let Some(message) = self.message(body, now_ms) {
                let faults = &mut self.faults;
                self.queue
                    .post(&job.sys_id, &message, at_ms, faults, now_ms);
            }
            return;
        };
        let Some(mut session) = Session::of(instance, &job.user_name) else {
            return;
        };
        if rule.display_for == DisplayFor::System {
            session.show_as_system(&instance.options.language);
        }
        let subject = Subject::Record {
            sys_id: job.sys_id.clone(),
            operation: job.operation,
            previous_is_null: rule.previous_is_null,
            changes: Input::new(),
            code,
        };
        let task = self.task(session, subject, now_ms);
        self.carry_on(&job.sys_id, None, task, at_ms, now_ms);
    }

    /// Presses the button that Flashduty's guides describe, without running
    /// their scripts. Returns whether there is such an incident and a rule
    /// with the URL to send to.
    pub fn send_to_flashduty(&mut self, sys_id: &str, form: ManualForm, now_ms: u64) -> bool {
        let instance = &self.instance;
        let (Some(rule), Some(incident)) = (
            &instance.options.business_rule,
            instance.record("incident", sys_id),
        ) else {
            return false;
        };
        let body = match form {
            ManualForm::Guide => business_rule::guide_body(instance, rule, incident, "update"),
            ManualForm::Newer => business_rule::newer_body(instance, rule, incident),
        };
        let message = self.message(body, now_ms);
        message
            .map(|message| self.queue.put(sys_id, message, now_ms))
            .is_some()
    }

    /// Presses the button of [`Options::ui_action`](super::Options::ui_action)
    /// on a form. Returns the number of the press, for [`ServiceNow::shown`].
    ///
    /// # Errors
    ///
    /// 401 for a user who does not exist, 404 if there is no such button.
    pub fn press(&mut self, user_name: &str, form: &Form, now_ms: u64) -> Result<u64, Refusal> {
        let session = self.session(user_name)?;
        let action = self.instance.options.ui_action.clone();
        let action = action.ok_or_else(Refusal::no_record)?;
        let subject = if action.client {
            Subject::Form {
                sys_id: form.sys_id.clone(),
                changes: form.changes.clone(),
                saves_late: form.race == Race::CallFirst,
                code: action.script,
                onclick: action.onclick,
            }
        } else {
            server_side(&form.sys_id, form.changes.clone(), action.script)
        };
        let press = self.queue.count();
        self.automation.presses.insert(press, Shown::default());
        self.automation
            .presses
            .retain(|other, _| other + PRESSES_KEPT > press);
        let task = self.task(session, subject, now_ms);
        self.carry_on(&form.sys_id, Some(press), task, now_ms, now_ms);
        Ok(press)
    }

    /// What a user has seen after a press of the button.
    pub fn shown(&self, press: u64) -> Option<&Shown> {
        self.automation.presses.get(&press)
    }

    /// What scripts wrote into the log of the instance, and what went wrong
    /// with them: level, colon, text. Oldest first; the last thousand.
    pub fn script_log(&self) -> impl Iterator<Item = &str> {
        self.automation.log.iter().map(String::as_str)
    }

    /// Lets a script go on that waits for what came of a push.
    pub(super) fn resume(&mut self, push: u64, delivery: &Delivery, now_ms: u64) {
        let Some(suspended) = self.automation.suspended.remove(&push) else {
            return;
        };
        let Suspended {
            sys_id,
            press,
            mut task,
        } = suspended;
        task.now_ms = now_ms;
        task.notes.push(answer(delivery));
        self.carry_on(&sys_id, press, task, now_ms, now_ms);
    }

    fn task(&self, session: Session, subject: Subject, now_ms: u64) -> Task {
        Task {
            session,
            now_ms,
            lag_ms: self.faults.read_lag_ms(),
            subject,
            notes: Vec::new(),
        }
    }

    fn run(&mut self, session: Session, subject: Subject, now_ms: u64) -> Outcome {
        let task = self.task(session, subject, now_ms);
        script::run(&mut self.instance, task)
    }

    /// Runs a script until it ends, or has to wait.
    fn carry_on(&mut self, sys_id: &str, press: Option<u64>, task: Task, at_ms: u64, now_ms: u64) {
        let mut outcome = script::run(&mut self.instance, task.clone());
        self.note(&outcome);
        for written in std::mem::take(&mut outcome.written) {
            self.after_write("incident", &task.session, &written, now_ms);
        }
        for outgoing in std::mem::take(&mut outcome.sent) {
            match message(outgoing) {
                Ok(message) => {
                    let faults = &mut self.faults;
                    self.queue.post(sys_id, &message, at_ms, faults, now_ms);
                }
                Err(error) => self.log(format!("error: {error}")),
            }
        }
        let is_form = matches!(task.subject, Subject::Form { .. });
        let mut task = task;
        task.notes = std::mem::take(&mut outcome.notes);
        let waits_for = outcome.waits_for.take().map(message);
        let shown = press.and_then(|press| self.automation.presses.get_mut(&press));
        if let Some(shown) = shown {
            shown.messages.append(&mut outcome.shown);
            shown.finished = waits_for.is_none();
        }
        match waits_for {
            Some(Ok(message)) => {
                let push = self.queue.put(sys_id, message, now_ms);
                let suspended = Suspended {
                    sys_id: sys_id.to_owned(),
                    press,
                    task,
                };
                self.automation.suspended.insert(push, suspended);
            }
            Some(Err(error)) => {
                task.notes.push(answer(&Delivery::Failed(error)));
                self.carry_on(sys_id, press, task, at_ms, now_ms);
            }
            None if is_form && outcome.submitted => self.submit(sys_id, press, task, now_ms),
            None => {}
        }
    }

    /// The browser has sent the form of a button back: its script runs once
    /// more, on the server.
    fn submit(&mut self, sys_id: &str, press: Option<u64>, task: Task, now_ms: u64) {
        let Subject::Form { code, .. } = task.subject else {
            return;
        };
        let subject = server_side(sys_id, Input::new(), code);
        let task = self.task(task.session, subject, now_ms);
        self.carry_on(sys_id, press, task, now_ms, now_ms);
    }

    /// What the rule sends when its script is not run.
    fn message(&mut self, body: String, now_ms: u64) -> Option<Message> {
        let number = self.queue.count();
        let options = &self.instance.options;
        // Unique over restarts too, so that no receiver takes it for a copy.
        let unique = format!("webhook {} {number} {now_ms}", options.seed);
        let rule = options.business_rule.as_ref()?;
        Some(business_rule::message(rule, body, &unique, now_ms))
    }

    fn note(&mut self, outcome: &Outcome) {
        for (level, text) in &outcome.log {
            self.log(format!("{level}: {text}"));
        }
    }

    fn log(&mut self, line: String) {
        let log = &mut self.automation.log;
        if log.len() == LOG_KEPT {
            log.pop_front();
        }
        log.push_back(line);
    }
}

fn server_side(sys_id: &str, changes: Input, code: String) -> Subject {
    Subject::Record {
        sys_id: sys_id.to_owned(),
        operation: "update",
        previous_is_null: true,
        changes,
        code,
    }
}

/// The request that a script has put together, or why it cannot be sent.
fn message(outgoing: Outgoing) -> Result<Message, String> {
    if outgoing.method != "POST" {
        let method = outgoing.method;
        return Err(format!("the simulator sends POST only, not {method}"));
    }
    let mut url = url::Url::parse(&outgoing.endpoint)
        .map_err(|error| format!("endpoint {:?}: {error}", outgoing.endpoint))?;
    for (name, value) in &outgoing.parameters {
        url.query_pairs_mut().append_pair(name, value);
    }
    let mut headers = vec![("user-agent".to_owned(), USER_AGENT.to_owned())];
    for (name, value) in outgoing.headers {
        let name = name.to_ascii_lowercase();
        // The last one counts, as the platform keeps them in a map.
        headers.retain(|(other, _)| *other != name);
        headers.push((name, value));
    }
    Ok(Message {
        url: url.into(),
        headers,
        body: outgoing.body.into_bytes(),
        timeout_ms: outgoing.timeout_ms.unwrap_or(TIMEOUT_MS),
    })
}

/// What a script that waited finds: the fields of a `RESTResponseV2`.
fn answer(delivery: &Delivery) -> String {
    let failed = |error: &str| json!({"status": 0, "body": null, "headers": {}, "error": error});
    let answer = match delivery {
        Delivery::Answered(response) => {
            let headers: serde_json::Map<_, _> = response
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), json!(value)))
                .collect();
            json!({
                "status": response.status,
                "body": String::from_utf8_lossy(&response.body),
                "headers": headers,
                "error": null,
            })
        }
        Delivery::Failed(error) => failed(error),
        Delivery::TimedOut => failed("no answer in time"),
    };
    answer.to_string()
}
