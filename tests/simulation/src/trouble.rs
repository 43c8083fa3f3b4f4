//! What goes wrong for a while, or all of a sudden: a system that refuses, a
//! store that forgets, a clock that is set, a machine that dies.

use crate::chance::Chance;
use crate::decisions::Stream;
use crate::far_ends::Side;
use crate::profile::Profile;
use crate::store::pause_ms;
use crate::world::World;
use integration_gateway::Runtime;
use simulators::flashduty;
use simulators::flashduty::PlannedFault;
use simulators::servicenow;
use simulators::servicenow::Span;
use simulators::servicenow::Target;
use std::rc::Rc;

/// Something that goes wrong at a given time, for a given time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spell {
    /// When it begins, in virtual milliseconds.
    pub from_ms: u64,
    /// How long it lasts, in milliseconds.
    pub ms: u64,
    /// Which system is concerned.
    pub side: Side,
    /// What goes wrong there.
    pub what: Refusal,
}

/// How a system refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 429; ServiceNow with a time to wait, in seconds, if given.
    TooMany(Option<u64>),
    /// 401.
    Unauthorized,
    /// It cannot be reached.
    Outage,
}

/// How often fate looks whether something shall go wrong.
const TICK_MS: u64 = 1000;

/// For how long operators leave all gateways stopped who restore a store that
/// does not notice.
const STOPPED_MS: u64 = 180_000;

/// For how long after an operator has told the gateways of everything a store that
/// is set back may have forgotten it.
const REMINDED_MS: u64 = 180_000;

/// For how long it is there at least: until work is given up.
const RULES_MS: u64 = 900_000;

/// The business rule that refuses changes for a while.
pub(crate) const RULE: &str = "Simulated rule";

const DAY_MS: i64 = 86_400_000;

