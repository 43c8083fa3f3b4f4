//! A work item: ask one side what no webhook told of.
//!
//! Both systems send a webhook once and hardly try again, so each side is asked
//! at an interval. A poll writes nothing to a far end: whatever differs from
//! what the pair's own work has read is left to that work, with a hint as if a
//! webhook had come that says nothing. So a poll that is wrong, late or run
//! twice costs reads, and one that finds what a webhook has brought finds
//! nothing to do.
//!
//! How far it has come is stored behind each page, after the work for every
//! incident on it is durable: a crash repeats a page and skips none. It says so
//! in the clock of the far end, so it does not matter what the gateway's shows.
//!
//! A run makes a few calls only, and leaves the rest to the next. It is due
//! again whatever becomes of it.

mod flashduty;
mod progress;
mod servicenow;

use crate::Level;
use crate::Precondition;
use crate::Retry;
use crate::Verdict;
use crate::configuration::Integration;
use crate::far_end::Kind;
use crate::far_end::Trouble;
use crate::first_look::first_look;
use crate::flashduty::FlashdutyApi;
use crate::flashduty::is_settled;
use crate::flashduty::short_hash;
use crate::hint::Hint;
use crate::intake::schedule;
use crate::json;
use crate::keys;
use crate::keys::Entity;
use crate::pair::Pair;
use crate::plan::Side;
use crate::servicenow::ServiceNowApi;
use crate::servicenow::SysId;
use crate::session::Effects;
use crate::text;
use crate::watch::Watch;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;
use progress::Pass;
use progress::Progress;

/// The event of a hint that a poll leaves about a Flashduty incident.
pub(crate) const POLL: &str = "poll";

/// How many calls a run makes for what is new, and with half of them at least goes on to
/// pairs: live work comes first.
const CALLS: u32 = 10;

/// No further page is asked for once so many incidents are to be looked at.
const LOOKS: usize = 200;

/// When a run that left something goes on, if it does not fall due before.
const SOON_MS: u64 = 5_000;

/// What is read again each time, in seconds of the far end's clock: a change
/// may be seen later than it says that it was made.
const OVERLAP_S: u64 = 300;

/// Why a run ends before it has come to the end.
enum Pause {
    /// It has done its share.
    Enough,
    /// A call failed.
    Trouble(Trouble),
}

impl Pause {
    fn is_refusal(&self) -> bool {
        matches!(self, Self::Trouble(trouble) if trouble.kind() == Kind::Refused)
    }
}

impl From<Trouble> for Pause {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

/// Asks one side, and says how that ended.
pub(crate) async fn run(effects: &Effects, integration: &Integration, side: Side) -> Verdict {
    let work = keys::poll_work(&integration.id, side);
    let polls = integration.polls(side);
    let interval_ms = u64::from(integration.reconcile.poll_seconds) * 1000;
    if polls {
        // First of all, so that it runs again even if this run breaks.
        let next_ms = effects.now_ms().saturating_add(interval_ms);
        effects.schedule(work.clone(), next_ms, "poll");
    }
    let poll = Poll {
        effects,
        integration,
        side,
        flashduty: FlashdutyApi::new(effects, &integration.flashduty, false),
        servicenow: ServiceNowApi::new(effects, integration, false),
        interval_ms,
        calls: CALLS,
        looks: 0,
        revision: None,
        progress: Progress::default(),
    };
    match poll.run(polls).await {
        Ok(()) => Verdict::Done,
        Err(Pause::Enough) => {
            effects.schedule(work, effects.now_ms() + SOON_MS.min(interval_ms), "poll");
            Verdict::Done
        }
        // Nothing that a far end says is a reason to give up asking.
        Err(Pause::Trouble(trouble)) => Verdict::Retry(Retry {
            not_before_ms: match trouble.kind() {
                Kind::NotBefore(until_ms) => Some(until_ms),
                _ => None,
            },
            counts: false,
            reason: trouble.reason().into(),
        }),
    }
}

/// One run.
struct Poll<'a> {
    effects: &'a Effects,
    integration: &'a Integration,
    side: Side,
    flashduty: FlashdutyApi<'a>,
    servicenow: ServiceNowApi<'a>,
    interval_ms: u64,
    /// How many calls are left.
    calls: u32,
    /// How many incidents are to be looked at so far.
    looks: usize,
    /// At which the progress stands in the store.
    revision: Option<u64>,
    progress: Progress,
}

/// A page of what a side lists.
struct Page {
    rows: Vec<Row>,
    /// Where to go on, if there is more.
    next: Option<String>,
    /// The time of the newest change, in seconds.
    newest_s: u64,
}

