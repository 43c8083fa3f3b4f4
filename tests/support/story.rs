//! The main job, told as it happens: incidents cross in both directions.
//!
//! People act on the simulators the way they would act in a console; all the
//! rest is the product. Each step is checked before the next one begins, so
//! whoever hears the story to its end has seen that it is true.

use crate::World;
use anyhow::Context as _;
use anyhow::ensure;
use simulators::flashduty;
use simulators::flashduty::Action;
use simulators::flashduty::AlertEvent;
use simulators::servicenow::Record;

/// One line of the story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Somebody does something in one of the two systems.
    Does(String),
    /// What then holds in the other.
    Sees(String),
}

/// What is in both systems at the end, a row for each pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where it began.
    pub born_in: &'static str,
    /// Its title.
    pub title: String,
    /// Id, severity and progress in Flashduty.
    pub flashduty: [String; 3],
    /// Number, priority and state in ServiceNow.
    pub servicenow: [String; 3],
}

/// Plays the story and tells it line by line.
pub async fn play(world: &World, tell: &mut dyn FnMut(Line)) -> anyhow::Result<Vec<Row>> {
    let mut does = |text: String| tell(Line::Does(text));
    does("An alert opens a Critical incident in Flashduty: \"Checkout latency above 2 s\"".into());
    let alert = AlertEvent::new("checkout-latency", "Checkout latency above 2 s", flashduty::Status::Critical)
        .label("service", "checkout");
    let pushed = world.flashduty.poke(|f, now| f.push_alert(flashduty::PAYMENTS, alert, now));
    let incident = pushed
        .map_err(|e| anyhow::anyhow!("{e:?}"))?
        .incident_id
        .context("an alert that fires opens an incident")?;
    let correlation = format!("flashduty:demo:{incident}");
    let sys_id = world
        .until("the incident exists in ServiceNow", |w| {
            let servicenow = w.servicenow.simulator();
            let record = servicenow.incidents().find(|r| value(r, "correlation_id") == correlation)?;
            Some(value(record, "sys_id").to_owned())
        })
        .await?;
    let number = field(world, &sys_id, "number");
    let link = format!("{}/incident/detail/{incident}", world.flashduty.url());
    ensure!(
        journal(world, &sys_id, "work_notes").iter().any(|note| note.contains(&link)),
        "{number} does not say where it came from"
    );
    let grade = ["impact", "urgency", "priority"].map(|name| field(world, &sys_id, name));
    ensure!(grade == ["1", "1", "1"], "{number} has {grade:?}");
    let numbered = |w: &World| comments(w, &incident).into_iter().find(|c| c.contains(&number));
    world.until("Flashduty knows the number", numbered).await?;
    tell(Line::Sees(format!(
        "ServiceNow has {number}: impact 1, urgency 1, priority 1; its work notes link to Flashduty, \
         and a comment in Flashduty names {number}"
    )));

    let mut does = |text: &str| tell(Line::Does(text.into()));
    does("Ana acknowledges it in Flashduty");
    act(world, &incident, &Action::Acknowledge)?;
    until_record(world, &sys_id, "state", "2").await?;
    tell(Line::Sees(format!("{number} is In Progress")));

    tell(Line::Does("Ana comments in Flashduty: \"Rolling back release 42\"".into()));
    let comment = "Rolling back release 42".to_owned();
    act(world, &incident, &Action::Comment { comment: comment.clone(), mute_reply: false })?;
    let noted = |w: &World| {
        let notes = journal(w, &sys_id, "work_notes");
        notes.into_iter().find(|note| note.contains(&comment) && note.starts_with("Ana"))
    };
    world.until("the comment is in the work notes", noted).await?;
    tell(Line::Sees(format!("{number} has it as a work note, with her name and the time")));

    tell(Line::Does(
        "Beth, a ServiceNow agent, writes an additional comment and lowers the urgency to 2 - Medium".into(),
    ));
    let comment = "Customers can pay again; watching";
    update(world, &sys_id, &[("comments", comment), ("urgency", "2")])?;
    let carried = |w: &World| {
        comments(w, &incident).into_iter().find(|c| c.contains(comment) && c.starts_with("beth.anglin"))
    };
    world.until("the comment is in Flashduty", carried).await?;
    until_severity(world, &incident, flashduty::Severity::Warning).await?;
    tell(Line::Sees("The comment is in Flashduty's timeline, and the severity is Warning".into()));

    tell(Line::Does("Beth raises the urgency again, to 1 - High".into()));
    update(world, &sys_id, &[("urgency", "1")])?;
    until_severity(world, &incident, flashduty::Severity::Critical).await?;
    tell(Line::Sees("The severity is Critical again".into()));

    tell(Line::Does(format!("Beth resolves {number}: \"Release 42 rolled back\"")));
    let resolution = "Release 42 rolled back";
    update(
        world,
        &sys_id,
        &[("state", "6"), ("close_code", "Solution provided"), ("close_notes", resolution)],
    )?;
    world
        .until("the incident is closed in Flashduty", |w| {
            let flashduty = w.flashduty.simulator();
            let incident = flashduty.incident(&incident)?;
            let closed = incident.progress == flashduty::Progress::Closed;
            (closed && incident.resolution == resolution).then_some(())
        })
        .await?;
    tell(Line::Sees("The incident is Closed in Flashduty, with her notes as the resolution".into()));

    tell(Line::Does("Abel opens an incident in ServiceNow: \"VPN down in Shanghai\", urgency 1".into()));
    let created = world.servicenow.poke(|s, now| {
        let fields = [
            ("short_description", "VPN down in Shanghai"),
            ("description", "Nobody in the office can connect."),
            ("urgency", "1"),
            ("impact", "2"),
        ];
        s.create_incident("abel.tuter", &fields, now)
    });
    let second = created.map_err(|refusal| anyhow::anyhow!("{refusal:?}"))?;
    let second_number = field(world, &second, "number");
    let second_incident = world
        .until("it exists in Flashduty", |w| {
            let flashduty = w.flashduty.simulator();
            let incident = flashduty.incidents().find(|i| i.title == "VPN down in Shanghai")?;
            Some(incident.incident_id.clone())
        })
        .await?;
    let correlation = format!("flashduty:demo:{second_incident}");
    until_record(world, &second, "correlation_id", &correlation).await?;
    until_severity(world, &second_incident, flashduty::Severity::Critical).await?;
    tell(Line::Sees(format!(
        "Flashduty has it as a Critical incident in channel Payments, and {second_number} links to it"
    )));

    world.settled().await?;
    Ok(vec![
        row(world, "Flashduty", &incident, &sys_id)?,
        row(world, "ServiceNow", &second_incident, &second)?,
    ])
}

