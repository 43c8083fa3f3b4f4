//! Holds back requests to places that do not want any right now.
//!
//! There is one [gate](Gate) and one [pace](Pace) for each origin and
//! credential, shared by all work. While a gate is closed the plugin is told so
//! and nothing is sent: a far end that locks accounts after a few bad log-ins
//! sees very few. The answer that closed a gate still goes to the plugin as the
//! answer it is.
//!
//! # What is kept
//!
//! A gate that closes is written into the store and deleted when it opens, so
//! that a restart does not forget it and gateways on one store learn from each
//! other: they look when they look for work. Nothing is read or written while a
//! far end works. What goes through a closed gate as a probe is claimed there
//! first, so that one gateway probes and not each of them; a claim lapses, in
//! case its holder died. A store that fails costs no request that could be
//! sent: what memory knows is enough to go by.
//!
//! A credential is known there by its name. Anything that would tell whether a
//! secret is still the same would help to guess it.
//!
//! # Waiting
//!
//! A request waits for its turn a little while. If that is not enough it is
//! held back, as at a closed gate, and so is the work that wanted it: the queue
//! asks [`Gates::turn`] before it runs that work again.

use crate::Environment;
use crate::Store;
use crate::StoreError;
use crate::contract::Hold;
use crate::contract::KeyedEntry;
use crate::contract::Precondition;
use crate::contract::Scan;
use crate::contract::Write;
use crate::gate::Closed;
use crate::gate::Gate;
use crate::gate::Lesson;
use crate::gate::Probe;
use crate::gate::Why;
use crate::pace::Pace;
use crate::pace::Step;
use crate::queue::Now;
use crate::settings::PaceSettings;
use crate::versioned;
use serde::Deserialize;
use serde::Serialize;
use sha2::Digest as _;
use sha2::Sha256;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

/// Where records lie, in the gateway's own part of the key space.
pub(crate) const PREFIX: &str = "g.gate.";
const SCHEMA: u64 = 1;
/// While a probe is out, look again after this.
const PROBE_MS: u64 = 1000;
/// The longest that a probe may be out: fetching a token, and a request.
const CLAIM_MS: u64 = 120_000;
/// If the work that was to probe did not come to it, other work may after this.
const TRY_MS: u64 = 5000;
/// How often a place is looked at that has too many requests under way.
const LOOK_AGAIN_MS: u64 = 20;
/// How often a refused write is tried again.
const ROUNDS: u32 = 4;

/// What a gate guards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Place {
    pub(crate) origin: String,
    pub(crate) credential: Option<String>,
    /// The token endpoint of the credential, and not what the token opens.
    pub(crate) token_endpoint: bool,
}

impl Place {
    /// A name for it that fits into a key.
    pub(crate) fn id(&self) -> String {
        let credential = self.credential.as_deref().unwrap_or("\n");
        let text = format!("{}\n{credential}\n{}", self.origin, self.token_endpoint);
        Sha256::digest(text)[..16]
            .iter()
            .fold(String::new(), |mut id, byte| {
                // Writing into a string does not fail.
                let _ = write!(id, "{byte:02x}");
                id
            })
    }
}

/// A closed gate as it stands in the store.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Record {
    schema: u64,
    pub(crate) place: Place,
    pub(crate) closed: Closed,
}

impl Record {
    pub(crate) fn read(value: &[u8]) -> Result<Self, String> {
        versioned::read(
            value,
            SCHEMA..=SCHEMA,
            ", which is the one to use with this store",
        )
    }
}

/// A closed gate, for operators.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ClosedGate {
    /// The origin that nothing is sent to.
    pub origin: String,
    /// The credential that nothing is sent with, if requests carry one.
    pub credential: Option<String>,
    /// Since when, in Unix milliseconds.
    pub since_ms: u64,
    /// Until when, in Unix milliseconds; then one request goes as a probe.
    pub until_ms: u64,
    /// Why, in a word: `limited`, `asked-to-wait`, `rejected`, `forbidden` or
    /// `failing`.
    pub why: &'static str,
    /// Why, and what to do about it.
    pub reason: String,
}

/// When work that waits for a place may be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Now,
    /// At this Unix time, in milliseconds, ask again.
    Later(u64),
}

pub(crate) struct Gates {
    /// Names this gateway in claims.
    holder: String,
    all: Mutex<Vec<Guarded>>,
}

