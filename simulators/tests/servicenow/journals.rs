//! Comments and work notes.

use serde_json::json;
use simulators::servicenow::Options;

use crate::desk::ADMIN;
use crate::desk::Desk;

fn desk_with_entries(options: Options) -> (Desk, String) {
    let mut desk = Desk::new(options);
    let sys_id = desk.create("{}");
    desk.wait_ms(104_000);
    desk.snow
        .update_incident(
            "beth.anglin",
            &sys_id,
            &[("work_notes", "looking")],
            desk.now_ms,
        )
        .unwrap();
    desk.wait_ms(806_000);
    desk.snow
        .update_incident(
            "abel.tuter",
            &sys_id,
            &[("comments", "one\n\ntwo")],
            desk.now_ms,
        )
        .unwrap();
    (desk, sys_id)
}

#[test]
fn the_display_value_has_the_newest_entry_first_in_the_zone_of_the_reader() {
    let (mut desk, sys_id) = desk_with_entries(Options::default());
    let fields = "sysparm_fields=comments,work_notes,comments_and_work_notes";
    let shown = desk.get(&format!(
        "incident/{sys_id}?sysparm_display_value=true&{fields}"
    ));
    let comments = "2026-03-02 09:15:10 - Abel Tuter (Additional comments)\none\n\ntwo\n\n";
    let work_notes = "2026-03-02 09:01:44 - Beth Anglin (Work notes)\nlooking\n\n";
    assert_eq!(
        shown.result(),
        json!({
            "comments": comments,
            "work_notes": work_notes,
            "comments_and_work_notes": format!("{comments}{work_notes}"),
        })
    );
    let raw = desk.get(&format!("incident/{sys_id}?{fields}"));
    assert_eq!(
        raw.result(),
        json!({"comments": "", "work_notes": "", "comments_and_work_notes": ""})
    );
    let now_ms = desk.now_ms;
    desk.snow
        .set_user_field("flashduty", "time_zone", "Asia/Tokyo", now_ms);
    desk.snow
        .set_user_field("flashduty", "date_format", "dd.MM.yyyy", now_ms);
    let shown = desk.get(&format!(
        "incident/{sys_id}?sysparm_display_value=all&{fields}"
    ));
    let work_notes = "02.03.2026 18:01:44 - Beth Anglin (Work notes)\nlooking\n\n";
    assert_eq!(
        shown.result()["work_notes"],
        json!({"display_value": work_notes, "value": ""})
    );
}

#[test]
fn a_repeated_write_appends_a_second_entry() {
    let (mut desk, sys_id) = desk_with_entries(Options::default());
    for _ in 0..2 {
        desk.patch(&sys_id, r#"{"work_notes":"same"}"#);
    }
    let entries = desk.snow.journal(&sys_id);
    let values: Vec<_> = entries.iter().map(|entry| entry.value.as_str()).collect();
    assert_eq!(values, ["looking", "one\n\ntwo", "same", "same"]);
    assert_ne!(entries[2].sys_id, entries[3].sys_id);
    assert_eq!(desk.stored(&sys_id, "sys_mod_count"), "4");
}

#[test]
fn entries_are_rows_with_ids_of_their_own() {
    let (mut desk, sys_id) = desk_with_entries(Options::default());
    let answer = desk.get(&format!(
        "sys_journal_field?sysparm_query=name=incident%5Eelement=comments%5Eelement_id={sys_id}%5EORDERBYsys_created_on"
    ));
    let entry = &desk.snow.journal(&sys_id)[1];
    assert_eq!(
        answer.result(),
        json!([{
            "element": "comments", "element_id": sys_id, "name": "incident",
            "sys_created_by": "abel.tuter", "sys_created_on": "2026-03-02 09:15:10",
            "sys_id": entry.sys_id, "sys_tags": "", "value": "one\n\ntwo",
        }])
    );
}

#[test]
fn hidden_journals_read_as_empty_although_the_display_value_is_not() {
    let (mut desk, sys_id) = desk_with_entries(Options {
        hide_journal: true,
        ..Options::default()
    });
    let rows = format!("sys_journal_field?sysparm_query=element_id={sys_id}");
    let answer = desk.get(&rows);
    assert_eq!(
        (answer.status, answer.text.as_str()),
        (200, r#"{"result":[]}"#)
    );
    let shown = desk.get(&format!("incident/{sys_id}?sysparm_display_value=true"));
    assert!(
        shown.result()["comments"]
            .as_str()
            .unwrap()
            .contains("Abel Tuter")
    );
    desk.sit_down(ADMIN);
    assert_eq!(desk.get(&rows).column("value").len(), 2);
}
