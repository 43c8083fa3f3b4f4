//! An incident that exists on one side gets its counterpart on the other,
//! once.
//!
//! Neither API has an idempotency key, and a lost answer means *unknown*: the
//! record may exist, or come to exist a minute later. So the intention is
//! stored first; the counterpart is looked for before it is created; and after
//! an answer was lost, "there is none" is believed only once the request can
//! no longer be carried out.
//!
//! In ServiceNow the new record's `sys_id` is derived from the Flashduty
//! incident. An instance that honours it cannot hold two; there, the waiting is
//! skipped. In Flashduty nothing is unique, and the new incident is recognised
//! by the signature under its description.

use super::Stop;
use super::Why;
use super::case::Case;
use super::rehearsal::shown_columns;
use crate::Level;
use crate::Precondition;
use crate::comment;
use crate::comment::Origin;
use crate::condition;
use crate::configuration::Integration;
use crate::configuration::Trigger;
use crate::date;
use crate::far_end::Kind;
use crate::far_end::Trouble;
use crate::first_look::first_look;
use crate::flashduty;
use crate::flashduty::Incident;
use crate::flashduty::IncidentId;
use crate::flashduty::short_hash;
use crate::hint::Hint;
use crate::intake::pair_of;
use crate::intake::schedule;
use crate::json;
use crate::json::Object;
use crate::json::object;
use crate::keys;
use crate::keys::Entity;
use crate::pair::Base;
use crate::pair::Creating;
use crate::pair::Pair;
use crate::plan;
use crate::plan::FlashdutyView;
use crate::plan::Note;
use crate::plan::ServiceNowView;
use crate::plan::Side;
use crate::plan::Situation;
use crate::servicenow::Body;
use crate::servicenow::Columns;
use crate::servicenow::Record;
use crate::servicenow::SysId;
use crate::state::Progress;
use crate::text;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::ops::Range;
use serde_json::Value;

/// ServiceNow cancels a transaction after 60 s; add queueing and a margin.
const SERVICENOW_SETTLES_MS: u64 = 150_000;

/// Flashduty publishes no such limit; twice the longest that a request may
/// wait here, doubled again.
const FLASHDUTY_SETTLES_MS: u64 = 120_000;

/// How far the two systems' clocks may be apart when incidents are looked for
/// by time.
const CLOCKS_APART_SECONDS: u64 = 300;

/// How long before the first look of a new store an earlier one may have created
/// what it had not noted in ServiceNow.
const HOUR_MS: u64 = 3_600_000;

/// Why something waits until so long after the [`first_look`].
const EARLIER_STORE: &str = "this store is new or was set back, and may have begun this before";

/// A little less than the longest time that Flashduty lists.
const MONTH_MS: u64 = 30 * 24 * HOUR_MS;

/// How many pages of 100 incidents are looked through for one. Flashduty takes 1,000
/// alerts a minute of an integration, so not even those of 72 minutes are more. A
/// session may look twice, and has 2,000 effects and 300 seconds.
const MAX_PAGES: u32 = 900;

/// What became of an incident without a counterpart.
pub(super) enum Birth {
    /// The pair is complete.
    Linked,
    /// It belongs to another pair, whose work has been scheduled.
    Elsewhere,
    /// It shall have none, for this reason.
    NotWanted(String),
}

