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
    let incident = world.alert("Checkout latency above 2 s", flashduty::Status::Critical);
    let sys_id = world.until_record(&incident).await?;
    let number = world.column(&sys_id, "number");
    let link = format!("{}/incident/detail/{incident}", world.flashduty.url());
    ensure!(
        world
            .journal(&sys_id, "work_notes")
            .iter()
            .any(|note| note.contains(&link)),
        "{number} does not say where it came from"
    );
    let grade = ["impact", "urgency", "priority"].map(|name| world.column(&sys_id, name));
    ensure!(grade == ["1", "1", "1"], "{number} has {grade:?}");
    let numbered = |w: &World| {
        w.comments(&incident)
            .into_iter()
            .find(|c| c.contains(&number))
    };
    world.until("Flashduty knows the number", numbered).await?;
    tell(Line::Sees(format!(
        "ServiceNow has {number}: impact 1, urgency 1, priority 1; its work notes link to Flashduty, \
         and a comment in Flashduty names {number}"
    )));

    let mut does = |text: &str| tell(Line::Does(text.into()));
    does("Ana acknowledges it in Flashduty");
    world.ana(&incident, &Action::Acknowledge);
    world.until_column(&sys_id, "state", "2").await?;
    tell(Line::Sees(format!("{number} is In Progress")));

    tell(Line::Does(
        "Ana comments in Flashduty: \"Rolling back release 42\"".into(),
    ));
    let comment = "Rolling back release 42";
    world.ana_comments(&incident, comment);
    let noted = |w: &World| {
        let notes = w.journal(&sys_id, "work_notes");
        notes
            .into_iter()
            .find(|note| note.contains(comment) && note.starts_with("Ana"))
    };
    world
        .until("the comment is in the work notes", noted)
        .await?;
    tell(Line::Sees(format!(
        "{number} has it as a work note, with her name and the time"
    )));

    tell(Line::Does(
        "Beth, a ServiceNow agent, writes an additional comment and lowers the urgency to 2 - Medium".into(),
    ));
    let comment = "Customers can pay again; watching";
    world.beth(&sys_id, &[("comments", comment), ("urgency", "2")]);
    let carried = |w: &World| {
        w.comments(&incident)
            .into_iter()
            .find(|c| c.contains(comment) && c.starts_with("beth.anglin"))
    };
    world.until("the comment is in Flashduty", carried).await?;
    world
        .until_severity(&incident, flashduty::Severity::Warning)
        .await?;
    tell(Line::Sees(
        "The comment is in Flashduty's timeline, and the severity is Warning".into(),
    ));

    tell(Line::Does(
        "Beth raises the urgency again, to 1 - High".into(),
    ));
    world.beth(&sys_id, &[("urgency", "1")]);
    world
        .until_severity(&incident, flashduty::Severity::Critical)
        .await?;
    tell(Line::Sees("The severity is Critical again".into()));

    tell(Line::Does(format!(
        "Beth resolves {number}: \"Release 42 rolled back\""
    )));
    let resolution = "Release 42 rolled back";
    let code = ("close_code", "Solution provided");
    world.beth(
        &sys_id,
        &[("state", "6"), code, ("close_notes", resolution)],
    );
    world
        .until_progress(&incident, flashduty::Progress::Closed)
        .await?;
    let told = world
        .flashduty
        .simulator()
        .incident(&incident)
        .map(|i| i.resolution.clone());
    ensure!(
        told.as_deref() == Some(resolution),
        "the resolution is {told:?}"
    );
    tell(Line::Sees(
        "The incident is Closed in Flashduty, with her notes as the resolution".into(),
    ));

    tell(Line::Does(
        "Abel opens an incident in ServiceNow: \"VPN down in Shanghai\", urgency 1".into(),
    ));
    let second = world.abel_opens(&[
        ("short_description", "VPN down in Shanghai"),
        ("description", "Nobody in the office can connect."),
        ("urgency", "1"),
        ("impact", "2"),
    ]);
    let second_number = world.column(&second, "number");
    let second_incident = world.until_incident("VPN down in Shanghai").await?;
    let correlation = format!("flashduty:demo:{second_incident}");
    world
        .until_column(&second, "correlation_id", &correlation)
        .await?;
    world
        .until_severity(&second_incident, flashduty::Severity::Critical)
        .await?;
    tell(Line::Sees(format!(
        "Flashduty has it as a Critical incident in channel Payments, and {second_number} links to it"
    )));

    world.settled().await?;
    Ok(vec![
        row(world, "Flashduty", &incident, &sys_id)?,
        row(world, "ServiceNow", &second_incident, &second)?,
    ])
}

fn row(world: &World, born_in: &'static str, incident: &str, sys_id: &str) -> anyhow::Result<Row> {
    let flashduty = world.flashduty.simulator();
    let found = flashduty
        .incident(incident)
        .context("the incident is gone")?;
    let state = match world.column(sys_id, "state").as_str() {
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
            world.column(sys_id, "number"),
            format!("P{}", world.column(sys_id, "priority")),
            state.into(),
        ],
    })
}