struct Guarded {
    /// Of the place.
    id: String,
    place: Place,
    gate: Gate,
    pace: Pace,
    probing: bool,
    /// Whether a limit has been told of since the gate closed.
    limited: bool,
    /// Until when, on the steady clock, work is on its way that is to probe.
    trying_ms: u64,
    /// Of the record in the store, as far as it is known.
    revision: Option<u64>,
}

/// Leave to send one request. Dropped without a lesson, it teaches nothing.
pub(crate) struct Pass<'a> {
    gates: &'a Gates,
    id: String,
    /// Whether this is the only request that goes while the gate is closed,
    /// and for what it closed.
    pub(crate) probe: Option<Why>,
}

/// How long a request waits for its turn.
pub(crate) struct Patience<'a> {
    pub(crate) settings: &'a PaceSettings,
    pub(crate) most_ms: u64,
}

enum Begun<'a> {
    Open,
    Probe(Pass<'a>),
}

impl Gates {
    /// `holder` is a number that no other gateway on the same store has.
    pub(crate) fn new(holder: u64) -> Self {
        Self {
            holder: format!("{holder:016x}"),
            all: Mutex::default(),
        }
    }

    /// Asks to send one request, and waits for its turn.
    pub(crate) async fn enter(
        &self,
        place: &Place,
        patience: &Patience<'_>,
        store: &impl Store,
        environment: &impl Environment,
    ) -> Result<Pass<'_>, Hold> {
        let id = place.id();
        for _ in 0..ROUNDS {
            match self.begin(&id, place, Now::of(environment))? {
                Begun::Open => return self.queue(&id, patience, environment).await,
                Begun::Probe(pass) => {
                    let now_ms = environment.now_ms();
                    match self.claim(&id, store, now_ms).await {
                        Ok(true) => return Ok(pass),
                        // Another gateway was here. What it found out is known now.
                        Ok(false) => {}
                        Err(error) => return Err(soon(now_ms, &error.to_string())),
                    }
                }
            }
        }
        Err(soon(environment.now_ms(), "other gateways are trying"))
    }

    fn begin(&self, id: &str, place: &Place, now: Now) -> Result<Begun<'_>, Hold> {
        let mut all = self.all();
        let guarded = find_or_add(&mut all, id, place);
        let Some(closed) = &guarded.gate.closed else {
            return Ok(Begun::Open);
        };
        if let Some(until_ms) = self.held_until(guarded, closed, now.ms) {
            return Err(Hold {
                until_ms,
                reason: closed.reason.clone(),
            });
        }
        let why = closed.why;
        guarded.probing = true;
        guarded.pace.jump_the_line(now.steady_ms);
        Ok(Begun::Probe(Pass {
            gates: self,
            id: id.to_owned(),
            probe: Some(why),
        }))
    }

    /// Until when nothing goes to a place whose gate is closed; nothing if it
    /// is time for a probe.
    fn held_until(&self, guarded: &Guarded, closed: &Closed, now_ms: u64) -> Option<u64> {
        if closed.holds(now_ms) {
            return Some(closed.until);
        }
        if guarded.probing {
            return Some(now_ms + PROBE_MS);
        }
        let probe = closed.probe.as_ref()?;
        let left_ms = probe.until.saturating_sub(now_ms);
        let elsewhere = probe.by != self.holder && left_ms > 0 && left_ms <= CLAIM_MS;
        elsewhere.then_some(probe.until)
    }

    /// Claims the probe for this gateway; false if another one was here.
    async fn claim(&self, id: &str, store: &impl Store, now_ms: u64) -> Result<bool, StoreError> {
        let (value, revision) = {
            let mut all = self.all();
            let Some(guarded) = find(&mut all, id) else {
                return Ok(false);
            };
            let Some(closed) = &mut guarded.gate.closed else {
                return Ok(false);
            };
            closed.probe = Some(Probe {
                by: self.holder.clone(),
                until: now_ms + CLAIM_MS,
            });
            (guarded.record(), guarded.revision)
        };
        let written = store.write(write(id, value, revision)).await?;
        if let Ok(revision) = written {
            self.with(id, |guarded| guarded.revision = Some(revision));
            return Ok(true);
        }
        let found = read(store, id).await?;
        self.with(id, |guarded| guarded.adopt(found, now_ms));
        Ok(false)
    }

    /// Waits in line.
    async fn queue(
        &self,
        id: &str,
        patience: &Patience<'_>,
        environment: &impl Environment,
    ) -> Result<Pass<'_>, Hold> {
        let begun_ms = environment.steady_ms();
        loop {
            let now_ms = environment.steady_ms();
            let left_ms = (begun_ms + patience.most_ms).saturating_sub(now_ms);
            let step = self.with(id, |guarded| {
                guarded.pace.step(patience.settings, now_ms, left_ms)
            });
            let wait_ms = match step {
                None | Some(Step::Full) if left_ms > 0 => {
                    environment.sleep(LOOK_AGAIN_MS.min(left_ms)).await;
                    continue;
                }
                None | Some(Step::Full) => PROBE_MS,
                Some(Step::TooLong { wait_ms }) => wait_ms,
                Some(Step::Go { wait_ms }) => {
                    let pass = Pass {
                        gates: self,
                        id: id.to_owned(),
                        probe: None,
                    };
                    if wait_ms > 0 {
                        environment.sleep(wait_ms).await;
                    }
                    if environment.steady_ms() > begun_ms {
                        // It may have closed meanwhile.
                        self.still_open(id, environment.now_ms())?;
                    }
                    return Ok(pass);
                }
            };
            return Err(Hold {
                until_ms: environment.now_ms() + wait_ms,
                reason: "many requests wait for their turn at this far end (pace)".to_owned(),
            });
        }
    }

    fn still_open(&self, id: &str, now_ms: u64) -> Result<(), Hold> {
        let mut all = self.all();
        let closed = find(&mut all, id).and_then(|guarded| guarded.gate.closed.as_ref());
        closed.map_or(Ok(()), |closed| {
            Err(Hold {
                until_ms: closed.until.max(now_ms + PROBE_MS),
                reason: closed.reason.clone(),
            })
        })
    }

    /// Whether work may be run that waits for the place with this id. To say
    /// yes reserves a turn.
    pub(crate) fn turn(&self, id: &str, now: Now) -> Turn {
        let mut all = self.all();
        let Some(guarded) = find(&mut all, id) else {
            return Turn::Now;
        };
        let Some(closed) = &guarded.gate.closed else {
            return match guarded.pace.admit(now.steady_ms) {
                Ok(()) => Turn::Now,
                Err(wait_ms) => Turn::Later(now.ms + wait_ms),
            };
        };
        if let Some(until_ms) = self.held_until(guarded, closed, now.ms) {
            return Turn::Later(until_ms);
        }
        let left_ms = guarded.trying_ms.saturating_sub(now.steady_ms);
        if left_ms > 0 {
            return Turn::Later(now.ms + left_ms);
        }
        guarded.trying_ms = now.steady_ms + TRY_MS;
        Turn::Now
    }

    /// Whether nothing is sent to the place with this id.
    pub(crate) fn is_closed(&self, id: &str) -> bool {
        self.with(id, |guarded| guarded.gate.closed.is_some())
            .unwrap_or(false)
    }

    /// Gates that are closed. One that waits for its probe is closed still.
    pub(crate) fn closed(&self) -> Vec<ClosedGate> {
        let all = self.all();
        let mut closed: Vec<ClosedGate> = Vec::new();
        for gate in all.iter().filter_map(Guarded::for_operators) {
            let order = |other: &ClosedGate| {
                (&other.origin, &other.credential) < (&gate.origin, &gate.credential)
            };
            closed.insert(closed.partition_point(order), gate);
        }
        closed
    }

    /// Takes over what the store knows. Work that waited for a gate which is
    /// open now is due.
    pub(crate) async fn look(
        &self,
        store: &impl Store,
        environment: &impl Environment,
        starting: bool,
    ) -> Result<(), StoreError> {
        let revision = |guarded: &Guarded| (guarded.id.clone(), guarded.revision);
        let known: Vec<(String, Option<u64>)> = self.all().iter().map(revision).collect();
        let known = |id: &str| {
            let found = known.iter().find(|(known, _)| known == id);
            found.map(|(_, revision)| *revision)
        };
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store
                .scan(&Scan {
                    prefix: PREFIX.to_owned(),
                    after,
                    limit: 1000,
                })
                .await?;
            for KeyedEntry { key, entry } in page.entries {
                match Record::read(&entry.value) {
                    Ok(record) => {
                        found.push((key[PREFIX.len()..].to_owned(), record, entry.revision));
                    }
                    Err(problem) => tracing::warn!(key, problem, "left a gate alone"),
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let now_ms = environment.now_ms();
        let mut all = self.all();
        let before = all.iter().filter(|g| g.gate.closed.is_some()).count();
        // What has changed here during the look is newer than what it found.
        for guarded in all.iter_mut() {
            let unchanged = known(&guarded.id) == Some(guarded.revision);
            let is_found = found.iter().any(|(id, ..)| *id == guarded.id);
            if unchanged && guarded.revision.is_some() && !is_found {
                guarded.adopt(None, now_ms);
            }
        }
        for (id, mut record, revision) in found {
            let guarded = find_or_add(&mut all, &id, &record.place);
            let unchanged = known(&id).flatten() == guarded.revision;
            if !unchanged || guarded.revision == Some(revision) {
                continue;
            }
            if starting {
                record.closed = record.closed.at_a_start();
                // Nobody else can have sent one.
                record.closed.probe = record.closed.probe.filter(|_| store.is_shared());
            }
            guarded.adopt(Some((record, revision)), now_ms);
        }
        let opened = before > all.iter().filter(|g| g.gate.closed.is_some()).count();
        drop(all);
        if opened {
            environment.work_due(now_ms);
        }
        Ok(())
    }

    /// Forgets the gates of places that are not used any more, and opens those
    /// that are closed because of a credential that has been replaced.
    pub(crate) async fn forget(
        &self,
        used: impl Fn(&Place) -> bool,
        replaced: impl Fn(&str) -> bool,
        store: &impl Store,
        now_ms: u64,
    ) {
        let opened: Vec<String> = {
            let mut all = self.all();
            let concerned = all.iter_mut().filter_map(|guarded| {
                let why = guarded.gate.closed.as_ref()?.why;
                let replaced = guarded.place.credential.as_deref().is_some_and(&replaced);
                let unused = !used(&guarded.place);
                (unused || replaced && why.is_about_the_credential()).then(|| {
                    guarded.gate.open();
                    guarded.id.clone()
                })
            });
            concerned.collect()
        };
        for id in opened {
            self.keep(&id, store, now_ms).await;
        }
        self.all().retain(|guarded| used(&guarded.place));
    }

    /// Writes down how a gate stands now.
    async fn keep(&self, id: &str, store: &impl Store, now_ms: u64) {
        for _ in 0..ROUNDS {
            let Some((value, revision)) = self.with(id, |g| (g.record(), g.revision)) else {
                return;
            };
            let is_closed = value.is_some();
            if !is_closed && revision.is_none() {
                return;
            }
            let written = store.write(write(id, value, revision)).await;
            let found = match written {
                Ok(Ok(revision)) => {
                    self.with(id, |g| g.revision = is_closed.then_some(revision));
                    return;
                }
                Ok(Err(_)) => read(store, id).await,
                Err(error) => Err(error),
            };
            match found {
                // Another gateway closed it too, perhaps for longer; or by a clock that
                // is ahead, which tells nothing.
                Ok(Some((record, revision))) => self.with(id, |g| {
                    g.revision = Some(revision);
                    if let Some(closed) = &mut g.gate.closed
                        && record.closed.holds(now_ms)
                    {
                        closed.until = closed.until.max(record.closed.until);
                    }
                }),
                Ok(None) => self.with(id, |g| g.revision = None),
                Err(error) => {
                    tracing::warn!(%error, "cannot write down how a gate stands");
                    return;
                }
            };
        }
    }

    fn with<T>(&self, id: &str, act: impl FnOnce(&mut Guarded) -> T) -> Option<T> {
        find(&mut self.all(), id).map(act)
    }

    fn all(&self) -> MutexGuard<'_, Vec<Guarded>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// Tells what came of a request for a piece of work, and returns until
    /// when the gate is closed now, if it is.
    pub(crate) async fn learn(
        self,
        lesson: &Lesson,
        work: &str,
        store: &impl Store,
        environment: &impl Environment,
    ) -> Option<Hold> {
        let (now, random) = (Now::of(environment), environment.random());
        let probe = self.probe.is_some();
        let (changed, place, closed) = self.gates.with(&self.id, |guarded| {
            // Those that were under way when it closed for a limit, or have told of one
            // since it closed for anything else, tell of the same.
            let before = guarded.gate.closed.as_ref().filter(|_| !probe);
            guarded.limited = before.is_some_and(|c| guarded.limited || c.why == Why::Limited);
            let changed = guarded.gate.learn(lesson, work, probe, now.ms, random);
            if !guarded.limited && changed && matches!(lesson, Lesson::Limits { .. }) {
                guarded.limited = true;
                guarded.pace.halve(now.steady_ms);
            }
            let closed = guarded.gate.closed.clone();
            (changed, guarded.place.clone(), closed)
        })?;
        if changed {
            tell(&place, closed.as_ref());
            self.gates.keep(&self.id, store, now.ms).await;
            if closed.is_none() {
                environment.work_due(now.ms);
            }
        }
        closed.map(|closed| Hold {
            until_ms: closed.until,
            reason: closed.reason,
        })
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let probe = self.probe.is_some();
        self.gates.with(&self.id, |guarded| {
            guarded.pace.ended();
            if probe {
                guarded.probing = false;
            }
        });
    }
}

impl Guarded {
    fn new(id: &str, place: &Place) -> Self {
        Self {
            id: id.to_owned(),
            place: place.clone(),
            gate: Gate::default(),
            pace: Pace::default(),
            probing: false,
            limited: false,
            trying_ms: 0,
            revision: None,
        }
    }

    /// What is to stand in the store.
    fn record(&self) -> Option<Vec<u8>> {
        let record = Record {
            schema: SCHEMA,
            place: self.place.clone(),
            closed: self.gate.closed.clone()?,
        };
        // Nothing in a record can fail to serialise.
        Some(serde_json::to_vec(&record).unwrap_or_default())
    }

    /// Takes over what stands in the store. What was closed by a clock that is ahead
    /// tells nothing of when to ask: so what this process found out itself still holds.
    fn adopt(&mut self, found: Option<(Record, u64)>, now_ms: u64) {
        let own = self.gate.closed.take();
        self.gate.open();
        self.revision = None;
        if let Some((Record { closed, .. }, revision)) = found {
            let own = own.filter(|own| closed.is_from_ahead(now_ms) && own.holds(now_ms));
            self.gate.closed = Some(own.unwrap_or(closed));
            self.revision = Some(revision);
        }
    }

    fn for_operators(&self) -> Option<ClosedGate> {
        let closed = self.gate.closed.as_ref()?;
        Some(ClosedGate {
            origin: self.place.origin.clone(),
            credential: self.place.credential.clone(),
            since_ms: closed.since,
            until_ms: closed.until,
            why: closed.why.word(),
            reason: closed.reason.clone(),
        })
    }
}

/// There are as many as places, which is few.
fn find<'a>(all: &'a mut [Guarded], id: &str) -> Option<&'a mut Guarded> {
    all.iter_mut().find(|guarded| guarded.id == id)
}