impl Case<'_> {
    /// Finds or creates the missing incident.
    pub(super) async fn give_birth(&mut self) -> Result<Birth, Stop> {
        match self.name.clone() {
            Entity::Flashduty(id) => self.birth_in_servicenow(&id).await,
            Entity::ServiceNow(id) => self.birth_in_flashduty(&id).await,
        }
    }

    async fn birth_in_servicenow(&mut self, id: &IncidentId) -> Result<Birth, Stop> {
        let integration = self.integration;
        let incident = match self.read_incident().await {
            Ok(Some(incident)) => incident.clone(),
            Ok(None) => return Ok(Birth::NotWanted("no webhook has shown the incident".into())),
            Err(stop) => match stop.missing() {
                Some((_, why)) => return Ok(Birth::NotWanted(why.into())),
                None => return Err(stop),
            },
        };
        let correlation = correlation(&integration.id, id);
        let derived = SysId::derived_from(&correlation);
        let mut refusal = self.refusal(&incident);
        // A creation that was begun is finished, and what an earlier store may have
        // known is found again, whatever the incident is now.
        let is_begun = self.pair.may_be_created();
        let is_looked_for = refusal.is_none()
            || is_begun
            || self.hears_servicenow()
            || self.may_be_known(&incident).await;
        let mut found = Vec::new();
        // In a rehearsal nothing is looked for.
        if is_looked_for && self.servicenow.is_available() {
            found = self.servicenow.find(&derived, &correlation).await?;
        }
        // Of records that took each other's place, the last.
        let generation = |record: &Record| generation(record, &correlation);
        let last = found.iter().map(generation).max().unwrap_or_default();
        found.retain(|record| generation(record) == last);
        if last == 0
            && let Some(sys_id) = signed_with(&incident)
        {
            match self.belongs_to(&sys_id, &incident).await? {
                Some(Birth::NotWanted(why)) => refusal = Some(why),
                Some(elsewhere) => return Ok(elsewhere),
                None => {}
            }
        }
        if found.is_empty()
            && !is_begun
            && let Some(why) = refusal
        {
            return Ok(Birth::NotWanted(why));
        }
        self.pair.generation = last;
        if found.len() > 1 {
            let numbers: Vec<_> = found.iter().map(Record::number).collect();
            let numbers = text::joined(&numbers, ", ");
            self.log(
                Level::Error,
                "several records of one incident",
                &[("numbers", &numbers)],
            );
        }
        let record = match found.into_iter().next() {
            Some(record) => {
                if record.sys_id == derived {
                    self.learn_that_sys_ids_are_honoured().await;
                }
                record
            }
            None => self.create_record(&incident, derived, &correlation).await?,
        };
        let base = self.base_with(&record);
        self.pair.number = Some(record.number().to_owned());
        self.link(id.clone(), record.sys_id.clone(), base).await?;
        self.take_new_record(record);
        Ok(Birth::Linked)
    }

    /// Why an incident gets no record, if it gets none.
    fn refusal(&self, incident: &Incident) -> Option<String> {
        let integration = self.integration;
        if !integration.direction.to_servicenow() {
            return Some("the direction is from-servicenow".into());
        }
        let channels = &integration.flashduty.channels;
        let channel = incident.number("channel_id");
        if !channels.is_empty() && !channels.contains(&channel) {
            return Some(format!("channel {channel} takes no part"));
        }
        if self.is_dry {
            let conditions = condition::explained(&integration.conditions, incident);
            self.log(Level::Info, "trigger", &[("conditions", &conditions)]);
        }
        let refusal = condition::refusal(&integration.conditions, incident);
        if refusal.is_none() && integration.trigger == Trigger::Manual && !self.is_triggered() {
            return Some("the trigger is manual, and nobody has sent it".into());
        }
        refusal
    }

    /// What is agreed on with a record that has just become the incident's own.
    /// One that nobody has touched since its creation has not moved: whatever
    /// differs is what Flashduty says by now.
    pub(super) fn base_with(&self, record: &Record) -> Base {
        match record.raw("sys_mod_count") {
            "0" => {
                let view = ServiceNowView::new(record, self.integration);
                plan::held(FlashdutyView::default(), view, self.integration)
            }
            _ => Base::default(),
        }
    }

    pub(super) async fn create_record(
        &mut self,
        incident: &Incident,
        derived: SysId,
        correlation: &str,
    ) -> Result<Record, Stop> {
        let mut columns = self.columns_of_creation(incident).await?;
        json::set(&mut columns, "sys_id", derived.as_str());
        json::set(&mut columns, "correlation_id", correlation);
        if self.is_dry {
            return Err(self.would_create("ServiceNow", "POST incident", columns));
        }
        let fact = keys::instance(&self.integration.id);
        let [known] = self.effects.get([fact.clone()]).await;
        let honours_sys_id = known.is_some();
        if !honours_sys_id {
            self.wait_until_settled(Side::ServiceNow).await?;
            self.wait_for_an_earlier_store(Side::Flashduty, began_ms(incident))
                .await?;
        }
        self.about_to_create(Side::ServiceNow).await?;
        let record = match self.servicenow.create(&columns).await {
            Ok(record) => record,
            Err(trouble) if trouble.kind() == Kind::Refused => {
                // Perhaps because the record exists: how an instance says that
                // is not known, so look instead of reading the message.
                match self
                    .servicenow
                    .find(&derived, correlation)
                    .await?
                    .into_iter()
                    .next()
                {
                    Some(record) => return Ok(record),
                    None => return Err(self.not_created(trouble).await),
                }
            }
            Err(trouble) => return Err(self.not_created(trouble).await),
        };
        match known {
            // Another instance stands there by now, or it has other rules.
            Some(known) if record.sys_id != derived => {
                self.effects.delete(vec![(fact, known.revision)]);
            }
            None if record.sys_id == derived => self.learn_that_sys_ids_are_honoured().await,
            _ => {}
        }
        self.tell_of_creation(record.number(), "ServiceNow");
        Ok(record)
    }

    /// What a new record holds, but for what names it. State and comments
    /// follow once it is there.
    async fn columns_of_creation(&mut self, incident: &Incident) -> Result<Columns, Stop> {
        let now_ms = self.effects.now_ms();
        // Of a record whose place is taken.
        let signature = self.signature();
        let mut view = FlashdutyView::new(incident, self.integration, signature.as_deref(), now_ms);
        view.progress = None;
        if view.title.as_deref() == Some("") {
            view.title = Some("(no title)".into());
        }
        let mut plan = plan::plan(Situation {
            integration: self.integration,
            base: &Base::default(),
            flashduty: Some(&view),
            servicenow: None,
            signature: None,
            born_in: Side::Flashduty,
            now_ms,
            explain: false,
        });
        self.report(&plan.decisions);
        let mut columns = match self.is_dry {
            true => shown_columns(&plan),
            false => {
                if self.servicenow.is_available() {
                    self.look_up(&mut plan).await?;
                }
                plan.columns
            }
        };
        json::set(&mut columns, "correlation_display", "Flashduty");
        json::set(&mut columns, "work_notes", introduction(incident));
        Ok(columns)
    }

    /// Remembers that a record got the `sys_id` that it was created with.
    pub(super) async fn learn_that_sys_ids_are_honoured(&self) {
        if self.is_dry {
            return;
        }
        let fact = keys::instance(&self.integration.id);
        let value = Some(b"honours sys_id".into());
        self.effects.write(fact, Precondition::Absent, value).await;
    }

    async fn birth_in_flashduty(&mut self, id: &SysId) -> Result<Birth, Stop> {
        let integration = self.integration;
        if let Err(stop) = self.read_record().await.map(drop) {
            return match stop.missing() {
                // Nobody says that it is there, where readers may not see it yet.
                Some((_, why)) if self.is_ordered() && !self.hears_servicenow() => {
                    Ok(Birth::NotWanted(why.into()))
                }
                _ => Err(stop),
            };
        }
        if let Some(record) = &self.record
            && let Some((owner, incident)) = record.correlated()
            && self.pair.creating.is_none()
        {
            if owner != integration.id {
                return Ok(already_in("Flashduty", owner));
            }
            // Our own record, announced before the link to it was stored.
            let about = Entity::Flashduty(incident.clone());
            let pair = pair_of(self.effects, owner, &about).await;
            if pair == self.name {
                // A store that was lost has kept the way here, and not the pair.
                self.link(incident, id.clone(), Base::default()).await?;
                return Ok(Birth::Linked);
            }
            if let Some(number) = self.other_record(&pair, id).await {
                return self.turn_away(&number).await.map(Birth::NotWanted);
            }
            self.pass_order_on(&pair).await?;
            // The store may have lost the pair: what is there is looked for then.
            let why = format!("about s-{id}");
            Hint::about(id)
                .leave(self.effects, &integration.id, &pair, id.as_str())
                .await;
            schedule(self.effects, &integration.id, &pair, 0, &why);
            return Ok(Birth::Elsewhere);
        }
        if !integration.direction.from_servicenow() {
            return Ok(Birth::NotWanted("the direction is to-servicenow".into()));
        }
        let Some(view) = self.servicenow_view() else {
            return Ok(Birth::NotWanted("no webhook has shown the incident".into()));
        };
        if view
            .state
            .is_some_and(|state| state.progress() == Progress::Closed)
            && !self.pair.may_be_created()
        {
            return Ok(Birth::NotWanted(
                "it was over before Flashduty heard of it".into(),
            ));
        }
        let number = match &self.record {
            Some(record) => Some(record.number().to_owned()),
            None => self
                .servicenow_bodies()
                .filter_map(|body| body.get("number"))
                .last()
                .map(str::to_owned),
        };
        self.pair.number = number.filter(|number| !number.is_empty());

        let mut base = Base::default();
        let incident = match self.find_in_flashduty(id).await? {
            Some(incident) => incident,
            None => {
                if let Some(owner) = self.other_owner().await {
                    return Ok(already_in("Flashduty", owner));
                }
                let (incident, given) = self.create_incident(&view).await?;
                self.pair.flashduty = Some(incident.clone());
                if self.read_incident().await.is_ok() {
                    base = self.base_of_created(given);
                }
                incident
            }
        };
        self.link(incident, id.clone(), base).await?;
        Ok(Birth::Linked)
    }

    /// What an integration knows of an incident: the pair of its name, with what must
    /// hold for another to take its place, and whether it belongs to one of another name.
    async fn known(&self, integration: &str, about: &Entity) -> (Option<Pair>, Precondition, bool) {
        let pair = keys::pair(integration, about);
        let member = keys::member(integration, about);
        let [entry, member] = self.effects.get([pair, member]).await;
        let mut place = Precondition::Absent;
        let pair = entry.and_then(|entry| {
            let pair: Pair = json::read(&entry.value).ok()?;
            if pair.is_more_than_history() {
                return Some(pair);
            }
            place = Precondition::Revision(entry.revision);
            None
        });
        (pair, place, member.is_some())
    }

    /// The integration of the same instance that has the record in a pair, if there is
    /// one. What readers of ServiceNow see may be older than that.
    async fn other_owner(&self) -> Option<&str> {
        let Integration { id, servicenow, .. } = self.integration;
        let others = self.integrations.iter();
        for other in others.filter(|o| o.id != *id && o.servicenow.url == servicenow.url) {
            let (pair, _, is_member) = self.known(&other.id, &self.name).await;
            if is_member || pair.is_some_and(|pair| pair.is_linked()) {
                return Some(&other.id);
            }
        }
        None
    }

    /// What is agreed on with an incident that was just created, and read: it holds
    /// what it was given, so whatever differs is what ServiceNow says; or a person,
    /// who may have been there between the two.
    fn base_of_created(&self, given: Object) -> Base {
        let Some(incident) = &self.incident else {
            return Base::default();
        };
        let mut held = self.view_of(&incident.as_created(given));
        if incident.number("updated_at") != incident.number("created_at") {
            held.assignee = None;
            held.fields.clear();
        }
        plan::held(held, ServiceNowView::default(), self.integration)
    }

    /// The number of the record that a pair has, and keeps, instead of this one; or
    /// had, if it has ended.
    async fn other_record(&self, pair: &Entity, id: &SysId) -> Option<String> {
        let key = keys::pair(&self.integration.id, pair);
        let [entry] = self.effects.get([key]).await;
        let pair = json::read::<Pair>(&entry?.value).ok()?;
        let is_begun = pair.may_be_created();
        let is_other = pair.servicenow.is_some_and(|known| known != *id) && !is_begun;
        let number = pair.number.unwrap_or_else(|| "another record".into());
        (is_other || pair.ended.is_some()).then_some(number)
    }

    /// Leaves a second record of one incident to itself, and says so. It is not
    /// canceled: whoever copies a record by hand may copy its correlation.
    async fn turn_away(&mut self, number: &str) -> Result<String, Stop> {
        let why = format!("not synced: its incident belongs to {number}");
        self.log(
            Level::Error,
            "a second record of one incident",
            &[("why", &why)],
        );
        if !self.is_dry {
            let to = Side::ServiceNow;
            let text = format!("Not synced: the Flashduty incident belongs to {number}.");
            self.leave_note(Note { to, text }).await?;
            self.pair.ended = Some(why.clone());
            self.save().await?;
        }
        Ok(why)
    }

    /// Looks for the incident that an earlier session, or an earlier store, may
    /// have created.
    async fn find_in_flashduty(&mut self, id: &SysId) -> Result<Option<IncidentId>, Stop> {
        if self.is_dry {
            return Ok(None);
        }
        let now_ms = self.effects.now_ms();
        let creating = self.pair.creating.clone();
        if let Some(creating) = creating.filter(|creating| creating.sent > 0) {
            let last_ms = creating.sent_ms + FLASHDUTY_SETTLES_MS;
            let window = around(creating.since_ms, last_ms);
            let found = self.find_signed(id, window).await?;
            if found.is_some() {
                return Ok(found);
            }
            self.wait_until_settled(Side::Flashduty).await?;
        } else {
            // Not sent, as far as this store knows.
            let window = around(now_ms.saturating_sub(MONTH_MS), now_ms);
            let text = Some(id.as_str());
            let listed = self.flashduty.list(window, &[], None, text).await?;
            let found = signed(&listed.incidents, id, &self.integration.id);
            if found.is_some() {
                return Ok(found);
            }
        }
        // It may have been set back to before it was sent, or sent again.
        let began = self.record.as_ref().map(|r| r.raw("sys_created_on"));
        let began_ms = began.and_then(date::unix_ms);
        let began_ms = began_ms.and_then(|ms| u64::try_from(ms).ok());
        let Some(first_ms) = self.known_before(Side::ServiceNow, began_ms).await else {
            return Ok(None);
        };
        // What was in the air then; a search for text may not have found it.
        let clear_ms = first_ms + FLASHDUTY_SETTLES_MS;
        let window = around(first_ms.saturating_sub(HOUR_MS), clear_ms);
        let found = self.find_signed(id, window).await?;
        if found.is_none() {
            self.wait_until(Side::ServiceNow, clear_ms, EARLIER_STORE)?;
        }
        Ok(found)
    }

    /// The incident that is signed with a `sys_id`, among those that started in a
    /// time, in seconds: when they were created, for those that came through the API.
    /// In whichever channel: another one may be the first by now.
    async fn find_signed(
        &self,
        id: &SysId,
        seconds: Range<u64>,
    ) -> Result<Option<IncidentId>, Stop> {
        let mut after = None;
        for _ in 0..MAX_PAGES {
            let page = self
                .flashduty
                .list(seconds.clone(), &[], after.as_deref(), None)
                .await?;
            let found = signed(&page.incidents, id, &self.integration.id);
            after = page.next;
            if found.is_some() || after.is_none() {
                return Ok(found);
            }
        }
        Err(Why::Park(format!(
            "Flashduty had over {} incidents then, too many to look for one; link the one that was \
             created, or unlink",
            MAX_PAGES * 100
        ))
        .into())
    }

    /// Whether an earlier store may have known an incident of Flashduty, or have
    /// created it.
    async fn may_be_known(&self, incident: &Incident) -> bool {
        let sent_ms = began_ms(incident).map(|ms| ms.saturating_sub(FLASHDUTY_SETTLES_MS));
        self.known_before(Side::Flashduty, sent_ms).await.is_some()
    }

    /// When this store first looked at a side, if an earlier one may have known
    /// an incident of that side which began then.
    async fn known_before(&self, side: Side, began_ms: Option<u64>) -> Option<u64> {
        // The last answer may be as old as this session.
        let now_ms = self.clock_of(side) + self.elapsed_ms();
        let first_ms = first_look(self.effects, &self.integration.id, side, now_ms).await;
        // The look was told in whole seconds.
        let began_later = began_ms.is_some_and(|began_ms| began_ms - began_ms % 1000 > first_ms);
        (!began_later).then_some(first_ms)
    }

    /// Waits until nothing can happen any more in ServiceNow, or to comments,
    /// that an earlier store sent for what began then on a side.
    pub(super) async fn wait_for_an_earlier_store(
        &self,
        side: Side,
        began_ms: Option<u64>,
    ) -> Result<(), Stop> {
        match self.known_before(side, began_ms).await {
            Some(first_ms) => {
                self.wait_until(side, first_ms + SERVICENOW_SETTLES_MS, EARLIER_STORE)
            }
            None => Ok(()),
        }
    }

    async fn create_incident(
        &mut self,
        view: &ServiceNowView,
    ) -> Result<(IncidentId, Object), Stop> {
        let number = self
            .pair
            .number
            .clone()
            .unwrap_or_else(|| "ServiceNow incident".into());
        let Some(severity) = view
            .grade
            .and_then(|g| self.integration.severity.severity(g.urgency))
        else {
            let why = format!(
                "{number} has no urgency that the integration's severity map knows; \
                 set one in ServiceNow or in [integration.severity]"
            );
            return Err(Why::Park(why).into());
        };
        let title = view
            .title
            .as_deref()
            .filter(|title| !title.is_empty())
            .unwrap_or(&number);
        let signature = self.signature();
        let room = flashduty::DESCRIPTION_AT_CREATION
            .saturating_sub(signature.as_ref().map_or(0, |s| text::length(s) + 2));
        let description = text::cut(view.description.as_deref().unwrap_or_default(), room);
        let description = plan::sign(&description, signature.as_deref());
        let title = text::cut(title, *flashduty::TITLE.end());
        let given = object! {
            "title": title.as_str(),
            "description": description.as_str(),
            "incident_severity": severity.as_str(),
            "channel_id": self.channel(),
        };
        let mut asked = given.clone();
        let people = self.wanted().await?;
        let names_people = people.is_some();
        if let Some(people) = people {
            json::set(&mut asked, "assigned_to", people);
        }
        if self.is_dry {
            let plan = plan::plan(Situation {
                integration: self.integration,
                base: &Base::default(),
                flashduty: None,
                servicenow: Some(view),
                signature: signature.as_deref(),
                born_in: Side::ServiceNow,
                now_ms: self.effects.now_ms(),
                explain: false,
            });
            self.report(&plan.decisions);
            return Err(self.would_create("Flashduty", "POST /incident/create", asked));
        }
        self.about_to_create(Side::Flashduty).await?;
        let mut created = self.flashduty.create(asked).await;
        if let Err(trouble) = &created
            && trouble.is_final()
            && names_people
        {
            let why = trouble.reason();
            self.log(Level::Warn, "nobody is assigned", &[("why", why)]);
            created = self.flashduty.create(given.clone()).await;
        }
        match created {
            Ok(id) => {
                self.tell_of_creation(id.as_str(), "Flashduty");
                Ok((id, given))
            }
            Err(trouble) => Err(self.not_created(trouble).await),
        }
    }

    fn tell_of_creation(&mut self, name: &str, system: &str) {
        self.note(&format!("created {name} in {system}"));
        let message = format!("created in {system}");
        self.log(Level::Info, &message, &[("created", name)]);
    }

    /// Whom a webhook wants to be called: of the people the members, since
    /// Flashduty ignores all others and may then call nobody.
    async fn wanted(&self) -> Result<Option<Value>, Stop> {
        let bodies = self.servicenow_bodies();
        let wants = |body: &&Body| body.assigned_to(&body.emails()).is_some();
        let Some(body) = bodies.filter(wants).last() else {
            return Ok(None);
        };
        let mut members = Vec::new();
        for email in body.emails() {
            // In a rehearsal nobody is looked for.
            if !self.flashduty.is_available() || self.flashduty.member(email).await?.is_some() {
                members.push(email);
            } else {
                self.log(Level::Warn, "not assigned: no member", &[("email", email)]);
            }
        }
        Ok(body.assigned_to(&members))
    }

    /// The channel for incidents from ServiceNow; the configuration makes sure
    /// that there is one.
    fn channel(&self) -> i64 {
        self.integration
            .flashduty
            .channels
            .first()
            .copied()
            .unwrap_or_default()
    }

    /// What becomes of an incident that is signed with a `sys_id` if it does belong
    /// to that record. The signature alone proves nothing.
    async fn belongs_to(
        &mut self,
        sys_id: &SysId,
        incident: &Incident,
    ) -> Result<Option<Birth>, Stop> {
        let (integration, id) = (&self.integration.id, &incident.incident_id);
        let owner = Entity::ServiceNow(sys_id.clone());
        let (pair, place, is_member) = self.known(integration, &owner).await;
        let mut introduced = true;
        let belongs = match &pair {
            // Its own session will look for it.
            Some(pair) if pair.flashduty.is_none() => pair.creating.is_some(),
            Some(pair) => pair.flashduty.as_ref() == Some(id),
            // The store has lost the pair; the record in ServiceNow has not.
            None if !is_member && self.servicenow.is_available() => {
                let record = match self.servicenow.record(sys_id).await {
                    Ok(record) => Some(record),
                    Err(trouble) if trouble.missing().is_some() => None,
                    Err(trouble) => return Err(trouble.into()),
                };
                let maker = maker_of(incident);
                let owner = match &record {
                    Some(record) => {
                        introduced = !record.raw("correlation_id").is_empty();
                        let takes = self.integration.direction.from_servicenow();
                        match record.correlated() {
                            Some((owner, named)) => (named == *id).then_some(owner),
                            // Of another tool, which has it in no pair.
                            None if introduced => maker,
                            // Whoever made the incident has come no further.
                            None if takes => Some(maker.unwrap_or(integration)),
                            None => Some(maker.unwrap_or("(unknown)")),
                        }
                    }
                    // What was made of it is still its maker's.
                    None => maker.filter(|maker| maker != integration),
                };
                if let Some(owner) = owner
                    && owner != integration
                {
                    return Ok(Some(already_in("ServiceNow", owner)));
                }
                owner.is_some()
            }
            None => false,
        };
        if !belongs || self.is_dry {
            return Ok(belongs.then_some(Birth::Elsewhere));
        }
        if pair.is_none() {
            let pair = Pair {
                flashduty: Some(id.clone()),
                servicenow: Some(sys_id.clone()),
                introduced,
                linked_ms: self.clock_of(Side::Flashduty),
                ..Pair::default()
            };
            let value = json::write(&pair);
            let key = keys::pair(integration, &owner);
            self.effects.write(key, place, Some(value)).await;
        }
        // Until it is found, an operator may join it to another.
        if pair.is_none_or(|pair| pair.is_linked()) {
            let member = keys::member(integration, &Entity::Flashduty(id.clone()));
            let value = owner.to_string().into_bytes();
            self.effects
                .write(member, Precondition::Absent, Some(value))
                .await;
        }
        let why = format!("about f-{id}");
        schedule(self.effects, integration, &owner, 0, &why);
        Ok(Some(Birth::Elsewhere))
    }

    /// Stores that the creation is about to be sent.
    async fn about_to_create(&mut self, side: Side) -> Result<(), Stop> {
        let now_ms = self.clock_of(side);
        // What was refused is not looked for.
        let begun = self.pair.creating.take().filter(|begun| begun.sent > 0);
        let creating = self.pair.creating.insert(begun.unwrap_or(Creating {
            since_ms: now_ms,
            sent: 0,
            sent_ms: now_ms,
        }));
        creating.sent += 1;
        creating.sent_ms = now_ms;
        self.save().await
    }

    /// Stores what is known after a creation that brought no record.
    async fn not_created(&mut self, trouble: Trouble) -> Stop {
        if trouble.kind() != Kind::Unknown
            && let Some(creating) = &mut self.pair.creating
        {
            // Certainly not carried out. An earlier one may still be.
            creating.sent -= 1;
            if let Err(stop) = self.save().await {
                return stop;
            }
        }
        trouble.into()
    }

    /// Waits until a creation that may have been sent has happened or cannot
    /// happen any more, by the clock of the side that carries it out.
    async fn wait_until_settled(&mut self, side: Side) -> Result<(), Stop> {
        let (settles_ms, system) = match side {
            Side::Flashduty => (FLASHDUTY_SETTLES_MS, "Flashduty"),
            Side::ServiceNow => (SERVICENOW_SETTLES_MS, "ServiceNow"),
        };
        let now_ms = self.clock_of(side);
        let Some(creating) = self.pair.creating.as_mut().filter(|c| c.sent > 0) else {
            return Ok(());
        };
        // By this clock nobody knows how long ago that was.
        let is_ahead = creating.sent_ms > now_ms;
        if is_ahead {
            creating.sent_ms = now_ms;
        }
        let settled_ms = creating.sent_ms + settles_ms;
        if is_ahead {
            self.save().await?;
        }
        let reason = format!("{system} may still carry out a creation whose answer was lost");
        self.wait_until(side, settled_ms, &reason)
    }

    /// Waits until what was sent has happened or cannot happen any more, which is
    /// then by the clock of a side. That counts only if it was so before this
    /// session looked for it: else it may have happened since the look.
    fn wait_until(&self, side: Side, settled_ms: u64, reason: &str) -> Result<(), Stop> {
        let now_ms = self.clock_of(side);
        if settled_ms <= now_ms.saturating_sub(self.elapsed_ms()) {
            return Ok(());
        }
        let until_ms = self.effects.now_ms() + settled_ms.saturating_sub(now_ms);
        Err(Stop::wait(until_ms, reason))
    }

    /// Stores that two incidents belong together. The way back to the pair is
    /// stored first: until the pair says so too, it leads to this very work.
    pub(super) async fn link(
        &mut self,
        incident: IncidentId,
        sys_id: SysId,
        base: Base,
    ) -> Result<(), Stop> {
        self.pair.flashduty = Some(incident);
        self.pair.servicenow = Some(sys_id);
        let value = self.name.to_string().into_bytes();
        for other in self.others() {
            if let (Some(pair), ..) = self.known(&self.integration.id, &other).await
                && pair.is_linked()
            {
                let why =
                    format!("{other} already belongs to a pair of its own; unlink that first");
                return Err(Why::Park(why).into());
            }
            let key = keys::member(&self.integration.id, &other);
            let written = match self.is_dry {
                true => None,
                false => {
                    self.effects
                        .write(key.clone(), Precondition::Absent, Some(value.clone()))
                        .await
                }
            };
            if written.is_none() {
                let [entry] = self.effects.get([key]).await;
                if let Some(entry) = entry.filter(|entry| entry.value != value) {
                    let owner = text::of(&entry.value);
                    let why = format!("{other} already belongs to pair {owner}");
                    return Err(Why::Park(why).into());
                }
            }
        }
        self.forget_watch();
        self.pair.creating = None;
        // A record that takes another's place makes no new pair.
        if self.pair.linked_ms == 0 {
            self.pair.linked_ms = self.clock_of(Side::Flashduty);
        }
        self.pair.base = base;
        self.save().await
    }
}

