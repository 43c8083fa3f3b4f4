//! One run: two gateways on one store between both systems, people on both
//! sides, and everything that goes wrong, until all is quiet again.

use crate::chance::Chance;
use crate::decisions::Decision;
use crate::decisions::Decisions;
use crate::decisions::Stream;
use crate::far_ends::FarEnds;
use crate::far_ends::GATEWAY_URL;
use crate::far_ends::Side;
use crate::machine::Machine;
use crate::machine::Site;
use crate::network::Network;
use crate::people::Deed;
use crate::people::Habits;
use crate::people::Pace;
use crate::people::People;
use crate::people::Sent;
use crate::people::What;
use crate::people::correlated;
use crate::people::script;
use crate::post::Post;
use crate::post::REMINDER;
use crate::post::incoming;
use crate::profile::Profile;
use crate::report::Report;
use crate::setup::Setup;
use crate::setup::Split;
use crate::stage::Stage;
use crate::stage::Violation;
use crate::store::SharedStore;
use crate::trace::Trace;
use crate::trouble::Spell;
use integration_gateway::Runtime;
use integration_gateway::contract::Response;
use serde_json::Value;
use serde_json::json;
use simulators::Delivery;
use simulators::Push;
use simulators::flashduty;
use simulators::servicenow::Record;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;

const GATEWAYS: usize = 2;

/// How often it is looked whether all is quiet.
const LOOK_MS: u64 = 60_000;

/// After which time every change must have been noticed, webhook or not.
const POLLS_MS: u64 = 6 * 60_000;

/// The same where a lost webhook may be the only one to tell that an incident takes
/// part by now.
const ALL_POLLS_MS: u64 = 25 * 3_600_000;

/// When all must be quiet at last, after nothing goes wrong any more.
const PATIENCE_MS: u64 = 6 * 3_600_000;

/// For how long nothing may be written then.
const SILENCE_MS: u64 = 3_600_000;

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Everything follows from it.
    pub seed: u64,
    /// What people do.
    pub script: Vec<Deed>,
    /// How the plugin is configured.
    pub setup: Setup,
    /// What goes wrong.
    pub profile: Profile,
    /// What goes wrong at a given time.
    pub spells: Vec<Spell>,
    /// If given, only these decisions happen.
    pub only: Option<BTreeSet<Decision>>,
    /// Whether the lines of the trace are kept.
    pub keeps_trace: bool,
    /// Whether it is measured how long each change takes to the other side.
    pub times_changes: bool,
}

impl Plan {
    /// The run of a seed, with so many lines in the script of the people.
    pub fn of(seed: u64, deeds: usize) -> Self {
        let mut chance = Chance::of(seed, &[u64::from_be_bytes(*b"pace____")]);
        let setup = Setup::of(seed);
        let pace = Pace {
            deeds,
            lines_per_incident: chance.within(10, 40),
            gap_ms: [2000, 10_000, 30_000][chance.below(3) as usize],
            habits: Habits {
                // A merge moves labels from one integration to another.
                merges: chance.below(4) == 0 && setup.split != Some(Split::Labels),
                deletes: chance.below(4) == 0,
                orders: chance.below(4) == 0,
                ..setup.habits()
            },
        };
        Self {
            seed,
            script: script(seed, pace),
            setup,
            profile: Profile::of(seed),
            spells: Vec::new(),
            only: None,
            keeps_trace: false,
            times_changes: false,
        }
    }
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What must never happen and did.
    pub violations: Vec<Violation>,
    /// The decisions that happened.
    pub taken: Vec<Decision>,
    /// The lines of the trace, if they were kept.
    pub trace: Vec<String>,
    /// Equal for two runs in which the same happened.
    pub hash: u64,
    /// What was counted.
    pub report: Report,
}

