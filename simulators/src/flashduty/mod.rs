//! A simulator of Flashduty, as far as an integration meets it: the Open API
//! for incidents, the push of standard alerts, incident webhooks, custom
//! actions, and people who act in the console.
//!
//! ```
//! use simulators::Simulator;
//! use simulators::flashduty::*;
//!
//! let mut flashduty = Flashduty::new(Options::default());
//! flashduty.add_webhook(Webhook::new("http://127.0.0.1:9000/flashduty"));
//!
//! let event = AlertEvent::new("latency", "Checkout is slow", Status::Critical);
//! let pushed = flashduty.push_alert(PAYMENTS, event, 1_780_300_804_000)?;
//! let incident = pushed.incident_id.expect("an alert that is not Ok opens one");
//! flashduty.act(ANA, &incident, &Action::Acknowledge, 1_780_300_810_000)?;
//!
//! // Created, assigned by the escalation rule, acknowledged.
//! assert_eq!(flashduty.take_due(1_780_300_811_000).len(), 3);
//! # Ok::<(), ApiError>(())
//! ```
//!
//! # Scope
//!
//! Where the public documentation leaves the behaviour open, [`Options`] lets
//! a test try each of the possibilities. What the simulator leaves out is
//! listed in the README.

mod account;
mod action;
mod alert;
mod alert_push;
mod api;
mod assignment;
mod channel;
mod control;
mod creation;
mod custom_action;
mod delivery;
mod editing;
mod envelope;
mod faults;
mod field;
mod handling;
mod ids;
mod incident;
mod lag;
mod member;
mod merging;
mod mishap;
mod options;
mod pages;
mod params;
mod rate;
mod severity;
mod timeline;
mod webhook;

#[cfg(test)]
mod scenarios;

use std::cell::OnceCell;
use std::collections::BTreeMap;

pub use account::ACCOUNT;
pub use account::ANA;
pub use account::Account;
pub use account::BO;
pub use account::INTEGRATION_MEMBER;
pub use account::PAYMENTS;
pub use account::SEARCH;
pub use action::Action;
pub use action::Assignment;
pub use action::Merge;
pub use action::Notify;
pub use action::Reset;
pub use alert::Alert;
pub use alert_push::AlertEvent;
pub use alert_push::Pushed;
pub use api::READS;
pub use channel::AlertIntegration;
pub use channel::AutoResolveMode;
pub use channel::Channel;
pub use channel::EscalationRule;
pub use creation::NewIncident;
pub use custom_action::CustomAction;
pub use custom_action::EventIdPlace;
pub use delivery::Attempt;
pub use envelope::ApiError;
pub use envelope::ErrorCode;
pub use faults::Fault;
pub use faults::PlannedFault;
pub use field::Field;
pub use field::FieldKind;
pub use incident::Assigned;
pub use incident::Incident;
pub use incident::Responder;
pub use member::Member;
pub use mishap::Mishap;
pub use mishap::Mishaps;
pub use options::MergeEvent;
pub use options::Options;
pub use options::RateLimit;
pub use options::SnoozeExpiryEvent;
pub use severity::Progress;
pub use severity::Severity;
pub use severity::Status;
pub use timeline::Actor;
pub use timeline::Entry;
pub use timeline::EventType;
pub use webhook::Webhook;

use crate::Delivery;
use crate::Push;
use crate::Request;
use crate::Response;
use crate::Simulator;

/// A simulated Flashduty: one account and its incidents.
#[derive(Clone, Debug)]
pub struct Flashduty {
    options: Options,
    account: Account,
    ids: ids::Ids,
    incidents: BTreeMap<String, Incident>,
    alerts: BTreeMap<String, Alert>,
    /// Alerts that further events belong to, by integration and key.
    open_alerts: BTreeMap<(i64, String), String>,
    outbox: delivery::Outbox,
    faults: faults::Faults,
    lag: lag::Lag,
    recent_calls: rate::RecentCalls,
    waiting: custom_action::Waiting,
    /// Known until something changes that it depends on.
    next_deadline: OnceCell<Option<(u64, String, handling::Deadline)>>,
}

