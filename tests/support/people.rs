//! People and monitoring at work in the two systems, and what they see there.

use crate::Setting;
use crate::World;
use crate::wire::Answer;
use crate::world::FLASHDUTY_TOKEN;
use simulators::Delivery;
use simulators::flashduty;
use simulators::flashduty::Action;
use simulators::flashduty::AlertEvent;
use simulators::flashduty::CustomAction;
use simulators::flashduty::EventIdPlace;
use simulators::flashduty::Status;
use simulators::servicenow::Record;

impl World {
    /// A world of the default setting in which an alert has opened an incident
    /// that is in both systems, and all is quiet: the world, the incident and
    /// the record.
    pub async fn with_a_pair() -> anyhow::Result<(Self, String, String)> {
        let world = Self::start(Setting::default()).await?;
        let incident = world.alert("disk full", Status::Critical);
        let sys_id = world.until_record(&incident).await?;
        world.settled().await?;
        Ok((world, incident, sys_id))
    }

    /// An alert fires in channel Payments and opens an incident, or joins the
    /// one that it opened before.
    pub fn alert(&self, title: &str, status: Status) -> String {
        let event = AlertEvent::new(title, title, status).label("service", "checkout");
        let pushed = self
            .flashduty
            .poke(|f, now| f.push_alert(flashduty::PAYMENTS, event, now));
        let incident = pushed.ok().and_then(|pushed| pushed.incident_id);
        incident.expect("an alert that fires has an incident")
    }

    /// Ana does something to a Flashduty incident.
    pub fn ana(&self, incident: &str, action: &Action) {
        let done = self
            .flashduty
            .poke(|f, now| f.act(flashduty::ANA, incident, action, now));
        done.expect("Ana may do that");
    }

    /// Ana comments on a Flashduty incident.
    pub fn ana_comments(&self, incident: &str, comment: &str) {
        self.ana(
            incident,
            &Action::Comment {
                comment: comment.into(),
                mute_reply: false,
            },
        );
    }

    /// Ana presses the custom action that sends an incident to ServiceNow, and
    /// sees what came of it: the answer, and after how many milliseconds.
    pub async fn ana_sends(&self, incident: &str) -> anyhow::Result<(Answer, u64)> {
        self.ana_sends_with(incident, EventIdPlace::TopLevel).await
    }

    /// As [`ana_sends`](Self::ana_sends), with the event's id in that place.
    pub async fn ana_sends_with(
        &self,
        incident: &str,
        place: EventIdPlace,
    ) -> anyhow::Result<(Answer, u64)> {
        let mut action = CustomAction::new("To ServiceNow", &self.webhook_url("trigger"))
            .header("authorization", &format!("Bearer {FLASHDUTY_TOKEN}"));
        action.event_id_place = place;
        let integration_id = self.flashduty.poke(|f, _| f.add_custom_action(action));
        self.ana(incident, &Action::CustomAction { integration_id });
        self.until("the custom action is over", |w| {
            let flashduty = w.flashduty.simulator();
            let mut attempts = flashduty.deliveries().iter();
            let attempt = attempts.find(|a| a.integration_id == integration_id)?;
            let (status, text) = match &attempt.delivery {
                Delivery::Answered(answer) => (answer.status, &answer.body[..]),
                _ => (0, &[][..]),
            };
            let text = String::from_utf8_lossy(text).into_owned();
            Some((Answer { status, text }, attempt.duration_ms))
        })
        .await
    }

    /// Beth changes a ServiceNow incident.
    pub fn beth(&self, sys_id: &str, fields: &[(&str, &str)]) {
        let done = self
            .servicenow
            .poke(|s, now| s.update_incident("beth.anglin", sys_id, fields, now));
        done.expect("Beth may do that");
    }

    /// Abel opens a ServiceNow incident.
    pub fn abel_opens(&self, fields: &[(&str, &str)]) -> String {
        let created = self
            .servicenow
            .poke(|s, now| s.create_incident("abel.tuter", fields, now));
        created.expect("Abel may do that")
    }

    /// The `sys_id`s of the records that carry the correlation of a Flashduty
    /// incident.
    pub fn records_of(&self, incident: &str) -> Vec<String> {
        let correlation = format!("flashduty:demo:{incident}");
        let servicenow = self.servicenow.simulator();
        let records = servicenow
            .incidents()
            .filter(|r| value(r, "correlation_id") == correlation);
        records
            .map(|record| value(record, "sys_id").to_owned())
            .collect()
    }

    /// Waits for the record of a Flashduty incident.
    pub async fn until_record(&self, incident: &str) -> anyhow::Result<String> {
        self.until("the incident exists in ServiceNow", |w| {
            w.records_of(incident).pop()
        })
        .await
    }

    /// Waits for the incident that a ServiceNow record was created for.
    pub async fn until_incident(&self, title: &str) -> anyhow::Result<String> {
        self.until("the incident exists in Flashduty", |w| {
            let flashduty = w.flashduty.simulator();
            let incident = flashduty.incidents().find(|i| i.title == title)?;
            Some(incident.incident_id.clone())
        })
        .await
    }

    /// Waits until a column of a ServiceNow incident has a raw value.
    pub async fn until_column(
        &self,
        sys_id: &str,
        name: &str,
        expected: &str,
    ) -> anyhow::Result<()> {
        let what = format!("{name} is {expected} in ServiceNow");
        self.until(&what, |w| {
            (w.column(sys_id, name) == expected).then_some(())
        })
        .await
    }

    /// Waits until a Flashduty incident is so far along.
    pub async fn until_progress(
        &self,
        incident: &str,
        expected: flashduty::Progress,
    ) -> anyhow::Result<()> {
        let what = format!("the progress is {expected:?} in Flashduty");
        self.until(&what, |w| {
            let flashduty = w.flashduty.simulator();
            (flashduty.incident(incident)?.progress == expected).then_some(())
        })
        .await
    }

    /// Waits until a Flashduty incident is so grave.
    pub async fn until_severity(
        &self,
        incident: &str,
        expected: flashduty::Severity,
    ) -> anyhow::Result<()> {
        let what = format!("the severity is {expected:?} in Flashduty");
        self.until(&what, |w| {
            let flashduty = w.flashduty.simulator();
            (flashduty.incident(incident)?.severity == expected).then_some(())
        })
        .await
    }

    /// A column of a ServiceNow incident, raw.
    pub fn column(&self, sys_id: &str, name: &str) -> String {
        let servicenow = self.servicenow.simulator();
        servicenow
            .incident(sys_id)
            .map_or(String::new(), |record| value(record, name).to_owned())
    }

    /// What stands in one journal of a ServiceNow incident.
    pub fn journal(&self, sys_id: &str, element: &str) -> Vec<String> {
        let entries = self.servicenow.simulator().journal(sys_id);
        entries
            .into_iter()
            .filter(|e| e.element == element)
            .map(|e| e.value)
            .collect()
    }

    /// The comments of a Flashduty incident.
    pub fn comments(&self, incident: &str) -> Vec<String> {
        let flashduty = self.flashduty.simulator();
        let timeline = flashduty.incident(incident).map(|i| i.timeline.as_slice());
        timeline
            .unwrap_or_default()
            .iter()
            .filter_map(|entry| entry.detail["comment"].as_str().map(str::to_owned))
            .collect()
    }
}

fn value<'a>(record: &'a Record, name: &str) -> &'a str {
    record.get(name).map_or("", String::as_str)
}
