//! Faults of answers, and the routes that switch them.

use serde_json::json;
use simulators::CLOSE;
use simulators::DELAY_MS;
use simulators::servicenow::Fault;
use simulators::servicenow::Options;
use simulators::servicenow::Span;
use simulators::servicenow::Target;

use crate::desk::Desk;

#[test]
fn a_fault_ends_after_so_many_requests_or_by_time() {
    let mut desk = Desk::new(Options::default());
    desk.snow.faults().answer(Fault::ServerError, Span::Next(2));
    assert_eq!(desk.get("incident").status, 500);
    assert_eq!(desk.get("incident").status, 500);
    assert_eq!(desk.get("incident").status, 200);
    let until = Span::Until(desk.now_ms + 1000);
    desk.snow.faults().answer(Fault::Hibernating, until);
    let asleep = desk.get("incident");
    assert_eq!(asleep.status, 200);
    assert_eq!(
        asleep.header("content-type"),
        Some("text/html;charset=UTF-8")
    );
    assert!(
        asleep
            .text
            .contains("<title>Instance Hibernating page</title>")
    );
    desk.wait_ms(1000);
    assert_eq!(desk.get("incident").json(), json!({"result": []}));
}

#[test]
fn each_fault_has_its_answer() {
    let mut desk = Desk::new(Options::default());
    for (fault, status) in [
        (Fault::TooManyRequests(Some(7)), 429),
        (Fault::ServerError, 500),
        (Fault::Unavailable, 503),
        (Fault::Unauthorized, 401),
        (Fault::Dropped, 202),
        (Fault::Closed, CLOSE),
        (Fault::Redirected, 302),
        (Fault::AbortedByRule("Freeze".to_owned()), 403),
    ] {
        desk.snow.faults().answer(fault.clone(), Span::Next(1));
        let answer = desk.send("POST", "/api/now/table/incident", "{}");
        assert_eq!(answer.status, status, "{fault:?}");
        let retry_after = (status == 429).then_some("7");
        assert_eq!(answer.header("retry-after"), retry_after);
        let location = (status == 302).then_some("/login_redirect.do");
        assert_eq!(answer.header("location"), location);
        if status == 403 {
            let detail = "Operation against file 'incident' was aborted by Business Rule \
                'Freeze^5f0c1d9a'. Business Rule Stack:Freeze";
            answer.assert_refused(403, "Operation Failed", Some(detail));
        }
    }
    assert_eq!(desk.snow.incidents().count(), 0);
}

#[test]
fn a_failure_may_follow_the_commit() {
    let mut desk = Desk::new(Options::default());
    for (fault, status) in [
        (Fault::ServerErrorAfterCommit, 500),
        (Fault::ClosedAfterCommit, CLOSE),
        (Fault::Slow(500), 201),
    ] {
        desk.snow.faults().answer(fault, Span::Next(1));
        let answer = desk.send("POST", "/api/now/table/incident", "{}");
        assert_eq!(answer.status, status);
        assert_eq!(answer.header(DELAY_MS), (status == 201).then_some("500"));
    }
    assert_eq!(desk.snow.incidents().count(), 3);
}

#[test]
fn a_fault_meets_only_its_target() {
    let mut desk = Desk::new(Options::default());
    let target = Target {
        method: Some("PATCH".to_owned()),
        path: Some("/incident/".to_owned()),
    };
    desk.snow
        .faults()
        .answer_to(target, Fault::ServerError, Span::Always);
    let sys_id = desk.create("{}");
    assert_eq!(desk.patch(&sys_id, "{}").status, 500);
    assert_eq!(desk.get(&format!("incident/{sys_id}")).status, 200);
    desk.snow.faults().clear();
    assert_eq!(desk.patch(&sys_id, "{}").status, 200);
}

#[test]
fn a_partial_list_has_an_error_beside_its_records() {
    let mut desk = Desk::new(Options::default());
    desk.create("{}");
    desk.create("{}");
    desk.snow.faults().answer(Fault::PartialList, Span::Next(1));
    let answer = desk.get("incident");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.column("state").len(), 1);
    assert!(answer.json()["error"]["message"].is_string());
    desk.snow.faults().answer(Fault::BrokenList, Span::Next(1));
    let broken = desk.get("incident");
    assert_eq!(broken.status, 200);
    assert!(serde_json::from_str::<serde_json::Value>(&broken.text).is_err());
}

