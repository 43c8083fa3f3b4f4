//! A disk that is full for a while. A limit on the size of files, which anybody
//! may set, stands in for it: writing fails in the same way.

use crate::gateway::Gateway;
use crate::people::People;
use crate::seed;
use crate::settling::settle;
use crate::systems::Systems;
use crate::tell;
use fastrand::Rng;
use simulators::Delivery;
use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

/// Nothing that should happen takes as long.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many webhooks are refused before there is space again.
const REFUSED: usize = 50;

/// How many of Flashduty's webhooks were answered so.
fn answered(systems: &Systems, status: u16) -> usize {
    let flashduty = systems.flashduty.simulator();
    let deliveries = flashduty.deliveries().iter();
    deliveries
        .filter(|one| matches!(&one.delivery, Delivery::Answered(a) if a.status == status))
        .count()
}

fn taken(systems: &Systems) -> usize {
    answered(systems, 200)
}

fn refused(systems: &Systems) -> usize {
    answered(systems, 503)
}

/// Limits how long a file of the process may become.
fn limit_files(gateway: &Gateway, limit: &str) {
    let limited = Command::new("prlimit")
        .arg(format!("--pid={}", gateway.id()))
        .arg(format!("--fsize={limit}:"))
        .status();
    assert!(limited.unwrap().success());
}

#[test]
fn while_the_disk_is_full_nothing_is_acknowledged_and_then_all_goes_on_by_itself() {
    let seed = seed();
    tell(&format!("full disk, seed {seed}"));
    let mut random = Rng::with_seed(seed);
    let mut people = People::new(random.u64(..));
    let mut systems = Systems::start();
    let mut gateway = Gateway::new(&systems, "");
    systems.flashduty_sends_to(&[gateway.address]);
    systems.servicenow_sends_to(gateway.address);
    gateway.start();
    let begin = Instant::now();
    let mut act = |until: &dyn Fn(&Systems) -> bool, systems: &mut Systems, what: &str| {
        let begin = Instant::now();
        while !until(systems) {
            assert!(begin.elapsed() < PATIENCE, "in vain: {what}");
            people.act(systems);
            systems.note_acknowledged();
            sleep(Duration::from_millis(random.u64(..20)));
        }
    };
    act(
        &|_| begin.elapsed() > Duration::from_secs(2),
        &mut systems,
        "",
    );
    let store = gateway.folder().join("sync.redb");
    // No room for more, and none for what redb writes at the end of its file.
    let bytes = fs::metadata(&store).unwrap().len();
    limit_files(&gateway, &(bytes / 2).to_string());
    act(
        &|s| refused(s) >= REFUSED,
        &mut systems,
        "webhooks are refused",
    );

    limit_files(&gateway, "unlimited");
    let back = Instant::now();
    let taken_before = taken(&systems);
    act(
        &|s| taken(s) > taken_before,
        &mut systems,
        "webhooks are taken again",
    );
    let took = back.elapsed();
    act(
        &|_| back.elapsed() > Duration::from_secs(2),
        &mut systems,
        "",
    );

    let refused = refused(&systems);
    let waiting = settle(&mut systems, &[&gateway]);
    let report = people.report(&mut systems, &waiting);
    tell(&format!(
        "full disk: {refused} of Flashduty's webhooks refused, taken again {took:.0?} after there \
         was space; {report}; seed {seed}"
    ));
    report.assert_good();
    people.make_up_for(&report, &systems);
    let waiting = settle(&mut systems, &[&gateway]);
    people.report(&mut systems, &waiting).assert_perfect();
    assert!(gateway.log().contains("store write failed"));
}