fn find_or_add<'a>(all: &'a mut Vec<Guarded>, id: &str, place: &Place) -> &'a mut Guarded {
    let known = all.iter().position(|guarded| guarded.id == id);
    let at = known.unwrap_or(all.len());
    if known.is_none() {
        all.push(Guarded::new(id, place));
    }
    &mut all[at]
}

fn write(id: &str, value: Option<Vec<u8>>, revision: Option<u64>) -> Write {
    Write {
        key: format!("{PREFIX}{id}"),
        precondition: revision.map_or(Precondition::Absent, Precondition::Revision),
        value,
    }
}

async fn read(store: &impl Store, id: &str) -> Result<Option<(Record, u64)>, StoreError> {
    let found = store.get(&[format!("{PREFIX}{id}")]).await?;
    let Some(entry) = found.into_iter().next().flatten() else {
        return Ok(None);
    };
    match Record::read(&entry.value) {
        Ok(record) => Ok(Some((record, entry.revision))),
        Err(problem) => Err(StoreError(format!("gate {id}: {problem}"))),
    }
}

fn soon(now_ms: u64, reason: &str) -> Hold {
    Hold {
        until_ms: now_ms + PROBE_MS,
        reason: reason.to_owned(),
    }
}

/// Tells operators of a gate that closed or opened.
fn tell(place: &Place, closed: Option<&Closed>) {
    let (origin, credential) = (&place.origin, place.credential.as_deref().unwrap_or(""));
    match closed {
        None => tracing::info!(origin, credential, "the far end takes requests again"),
        Some(Closed {
            why, reason, until, ..
        }) if why.is_about_the_credential() => {
            tracing::error!(origin, credential, until, reason, "nothing is sent");
        }
        Some(Closed { reason, until, .. }) => {
            tracing::warn!(origin, credential, until, reason, "nothing is sent for now");
        }
    }
}
