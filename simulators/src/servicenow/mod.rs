//! A ServiceNow instance, as far as an integration with its incidents meets it.
//!
//! What it does was gathered from the vendor's documentation, from the source
//! of clients and from answers recorded on the wire. It keeps to the parts
//! that surprise: fields dropped without a word, conditions ignored, journals
//! that read as empty, refusals that all look alike, webhooks that are sent
//! late, once and out of order.
//!
//! ```
//! use simulators::Request;
//! use simulators::Simulator as _;
//! use simulators::servicenow::Options;
//! use simulators::servicenow::ServiceNow;
//!
//! let mut instance = ServiceNow::new(Options::default());
//! let incident = instance
//!     .create_incident("abel.tuter", &[("short_description", "Disk full")], 0)
//!     .expect("abel.tuter has the role itil");
//! let answer = instance.handle(
//!     &Request {
//!         method: "GET".to_owned(),
//!         path: format!("/api/now/table/incident/{incident}"),
//!         query: "sysparm_fields=number".to_owned(),
//!         headers: vec![("x-sn-apikey".to_owned(), "flashduty-api-key".to_owned())],
//!         body: Vec::new(),
//!     },
//!     1000,
//! );
//! assert_eq!(answer.body, br#"{"result":{"number":"INC0010001"}}"#);
//! ```

mod answer;
mod auth;
mod autoclose;
mod automation;
mod business_rule;
mod children;
mod choices;
mod control;
mod custom_field;
mod display;
mod faults;
mod incident;
mod instance;
mod options;
mod outbound;
mod pages;
mod parameters;
mod query;
mod rate_limit;
mod refusal;
mod schema;
mod script;
mod seed_data;
mod session;
mod stamp;
mod table_api;
mod ui_action;
mod write;

use std::collections::BTreeSet;

use sha2::Digest as _;
use sha2::Sha256;

pub use business_rule::BusinessRule;
pub use business_rule::DisplayFor;
pub use business_rule::ManualForm;
pub use custom_field::CustomChoice;
pub use custom_field::CustomField;
pub use custom_field::CustomKind;
pub use faults::Fault;
pub use faults::Faults;
pub use faults::Span;
pub use faults::Target;
pub use faults::WebhookFault;
pub use instance::JournalEntry;
pub use instance::Record;
pub use options::CloseCodes;
pub use options::ForbiddenState;
pub use options::OAuthClient;
pub use options::Options;
pub use outbound::Outbound;
pub use refusal::Refusal;
pub use ui_action::Form;
pub use ui_action::Race;
pub use ui_action::Shown;
pub use ui_action::UiAction;

use crate::Delivery;
use crate::Push;
use crate::Request;
use crate::Response;
use crate::Simulator;
use instance::Instance;
use instance::NO_LAG;
use instance::hex;
use instance::value;
use session::Session;
use write::Write;

/// A simulated instance.
#[derive(Debug)]
pub struct ServiceNow {
    instance: Instance,
    tokens: auth::Tokens,
    rate_limit: rate_limit::RateLimit,
    faults: Faults,
    queue: outbound::Queue,
    automation: automation::Automation,
    transactions: u64,
}

impl ServiceNow {
    /// A fresh instance with its users, groups and choices, and no incident.
    pub fn new(options: Options) -> ServiceNow {
        let mut instance = Instance::new(options);
        seed_data::seed(&mut instance);
        ServiceNow {
            instance,
            tokens: auth::Tokens::default(),
            rate_limit: rate_limit::RateLimit::default(),
            faults: Faults::default(),
            queue: outbound::Queue::default(),
            automation: automation::Automation::default(),
            transactions: 0,
        }
    }

    /// The options in force.
    pub fn options(&self) -> &Options {
        &self.instance.options
    }

    /// Changes options of the running instance. Those that shape its records
    /// have no more effect: users, seed, language of the choices, resolution
    /// codes and custom fields.
    pub fn options_mut(&mut self) -> &mut Options {
        self.instance.next_autoclose.take();
        &mut self.instance.options
    }

    /// The faults of the instance, to add to or to clear.
    pub fn faults(&mut self) -> &mut Faults {
        &mut self.faults
    }

