//! Both systems, as state machines in virtual time.

use crate::people::correlated;
use crate::profile::Profile;
use crate::setup::Setup;
use crate::stage::Stage;
use simulators::Delivery;
use simulators::Push;
use simulators::Request;
use simulators::Response;
use simulators::Simulator as _;
use simulators::flashduty;
use simulators::flashduty::CustomAction;
use simulators::flashduty::Flashduty;
use simulators::servicenow;
use simulators::servicenow::BusinessRule;
use simulators::servicenow::Record;
use simulators::servicenow::ServiceNow;
use std::cell::Cell;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Where Flashduty is.
pub const FLASHDUTY_URL: &str = "https://flashduty.example.com";
/// Where ServiceNow is.
pub const SERVICENOW_URL: &str = "https://servicenow.example.com";

/// Where both systems find the gateways.
pub(crate) const GATEWAY_URL: &str = "https://gateway.example.com";

/// How long after a record was saved the business rule runs.
const RULE_MS: u64 = 3000;

/// One of the two systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Flashduty.
    Flashduty,
    /// ServiceNow.
    ServiceNow,
}

type OnPush = Box<dyn Fn(Side, Push)>;

/// Both systems.
pub struct FarEnds {
    stage: Rc<Stage>,
    /// The Flashduty account.
    pub flashduty: RefCell<Flashduty>,
    /// The ServiceNow instance.
    pub servicenow: RefCell<ServiceNow>,
    /// The custom action of each integration that sends an incident to ServiceNow.
    pub buttons: Vec<i64>,
    /// Since when each record has a correlation, in virtual milliseconds.
    correlated_ms: RefCell<BTreeMap<String, u64>>,
    on_push: RefCell<Option<OnPush>>,
    /// How far their clocks are ahead of what is right, in milliseconds.
    ahead_ms: [i64; 2],
    /// When somebody will look next whether a webhook is due, by the clock there.
    looks: [Cell<u64>; 2],
}

impl FarEnds {
    /// Both systems, new, with the webhooks set up.
    pub fn new(stage: Rc<Stage>, seed: u64, profile: &Profile, setup: &Setup) -> Rc<Self> {
        let mut flashduty = Flashduty::new(flashduty::Options {
            seed,
            base_url: FLASHDUTY_URL.to_owned(),
            ..flashduty::Options::default()
        });
        let token = ("authorization", "Bearer flashduty-token");
        let mut buttons = Vec::new();
        for id in setup.integrations() {
            let webhook = flashduty::Webhook::new(&format!("{GATEWAY_URL}/flashduty/{id}"));
            flashduty.add_webhook(webhook.header(token.0, token.1));
            if setup.manual {
                let url = format!("{GATEWAY_URL}/trigger/{id}");
                let button = CustomAction::new("To ServiceNow", &url);
                buttons.push(flashduty.add_custom_action(button.header(token.0, token.1)));
            }
        }
        // Which integrations it tells is for the world to say.
        let mut rule = BusinessRule::to(GATEWAY_URL);
        rule.delay_ms = RULE_MS;
        let bearer = "Bearer servicenow-token".to_owned();
        rule.headers = vec![("authorization".to_owned(), bearer)];
        let mut servicenow = ServiceNow::new(servicenow::Options {
            seed,
            base_url: Some(SERVICENOW_URL.to_owned()),
            accept_caller_sys_id: profile.honours_sys_id,
            business_rule: Some(rule),
            ..servicenow::Options::default()
        });
        servicenow.faults().set_read_lag_ms(profile.read_lag_ms);
        flashduty.set_list_lag(profile.list_lag_ms);
        Rc::new(Self {
            stage,
            flashduty: RefCell::new(flashduty),
            servicenow: RefCell::new(servicenow),
            ahead_ms: [profile.flashduty_ahead_ms, profile.servicenow_ahead_ms],
            buttons,
            correlated_ms: RefCell::default(),
            on_push: RefCell::default(),
            looks: [Cell::new(u64::MAX), Cell::new(u64::MAX)],
        })
    }

    /// From now on, webhooks go there.
    pub fn on_push(&self, act: impl Fn(Side, Push) + 'static) {
        *self.on_push.borrow_mut() = Some(Box::new(act));
    }

    /// Breaks the circle of who knows whom.
    pub fn disconnect(&self) {
        self.on_push.borrow_mut().take();
    }

    /// What a system's clock shows, in Unix milliseconds.
    pub fn now_ms(&self, side: Side) -> u64 {
        let ahead_ms = self.ahead_ms[side as usize];
        self.stage.unix_ms().saturating_add_signed(ahead_ms)
    }

    /// A request reaches a system.
    pub fn handle(self: &Rc<Self>, side: Side, request: &Request) -> Response {
        let now_ms = self.now_ms(side);
        let response = match side {
            Side::Flashduty => self.flashduty.borrow_mut().handle(request, now_ms),
            Side::ServiceNow => self.servicenow.borrow_mut().handle(request, now_ms),
        };
        if side == Side::ServiceNow && request.method != "GET" {
            self.note_correlations();
        }
        self.look(side);
        response
    }

    fn note_correlations(&self) {
        let mut correlated_ms = self.correlated_ms.borrow_mut();
        for record in self.servicenow.borrow().incidents() {
            if let (Some(_), Some(sys_id)) = (correlated(record), record.get("sys_id")) {
                let known = correlated_ms.entry(sys_id.clone());
                known.or_insert(self.stage.now_ms());
            }
        }
    }

    /// Whether a record had a correlation when it was saved of which the business
    /// rule tells now.
    pub(crate) fn was_correlated(&self, record: &Record) -> bool {
        let correlated_ms = self.correlated_ms.borrow();
        let since_ms = record.get("sys_id").and_then(|id| correlated_ms.get(id));
        since_ms.is_some_and(|ms| ms + RULE_MS <= self.stage.now_ms())
    }

    /// Tells a system what came of a webhook.
    pub fn delivered(self: &Rc<Self>, side: Side, push: u64, delivery: &Delivery) {
        let now_ms = self.now_ms(side);
        match side {
            Side::Flashduty => self
                .flashduty
                .borrow_mut()
                .delivered(push, delivery, now_ms),
            Side::ServiceNow => self
                .servicenow
                .borrow_mut()
                .delivered(push, delivery, now_ms),
        }
        self.look(side);
    }

    /// Sends the webhooks that are due, and comes back when more will be.
    pub fn look(self: &Rc<Self>, side: Side) {
        let now_ms = self.now_ms(side);
        let (pushes, next) = match side {
            Side::Flashduty => {
                let mut flashduty = self.flashduty.borrow_mut();
                (flashduty.take_due(now_ms), flashduty.next_due())
            }
            Side::ServiceNow => {
                let mut servicenow = self.servicenow.borrow_mut();
                (servicenow.take_due(now_ms), servicenow.next_due())
            }
        };
        if let Some(on_push) = &*self.on_push.borrow() {
            for push in pushes {
                on_push(side, push);
            }
        }
        let look = &self.looks[side as usize];
        if let Some(next) = next
            && next < look.get()
        {
            look.set(next);
            let this = Rc::clone(self);
            self.stage.after(next.saturating_sub(now_ms), move || {
                this.looks[side as usize].set(u64::MAX);
                this.look(side);
            });
        }
    }

    /// Webhooks that are not on their way yet, or whose fate is not known.
    pub fn pending(&self) -> usize {
        self.flashduty.borrow().webhooks_pending() + self.servicenow.borrow().webhooks_pending()
    }
}
