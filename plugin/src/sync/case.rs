//! What a session knows about the pair it works on.

use super::Stop;
use super::Why;
use super::rehearsal::Supposed;
use crate::KeyedEntry;
use crate::Level;
use crate::Precondition;
use crate::configuration::Integration;
use crate::flashduty::FlashdutyApi;
use crate::flashduty::Incident;
use crate::flashduty::IncidentId;
use crate::flashduty::Person;
use crate::flashduty::is_settled;
use crate::hint::Hint;
use crate::hint::Kept;
use crate::intake::schedule;
use crate::json;
use crate::keys;
use crate::keys::Entity;
use crate::pair::Pair;
use crate::pair::SCHEMA;
use crate::plan::Side;
use crate::servicenow::Body;
use crate::servicenow::Record;
use crate::servicenow::ServiceNowApi;
use crate::servicenow::SysId;
use crate::session::Effects;
use crate::state::Progress;
use crate::text;
use crate::watch::LONG_MS;
use crate::watch::Watch;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;

/// How many hints are taken into one session; the rest waits for the next.
pub(super) const HINTS: u32 = 200;

/// How long readers of ServiceNow may not see what was written: an instance may
/// let a replica of its database answer them.
const LAG_MS: u64 = 30_000;

/// When to read again what was older than it has been.
const FRESHER_MS: u64 = 2_000;

/// How far ahead of the gateway's clock Flashduty's may be.
const AHEAD_S: i64 = 300;

/// A little later than the far end's clock may be.
const SNOOZE_MARGIN_MS: u64 = 5_000;

/// One pair and what has been read about it.
pub(super) struct Case<'a> {
    pub(super) effects: &'a Effects,
    /// When this session began, by the gateway's clock.
    began_ms: u64,
    pub(super) integration: &'a Integration,
    /// All of the configuration, with this one.
    pub(super) integrations: &'a [Integration],
    pub(super) flashduty: FlashdutyApi<'a>,
    pub(super) servicenow: ServiceNowApi<'a>,
    /// The incident in which the pair was born, which names it.
    pub(super) name: Entity,
    /// Whether nothing may be changed, here or at the far ends.
    pub(super) is_dry: bool,
    /// Whether fields that nobody changed are told of too.
    pub(super) explain: bool,
    pub(super) pair: Pair,
    revision: Option<u64>,
    watch: Option<(u64, Watch)>,
    /// Whether no session has looked at both since the two were joined.
    pub(super) newly_linked: bool,
    /// The version of the incident that this session read first.
    incident_read: Option<String>,
    /// The same of the record.
    record_read: Option<String>,
    /// The version in which writes of ours left the record, if nobody else's
    /// came in between.
    record_left: Option<String>,
    /// Under which keys, at which revisions; oldest first.
    pub(super) hints: Vec<(String, u64, Kept)>,
    /// Whether there are more than this session takes.
    more_hints: bool,
    /// As read in this session and not changed since.
    pub(super) incident: Option<Incident>,
    /// As read in this session and not changed since.
    pub(super) record: Option<Record>,
}

/// What loading a pair found.
pub(super) enum Loaded<'a> {
    /// The pair, perhaps empty.
    Case(Box<Case<'a>>),
    /// The incident belongs to a pair of another name, whose work has been
    /// scheduled instead.
    Elsewhere,
}

