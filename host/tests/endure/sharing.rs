//! Two processes on one PostgreSQL, one of which is paused for longer than its
//! lease or killed, again and again.

use crate::gateway::Gateway;
use crate::people::People;
use crate::postgres::Postgres;
use crate::seed;
use crate::settling::settle;
use crate::systems::Systems;
use crate::tell;
use crate::times;
use fastrand::Rng;
use std::fs;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

const CHANGES: usize = 2000;
const LEASE_SECONDS: u64 = 2;
/// Between two things that people do.
const CHANGE_MS: u64 = 20;

/// What is being done to one of the processes.
enum Trouble {
    None,
    Paused { which: usize, until: Instant },
    Killed { which: usize, until: Instant },
}

#[test]
fn processes_that_are_paused_beyond_their_lease_and_killed_lose_and_double_nothing() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    let (changes, seed) = (times(CHANGES), seed());
    tell(&format!("two processes on PostgreSQL, seed {seed}"));
    let begin = Instant::now();
    let mut random = Rng::with_seed(seed);
    let mut people = People::new(random.u64(..));
    let mut systems = Systems::start();
    let settings =
        format!("store.url = {{ file = \"store-url\" }}\nlimits.lease-seconds = {LEASE_SECONDS}");
    let mut gateways = [(); 2].map(|()| {
        let mut gateway = Gateway::new(&systems, &settings);
        fs::write(gateway.folder().join("store-url"), postgres.url()).unwrap();
        gateway.start();
        gateway
    });
    // Both hear of what happens in Flashduty, and one of what happens in
    // ServiceNow.
    systems.flashduty_sends_to(&[gateways[0].address, gateways[1].address]);
    systems.servicenow_sends_to(gateways[0].address);

    let (mut pauses, mut kills) = (0, 0);
    let (mut trouble, mut next) = (Trouble::None, begin);
    while people.changes() < changes {
        let now = Instant::now();
        match trouble {
            Trouble::None if now >= next => {
                let which = random.usize(..2);
                // Mostly soon enough, as a load balancer would.
                if random.u8(..4) > 0 {
                    systems.servicenow_sends_to(gateways[1 - which].address);
                }
                trouble = if random.bool() {
                    pauses += 1;
                    gateways[which].signal("-STOP");
                    let lease_ms = LEASE_SECONDS * 1000;
                    let until = now + Duration::from_millis(random.u64(lease_ms..3 * lease_ms));
                    Trouble::Paused { which, until }
                } else {
                    kills += 1;
                    gateways[which].kill();
                    let until = now + Duration::from_millis(random.u64(..1000));
                    Trouble::Killed { which, until }
                };
            }
            Trouble::Paused { which, until } if now >= until => {
                gateways[which].signal("-CONT");
                (trouble, next) = (Trouble::None, now + pause(&mut random));
            }
            Trouble::Killed { which, until } if now >= until => {
                gateways[which].start();
                (trouble, next) = (Trouble::None, now + pause(&mut random));
            }
            _ => {}
        }
        people.act(&systems);
        systems.note_acknowledged();
        sleep(Duration::from_millis(random.u64(..CHANGE_MS)));
    }
    match trouble {
        Trouble::None => {}
        Trouble::Paused { which, .. } => gateways[which].signal("-CONT"),
        Trouble::Killed { which, .. } => drop(gateways[which].start()),
    }
    let done = begin.elapsed();
    let gateways = [&gateways[0], &gateways[1]];
    let waiting = settle(&mut systems, &gateways);
    let report = people.report(&mut systems, &waiting);
    let took_over = gateways.map(|gateway| gateway.log().matches("took over work").count());
    tell(&format!(
        "{pauses} pauses and {kills} kills of two processes in {done:.0?}, settled after {:.0?}: \
         {report}; {} times one took over work; seed {seed}",
        begin.elapsed(),
        took_over[0] + took_over[1],
    ));
    report.assert_good();
    people.make_up_for(&report, &systems);
    let waiting = settle(&mut systems, &gateways);
    people.report(&mut systems, &waiting).assert_perfect();
    assert!(took_over[0] > 0 && took_over[1] > 0, "{took_over:?}");
}

/// Until the next trouble.
fn pause(random: &mut Rng) -> Duration {
    Duration::from_millis(random.u64(..2000))
}