/// One run under way.
pub struct World<R> {
    pub(crate) stage: Rc<Stage>,
    pub(crate) setup: Setup,
    pub(crate) profile: Rc<Profile>,
    pub(crate) store: Rc<SharedStore>,
    pub(crate) far_ends: Rc<FarEnds>,
    pub(crate) network: Rc<Network>,
    pub(crate) machines: Vec<Rc<Machine<R>>>,
    pub(crate) people: Rc<People>,
    pub(crate) post: Rc<Post<R>>,
    /// How often the store has forgotten something.
    pub(crate) amnesias: Cell<u64>,
    /// Until when nobody starts a gateway.
    pub(crate) stopped_until_ms: Cell<u64>,
    /// Whether the store was one meanwhile that had not asked both sides yet, or that
    /// has forgotten what it was reminded of.
    pub(crate) new_while_stopped: Cell<bool>,
    /// When an operator last told the gateways of every incident.
    pub(crate) reminded_ms: Cell<Option<u64>>,
    is_at_peace: Cell<bool>,
    times_changes: bool,
}

/// Runs a plan to its end.
pub fn run<R: Runtime + Clone + 'static>(plan: &Plan, runtime: R) -> Outcome {
    let world = World::new(plan, runtime);
    world.play(&plan.script, &plan.spells);
    let stage = &world.stage;
    let outcome = Outcome {
        violations: stage.violations(),
        taken: stage.decisions.borrow().taken().to_vec(),
        trace: stage.trace.borrow().lines().to_vec(),
        hash: stage.trace.borrow().hash(),
        report: stage.report.borrow().clone(),
    };
    world.dissolve();
    outcome
}