    /// Creates an incident as a user would on the form, with raw values by
    /// column. Returns its sys_id.
    ///
    /// # Errors
    ///
    /// What the API would answer to the same write; 401 for a user who does
    /// not exist.
    pub fn create_incident(
        &mut self,
        user_name: &str,
        fields: &[(&str, &str)],
        now_ms: u64,
    ) -> Result<String, Refusal> {
        let session = self.session(user_name)?;
        let write = self.form(&session, now_ms);
        let written = self.instance.insert("incident", &input(fields), &write)?;
        self.after_write("incident", &session, &written, now_ms);
        Ok(written.sys_id)
    }

    /// Changes an incident as a user would on the form, with raw values by
    /// column; `comments` and `work_notes` add an entry.
    ///
    /// # Errors
    ///
    /// What the API would answer to the same write; 401 for a user who does
    /// not exist.
    pub fn update_incident(
        &mut self,
        user_name: &str,
        sys_id: &str,
        fields: &[(&str, &str)],
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let session = self.session(user_name)?;
        let write = self.form(&session, now_ms);
        let input = input(fields);
        let written = self.instance.update("incident", sys_id, &input, &write)?;
        self.after_write("incident", &session, &written, now_ms);
        Ok(())
    }

    /// Deletes an incident, which nobody is told of. Returns whether there
    /// was one.
    pub fn delete_incident(&mut self, sys_id: &str) -> bool {
        self.instance.delete("incident", sys_id)
    }

    /// An incident as it is in the database, with raw values.
    pub fn incident(&self, sys_id: &str) -> Option<&Record> {
        self.instance.record("incident", sys_id)
    }

    /// All incidents as they are in the database, by sys_id.
    pub fn incidents(&self) -> impl Iterator<Item = &Record> {
        self.instance.records("incident")
    }

    /// The comments and work notes of an incident, oldest first.
    pub fn journal(&self, sys_id: &str) -> Vec<JournalEntry> {
        self.instance.journal(sys_id, NO_LAG)
    }

    /// What the instance has sent, oldest first; the last thousand.
    pub fn outbound_log(&self) -> impl Iterator<Item = &Outbound> {
        self.queue.log()
    }

    /// Webhooks that wait for their time, or for their job to run.
    pub fn webhooks_waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// Webhooks whose fate is not known yet: those that wait, and those that
    /// are on their way.
    pub fn webhooks_pending(&self) -> usize {
        self.queue.pending()
    }

    /// Gives a user exactly these roles. Returns whether there is the user.
    pub fn set_roles(&mut self, user_name: &str, roles: &[&str]) -> bool {
        let Some(account) = self.instance.accounts.get_mut(user_name) else {
            return false;
        };
        account.roles = roles
            .iter()
            .map(|role| (*role).to_owned())
            .collect::<BTreeSet<_>>();
        true
    }

    /// Sets a column of a user's record, such as `time_zone`, `date_format`,
    /// `locked_out` or `web_service_access_only`. Returns whether there is
    /// the user.
    pub fn set_user_field(
        &mut self,
        user_name: &str,
        column: &str,
        text: &str,
        now_ms: u64,
    ) -> bool {
        let Some(account) = self.instance.accounts.get(user_name) else {
            return false;
        };
        let Some(mut user) = self.instance.record("sys_user", &account.sys_id).cloned() else {
            return false;
        };
        user.insert(column.to_owned(), text.to_owned());
        self.instance.store("sys_user", user, now_ms, 0);
        true
    }

    /// A record of any table, raw.
    pub fn record(&self, table: &str, sys_id: &str) -> Option<&Record> {
        self.instance.record(table, sys_id)
    }

    /// The sys_id of a user.
    pub fn user_id(&self, user_name: &str) -> Option<&str> {
        let account = self.instance.accounts.get(user_name)?;
        Some(&account.sys_id)
    }

    /// The sys_id of a group.
    pub fn group_id(&self, name: &str) -> Option<&str> {
        self.instance.by_reference_name("sys_user_group", name)
    }

