//! `kill -9` at any moment.

use crate::gateway::Gateway;
use crate::people::People;
use crate::seed;
use crate::settling::settle;
use crate::systems::Systems;
use crate::tell;
use crate::times;
use fastrand::Rng;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

const KILLS: usize = 100;
/// The longest life of a process.
const LIFE_MS: u64 = 600;
/// Between two things that people do.
const CHANGE_MS: u64 = 30;
/// A process that is started again receives webhooks after this time, save for
/// one in a hundred: in the long form, beside which nothing else should run.
const READY: Duration = Duration::from_millis(500);
/// The same in every run, where other tests have the processors.
const READY_AT_LAST: Duration = Duration::from_secs(2);

#[test]
fn a_process_that_is_killed_again_and_again_loses_and_doubles_nothing() {
    let (kills, seed) = (times(KILLS), seed());
    tell(&format!("kills, seed {seed}"));
    let begin = Instant::now();
    let mut random = Rng::with_seed(seed);
    let mut people = People::new(random.u64(..));
    let mut systems = Systems::start();
    let mut gateway = Gateway::new(&systems, "");
    systems.flashduty_sends_to(&[gateway.address]);
    systems.servicenow_sends_to(gateway.address);
    gateway.start();

    let mut ready = Vec::new();
    for _ in 0..kills {
        let end = Instant::now() + Duration::from_millis(random.u64(..LIFE_MS));
        while Instant::now() < end {
            people.act(&systems);
            sleep(Duration::from_millis(random.u64(..CHANGE_MS)));
        }
        systems.note_acknowledged();
        gateway.kill();
        // Now and then it does not get as far as being ready.
        if random.u8(..8) == 0 {
            gateway.spawn();
            sleep(Duration::from_millis(random.u64(..50)));
            gateway.kill();
        }
        ready.push(gateway.start());
    }
    let killed = begin.elapsed();
    let waiting = settle(&mut systems, &[&gateway]);
    let report = people.report(&mut systems, &waiting);
    ready.sort();
    let [p50, p99] = [50, 99].map(|percent| ready[(ready.len() - 1) * percent / 100]);
    let max = ready[ready.len() - 1];
    tell(&format!(
        "{kills} kills in {killed:.0?}, settled after {:.0?}: {report}; ready again after \
         {p50:.0?} (p50), {p99:.0?} (p99), {max:.0?} (max); seed {seed}",
        begin.elapsed(),
    ));
    report.assert_good();
    people.make_up_for(&report, &systems);
    let waiting = settle(&mut systems, &[&gateway]);
    people.report(&mut systems, &waiting).assert_perfect();
    let most = if kills < 1000 { READY_AT_LAST } else { READY };
    assert!(p99 <= most, "{p99:?}, more than {most:?}");
}