impl<R: Runtime + Clone + 'static> World<R> {
    fn new(plan: &Plan, runtime: R) -> Rc<Self> {
        let seed = plan.seed;
        let profile = Rc::new(plan.profile.clone());
        let decisions = Decisions::new(seed, plan.only.clone());
        let stage = Stage::new(seed, GATEWAYS, decisions, Trace::new(plan.keeps_trace));
        let store = SharedStore::new(Rc::clone(&stage), Rc::clone(&profile));
        let far_ends = FarEnds::new(Rc::clone(&stage), seed, &profile, &plan.setup);
        let network = Network::new(
            Rc::clone(&stage),
            Rc::clone(&far_ends),
            Rc::clone(&profile),
            Rc::clone(&store),
        );
        let app_key = {
            let flashduty = far_ends.flashduty.borrow();
            let key = flashduty.app_key(flashduty::INTEGRATION_MEMBER);
            key.unwrap_or_default().to_owned()
        };
        let site = Rc::new(Site {
            stage: Rc::clone(&stage),
            store: Rc::clone(&store),
            network: Rc::clone(&network),
            runtime,
            seed,
            app_key,
            oauth: profile.oauth,
            setup: plan.setup,
        });
        let machines: Vec<_> = (0..GATEWAYS)
            .map(|process| Machine::new(Rc::clone(&site), process))
            .collect();
        let post = Post::new(
            Rc::clone(&stage),
            Rc::clone(&far_ends),
            machines.clone(),
            Rc::clone(&profile),
        );
        Rc::new(Self {
            stage,
            setup: plan.setup,
            profile,
            store,
            far_ends,
            network,
            machines,
            people: Rc::new(People::new(plan.setup)),
            post,
            amnesias: Cell::new(0),
            stopped_until_ms: Cell::new(0),
            new_while_stopped: Cell::new(false),
            reminded_ms: Cell::new(None),
            is_at_peace: Cell::new(false),
            times_changes: plan.times_changes,
        })
    }

    /// Whether nothing goes wrong any more.
    pub(crate) fn is_at_peace(&self) -> bool {
        self.is_at_peace.get()
    }

    fn play(self: &Rc<Self>, script: &[Deed], spells: &[Spell]) {
        let this = Rc::clone(self);
        self.far_ends
            .on_push(move |side, push| this.push(side, push));
        for machine in &self.machines {
            let most = i64::try_from(self.profile.skew_ms).unwrap_or_default();
            let ms = self.stage.chance().below(2 * self.profile.skew_ms + 1);
            machine
                .wall
                .set_ahead(i64::try_from(ms).unwrap_or_default() - most);
            machine.start();
        }
        for (line, deed) in script.iter().enumerate() {
            let (this, deed) = (Rc::clone(self), deed.clone());
            self.stage.after(deed.at_ms, move || this.act(line, &deed));
        }
        self.tick();
        for spell in spells {
            let (this, spell) = (Rc::clone(self), *spell);
            self.stage.after(spell.from_ms, move || this.begin(spell));
        }
        let acted_ms = script.last().map_or(0, |deed| deed.at_ms) + 1000;
        let end_ms = spells
            .iter()
            .map(|s| s.from_ms + s.ms)
            .fold(acted_ms, u64::max);
        self.run_until(end_ms);
        self.make_peace();
        let before = self.stage.report.borrow().clone();
        self.come_to_rest();
        self.check();
        {
            let mut report = self.stage.report.borrow_mut();
            report.pair_sessions_after = report.pair_sessions - before.pair_sessions;
            report.syncs_after = report.syncs - before.syncs;
            report.writes_after = report.writes - before.writes;
        }
        // Somebody pressed the button, and the gateway died before it had more than the
        // order: nobody was answered, and the next event, which may be a snooze's end,
        // takes it along.
        let is_order = |(_, hint): &(String, Vec<u8>)| {
            String::from_utf8_lossy(hint).contains("\"hint\":\"trigger\"")
        };
        let has_orders = self.store.all("p.hint.").iter().any(is_order);
        let written_before = self.network.written.take().len();
        self.run_until(self.stage.now_ms() + SILENCE_MS);
        let written = self.network.written.take();
        if !written.is_empty() && !has_orders {
            self.stage.violation(
                "silence",
                format!(
                    "{} writes after all was quiet ({written_before} before): {}",
                    written.len(),
                    written[..written.len().min(5)].join(", ")
                ),
            );
        }
        let mut report = self.stage.report.borrow_mut();
        report.worlds = 1;
        report.virtual_ms = self.stage.now_ms();
        report.pairs = self.store.all("p.pair.").len() as u64;
        for name in self.setup.names() {
            report.count(&format!("world with {name}"));
        }
        drop(report);
        self.check_calls();
    }

    fn act(self: &Rc<Self>, line: usize, deed: &Deed) {
        let happens = {
            let mut decisions = self.stage.decisions.borrow_mut();
            decisions.strike(Stream::People, 1_000_000).is_some()
        };
        let acts = match deed.what {
            _ if !happens => false,
            What::Unlink | What::Link => self.order(deed),
            What::Send if deed.side == Side::ServiceNow => self.send(deed.incident),
            // Of what comes before the two are a pair, more than one thing may come.
            What::Merge(_) | What::Delete if !self.is_paired(deed.incident) => false,
            _ => self.people.act(&self.stage, &self.far_ends, line, deed),
        };
        if acts {
            let besides = match deed.what {
                What::Merge(_) => Some("incident merged"),
                What::Delete => Some("incident deleted"),
                What::Send => Some("incident sent by hand"),
                _ => None,
            };
            if let Some(besides) = besides {
                self.stage.report.borrow_mut().count(besides);
            }
            self.stage.report.borrow_mut().events += 1;
            self.people.look_what_is_wanted(&self.far_ends);
            self.far_ends.look(deed.side);
            if self.times_changes {
                self.time(deed.incident, self.stage.now_ms());
            }
        }
    }

    /// Looks each second whether both sides of an incident are in step, which was
    /// changed at a time.
    fn time(self: &Rc<Self>, line: usize, changed_ms: u64) {
        if self.findings_of(line).is_empty() {
            let ms = self.stage.now_ms() - changed_ms;
            let mut report = self.stage.report.borrow_mut();
            report.longest_ms_to_mirror = report.longest_ms_to_mirror.max(ms);
            return;
        }
        let this = Rc::clone(self);
        self.stage.after(1000, move || this.time(line, changed_ms));
    }

    /// Runs until a time; whatever crashed is started again.
    fn run_until(self: &Rc<Self>, until_ms: u64) {
        while !self.stage.run_until(until_ms) {
            for process in self.stage.bury() {
                let Some(machine) = self.machines.get(process) else {
                    continue;
                };
                self.stage.note(format_args!("gateway {process}: crashes"));
                machine.stopped();
                let ms = self.stage.chance().within(200, 40_000);
                self.start_after(Rc::clone(machine), ms);
            }
        }
    }

    /// Starts a gateway later, and not before all may start.
    fn start_after(self: &Rc<Self>, machine: Rc<Machine<R>>, ms: u64) {
        let this = Rc::clone(self);
        self.stage.after(ms, move || {
            let now_ms = this.stage.now_ms();
            match this.stopped_until_ms.get().saturating_sub(now_ms) {
                0 => machine.start(),
                ms => this.start_after(machine, ms),
            }
        });
    }

    /// From now on nothing goes wrong.
    fn make_peace(self: &Rc<Self>) {
        self.stage.note(format_args!("peace"));
        self.is_at_peace.set(true);
        self.stage.decisions.borrow_mut().end();
        self.far_ends.flashduty.borrow_mut().clear_faults();
        self.far_ends.servicenow.borrow_mut().faults().clear();
        for outage in &self.network.outages {
            outage.set(0);
        }
        for (process, machine) in self.machines.iter().enumerate() {
            machine.wall.set_ahead(0);
            self.stage.go_on(process);
        }
        // Such a store does not know what happened while nobody listened.
        if self.new_while_stopped.get() {
            self.remind();
        }
    }

    fn come_to_rest(self: &Rc<Self>) {
        let peace_ms = self.stage.now_ms();
        let mut in_step_ms = None;
        loop {
            self.run_until(self.stage.now_ms() + LOOK_MS);
            let since_ms = self.stage.now_ms() - peace_ms;
            if in_step_ms.is_none() && self.findings().is_empty() {
                in_step_ms = Some(since_ms);
                self.stage.report.borrow_mut().longest_ms_to_step = since_ms;
            }
            let is_refused = self.release_what_a_rule_refused();
            let longest_ms = match self.setup.conditions {
                true => ALL_POLLS_MS,
                false => POLLS_MS,
            };
            let polls_ms = match self.findings().is_empty() {
                true => POLLS_MS,
                false => longest_ms,
            };
            if since_ms >= polls_ms && !is_refused && self.is_quiet() {
                return;
            }
            if since_ms > longest_ms + PATIENCE_MS {
                let work = self.work().map(|(key, work)| format!("{key}: {work}"));
                let work: Vec<String> = work.collect();
                let what = format!("there is {}", work.join(", "));
                self.stage.violation("rest", what);
                return;
            }
        }
    }

    fn is_quiet(&self) -> bool {
        self.far_ends.pending() == 0
            && self.post.under_way() == 0
            && self.work().all(|(_, work)| work["parked"].is_object())
    }

    /// The work in the store, but for the polls, of which there is always one.
    pub(crate) fn work(&self) -> impl Iterator<Item = (String, Value)> {
        let all = self.store.all("g.work.").into_iter();
        all.filter(|(key, _)| !key.contains(".poll-"))
            .map(|(key, record)| {
                let record = serde_json::from_slice(&record).unwrap_or_default();
                (key, record)
            })
    }

    /// Tells the gateways of every incident, as an operator does after a store
    /// was lost.
    pub(crate) fn remind(self: &Rc<Self>) {
        let flashduty = self.far_ends.flashduty.borrow();
        let incidents: Vec<String> = flashduty
            .incidents()
            .map(|i| i.incident_id.clone())
            .collect();
        let servicenow = self.far_ends.servicenow.borrow();
        let records: Vec<(&Record, &String)> = servicenow
            .incidents()
            .filter_map(|record| Some((record, record.get("sys_id")?)))
            .collect();
        let chance = self.stage.chance().draw();
        for (number, integration) in self.setup.integrations().iter().enumerate() {
            for id in &incidents {
                let body = json!({
                    "event_type": "i_comm",
                    "event_id": format!("{id}{chance}"),
                    "incident": { "incident_id": id },
                });
                let push = reminder("flashduty", integration, &body);
                self.post.send(Side::Flashduty, push);
            }
            for (record, id) in &records {
                let correlated = correlated(record).is_some();
                if self.setup.tells(number, record, correlated) {
                    let body = json!({ "sys_id": id, "action_type": "update" });
                    let push = reminder("servicenow", integration, &body);
                    self.post.send(Side::ServiceNow, push);
                }
            }
        }
    }

    /// A system sends a webhook; ServiceNow from the rule of each integration whose
    /// filter lets the record pass.
    fn push(self: &Rc<Self>, side: Side, push: Push) {
        if side == Side::Flashduty {
            self.post.send(side, push);
            return;
        }
        let body: Value = serde_json::from_slice(&push.body).unwrap_or_default();
        let told: Vec<&str> = {
            let servicenow = self.far_ends.servicenow.borrow();
            let record = body["sys_id"]
                .as_str()
                .and_then(|id| servicenow.incident(id));
            let all = self.setup.integrations().iter().enumerate();
            let told = all.filter(|(number, _)| {
                record.is_none_or(|record| {
                    let correlated = self.far_ends.was_correlated(record);
                    self.setup.tells(*number, record, correlated)
                })
            });
            told.map(|(_, id)| *id).collect()
        };
        if told.is_empty() {
            let (this, id) = (Rc::clone(self), push.id);
            let nobody = Delivery::Failed("the rule's filter leaves it out".to_owned());
            self.stage
                .after(0, move || this.far_ends.delivered(side, id, &nobody));
        }
        for id in told {
            let url = format!("{GATEWAY_URL}/servicenow/{id}");
            self.post.send(
                side,
                Push {
                    url,
                    ..push.clone()
                },
            );
        }
    }

    /// Somebody sends the record of a line to Flashduty, and sees whether that was
    /// taken. True if there is a gateway.
    fn send(self: &Rc<Self>, line: usize) -> bool {
        let Some(id) = self.people.on(Side::ServiceNow, &self.far_ends, line) else {
            return false;
        };
        let process = self.stage.chance().below(self.machines.len() as u64) as usize;
        let gateway = self.machines.get(process).and_then(|m| m.gateway());
        let Some(gateway) = gateway else {
            return false;
        };
        self.stage
            .note(format_args!("ServiceNow: Send #{line} {id}"));
        self.people.set_sent(line, Sent::Perhaps);
        let body = json!({ "sys_id": id, "action_type": "update" });
        let push = reminder("servicenow", self.people.integration(line), &body);
        let this = Rc::clone(self);
        self.stage.spawn(process, async move {
            let answered = |response: Response| {
                let sent = Sent::of(response.status, &response.body);
                this.people.set_sent(line, sent);
            };
            gateway.receive(incoming(&push), answered).await;
        });
        true
    }

    /// Takes apart what refers to itself.
    fn dissolve(&self) {
        self.far_ends.disconnect();
        for machine in &self.machines {
            machine.stopped();
        }
        self.stage.clear();
    }
}

fn reminder(side: &str, integration: &str, body: &Value) -> Push {
    Push {
        id: REMINDER,
        url: format!("{GATEWAY_URL}/{side}/{integration}"),
        headers: vec![("authorization".to_owned(), format!("Bearer {side}-token"))],
        body: body.to_string().into_bytes(),
        timeout_ms: 2000,
    }
}