impl<'a> Case<'a> {
    pub(super) async fn load(
        effects: &'a Effects,
        (integration, integrations): (&'a Integration, &'a [Integration]),
        name: Entity,
        supposed: Option<Supposed>,
    ) -> Result<Loaded<'a>, Stop> {
        let id = &integration.id;
        let [entry, member, watch] = effects
            .get([
                keys::pair(id, &name),
                keys::member(id, &name),
                keys::watch(id, &name),
            ])
            .await;
        let pair = match &entry {
            None => Pair::default(),
            Some(entry) => read_pair(&name, &entry.value)?,
        };
        if let Some(member) = member
            && (!pair.is_more_than_history() || pair.ended.is_some())
        {
            let text = text::of(&member.value);
            let other = Entity::parse(text).filter(|other| *other != name);
            let other = other.ok_or_else(|| {
                Why::Park(format!(
                    "the record of where {name} belongs is unreadable: \"{text}\""
                ))
            })?;
            schedule(effects, id, &other, 0, &format!("about {name}"));
            return Ok(Loaded::Elsewhere);
        }
        // One that was closed for long has none any more.
        let joined_ago_ms = effects.now_ms().saturating_sub(pair.linked_ms);
        let newly_linked = pair.is_linked() && watch.is_none() && joined_ago_ms < LONG_MS;
        let rehearsed = supposed.is_some();
        let mut case = Self {
            effects,
            began_ms: effects.now_ms(),
            integration,
            integrations,
            flashduty: FlashdutyApi::new(effects, &integration.flashduty, rehearsed),
            servicenow: ServiceNowApi::new(effects, integration, rehearsed),
            name,
            is_dry: integration.dry_run || rehearsed,
            explain: rehearsed,
            newly_linked,
            pair,
            revision: entry.map(|entry| entry.revision),
            watch: watch.map(|entry| (entry.revision, Watch::read(&entry.value))),
            incident_read: None,
            record_read: None,
            record_left: None,
            hints: Vec::new(),
            more_hints: false,
            incident: None,
            record: None,
        };
        if let Some(supposed) = supposed {
            case.suppose(supposed);
        }
        case.take_hints().await;
        Ok(Loaded::Case(Box::new(case)))
    }

    /// The side where the pair was born.
    pub(super) fn born_in(&self) -> Side {
        match self.name {
            Entity::Flashduty(_) => Side::Flashduty,
            Entity::ServiceNow(_) => Side::ServiceNow,
        }
    }

    /// How long this session has run. Whatever it looked at was as it saw it at
    /// some moment of that time.
    pub(super) fn elapsed_ms(&self) -> u64 {
        self.effects.now_ms().saturating_sub(self.began_ms)
    }

    /// What a side's own clock showed at its last answer, in Unix milliseconds.
    /// Whoever goes by that need not care what the gateways' clocks show, which
    /// differ, and are set.
    pub(super) fn clock_of(&self, side: Side) -> u64 {
        let clock_ms = match side {
            Side::Flashduty => self.flashduty.clock_ms(),
            Side::ServiceNow => self.servicenow.clock_ms(),
        };
        clock_ms.unwrap_or(self.effects.now_ms())
    }

    /// The Flashduty incident's id, if there is one yet.
    pub(super) fn incident_id(&self) -> Option<IncidentId> {
        match &self.name {
            Entity::Flashduty(id) => Some(id.clone()),
            Entity::ServiceNow(_) => self.pair.flashduty.clone(),
        }
    }

    /// The ServiceNow incident's id, if there is one yet.
    pub(super) fn sys_id(&self) -> Option<SysId> {
        match &self.name {
            // The record that names the pair may have been replaced.
            Entity::ServiceNow(id) => Some(self.pair.servicenow.as_ref().unwrap_or(id).clone()),
            Entity::Flashduty(_) => self.pair.servicenow.clone(),
        }
    }

    /// What stands under the description of the Flashduty incident of a pair
    /// that was born in ServiceNow: where it came from, for people and for
    /// whoever looks for it after a lost answer.
    pub(super) fn signature(&self) -> Option<String> {
        let (id, is_ours) = match &self.name {
            Entity::ServiceNow(id) => (id, true),
            Entity::Flashduty(_) => (self.pair.servicenow.as_ref()?, false),
        };
        // As it was written then: the record may have been replaced since, and
        // two incidents that are joined again may have been a pair before.
        let ending = format!("[snow:{id}]");
        let description =
            text::normal(self.incident.as_ref().map_or("", |i| i.text("description")));
        let is_replaced = self.pair.generation > 0;
        let written = description
            .split('\n')
            .rfind(|line| line.ends_with(&ending) || is_replaced && text::contains(line, "[snow:"));
        if written.is_some() || !is_ours {
            return written.map(str::to_owned);
        }
        let number = self.pair.number.as_deref().unwrap_or("incident");
        Some(format!(
            "ServiceNow {number} {} ({}) [snow:{id}]",
            id.link(&self.integration.servicenow.url),
            self.integration.id
        ))
    }

    /// The incidents of the pair, but for the one that names it.
    pub(super) fn others(&self) -> Vec<Entity> {
        let both = [
            self.incident_id().map(Entity::Flashduty),
            self.sys_id().map(Entity::ServiceNow),
        ];
        let both = both.into_iter().flatten();
        both.filter(|entity| *entity != self.name).collect()
    }

    async fn take_hints(&mut self) {
        let others = self.others();
        // A record that names the pair may have been replaced by another one.
        let is_replaced = others.len() > 1;
        for entity in others.iter().chain([&self.name]) {
            let prefix = keys::hints(&self.integration.id, entity);
            let page = self.effects.scan(prefix, None, HINTS).await;
            self.more_hints |= page.next.is_some();
            for KeyedEntry { key, entry } in page.entries {
                // A hint that cannot be read is still a hint.
                let mut kept = json::read(&entry.value).unwrap_or_else(|_| Kept {
                    received_ms: 0,
                    hint: Hint::of(""),
                });
                if is_replaced
                    && *entity == self.name
                    && !matches!(kept.hint, Hint::Unlink | Hint::Sync)
                {
                    kept.hint = Hint::Stale;
                }
                let at = self
                    .hints
                    .partition_point(|(_, _, k)| k.received_ms <= kept.received_ms);
                self.hints.insert(at, (key, entry.revision, kept));
            }
        }
    }

    /// Whether nobody said what may have changed, so that everything may have; or an
    /// operator wants everything looked at.
    pub(super) fn is_unprompted(&self) -> bool {
        self.hints.is_empty() || self.is_ordered()
    }

    /// Whether an operator waits to hear what comes of it.
    pub(super) fn is_ordered(&self) -> bool {
        self.hints().any(|hint| *hint == Hint::Sync)
    }

    /// Whether both sides are looked at, whatever was said.
    pub(super) fn looks_at_both(&self) -> bool {
        self.newly_linked || self.is_unprompted()
    }

    /// Whether anything was said about the Flashduty incident.
    pub(super) fn hears_flashduty(&self) -> bool {
        self.flashduty_events().next().is_some()
    }

    /// Whether anything was said about the ServiceNow incident.
    pub(super) fn hears_servicenow(&self) -> bool {
        self.servicenow_bodies().next().is_some()
    }

    /// What was said, oldest first.
    pub(super) fn hints(&self) -> impl Iterator<Item = &Hint> {
        self.hints.iter().map(|(_, _, kept)| &kept.hint)
    }

    /// The types of the events that Flashduty told of, oldest first.
    pub(super) fn flashduty_events(&self) -> impl Iterator<Item = &str> {
        self.hints().filter_map(|hint| match hint {
            Hint::Flashduty { event_type, .. } => Some(event_type.as_str()),
            _ => None,
        })
    }

    /// What ServiceNow pushed, oldest first.
    pub(super) fn servicenow_bodies(&self) -> impl Iterator<Item = &Body> {
        self.hints().filter_map(|hint| match hint {
            Hint::ServiceNow { body } => Some(&**body),
            _ => None,
        })
    }

    /// People whose names are known without asking.
    pub(super) fn people(&self) -> Vec<Person> {
        let mut people = Vec::new();
        for hint in self.hints() {
            if let Hint::Flashduty { person, .. } = hint {
                people.extend(person.clone());
            }
        }
        if let Some(incident) = &self.incident {
            people.extend(incident.responders());
        }
        people
    }

    /// Reads the Flashduty incident unless that has been done. Without access
    /// to the API it is the newest that a webhook showed, if any did.
    pub(super) async fn read_incident(&mut self) -> Result<Option<&Incident>, Stop> {
        if self.incident.is_none() {
            self.incident = match self.incident_id() {
                Some(id) if self.flashduty.is_available() => {
                    let mut incident = self.flashduty.incident(&id).await?;
                    let mut version = incident.version();
                    // Then a poll has to look again.
                    if !is_settled(&version, self.clock_of(Side::Flashduty)) {
                        version.clear();
                    }
                    self.incident_read.get_or_insert(version);
                    let unknown = incident.unknown_people();
                    if !unknown.is_empty() && self.integration.names_people() {
                        let people = self.flashduty.people(&unknown).await?;
                        people.iter().for_each(|person| incident.know(person));
                    }
                    Some(incident)
                }
                _ => self.newest_incident(),
            };
        }
        Ok(self.incident.as_ref())
    }

    /// The newest incident that webhooks show, if none has shown a newer one before:
    /// they are sent again, and overtake each other.
    fn newest_incident(&mut self) -> Option<Incident> {
        let shown = self.hints().filter_map(|hint| match hint {
            Hint::Flashduty { incident, .. } => {
                let values = json::parse(incident.as_ref()?.as_bytes()).ok()?;
                Incident::try_from(values).ok()
            }
            _ => None,
        });
        let newest = shown.max_by_key(|incident| incident.number("updated_at"))?;
        let at_s = newest.number("updated_at");
        if at_s > 0 && at_s < self.pair.flashduty_shown_s {
            return None;
        }
        // One that is dated in the future shall not be the last for long.
        let now_s = self.effects.now_ms() / 1000;
        let most_s = i64::try_from(now_s)
            .unwrap_or(i64::MAX)
            .saturating_add(AHEAD_S);
        self.pair.flashduty_shown_s = self.pair.flashduty_shown_s.max(at_s.min(most_s));
        Some(newest)
    }

    /// Reads the ServiceNow incident unless that has been done. None without
    /// access to the API.
    pub(super) async fn read_record(&mut self) -> Result<Option<&Record>, Stop> {
        if self.record.is_none()
            && self.servicenow.is_available()
            && let Some(id) = self.sys_id()
        {
            let record = self.servicenow.record(&id).await?;
            self.must_be_fresh(&record)?;
            self.take_record(record, false);
        }
        Ok(self.record.as_ref())
    }

    /// Refuses a record that is older than it has been shown already: what was
    /// written since would pass for taken back. Not for long, since an instance
    /// may have been restored.
    fn must_be_fresh(&self, record: &Record) -> Result<(), Stop> {
        match record.changes() < self.pair.servicenow_changes {
            true => self.await_readers(),
            false => Ok(()),
        }
    }

    /// Waits until readers of the record must see its last change.
    pub(super) fn await_readers(&self) -> Result<(), Stop> {
        let since_ms = self.pair.servicenow_changes_ms;
        if self.clock_of(Side::ServiceNow).saturating_sub(since_ms) < LAG_MS {
            let until_ms = self.effects.now_ms() + FRESHER_MS;
            let reason = "ServiceNow shows the record as it was before its last change";
            return Err(Stop::wait(until_ms, reason));
        }
        Ok(())
    }

    /// Takes over the record of a pair that did not have it before.
    pub(super) fn take_new_record(&mut self, record: Record) {
        self.record_read = None;
        self.take_record(record, false);
    }

    /// Takes over the record as it was read, or as a write of ours left it.
    pub(super) fn take_record(&mut self, record: Record, written: bool) {
        let version = record.version();
        if record.changes() > self.pair.servicenow_changes {
            self.pair.servicenow_changes = record.changes();
            self.pair.servicenow_changes_ms = self.clock_of(Side::ServiceNow);
        }
        let count = |version: &str| text::number(text::rsplit_once(version, " ")?.1);
        let left = self.record_left.as_deref();
        let is_ours = match left {
            _ if self.record_read.is_none() => true,
            Some(left) if left == version => true,
            Some(left) => {
                let next = count(left).map(|count| count + 1);
                written && next.is_some() && next == count(&version)
            }
            None => false,
        };
        self.record_left = is_ours.then(|| version.clone());
        self.record_read.get_or_insert(version);
        self.record = Some(record);
    }

    /// Takes for granted what somebody says that the far ends hold.
    fn suppose(&mut self, supposed: Supposed) {
        let Supposed {
            flashduty,
            servicenow,
            base,
        } = supposed;
        // One of the two is whatever the work is about.
        let incident = flashduty.as_ref().map(|i| i.incident_id.clone());
        let record = servicenow.as_ref().map(|r| r.sys_id.clone());
        let (incident, record) = (self.incident_id().or(incident), self.sys_id().or(record));
        if let (Some(incident), Some(record)) = (incident, record) {
            self.pair.flashduty = Some(incident);
            self.pair.servicenow = Some(record);
            self.pair.number = servicenow.as_ref().map(|r| r.number().to_owned());
            self.pair.introduced = true;
            self.pair.base = base;
        }
        self.incident = flashduty;
        self.record = servicenow;
    }

    /// Stores the pair; in a rehearsal there is nothing to store.
    pub(super) async fn save(&mut self) -> Result<(), Stop> {
        if self.is_dry {
            return Ok(());
        }
        let value = json::write(&self.pair);
        let precondition = self
            .revision
            .map_or(Precondition::Absent, Precondition::Revision);
        let key = keys::pair(&self.integration.id, &self.name);
        let revision = self.effects.write(key, precondition, Some(value)).await;
        self.revision = Some(revision.ok_or(Why::Overtaken)?);
        Ok(())
    }

    /// Takes down that the two are newly joined: until a session comes to its end,
    /// nothing has been looked at.
    pub(super) fn forget_watch(&mut self) {
        self.newly_linked = true;
        if let Some((revision, _)) = self.watch.take()
            && !self.is_dry
        {
            let key = keys::watch(&self.integration.id, &self.name);
            self.effects.delete(vec![(key, revision)]);
        }
    }

    /// Ends the session's work on the pair: what was read need not be looked at
    /// again, and the hints are dropped. Those that it did not take are for the next;
    /// a session that comes to no end is tried again anyway, but not at once.
    pub(super) fn conclude(&mut self) {
        let both = self.looks_at_both();
        let (incident, record) = (
            both || self.hears_flashduty(),
            both || self.hears_servicenow(),
        );
        if !self.is_dry {
            self.keep_watch(incident, record);
        }
        let keys = self
            .hints
            .drain(..)
            .map(|(key, revision, _)| (key, revision))
            .collect();
        self.effects.delete(keys);
        if self.more_hints {
            self.come_back(0, "more hints");
        }
    }

    /// Whether the incident was read in the version that was looked at last; unknown
    /// where none was, or where more may happen in its second.
    pub(super) fn is_as_looked_at(&self) -> Option<bool> {
        let (_, watch) = self.watch.as_ref()?;
        let read = self
            .incident_read
            .as_ref()
            .filter(|read| !read.is_empty())?;
        Some(*read == watch.flashduty_read)
    }

    /// Takes down which versions were looked at. What the other side's hints led
    /// to was not looked at for comments.
    fn keep_watch(&mut self, incident: bool, record: bool) {
        let key = keys::watch(&self.integration.id, &self.name);
        let (revision, before) = match self.watch.take() {
            Some((revision, watch)) => (Some(revision), watch),
            None => (None, Watch::default()),
        };
        let Some(id) = self
            .pair
            .flashduty
            .as_ref()
            .filter(|_| self.pair.is_linked())
        else {
            let gone = revision.map(|revision| (key, revision));
            return self.effects.delete(gone.into_iter().collect());
        };
        let mut watch = Watch {
            flashduty: id.to_string(),
            ..before.clone()
        };
        if let Some(version) = self.incident_read.take().filter(|_| incident) {
            watch.flashduty_read = version;
        }
        // One that was looked at before, and only written since, is known too.
        if let Some(version) = self.record_read.take()
            && (record || version == before.servicenow_read)
        {
            watch.servicenow_read = self.record_left.take().unwrap_or(version);
        }
        watch.closed_ms = match self.pair.base.state.flashduty {
            Some(Progress::Closed) if before.closed_ms != 0 => before.closed_ms,
            // Gateways' clocks differ, by a day at times.
            Some(Progress::Closed) => self.clock_of(Side::Flashduty),
            _ => 0,
        };
        if watch != before {
            let precondition = revision.map_or(Precondition::Absent, Precondition::Revision);
            self.effects.put(key, precondition, watch.write());
        }
    }

    /// Comes back when a snooze ends, since no event is certain to tell: by the clock
    /// of Flashduty, which is asked for it if it was not asked anything yet.
    pub(super) async fn watch_snooze(&mut self) -> Result<(), Stop> {
        if self.pair.base.state.flashduty != Some(Progress::Snoozed) {
            return Ok(());
        }
        if self.flashduty.clock_ms().is_none() {
            self.read_incident().await?;
        }
        let left_ms = self
            .pair
            .snoozed_until_ms
            .saturating_sub(self.clock_of(Side::Flashduty));
        if left_ms > 0 {
            let until_ms = self.effects.now_ms() + left_ms + SNOOZE_MARGIN_MS;
            self.come_back(until_ms, "snooze ends");
        }
        Ok(())
    }

    /// Has this pair looked at again at that time, or at once.
    pub(super) fn come_back(&self, due_ms: u64, reason: &str) {
        let id = &self.integration.id;
        schedule(self.effects, id, &self.name, due_ms, reason);
    }

    /// Adds to what the pair remembers of its past.
    pub(super) fn note(&mut self, what: &str) {
        self.pair.note(self.effects.now_ms(), what);
    }

    /// Logs with the names of the integration and both incidents.
    pub(super) fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let name = self.name.to_string();
        let mut all = vec![
            ("integration", self.integration.id.as_str()),
            ("pair", &name),
        ];
        if let Some(number) = &self.pair.number {
            all.push(("number", number));
        }
        all.extend_from_slice(fields);
        self.effects.log(level, message, &all);
    }
}

fn read_pair(name: &Entity, stored: &[u8]) -> Result<Pair, Stop> {
    let pair: Pair = json::read(stored)
        .map_err(|e| Why::Park(format!("the record of pair {name} is unreadable: {e}")))?;
    if pair.schema != SCHEMA {
        let found = pair.schema;
        let why = format!(
            "the record of pair {name} has layout {found}, expected {SCHEMA}; it was written by \
             another version"
        );
        return Err(Why::Park(why).into());
    }
    Ok(pair)
}