impl<R: Runtime + Clone + 'static> World<R> {
    /// Lets things go wrong, now and then, for as long as they may.
    pub(crate) fn tick(self: &Rc<Self>) {
        let Profile {
            phases,
            amnesia,
            clock_steps,
            accidents,
            ..
        } = *self.profile;
        let weights = [phases, amnesia, clock_steps, accidents];
        let struck = {
            let mut decisions = self.stage.decisions.borrow_mut();
            decisions.strike(Stream::Event, weights.iter().sum())
        };
        if let Some(mut chance) = struck {
            match chance.weighted(&weights) {
                0 => self.phase(&mut chance),
                1 => self.amnesia(&mut chance),
                2 => self.set_a_clock(&mut chance),
                _ => self.accident(&mut chance),
            }
        }
        let this = Rc::clone(self);
        self.stage.after(TICK_MS, move || {
            if !this.is_at_peace() {
                this.tick();
            }
        });
    }

    /// Lets something go wrong, as it was told.
    pub(crate) fn begin(&self, spell: Spell) {
        self.happens(&format!("{:?}: {:?}", spell.side, spell.what));
        let until_ms = self.far_ends.now_ms(spell.side) + spell.ms;
        match (spell.side, spell.what) {
            (side, Refusal::Outage) => {
                self.network.outages[side as usize].set(self.stage.now_ms() + spell.ms);
            }
            (Side::Flashduty, what) => {
                let fault = match what {
                    Refusal::Unauthorized => flashduty::Fault::Unauthorized,
                    _ => flashduty::Fault::TooManyRequests,
                };
                let mut flashduty = self.far_ends.flashduty.borrow_mut();
                flashduty.plan_fault(PlannedFault::until(fault, until_ms));
            }
            (Side::ServiceNow, what) => {
                let fault = match what {
                    Refusal::TooMany(seconds) => servicenow::Fault::TooManyRequests(seconds),
                    _ => servicenow::Fault::Unauthorized,
                };
                let mut servicenow = self.far_ends.servicenow.borrow_mut();
                servicenow.faults().answer(fault, Span::Until(until_ms));
            }
        }
    }

    fn happens(&self, what: &str) {
        self.stage.note(format_args!("trouble: {what}"));
        self.stage.report.borrow_mut().count(what);
    }

    /// A system refuses everything for a while.
    fn phase(&self, chance: &mut Chance) {
        let ms = match chance.below(3) {
            0 => chance.within(1000, 30_000),
            1 => chance.within(30_000, 300_000),
            _ => chance.within(300_000, 900_000),
        };
        let side = match chance.below(2) {
            0 if !self.profile.rules => Side::Flashduty,
            _ => Side::ServiceNow,
        };
        let kind = match chance.below(9) {
            _ if self.profile.rules => 8,
            kind => kind,
        };
        // A rule that is there for a moment only is not noticed.
        let ms = match (side, kind) {
            (Side::ServiceNow, 8) => ms + RULES_MS,
            _ => ms,
        };
        let (until_ms, seconds) = (self.far_ends.now_ms(side) + ms, chance.within(1, 120));
        let what = match kind {
            0 => "429 with a time",
            1 => "429",
            2 => "500",
            3 => "500, carried out",
            4 => "401",
            5 => "HTML with 200",
            6 => "connection closed, carried out",
            8 if side == Side::ServiceNow => "a rule refuses changes",
            _ => "outage",
        };
        self.happens(&format!("{side:?}: {what}"));
        if what == "outage" {
            self.network.outages[side as usize].set(self.stage.now_ms() + ms);
            return;
        }
        match side {
            Side::Flashduty => {
                use flashduty::Fault;
                let fault = match kind {
                    0 | 1 => Fault::TooManyRequests,
                    2 => Fault::InternalError,
                    3 => Fault::CommitThenInternalError,
                    4 => Fault::Unauthorized,
                    5 => Fault::HtmlPage,
                    _ => Fault::CommitThenConnectionClosed,
                };
                let mut flashduty = self.far_ends.flashduty.borrow_mut();
                flashduty.plan_fault(PlannedFault::until(fault, until_ms));
            }
            Side::ServiceNow => {
                use servicenow::Fault;
                let mut servicenow = self.far_ends.servicenow.borrow_mut();
                let faults = servicenow.faults();
                if kind == 8 {
                    let method = if ms % 2 == 0 { "PATCH" } else { "POST" };
                    let changes = Target {
                        method: Some(method.to_owned()),
                        path: None,
                    };
                    let fault = Fault::AbortedByRule(RULE.to_owned());
                    return faults.answer_to(changes, fault, Span::Until(until_ms));
                }
                let fault = match kind {
                    0 => Fault::TooManyRequests(Some(seconds)),
                    1 => Fault::TooManyRequests(None),
                    2 => Fault::ServerError,
                    3 => Fault::ServerErrorAfterCommit,
                    4 => Fault::Unauthorized,
                    5 => Fault::Hibernating,
                    _ => Fault::ClosedAfterCommit,
                };
                faults.answer(fault, Span::Until(until_ms));
            }
        }
    }

    /// The store forgets the newest, or everything.
    fn amnesia(self: &Rc<Self>, chance: &mut Chance) {
        self.amnesias.set(self.amnesias.get() + 1);
        self.people.forget_orders();
        let (kind, ms) = (chance.below(3), chance.within(100, 30_000));
        let what = match kind {
            0 => "store wiped",
            1 => "store rolled back",
            _ => "store rolled back unnoticed",
        };
        self.happens(what);
        self.network.store_loses();
        match kind {
            0 => {
                self.store.wipe();
                self.reminded_ms.set(Some(self.stage.now_ms()));
                self.remind();
            }
            1 => {
                self.store.roll_back(ms);
                self.store.notice();
            }
            _ => {
                self.store.roll_back(ms);
                let until_ms = self.stage.now_ms() + STOPPED_MS;
                self.stopped_until_ms.set(until_ms);
            }
        }
        let polls = 2 * self.setup.integrations().len();
        let is_new = self.store.all("p.poll.").len() < polls;
        let is_forgotten = kind != 0
            && self
                .reminded_ms
                .get()
                .is_some_and(|ms| self.stage.now_ms() < ms + REMINDED_MS);
        if is_new && self.stopped_until_ms.get() > self.stage.now_ms() || is_forgotten {
            self.new_while_stopped.set(true);
        }
        // A store is restored with the gateways down, and must be where it does
        // not notice.
        if kind == 2 || chance.below(2) == 0 {
            for process in 0..self.machines.len() {
                self.stage.crash_from_outside(process);
            }
        }
    }

    /// A clock is set, by a little or by a day.
    fn set_a_clock(&self, chance: &mut Chance) {
        let (ms, what) = match chance.below(4) {
            0 => (DAY_MS, "clock set forward by a day"),
            1 => (-DAY_MS, "clock set back by a day"),
            _ => (0, "clock set right"),
        };
        self.happens(what);
        if let Some(machine) = chance.one_of(&self.machines) {
            machine.wall.set_ahead(ms);
        }
    }

    /// A machine dies, or is paused, whatever it does.
    fn accident(self: &Rc<Self>, chance: &mut Chance) {
        let process = chance.below(self.machines.len() as u64) as usize;
        if chance.below(2) == 0 {
            self.happens("gateway killed");
            self.stage.crash_from_outside(process);
        } else {
            self.happens("gateway paused");
            self.stage.pause(process, pause_ms(chance));
        }
    }
}