#[test]
fn reads_lag_behind_writes() {
    let mut desk = Desk::new(Options::default());
    let old = desk.create(r#"{"correlation_id":"old"}"#);
    desk.snow.faults().set_read_lag_ms(500);
    let new = desk.create(r#"{"correlation_id":"new"}"#);
    let answer = desk.patch(&old, r#"{"state":"2","comments":"hello"}"#);
    assert_eq!(answer.result()["state"], "2");
    let find_new = "incident?sysparm_query=correlation_id=new";
    assert_eq!(desk.get(&format!("incident/{new}")).status, 404);
    assert_eq!(desk.get(find_new).text, r#"{"result":[]}"#);
    let stale = desk
        .get(&format!("incident/{old}?sysparm_display_value=true"))
        .result();
    assert_eq!(
        (&stale["state"], &stale["comments"]),
        (&json!("New"), &json!(""))
    );
    desk.wait_ms(500);
    assert_eq!(desk.get(find_new).column("correlation_id"), ["new"]);
    assert_eq!(desk.get(&format!("incident/{old}")).result()["state"], "2");
}

#[test]
fn faults_are_switched_over_http_and_never_meet_that_route() {
    let mut desk = Desk::new(Options::default());
    let body = r#"{"fault":{"too_many_requests":9},"for_ms":1000}"#;
    assert_eq!(desk.send("POST", "/simulator/faults", body).status, 200);
    assert_eq!(desk.get("incident").header("retry-after"), Some("9"));
    let listed = desk.send("GET", "/simulator/faults", "").json();
    assert_eq!(
        listed["answers"][0]["span"],
        json!({"until": desk.now_ms + 1000})
    );
    desk.send("DELETE", "/simulator/faults", "");
    assert_eq!(desk.get("incident").status, 200);
    let wrong = desk.send("POST", "/simulator/faults", r#"{"falt":"closed"}"#);
    assert_eq!(wrong.status, 400);
    assert!(
        wrong
            .text
            .contains("unknown field `falt`, expected one of `fault`"),
        "{}",
        wrong.text
    );
}

#[test]
fn users_are_changed_over_http() {
    let mut desk = Desk::new(Options::default());
    let change = r#"{"roles":["itil","itil_admin"],"fields":{"time_zone":"Asia/Tokyo"}}"#;
    let answer = desk.send("PATCH", "/simulator/users/flashduty", change);
    assert_eq!(answer.status, 200);
    let shown = desk.create("{}");
    let shown = desk.get(&format!("incident/{shown}?sysparm_display_value=true"));
    assert_eq!(shown.result()["opened_at"], "2026-03-02 18:00:00");
    let wrong = desk.send("PATCH", "/simulator/users/nobody", "{}");
    assert_eq!(
        wrong.json()["error"],
        "no user \"nobody\"; there are abel.tuter, admin, ana.silva, beth.anglin, bo.chen, flashduty, fred.luddy"
    );
}

#[test]
fn a_link_to_an_incident_leads_to_a_page_without_live_markup() {
    let mut desk = Desk::new(Options::default());
    let sys_id = desk.create(r#"{"short_description":"<b>&","comments":"<script>"}"#);
    for target in [
        format!("/nav_to.do?uri=incident.do%3Fsys_id%3D{sys_id}"),
        format!("/incident.do?sys_id={sys_id}"),
    ] {
        let page = desk.send("GET", &target, "");
        assert_eq!(page.status, 200);
        assert!(page.text.contains("&lt;b&gt;&amp;") && page.text.contains("&lt;script&gt;"));
        assert!(!page.text.contains("<b>") && !page.text.contains("<script>"));
    }
    assert!(desk.send("GET", "/", "").text.contains("INC0010001"));
    assert_eq!(desk.send("GET", "/incident.do?sys_id=x", "").status, 404);
}
