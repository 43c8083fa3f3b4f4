//! The demo's story, over real sockets, through the built component.
#![allow(clippy::unwrap_used)]

use support::Setting;
use support::World;
use support::story;
use support::story::Line;

#[tokio::test(flavor = "multi_thread")]
async fn incidents_cross_in_both_directions_and_nothing_is_written_twice() {
    let world = World::start(Setting::default()).await.unwrap();
    let mut told = 0;
    let rows = story::play(&world, &mut |line| {
        told += usize::from(matches!(line, Line::Sees(_)));
    })
    .await
    .unwrap();
    assert_eq!(told, 7);
    assert_eq!(rows[0].flashduty[1..], ["Critical", "Closed"]);
    assert_eq!(rows[0].servicenow[1..], ["P1", "Resolved"]);
    assert_eq!(rows[1].flashduty[1..], ["Critical", "Triggered"]);
    assert_eq!(rows[1].servicenow[1..], ["P2", "New"]);
    assert_eq!(world.servicenow.simulator().incidents().count(), 2);
    assert_eq!(world.flashduty.simulator().incidents().count(), 2);
    let incident = &rows[0].flashduty[0];
    for text in [
        "Rolling back release 42",
        "Customers can pay again",
        &rows[0].servicenow[0],
    ] {
        let comments = world.comments(incident);
        assert_eq!(
            comments.iter().filter(|c| c.contains(text)).count(),
            1,
            "{text}: {comments:?}"
        );
    }
}