impl Flashduty {
    /// A new account with two channels, [`PAYMENTS`] and [`SEARCH`], the people
    /// [`ANA`] and [`BO`], the [`INTEGRATION_MEMBER`], and a custom field of
    /// each type; no incidents, no webhooks, no custom actions.
    pub fn new(options: Options) -> Flashduty {
        let mut ids = ids::Ids::new(options.seed);
        let account = Account::seeded(&mut ids);
        Flashduty {
            options,
            account,
            ids,
            incidents: BTreeMap::new(),
            alerts: BTreeMap::new(),
            open_alerts: BTreeMap::new(),
            outbox: delivery::Outbox::default(),
            faults: faults::Faults::default(),
            lag: lag::Lag::default(),
            recent_calls: rate::RecentCalls::default(),
            waiting: custom_action::Waiting::default(),
            next_deadline: OnceCell::new(),
        }
    }

    /// How it behaves.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Changes how it behaves from now on; the seed counts only at the start.
    pub fn options_mut(&mut self) -> &mut Options {
        &mut self.options
    }

    /// Where `detail_url` leads, without a slash at the end. A server knows it
    /// only after it has bound a port.
    pub fn set_base_url(&mut self, base_url: &str) {
        base_url
            .trim_end_matches('/')
            .clone_into(&mut self.options.base_url);
    }

    /// What an administrator has set up.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Sets up more: members, channels, fields. Keys of the maps must agree
    /// with what is in them.
    pub fn account_mut(&mut self) -> &mut Account {
        self.next_deadline.take();
        &mut self.account
    }

    /// The app key of a member, if there is such a member and it has one.
    pub fn app_key(&self, member_id: i64) -> Option<&str> {
        self.account.members.get(&member_id)?.app_key.as_deref()
    }

    /// The integration key for pushing alerts into a channel.
    pub fn integration_key(&self, channel_id: i64) -> Option<&str> {
        let channel = self.account.channels.get(&channel_id)?;
        Some(&channel.integration.key)
    }

    /// An incident by id. Time alone changes it only when the simulator hears
    /// what time it is.
    pub fn incident(&self, incident_id: &str) -> Option<&Incident> {
        self.incidents.get(incident_id)
    }

    /// All incidents that are not removed, oldest first.
    pub fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.values()
    }

    /// An alert by id.
    pub fn alert(&self, alert_id: &str) -> Option<&Alert> {
        self.alerts.get(alert_id)
    }

    /// Plans a fault of the Open API.
    pub fn plan_fault(&mut self, fault: PlannedFault) {
        self.faults.plan(fault);
    }

    /// Ends all faults: of the Open API, of webhooks, and the lag of lists.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
        self.outbox.mishaps = Mishaps::default();
        self.lag = lag::Lag::default();
    }

    /// What happens to webhooks on their way from now on.
    pub fn set_mishaps(&mut self, mishaps: Mishaps) {
        self.outbox.mishaps = mishaps;
    }

    /// How far `/incident/list` lags behind, in milliseconds.
    pub fn set_list_lag(&mut self, lag_ms: u64) {
        self.lag.lag_ms = lag_ms;
    }
}

impl Simulator for Flashduty {
    fn handle(&mut self, request: &Request, now_ms: u64) -> Response {
        self.advance(now_ms);
        self.waiting.begin();
        let response = self.route(request, now_ms);
        self.waiting.hold(response)
    }

    fn take_due(&mut self, now_ms: u64) -> Vec<Push> {
        self.advance(now_ms);
        self.outbox.take_due(now_ms)
    }

    fn next_due(&self) -> Option<u64> {
        let deadline = self.next_deadline().map(|(due_ms, ..)| due_ms);
        [self.outbox.next_due(), deadline]
            .into_iter()
            .flatten()
            .min()
    }

    fn delivered(&mut self, push: u64, delivery: &Delivery, now_ms: u64) {
        self.advance(now_ms);
        self.settle(push, delivery, now_ms);
    }

    fn late_answer(&mut self, token: u64) -> Option<Response> {
        self.waiting.answer(token)
    }
}
