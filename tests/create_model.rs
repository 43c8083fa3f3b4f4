//! One incident gets one record, whatever is lost, late or killed: every order
//! in which things can happen is tried.
//!
//! The model is the protocol of `plugin/src/sync/birth.rs`, between gateways
//! that may be killed or paused anywhere, a far end that carries out a request
//! late or never and whose answer may be lost, and a store that may be lost.
//! A search breadth first visits all states, so a "no" is a proof within the
//! bounds: two gateways, one crash, three requests, one loss of the store.
//!
//! There are no leases in the model: any gateway may work on the incident at
//! any time. Leases save work; what keeps the incident single is that the pair
//! is written at its revision, before the request.
//!
//! Time is in it as one word, *settled*: the wait has passed since whatever was
//! sent, or since the store began. Where delays are bounded, as they are if the
//! wait is long enough, that implies that no request is in the air and that
//! nobody stands between storing an intention and sending the request.

#![allow(clippy::print_stdout)] // The ways to a second record are worth reading.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::fmt;

const GATEWAYS: usize = 2;
const REQUESTS: usize = 3;
const CRASHES: u8 = 1;

/// When a gateway looks for the record before it creates one.
#[derive(Clone, Copy, PartialEq)]
enum Looks {
    Never,
    /// If a request may have been sent before.
    IfDoubtful,
    Always,
}

/// What must have passed before "there is none" is believed in doubt.
#[derive(Clone, Copy, PartialEq)]
enum Waits {
    Never,
    /// The wait was over before the question was asked.
    BeforeTheLook,
    /// The wait was over when the answer was there.
    BeforeTheRequest,
}

/// What may happen to the store, once.
#[derive(Clone, Copy, PartialEq)]
enum Loss {
    Never,
    /// A new, empty one takes its place, while no gateway runs. What was sent
    /// is still on its way.
    Wiped,
    /// The same, while gateways run.
    WipedMeanwhile,
    /// It goes back to a moment at which it did not know of the incident, while
    /// no gateway runs, and does not notice: one that does is as good as new.
    Restored,
}

/// What an instance does with the `sys_id` that a creation gives it.
#[derive(Clone, Copy, PartialEq)]
enum SysId {
    Ignored,
    /// It is taken: a second record is refused.
    Honoured,
    /// It is ignored, but the store remembers that it was honoured.
    IgnoredBelievedHonoured,
}

#[derive(Clone, Copy)]
struct Protocol {
    /// Stores that it is about to create, before it does.
    intends: bool,
    looks: Looks,
    waits: Waits,
    /// An incident that is older than the store counts as doubtful.
    new_store_waits: bool,
    sys_id: SysId,
    /// Nothing takes longer than the wait.
    bounded: bool,
    loss: Loss,
}

/// What is built, for ServiceNow instances that choose their own `sys_id`.
const BUILT: Protocol = Protocol {
    intends: true,
    looks: Looks::Always,
    waits: Waits::BeforeTheLook,
    new_store_waits: true,
    sys_id: SysId::Ignored,
    bounded: true,
    loss: Loss::Never,
};

/// For those that honour the one that they are given. Whether it waits, which
/// it does until it knows, plays no part then.
const HONOURED: Protocol = Protocol {
    sys_id: SysId::Honoured,
    bounded: false,
    waits: Waits::Never,
    new_store_waits: false,
    ..BUILT
};

/// Without any of it.
const NAIVE: Protocol = Protocol {
    intends: false,
    looks: Looks::Never,
    waits: Waits::Never,
    new_store_waits: false,
    ..BUILT
};

/// As built, but a new store knows no doubt.
const HASTY: Protocol = Protocol {
    new_store_waits: false,
    ..BUILT
};

/// The other way, where nothing is unique.
const FLASHDUTY: Protocol = Protocol {
    looks: Looks::IfDoubtful,
    ..BUILT
};