/// A time in seconds of Flashduty's clock, from what another one may have shown.
fn around(since_ms: u64, until_ms: u64) -> Range<u64> {
    (since_ms / 1000).saturating_sub(CLOCKS_APART_SECONDS)..until_ms / 1000 + CLOCKS_APART_SECONDS
}

/// The one of some incidents that is signed with a `sys_id`, and by no other
/// integration.
fn signed(incidents: &[Incident], id: &SysId, integration: &str) -> Option<IncidentId> {
    let mut incidents = incidents.iter();
    let found = incidents.find(|i| {
        let is_anothers = maker_of(i).is_some_and(|maker| maker != integration);
        signed_with(i).as_ref() == Some(id) && !is_anothers
    });
    found.map(|incident| incident.incident_id.clone())
}

/// When Flashduty created an incident, in Unix milliseconds, if it says so.
fn began_ms(incident: &Incident) -> Option<u64> {
    let seconds = u64::try_from(incident.number("created_at")).ok()?;
    (seconds > 0).then(|| seconds.saturating_mul(1000))
}

/// How many records were before this one in the place of the first.
pub(super) fn generation(record: &Record, correlation: &str) -> u16 {
    let rest = record.raw("correlation_id").strip_prefix(correlation);
    let number = rest.and_then(|rest| text::number(rest.strip_prefix(':')?));
    let number = number
        .and_then(|n| u16::try_from(n).ok())
        .unwrap_or_default();
    number.saturating_sub(1)
}