    /// Renames a choice of `incident` in all languages, as administrators do.
    pub fn rename_choice(&mut self, element: &str, raw: &str, label: &str, now_ms: u64) {
        let renamed: Vec<_> = self
            .instance
            .records("sys_choice")
            .filter(|choice| value(choice, "element") == element && value(choice, "value") == raw)
            .cloned()
            .collect();
        for mut choice in renamed {
            choice.insert("label".to_owned(), label.to_owned());
            self.instance.store("sys_choice", choice, now_ms, 0);
        }
    }

    /// Hides an incident from everybody but `admin`.
    pub fn hide_incident(&mut self, sys_id: &str) {
        self.instance.hidden.insert(sys_id.to_owned());
    }

    /// Forgets all access and refresh tokens.
    pub fn revoke_tokens(&mut self) {
        self.tokens.revoke_all();
    }

    fn session(&self, user_name: &str) -> Result<Session, Refusal> {
        Session::of(&self.instance, user_name).ok_or_else(Refusal::unauthenticated)
    }

    fn form<'a>(&self, session: &'a Session, now_ms: u64) -> Write<'a> {
        Write {
            session,
            now_ms,
            lag_ms: self.faults.read_lag_ms(),
            display_values: false,
        }
    }

    fn base_url(&self, request: &Request) -> String {
        self.instance.options.base_url.clone().unwrap_or_else(|| {
            let host = answer::header(request, "host").unwrap_or("localhost");
            format!("http://{host}")
        })
    }

    fn route(&mut self, request: &Request, now_ms: u64) -> Response {
        if let Some(page) = self.page(request) {
            return page;
        }
        if request.path == "/oauth_token.do" {
            return self.tokens.token_request(&self.instance, request, now_ms);
        }
        let mut response = self.api(request, now_ms);
        self.transactions += 1;
        let text = format!("transaction {} {}", self.options().seed, self.transactions);
        answer::dress(&mut response, &hex(&Sha256::digest(text)[..6]));
        response
    }

    fn api(&mut self, request: &Request, now_ms: u64) -> Response {
        let session = match self.tokens.authenticate(&self.instance, request, now_ms) {
            Ok(session) => session,
            Err(refusal) => {
                let mut response = answer::refusal(&refusal);
                if self.tokens.lacks_second_factor(&self.instance, request) {
                    let header = ("x-mfa_token".to_owned(), "invalid".to_owned());
                    response.headers.push(header);
                }
                return response;
            }
        };
        let Some(limit) = self.instance.options.rate_limit_per_hour else {
            return self.table_api(request, &session, now_ms);
        };
        let verdict = self.rate_limit.count(&session.user_name, limit, now_ms);
        let mut response = verdict
            .refused()
            .unwrap_or_else(|| self.table_api(request, &session, now_ms));
        verdict.mark(&mut response);
        response
    }
}

impl Simulator for ServiceNow {
    fn handle(&mut self, request: &Request, now_ms: u64) -> Response {
        self.autoclose(now_ms);
        if request.path.starts_with("/simulator/") {
            return self.control(request, now_ms);
        }
        let fault = self.faults.of_request(request, now_ms);
        if let Some(response) = fault.as_ref().and_then(Fault::instead) {
            return response;
        }
        let mut response = self.route(request, now_ms);
        if let Some(fault) = fault {
            fault.spoil(&mut response);
        }
        response
    }

    fn take_due(&mut self, now_ms: u64) -> Vec<Push> {
        self.autoclose(now_ms);
        self.run_jobs(now_ms);
        self.queue.take_due(now_ms)
    }

    fn next_due(&self) -> Option<u64> {
        let autoclose = self.next_autoclose().map(|(due_ms, _)| due_ms);
        self.queue.next_due().into_iter().chain(autoclose).min()
    }

    fn delivered(&mut self, push: u64, delivery: &Delivery, now_ms: u64) {
        self.queue.delivered(push, delivery);
        self.resume(push, delivery, now_ms);
    }

    fn late_answer(&mut self, token: u64) -> Option<Response> {
        self.pressed_in_the_end(token)
    }
}

fn input(fields: &[(&str, &str)]) -> write::Input {
    fields
        .iter()
        .map(|(column, text)| ((*column).to_owned(), (*text).to_owned()))
        .collect()
}