/// What a gateway is about to do.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Begin,
    Look { revision: u8, settled: bool },
    Intend { revision: u8 },
    Send { revision: u8 },
    Wait { revision: u8, request: usize },
    Withdraw { revision: u8 },
    Link { revision: u8 },
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Request {
    NotYet,
    InTheAir,
    CarriedOut,
    Lost,
    /// The far end has the record already, and says so.
    Exists,
    /// It said, or the network did, that nothing was done.
    Failed,
    /// Nobody waits for the answer any more.
    Over,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Store {
    /// Of the pair; 0 if there is none.
    revision: u8,
    /// Creations that may have been sent.
    sent: u8,
    linked: bool,
    honours_sys_id: bool,
    /// It has noted when it was first looked at.
    is_dated: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    gateways: [Step; GATEWAYS],
    store: Store,
    /// The incident that a record is wanted for.
    is_born: bool,
    /// It was born before the store was dated.
    is_older: bool,
    requests: [Request; REQUESTS],
    records: u8,
    crashes: u8,
    is_lost: bool,
}

#[derive(Clone, Copy)]
enum Event {
    Born,
    Dated,
    Lost(Loss),
    Begins(usize, &'static str),
    Finds(usize, bool),
    Waits(usize),
    Intends(usize, bool),
    Sends(usize, usize),
    Hears(usize, &'static str),
    Withdraws(usize, bool),
    Links(usize, bool),
    Crashes(usize),
    Becomes(usize, &'static str),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |gateway: &usize| ["A", "B"][*gateway];
        let or_not = |done: &bool, what: &str| match done {
            true => what.to_owned(),
            false => format!("{what}: refused, the pair has moved on"),
        };
        match self {
            Self::Born => write!(f, "the incident is born"),
            Self::Dated => write!(f, "the store is looked at for the first time"),
            Self::Lost(Loss::Restored) => write!(f, "the store is restored from a backup"),
            Self::Lost(_) => write!(f, "the store is wiped"),
            Self::Begins(g, found) => write!(f, "{} begins: {found}", name(g)),
            Self::Finds(g, true) => write!(f, "{} looks: there is a record", name(g)),
            Self::Finds(g, false) => write!(f, "{} looks: there is none", name(g)),
            Self::Waits(g) => write!(f, "{} leaves it for later", name(g)),
            Self::Intends(g, done) => {
                write!(f, "{} {}", name(g), or_not(done, "stores its intention"))
            }
            Self::Sends(g, request) => write!(f, "{} sends request {}", name(g), request + 1),
            Self::Hears(g, what) => write!(f, "{} hears {what}", name(g)),
            Self::Withdraws(g, done) => {
                write!(
                    f,
                    "{} {}",
                    name(g),
                    or_not(done, "takes its intention back")
                )
            }
            Self::Links(g, done) => write!(f, "{} {}", name(g), or_not(done, "stores the link")),
            Self::Crashes(g) => write!(f, "{} is killed", name(g)),
            Self::Becomes(request, what) => write!(f, "request {} {what}", request + 1),
        }
    }
}

impl State {
    fn first(protocol: &Protocol) -> Self {
        Self {
            gateways: [Step::Begin; GATEWAYS],
            store: Store {
                revision: 0,
                sent: 0,
                linked: false,
                honours_sys_id: protocol.sys_id == SysId::IgnoredBelievedHonoured,
                is_dated: false,
            },
            is_born: false,
            is_older: false,
            requests: [Request::NotYet; REQUESTS],
            records: 0,
            crashes: 0,
            is_lost: false,
        }
    }

    /// Whether the wait has passed, as `gateway` sees it.
    fn is_settled(&self, gateway: usize, protocol: &Protocol) -> bool {
        let others = self.gateways.iter().enumerate();
        let in_the_air = self.requests.contains(&Request::InTheAir);
        let about_to_send = others
            .filter(|(other, _)| *other != gateway)
            .any(|(_, step)| matches!(step, Step::Send { .. }));
        !protocol.bounded || !in_the_air && !about_to_send
    }

    /// Whether a request may have been sent before.
    fn is_doubtful(&self, protocol: &Protocol) -> bool {
        self.store.sent > 0 || protocol.new_store_waits && self.is_older
    }

    /// Everything that can happen next.
    fn next(&self, protocol: &Protocol) -> Vec<(Event, Self)> {
        let mut next = Vec::new();
        self.world(protocol, &mut next);
        for gateway in 0..GATEWAYS {
            self.work(gateway, protocol, &mut next);
        }
        next
    }

    fn world(&self, protocol: &Protocol, next: &mut Vec<(Event, Self)>) {
        let mut happens = |event, change: &dyn Fn(&mut Self)| {
            let mut state = *self;
            change(&mut state);
            next.push((event, state));
        };
        if !self.is_born {
            happens(Event::Born, &|s| s.is_born = true);
        }
        if !self.store.is_dated {
            happens(Event::Dated, &|s| {
                s.store.is_dated = true;
                s.is_older = s.is_born && protocol.new_store_waits;
            });
        }
        if protocol.loss != Loss::Never && !self.is_lost {
            happens(Event::Lost(protocol.loss), &|s| {
                let empty = Self::first(protocol).store;
                let is_dated = s.store.is_dated && protocol.loss == Loss::Restored;
                s.store = Store { is_dated, ..empty };
                s.is_older &= is_dated;
                s.is_lost = true;
                for step in &mut s.gateways {
                    let goes_on = protocol.loss == Loss::WipedMeanwhile && *step != Step::Done;
                    if !goes_on {
                        *step = Step::Begin;
                    }
                }
            });
        }
        for (index, request) in self.requests.iter().enumerate() {
            if *request != Request::InTheAir {
                continue;
            }
            let mut becomes = |what, request| {
                happens(Event::Becomes(index, what), &|s| {
                    let is_awaited = s.gateways.iter().any(
                        |step| matches!(step, Step::Wait { request, .. } if *request == index),
                    );
                    s.requests[index] = if is_awaited { request } else { Request::Over };
                    s.records += u8::from(request == Request::CarriedOut);
                });
            };
            match protocol.sys_id == SysId::Honoured && self.records > 0 {
                true => becomes("is refused: it exists", Request::Exists),
                false => becomes("is carried out", Request::CarriedOut),
            }
            becomes("is lost", Request::Lost);
            becomes("fails for certain", Request::Failed);
        }
    }

    fn work(&self, gateway: usize, protocol: &Protocol, next: &mut Vec<(Event, Self)>) {
        let mut goes_on = |event, step, change: &dyn Fn(&mut Self)| {
            let mut state = *self;
            state.gateways[gateway] = step;
            change(&mut state);
            next.push((event, state));
        };
        let same = |_: &mut Self| {};
        let step = self.gateways[gateway];
        // Where nothing was stored since it began, it begins again; where it waits
        // for an answer, that is as if it heard nothing.
        let leaves_something = matches!(
            step,
            Step::Send { .. } | Step::Withdraw { .. } | Step::Link { .. }
        );
        if self.crashes < CRASHES && leaves_something {
            goes_on(Event::Crashes(gateway), Step::Begin, &|s| s.crashes += 1);
        }
        let holds = |revision| self.store.revision == revision;
        let revision = self.store.revision;
        match step {
            // The store is dated by the first session, before all else.
            Step::Begin if self.is_born && self.store.is_dated => {
                let found = match (self.store.linked, self.store.sent, self.is_older) {
                    (true, _, _) => "the pair is linked",
                    (_, 1.., _) => "a request may be on its way",
                    (_, 0, true) => "the incident is older than the store",
                    (_, 0, false) => "a new incident",
                };
                let looks = match protocol.looks {
                    Looks::Never => false,
                    Looks::IfDoubtful => self.is_doubtful(protocol),
                    Looks::Always => true,
                };
                let settled = self.is_settled(gateway, protocol);
                let step = match self.store.linked {
                    true => Step::Done,
                    false if looks => Step::Look { revision, settled },
                    false => Step::Intend { revision },
                };
                goes_on(Event::Begins(gateway, found), step, &same);
            }
            Step::Look { revision, settled } => {
                if self.records > 0 {
                    goes_on(Event::Finds(gateway, true), Step::Link { revision }, &|s| {
                        s.store.honours_sys_id |= protocol.sys_id == SysId::Honoured;
                    });
                    return;
                }
                let believed = protocol.waits != Waits::BeforeTheLook
                    || settled
                    || self.store.honours_sys_id
                    || !self.is_doubtful(protocol);
                let step = match believed {
                    true => Step::Intend { revision },
                    false => Step::Begin,
                };
                goes_on(Event::Finds(gateway, false), step, &same);
            }
            Step::Intend { revision } => {
                let too_early = protocol.waits == Waits::BeforeTheRequest
                    && self.is_doubtful(protocol)
                    && !self.store.honours_sys_id
                    && !self.is_settled(gateway, protocol);
                if too_early {
                    goes_on(Event::Waits(gateway), Step::Begin, &same);
                } else if !protocol.intends {
                    self.send(gateway, revision, &mut goes_on);
                } else if !self.requests.contains(&Request::NotYet) {
                    // No request is left to the model.
                } else if holds(revision) {
                    let step = Step::Send {
                        revision: revision + 1,
                    };
                    goes_on(Event::Intends(gateway, true), step, &|s| {
                        s.store.revision += 1;
                        s.store.sent += 1;
                    });
                } else {
                    goes_on(Event::Intends(gateway, false), Step::Begin, &same);
                }
            }
            Step::Send { revision } => {
                self.send(gateway, revision, &mut goes_on);
            }
            Step::Wait { revision, request } => {
                let over = |s: &mut Self| {
                    if s.requests[request] != Request::InTheAir {
                        s.requests[request] = Request::Over;
                    }
                };
                goes_on(Event::Hears(gateway, "nothing"), Step::Begin, &over);
                let (what, step) = match self.requests[request] {
                    Request::CarriedOut => ("that it is done", Step::Link { revision }),
                    // It looks, and finds it.
                    Request::Exists => ("that it exists", Step::Link { revision }),
                    Request::Failed => ("that it failed", Step::Withdraw { revision }),
                    _ => return,
                };
                goes_on(Event::Hears(gateway, what), step, &|s| {
                    let is_new = s.requests[request] == Request::CarriedOut;
                    s.store.honours_sys_id |= is_new && protocol.sys_id == SysId::Honoured;
                    over(s);
                });
            }
            Step::Withdraw { revision } => {
                let done = protocol.intends && holds(revision);
                goes_on(Event::Withdraws(gateway, done), Step::Begin, &|s| {
                    s.store.revision += u8::from(done);
                    s.store.sent = s.store.sent.saturating_sub(u8::from(done));
                });
            }
            Step::Link { revision } => {
                let done = !protocol.intends || holds(revision);
                let step = if done { Step::Done } else { Step::Begin };
                goes_on(Event::Links(gateway, done), step, &|s| {
                    s.store.revision += u8::from(done);
                    s.store.linked |= done;
                });
            }
            Step::Begin | Step::Done => {}
        }
    }
}

impl State {
    fn send(
        &self,
        gateway: usize,
        revision: u8,
        goes_on: &mut impl FnMut(Event, Step, &dyn Fn(&mut Self)),
    ) {
        let unsent = self.requests.iter().position(|r| *r == Request::NotYet);
        if let Some(request) = unsent {
            let step = Step::Wait { revision, request };
            goes_on(Event::Sends(gateway, request), step, &|s| {
                s.requests[request] = Request::InTheAir;
            });
        }
    }
}

/// What a search found.
struct Search {
    states: usize,
    /// The shortest way to a second record.
    duplicate: Option<Vec<String>>,
    /// Whether the pair was ever linked: else nothing was modelled.
    links: bool,
}

fn search(protocol: &Protocol) -> Search {
    let first = State::first(protocol);
    // How each state was first come to.
    let mut seen = HashMap::from([(first, None)]);
    let mut queue = VecDeque::from([first]);
    let mut links = false;
    let mut duplicate = None;
    while let Some(state) = queue.pop_front() {
        links |= state.store.linked;
        if state.records > 1 {
            duplicate = Some(way_to(state, &seen));
            break;
        }
        for (event, next) in state.next(protocol) {
            if let Entry::Vacant(new) = seen.entry(next) {
                new.insert(Some((state, event)));
                queue.push_back(next);
            }
        }
    }
    Search {
        states: seen.len(),
        duplicate,
        links,
    }
}

fn way_to(mut state: State, seen: &HashMap<State, Option<(State, Event)>>) -> Vec<String> {
    let mut way = Vec::new();
    while let Some((earlier, event)) = seen[&state] {
        way.push(event.to_string());
        state = earlier;
    }
    way.reverse();
    way
}

/// Each with whether two records can come of it.
const VARIANTS: [(&str, Protocol, bool); 16] = [
    ("look into the store, create, store the link", NAIVE, true),
    (
        "store the intention, create, store the link",
        Protocol {
            intends: true,
            ..NAIVE
        },
        true,
    ),
    (
        "and look before each creation",
        Protocol {
            waits: Waits::Never,
            ..BUILT
        },
        true,
    ),
    (
        "and wait until what was sent has settled, after the look",
        Protocol {
            waits: Waits::BeforeTheRequest,
            ..BUILT
        },
        true,
    ),
    ("**as built**: wait, then look", BUILT, false),
    (
        "a request takes longer than the wait",
        Protocol {
            bounded: false,
            ..BUILT
        },
        true,
    ),
    (
        "the store is wiped, and a new one does not wait",
        lost(Loss::Wiped, HASTY),
        true,
    ),
    (
        "**as built**: a new store waits with incidents older than itself",
        lost(Loss::Wiped, BUILT),
        false,
    ),
    (
        "the same, wiped while gateways run",
        lost(Loss::WipedMeanwhile, BUILT),
        true,
    ),
    (
        "the same, restored from a copy that does not notice, while a request is on its way",
        lost(Loss::Restored, BUILT),
        true,
    ),
    (
        "**as built**, `sys_id` honoured: no wait, requests as late as they like",
        HONOURED,
        false,
    ),
    (
        "the same, the store wiped while gateways run",
        lost(Loss::WipedMeanwhile, HONOURED),
        false,
    ),
    (
        "`sys_id` once honoured and now ignored",
        Protocol {
            sys_id: SysId::IgnoredBelievedHonoured,
            ..BUILT
        },
        true,
    ),
    (
        "**as built**, to Flashduty: look only if in doubt",
        FLASHDUTY,
        false,
    ),
    (
        "to Flashduty, the store is wiped, and a new one is not in doubt",
        lost(
            Loss::Wiped,
            Protocol {
                new_store_waits: false,
                ..FLASHDUTY
            },
        ),
        true,
    ),
    (
        "**as built**, to Flashduty, the store is wiped",
        lost(Loss::Wiped, FLASHDUTY),
        false,
    ),
];

const fn lost(loss: Loss, protocol: Protocol) -> Protocol {
    Protocol { loss, ..protocol }
}

#[test]
fn what_is_built_makes_no_second_record_and_each_rule_is_needed() {
    let mut table = String::from("| rules | states | two records? |\n| --- | --- | --- |\n");
    for (name, protocol, expected) in VARIANTS {
        let found = search(&protocol);
        let way = found.duplicate.as_ref().map(|way| way.join("\n  "));
        println!(
            "{name}: {} states\n  {}",
            found.states,
            way.as_deref().unwrap_or("never two")
        );
        assert_eq!(way.is_some(), expected, "{name}");
        let verdict = if expected { "**yes**" } else { "no" };
        table += &format!("| {name} | {} | {verdict} |\n", thousands(found.states));
        assert!(found.links || expected, "{name}: nothing is ever linked");
    }
    let page = include_str!("../docs/reliability.md");
    assert!(
        page.contains(&table),
        "docs/reliability.md does not have this table:\n{table}"
    );
}

fn thousands(number: usize) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", thousands(number / 1000), number % 1000),
    }
}