/// What a ServiceNow record is told about where it came from, with the mark by
/// which it is known for our own.
pub(super) fn introduction(incident: &Incident) -> String {
    let id = &incident.incident_id;
    let link = match incident.text("detail_url") {
        "" => id.as_str(),
        url => url,
    };
    let channel = match incident.text("channel_name") {
        "" => String::new(),
        name => format!(" in channel {name}"),
    };
    let mark = comment::mark(Origin::Flashduty, &short_hash(id.as_str().as_bytes()));
    let told = text::single_line(&format!("Flashduty incident{channel}: {link}"));
    text::without_markup(&told) + "\n" + &mark
}

/// The key under which other systems are told about a Flashduty incident.
pub(super) fn correlation(integration: &str, id: &IncidentId) -> String {
    format!("flashduty:{integration}:{id}")
}

/// The `sys_id` in a signature, if an incident's description ends in one. Anybody can
/// put one into the text of an alert, so it counts in none that alerts made.
fn signed_with(incident: &Incident) -> Option<SysId> {
    if incident.is_of_alerts() {
        return None;
    }
    let (_, rest) = text::rsplit_once(incident.text("description"), "[snow:")?;
    let (id, _) = rest.split_once(']')?;
    SysId::parse(id)
}

/// Why an incident is not created that another integration has brought there.
fn already_in(system: &str, owner: &str) -> Birth {
    Birth::NotWanted(format!("it is in {system} already, by integration {owner}"))
}

/// The integration that the signature of an incident names, as those of before do
/// not.
fn maker_of(incident: &Incident) -> Option<&str> {
    let (line, _) = text::rsplit_once(incident.text("description"), ") [snow:")?;
    text::rsplit_once(line, " (").map(|(_, maker)| maker)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servicenow::Query;

    #[test]
    fn the_longest_key_fits_into_the_column() {
        let id = IncidentId::parse("6a1d2f45c0ffee0123456789").unwrap();
        let key = |integration: &str| correlation(integration, &id);
        let longest = format!("{}:{}", key(&"x".repeat(32)), u32::MAX);
        assert!(Query::equals("correlation_id", &longest).is_some());
        assert_ne!(key("prod"), key("test"));
    }
}