fn act(world: &World, incident: &str, action: &Action) -> anyhow::Result<()> {
    let done = world.flashduty.poke(|f, now| f.act(flashduty::ANA, incident, action, now));
    done.map_err(|error| anyhow::anyhow!("{error:?}"))
}

fn update(world: &World, sys_id: &str, fields: &[(&str, &str)]) -> anyhow::Result<()> {
    let done = world.servicenow.poke(|s, now| s.update_incident("beth.anglin", sys_id, fields, now));
    done.map_err(|refusal| anyhow::anyhow!("{refusal:?}"))
}

fn value<'a>(record: &'a Record, name: &str) -> &'a str {
    record.get(name).map_or("", String::as_str)
}

/// A column of a ServiceNow incident, raw.
pub fn field(world: &World, sys_id: &str, name: &str) -> String {
    let servicenow = world.servicenow.simulator();
    servicenow.incident(sys_id).map_or(String::new(), |record| value(record, name).to_owned())
}

/// What stands in one journal of a ServiceNow incident.
pub fn journal(world: &World, sys_id: &str, element: &str) -> Vec<String> {
    let entries = world.servicenow.simulator().journal(sys_id);
    entries.into_iter().filter(|e| e.element == element).map(|e| e.value).collect()
}

/// The comments of a Flashduty incident.
pub fn comments(world: &World, incident: &str) -> Vec<String> {
    let flashduty = world.flashduty.simulator();
    let entries = flashduty.incident(incident).map(|i| i.timeline.as_slice()).unwrap_or_default();
    entries
        .iter()
        .filter_map(|entry| entry.detail["comment"].as_str().map(str::to_owned))
        .collect()
}

async fn until_record(world: &World, sys_id: &str, name: &str, expected: &str) -> anyhow::Result<()> {
    let what = format!("{name} is {expected} in ServiceNow");
    world.until(&what, |w| (field(w, sys_id, name) == expected).then_some(())).await
}

async fn until_severity(
    world: &World,
    incident: &str,
    expected: flashduty::Severity,
) -> anyhow::Result<()> {
    let what = format!("the severity is {expected:?} in Flashduty");
    world
        .until(&what, |w| {
            let flashduty = w.flashduty.simulator();
            (flashduty.incident(incident)?.severity == expected).then_some(())
        })
        .await
}

fn row(world: &World, born_in: &'static str, incident: &str, sys_id: &str) -> anyhow::Result<Row> {
    let flashduty = world.flashduty.simulator();
    let found = flashduty.incident(incident).context("the incident is gone")?;
    let state = match field(world, sys_id, "state").as_str() {
        "1" => "New",
        "2" => "In Progress",
        "3" => "On Hold",
        "6" => "Resolved",
        _ => "another",
    };
    Ok(Row {
        born_in,
        title: found.title.clone(),
        flashduty: [
            found.incident_id.clone(),
            format!("{:?}", found.severity),
            format!("{:?}", found.progress),
        ],
        servicenow: [
            field(world, sys_id, "number"),
            format!("P{}", field(world, sys_id, "priority")),
            state.into(),
        ],
    })
}
