//! Webhooks on their way to the gateways: some are lost, some come twice, some
//! late, and whoever they reach may die before it answers.

use crate::decisions::Stream;
use crate::far_ends::FarEnds;
use crate::far_ends::Side;
use crate::machine::Machine;
use crate::profile::Profile;
use crate::stage::Stage;
use integration_gateway::Incoming;
use integration_gateway::Runtime;
use integration_gateway::contract::Response;
use simulators::Delivery;
use simulators::Push;
use std::cell::Cell;
use std::rc::Rc;

/// How long an operator waits at most before saying it again.
const AGAIN_MS: u64 = 30_000;

/// Where so many in a million are lost, none ever arrives.
const EACH: u32 = 1_000_000;

/// The id of what an operator sends, again until it is acknowledged. Neither
/// system knows it.
pub const REMINDER: u64 = u64::MAX;

/// The post of one run.
pub struct Post<R> {
    stage: Rc<Stage>,
    far_ends: Rc<FarEnds>,
    machines: Vec<Rc<Machine<R>>>,
    profile: Rc<Profile>,
    under_way: Cell<usize>,
}

/// One delivery. Dropped without an answer, the connection is cut.
struct Carrier<R: Runtime + Clone + 'static> {
    post: Rc<Post<R>>,
    side: Side,
    push: Push,
    is_open: Cell<bool>,
}

impl<R: Runtime + Clone + 'static> Post<R> {
    /// A post between both systems and all machines.
    pub fn new(
        stage: Rc<Stage>,
        far_ends: Rc<FarEnds>,
        machines: Vec<Rc<Machine<R>>>,
        profile: Rc<Profile>,
    ) -> Rc<Self> {
        Rc::new(Self {
            stage,
            far_ends,
            machines,
            profile,
            under_way: Cell::new(0),
        })
    }

    /// Webhooks that are on their way, or will be sent again.
    pub fn under_way(&self) -> usize {
        self.under_way.get()
    }

    /// Sends a webhook off.
    pub fn send(self: &Rc<Self>, side: Side, push: Push) {
        let loss = self.profile.webhook_loss;
        if loss == EACH {
            self.not_delivered(side, push, &Delivery::TimedOut);
            return;
        }
        let disorder = self.profile.webhook_disorder;
        let struck = {
            let mut decisions = self.stage.decisions.borrow_mut();
            decisions.strike(Stream::Webhook, loss + disorder)
        };
        let mut copies = vec![self.stage.chance().within(1, 80)];
        if let Some(mut chance) = struck {
            match chance.weighted(&[loss, disorder]) {
                0 => {
                    self.stage.report.borrow_mut().count("webhook lost");
                    self.stage
                        .note(format_args!("{side:?}: webhook {} is lost", push.id));
                    copies.clear();
                }
                _ => {
                    self.stage
                        .report
                        .borrow_mut()
                        .count("webhook late or doubled");
                    let Profile {
                        webhook_copies,
                        webhook_delay_ms,
                        ..
                    } = *self.profile;
                    copies = (0..chance.within(1, webhook_copies))
                        .map(|_| chance.below(webhook_delay_ms))
                        .collect();
                }
            }
        }
        if copies.is_empty() {
            self.not_delivered(side, push, &Delivery::TimedOut);
            return;
        }
        for ms in copies {
            let (this, push) = (Rc::clone(self), push.clone());
            self.later(ms, move || this.arrive(side, push));
        }
    }

    fn later(self: &Rc<Self>, ms: u64, act: impl FnOnce() + 'static) {
        self.under_way.set(self.under_way.get() + 1);
        let this = Rc::clone(self);
        self.stage.after(ms, move || {
            this.under_way.set(this.under_way.get() - 1);
            act();
        });
    }

    fn arrive(self: &Rc<Self>, side: Side, push: Push) {
        let index = self.stage.chance().below(self.machines.len() as u64) as usize;
        let gateway = self
            .machines
            .get(index)
            .and_then(|machine| machine.gateway());
        let Some(gateway) = gateway else {
            self.not_delivered(side, push, &Delivery::Failed("nobody is there".to_owned()));
            return;
        };
        self.stage.report.borrow_mut().webhooks += 1;
        self.under_way.set(self.under_way.get() + 1);
        let incoming = incoming(&push);
        let timeout_ms = push.timeout_ms;
        let carrier = Rc::new(Carrier {
            post: Rc::clone(self),
            side,
            push,
            is_open: Cell::new(true),
        });
        let impatient = Rc::clone(&carrier);
        self.stage
            .after(timeout_ms, move || impatient.close(&Delivery::TimedOut));
        let hangup = Hangup(Rc::clone(&carrier));
        self.stage.spawn(index, async move {
            let hangup = hangup;
            gateway
                .receive(incoming, |response| hangup.0.close(&answered(response)))
                .await;
        });
    }

    fn not_delivered(self: &Rc<Self>, side: Side, push: Push, delivery: &Delivery) {
        if push.id == REMINDER {
            let ms = self.stage.chance().within(1000, AGAIN_MS);
            let this = Rc::clone(self);
            self.later(ms, move || this.arrive(side, push));
        } else {
            self.far_ends.delivered(side, push.id, delivery);
        }
    }
}

impl<R: Runtime + Clone + 'static> Carrier<R> {
    fn close(&self, delivery: &Delivery) {
        if !self.is_open.replace(false) {
            return;
        }
        let post = &self.post;
        post.under_way.set(post.under_way.get() - 1);
        match delivery {
            Delivery::Answered(response) if (200..300).contains(&response.status) => {
                post.far_ends.delivered(self.side, self.push.id, delivery);
            }
            _ => post.not_delivered(self.side, self.push.clone(), delivery),
        }
    }
}

/// Cuts the connection when the gateway dies that held it.
struct Hangup<R: Runtime + Clone + 'static>(Rc<Carrier<R>>);

impl<R: Runtime + Clone + 'static> Drop for Hangup<R> {
    fn drop(&mut self) {
        self.0
            .close(&Delivery::Failed("the connection was cut".to_owned()));
    }
}

fn answered(response: Response) -> Delivery {
    Delivery::Answered(simulators::Response {
        status: response.status,
        headers: response.headers,
        body: response.body,
    })
}

/// A webhook as a gateway receives it.
pub(crate) fn incoming(push: &Push) -> Incoming {
    let path = push.url.splitn(4, '/').nth(3).unwrap_or_default();
    Incoming {
        method: "POST".to_owned(),
        path: format!("/{path}"),
        query: String::new(),
        headers: push.headers.clone(),
        body: push.body.clone(),
    }
}
