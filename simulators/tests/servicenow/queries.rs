//! Queries through the API.

use simulators::servicenow::Options;

use crate::desk::ADMIN;
use crate::desk::Desk;

fn desk(options: Options) -> Desk {
    let mut desk = Desk::new(options);
    desk.create(r#"{"short_description":"Disk full","state":"2","correlation_id":"fd-1"}"#);
    desk.create(r#"{"short_description":"CPU"}"#);
    desk
}

#[track_caller]
fn assert_found(desk: &mut Desk, parameters: &str, expected: &[&str]) {
    let answer = desk.get(&format!("incident?{parameters}"));
    let mut numbers = answer.column("number");
    numbers.sort();
    assert_eq!(numbers, expected, "{parameters}");
}

#[test]
fn a_query_finds_by_columns_and_through_references() {
    let mut desk = desk(Options::default());
    assert_found(
        &mut desk,
        "sysparm_query=correlation_id=fd-1",
        &["INC0010001"],
    );
    assert_found(
        &mut desk,
        "sysparm_query=opened_by.user_name=flashduty%5Estate=1",
        &["INC0010002"],
    );
    assert_found(
        &mut desk,
        "sysparm_query=opened_by=javascript:gs.getUserID()%5EstateIN2,3",
        &["INC0010001"],
    );
}

#[test]
fn an_empty_value_finds_all_incidents_without_one() {
    let mut desk = desk(Options::default());
    assert_found(&mut desk, "sysparm_query=correlation_id=", &["INC0010002"]);
}

#[test]
fn an_unknown_field_finds_more_unless_the_instance_forbids_it() {
    let query = "sysparm_query=u_correlation=fd-1";
    assert_found(
        &mut desk(Options::default()),
        query,
        &["INC0010001", "INC0010002"],
    );
    let strict = Options {
        invalid_query_returns_no_rows: true,
        ..Options::default()
    };
    assert_found(&mut desk(strict), query, &[]);
}

#[test]
fn a_parameter_that_is_a_column_filters_by_what_people_see() {
    let mut desk = desk(Options::default());
    assert_found(&mut desk, "state=In%20Progress", &["INC0010001"]);
    assert_found(
        &mut desk,
        "state=2&short_description=disk+full",
        &["INC0010001"],
    );
    assert_found(&mut desk, "state=1&correlation_id=fd-1", &[]);
}

#[test]
fn changes_are_polled_by_time_of_update_in_utc() {
    let mut desk = desk(Options::default());
    desk.wait_ms(60_000);
    let found = desk
        .get("incident?sysparm_query=short_description=CPU")
        .result();
    let sys_id = found[0]["sys_id"].as_str().unwrap().to_owned();
    desk.patch(&sys_id, r#"{"urgency":"1"}"#);
    let since = "sysparm_query=sys_updated_on%3E=2026-03-02%2009:01:00%5EORDERBYsys_updated_on";
    assert_found(&mut desk, since, &["INC0010002"]);
}

#[test]
fn the_dictionary_tells_on_which_table_a_column_is_defined() {
    let mut desk = desk(Options::default());
    let answer = desk.get(
        "sys_dictionary?sysparm_query=element=short_description%5EORelement=close_code%5EORDERBYelement",
    );
    assert_eq!(answer.column("name"), ["incident", "task"]);
    assert_eq!(answer.column("max_length"), ["40", "160"]);
}

#[test]
fn choices_are_read_unless_hidden() {
    let query = "sys_choice?sysparm_query=name=incident%5Eelement=close_code%5Einactive=false%5Elanguage=en";
    let mut open = desk(Options::default());
    let values = open.get(query).column("value");
    assert_eq!(values.len(), 10);
    assert!(values.contains(&"Solution provided".to_owned()));
    let mut hidden = desk(Options {
        hide_choices: true,
        ..Options::default()
    });
    assert_eq!(hidden.get(query).text, r#"{"result":[]}"#);
}

#[test]
fn a_column_may_be_kept_out_of_queries() {
    let mut desk = desk(Options {
        unqueryable_fields: ["correlation_id".to_owned()].into(),
        ..Options::default()
    });
    for query in [
        "state=1%5EORcorrelation_id=fd-1",
        "ORDERBYDESCcorrelation_id",
    ] {
        desk.get(&format!("incident?sysparm_query={query}"))
            .assert_refused(
                403,
                "Insufficient rights to query records",
                Some("Field(s) present in the query do not have permission to be read"),
            );
    }
    desk.sit_down(ADMIN);
    let query = "sysparm_query=correlation_id=fd-1";
    assert_found(&mut desk, query, &["INC0010001"]);
}