/// An incident as a list shows it.
struct Row {
    about: Entity,
    version: String,
    /// Whether it may take part, should it belong to no pair yet.
    may_be_new: bool,
    /// Whether it says itself that it belongs to a pair of this integration.
    is_ours: bool,
}

/// An incident whose pair shall be looked at.
struct Look {
    pair: Entity,
    about: Entity,
    version: String,
    /// What is known of the pair, and the revision of that.
    watch: Option<(u64, Watch)>,
    /// Whether it belongs to no pair yet.
    is_new: bool,
    /// As of the row.
    is_ours: bool,
}

impl Look {
    /// The record, if it is one.
    fn sys_id(&self) -> Option<SysId> {
        match &self.about {
            Entity::ServiceNow(id) => Some(id.clone()),
            Entity::Flashduty(_) => None,
        }
    }
}

impl Poll<'_> {
    /// Polls; or, if that is not wanted, only sees to it that it is known when
    /// this store first looked.
    async fn run(mut self, polls: bool) -> Result<(), Pause> {
        let id = &self.integration.id;
        let [looked, progress] = self
            .effects
            .get([keys::first_look(id, self.side), keys::poll(id, self.side)])
            .await;
        if let Some(entry) = progress {
            self.revision = Some(entry.revision);
            self.progress = json::read(&entry.value).unwrap_or_default();
        }
        let begins = polls && !self.progress.has_begun();
        if begins && self.progress.ask_first(self.effects.now_ms()) {
            // The far end may not answer for hours.
            self.save().await?;
        }
        if looked.is_none() || begins {
            let clock_ms = self.clock().await?;
            let now_ms = self.effects.now_ms();
            first_look(self.effects, id, self.side, clock_ms.unwrap_or(now_ms)).await;
            if begins {
                self.progress.begin(self.side, clock_ms, now_ms);
            }
        }
        if !polls {
            return Ok(());
        }
        self.list(Pass::New).await?;
        if self.side == Side::Flashduty {
            // A list of many pages must not take all the calls each time.
            self.calls = self.calls.max(CALLS / 2);
            self.look_at_pairs().await?;
            if self
                .progress
                .begins_all(self.effects.now_ms(), self.interval_ms)
            {
                self.list(Pass::All).await?;
            }
        }
        Ok(())
    }

    /// What the side's own clock shows, in milliseconds, if that can be asked.
    async fn clock(&mut self) -> Result<Option<u64>, Pause> {
        let now_s = self.effects.now_ms() / 1000;
        Ok(match self.side {
            Side::Flashduty if self.flashduty.is_available() => {
                self.flashduty
                    .list(now_s.saturating_sub(1)..now_s, &[], None, None)
                    .await?;
                self.flashduty.clock_ms()
            }
            Side::ServiceNow if self.servicenow.is_available() => {
                self.servicenow
                    .changed(&progress::text(self.side, now_s), None, 0)
                    .await?;
                self.servicenow.clock_ms()
            }
            _ => None,
        })
    }

    /// Goes through what the side lists, page by page.
    async fn list(&mut self, pass: Pass) -> Result<(), Pause> {
        let horizon = self.progress.horizon(self.side, pass);
        loop {
            self.spend()?;
            let after = self.progress.after(pass).take();
            let goes_on = after.is_some();
            let page = match self.side {
                Side::Flashduty => self.list_incidents(pass, after).await,
                Side::ServiceNow => self.list_records(&horizon, after).await,
            };
            if goes_on && page.as_ref().is_err_and(Pause::is_refusal) {
                // Perhaps of where to go on, so the next run begins anew.
                self.save().await?;
            }
            let page = page?;
            let looks = self.changed(page.rows, &horizon).await;
            let looks = self.wanted(looks).await?;
            self.ask(looks).await?;
            let is_last = page.next.is_none();
            *self.progress.after(pass) = page.next;
            self.progress.newest_s = self.progress.newest_s.max(page.newest_s);
            if is_last && pass == Pass::New {
                let clock_ms = match self.side {
                    Side::Flashduty => self.flashduty.clock_ms(),
                    Side::ServiceNow => self.servicenow.clock_ms(),
                };
                self.progress
                    .close(self.side, clock_ms, self.effects.now_ms());
            }
            self.save().await?;
            if is_last {
                return Ok(());
            }
        }
    }

    /// What Flashduty's clock shows, as far as it has been asked.
    fn far_ms(&self) -> u64 {
        let far_ms = self.flashduty.clock_ms();
        far_ms.unwrap_or_else(|| self.effects.now_ms())
    }

    /// Takes a call out of the budget.
    fn spend(&mut self) -> Result<(), Pause> {
        if self.calls == 0 || self.looks >= LOOKS {
            return Err(Pause::Enough);
        }
        self.calls -= 1;
        Ok(())
    }

    /// Stores how far this side has been asked.
    async fn save(&mut self) -> Result<(), Pause> {
        let value = json::write(&self.progress);
        let precondition = self
            .revision
            .map_or(Precondition::Absent, Precondition::Revision);
        let key = keys::poll(&self.integration.id, self.side);
        let written = self.effects.write(key, precondition, Some(value)).await;
        // Whoever wrote it meanwhile has come as far.
        self.revision = Some(written.ok_or(Pause::Enough)?);
        Ok(())
    }

    /// Picks out what has changed since it was read. Of incidents without a
    /// pair only those that changed at `horizon` or later.
    async fn changed(&self, rows: Vec<Row>, horizon: &str) -> Vec<Look> {
        let (effects, id) = (self.effects, &self.integration.id);
        let members = rows.iter().map(|row| keys::member(id, &row.about));
        let members = effects.get_all(members.collect()).await;
        let mut pairs = Vec::new();
        for (row, member) in rows.iter().zip(&members) {
            let pair = member
                .as_ref()
                .and_then(|m| Entity::parse(text::of(&m.value)));
            pairs.push(pair.unwrap_or_else(|| row.about.clone()));
        }
        let watches = pairs.iter().map(|pair| keys::watch(id, pair));
        let watches = effects.get_all(watches.collect()).await;
        let mut looks = Vec::new();
        let mut strangers = Vec::new();
        for ((row, pair), watch) in rows.into_iter().zip(pairs).zip(watches) {
            let watch = watch.map(|entry| (entry.revision, Watch::read(&entry.value)));
            let is_known = match &watch {
                Some((_, watch)) => watch.knows(self.side, &row.version),
                None => self.progress.has_seen(&row.about, &row.version),
            };
            let list = match watch {
                _ if is_known => continue,
                Some(_) => &mut looks,
                None => &mut strangers,
            };
            let is_new = watch.is_none() && row.may_be_new && row.version.as_str() >= horizon;
            list.push(Look {
                pair,
                about: row.about,
                version: row.version,
                watch,
                is_new,
                is_ours: row.is_ours,
            });
        }
        let pairs = strangers.iter().map(|look| keys::pair(id, &look.pair));
        let pairs = effects.get_all(pairs.collect()).await;
        for (mut look, pair) in strangers.into_iter().zip(pairs) {
            let pair = pair.and_then(|entry| json::read::<Pair>(&entry.value).ok());
            let is_pair = pair.as_ref().is_some_and(Pair::is_linked);
            let has_ended = pair.is_some_and(|pair| pair.ended.is_some());
            if is_pair || look.is_new && !has_ended {
                look.is_new = !is_pair && !look.is_ours;
                looks.push(look);
            }
        }
        looks
    }

    /// Leaves incidents to their pairs' own work. Only once that is durable it
    /// is remembered.
    async fn ask(&mut self, looks: Vec<Look>) -> Result<(), Pause> {
        let id = &self.integration.id;
        self.looks += looks.len();
        for look in &looks {
            let (hint, reason) = match &look.about {
                Entity::Flashduty(_) => (Hint::of(POLL), "Flashduty poll"),
                Entity::ServiceNow(id) => (Hint::about(id), "ServiceNow poll"),
            };
            let name = format!("{POLL}-{}", short_hash(look.version.as_bytes()));
            hint.leave(self.effects, id, &look.about, &name).await;
            schedule(self.effects, id, &look.pair, 0, reason);
        }
        if looks.is_empty() {
            return Ok(());
        }
        self.effects.carried_out().await;
        let far_ms = self.far_ms();
        for look in looks {
            let about = look.about.to_string();
            let fields = [("integration", id.as_str()), ("about", &about)];
            self.effects
                .log(Level::Debug, "a poll found a change", &fields);
            match look.watch {
                None => self.progress.remember(&look.about, &look.version),
                // Another poll has to look again.
                Some(_) if self.side == Side::Flashduty && !is_settled(&look.version, far_ms) => {}
                Some((revision, mut watch)) => {
                    watch.poll(self.side, look.version);
                    let key = keys::watch(id, &look.pair);
                    let precondition = Precondition::Revision(revision);
                    self.effects.put(key, precondition, watch.write());
                }
            }
        }
        Ok(())
    }
}
