//! Two processes on one database: both work, one takes over when the other
//! dies, and one that was stopped for too long does nothing more.

use crate::A_WHILE;
use crate::Asked;
use crate::FarEnd;
use crate::Gateway;
use crate::folder;
use crate::postgres::Postgres;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::thread;
use std::time::Duration;
use std::time::Instant;
use tempfile::TempDir;

/// How long a lease is, which is waited for; `cargo xtask endure takeover` waits for
/// one of the usual length.
fn lease() -> Duration {
    let seconds = env::var("LEASE_SECONDS").map_or(2, |seconds| seconds.parse().unwrap());
    Duration::from_secs(seconds)
}

/// The other gateway looks around every two seconds at least, waits for the
/// lease, and this machine may be busy.
fn taken_over() -> Duration {
    lease() + Duration::from_secs(13)
}

/// Base64 of `canary-user:second`.
const SECOND: &str = "Y2FuYXJ5LXVzZXI6c2Vjb25k";
const LOOK_UP: &str = "GET /api/now/table/incident";
const CREATE: &str = "POST /api/now/table/incident";

/// Two gateways, which the far end knows apart by their passwords.
struct Pair {
    far_end: FarEnd,
    instance: Instance,
    first: Gateway,
    second: Gateway,
    folders: [TempDir; 2],
    postgres: Postgres,
}

impl Pair {
    fn start() -> Option<Self> {
        let postgres = Postgres::start()?;
        let far_end = FarEnd::new();
        let folders = ["canary-password", "second"].map(|password| {
            let settings = format!(
                "store.url = {{ file = \"store-url\" }}\nlimits.lease-seconds = {}",
                lease().as_secs()
            );
            let folder = folder(&far_end, "", &settings);
            fs::write(folder.path().join("store-url"), postgres.url()).unwrap();
            fs::write(folder.path().join("password"), password).unwrap();
            folder
        });
        Some(Self {
            first: Gateway::start(folders[0].path()),
            second: Gateway::start(folders[1].path()),
            far_end,
            instance: Instance::default(),
            folders,
            postgres,
        })
    }

    fn log(&self, which: usize) -> String {
        fs::read_to_string(self.folders[which].path().join("log")).unwrap()
    }

    /// Answers everything until nothing has been asked for a while; tells who
    /// asked what.
    fn succeed_at_all(&self) -> Vec<(bool, String)> {
        let mut asked = Vec::new();
        while let Ok(next) = self.far_end.asked.recv_timeout(2 * A_WHILE) {
            asked.push((is_second(&next), next.what.clone()));
            self.instance.succeed(next);
        }
        asked
    }

    /// Lets the first begin work that the second knows of too, and returns the
    /// incident and what is asked first.
    fn first_begins(&self) -> (u32, Asked) {
        for incident in 100..110 {
            receive(&self.first, incident);
            let asked = self.far_end.next();
            if !is_second(&asked) {
                assert_eq!(asked.what, LOOK_UP);
                return (incident, asked);
            }
            // The other looked around at that very moment.
            self.instance.succeed(asked);
            self.succeed_at_all();
        }
        panic!("the second is always sooner");
    }

    fn until_logged(&self, which: usize, text: &str) {
        let begin = Instant::now();
        while !self.log(which).contains(text) {
            assert!(
                begin.elapsed() < taken_over(),
                "{text}: {}",
                self.log(which)
            );
            thread::sleep(A_WHILE / 10);
        }
    }

    /// Nothing is left to do, for either of them.
    fn assert_done(&self) {
        let left = "SELECT convert_from(value, 'UTF8') FROM servicenow_sync_keys \
                    WHERE key LIKE 'g.work.%'";
        assert_eq!(self.postgres.sql(left), "");
    }
}

const WORK: &str = "SELECT count(*) FROM servicenow_sync_keys WHERE key LIKE 'g.work.%'";

fn is_second(asked: &Asked) -> bool {
    asked.head.contains(SECOND)
}

/// An instance that honours the `sys_id` that it is given, and knows no field
/// but those that were written.
#[derive(Default)]
struct Instance(RefCell<BTreeMap<String, Value>>);

impl Instance {
    fn succeed(&self, asked: Asked) {
        const TABLE: &str = "/api/now/table/incident";
        let mut records = self.0.borrow_mut();
        let (method, path) = asked.what.split_once(' ').unwrap();
        let of_path = path.strip_prefix(TABLE).unwrap().trim_start_matches('/');
        if method == "GET" && of_path.is_empty() {
            let found = records
                .iter()
                .filter(|(sys_id, _)| asked.head.contains(sys_id.as_str()));
            let found: Vec<_> = found.map(|(_, record)| record).collect();
            let body = json!({ "result": found }).to_string();
            return asked.answer("200 OK", &body);
        }
        let mut sys_id = of_path.to_owned();
        if method != "GET" {
            let written: Map<String, Value> = serde_json::from_str(&asked.body).unwrap();
            if method == "POST" {
                written["sys_id"].as_str().unwrap().clone_into(&mut sys_id);
                assert!(!records.contains_key(&sys_id), "{sys_id} is created twice");
            }
            let record = records
                .entry(sys_id.clone())
                .or_insert_with(|| json!({ "sys_id": sys_id }));
            record.as_object_mut().unwrap().extend(written);
        }
        let body = json!({ "result": records[&sys_id] }).to_string();
        asked.answer("200 OK", &body);
    }
}

fn webhook(gateway: &Gateway, incident: u32) -> String {
    let proof = "authorization: Bearer canary-webhook-token\r\n";
    let body = format!(
        r#"{{"event_type":"i_new","incident":{{"incident_id":"6a1d2f45c0ffee01234{incident:05}",
           "title":"Disk full","incident_severity":"Critical","progress":"Triggered",
           "created_at":4102444800}}}}"#
    );
    gateway.send(0, "POST /flashduty/demo", proof, &body)
}

fn receive(gateway: &Gateway, incident: u32) {
    let answer = webhook(gateway, incident);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn both_work_and_no_incident_is_created_twice() {
    const INCIDENTS: u32 = 20;
    let Some(pair) = Pair::start() else { return };
    for incident in 0..INCIDENTS {
        // Both hear of each.
        receive(&pair.first, incident);
        receive(&pair.second, incident);
    }
    let (mut created, mut seconds) = (BTreeMap::<String, u32>::new(), 0);
    while let Ok(asked) = pair.far_end.asked.recv_timeout(2 * A_WHILE) {
        seconds += u32::from(is_second(&asked));
        if asked.what == CREATE {
            let body: Value = serde_json::from_str(&asked.body).unwrap();
            *created.entry(body["sys_id"].to_string()).or_default() += 1;
        }
        pair.instance.succeed(asked);
    }
    assert_eq!(created.len(), INCIDENTS as usize);
    assert!(created.values().all(|times| *times == 1), "{created:?}");
    assert!(seconds > 0, "the second does its part");
    pair.assert_done();
}

#[test]
fn when_one_is_killed_the_other_finishes_its_work() {
    let Some(mut pair) = Pair::start() else {
        return;
    };
    let (_, _never_answered) = pair.first_begins();
    pair.first.signal("-KILL");
    pair.first.end();
    let begin = Instant::now();
    let asked = pair.far_end.next();
    let after = begin.elapsed();
    println!(
        "taken over {after:?} after the kill, with a lease of {:?}",
        lease()
    );
    assert!(is_second(&asked));
    assert_eq!(asked.what, LOOK_UP);
    assert!(
        after > lease() / 2 && after < taken_over(),
        "taken over after {after:?}"
    );
    pair.instance.succeed(asked);
    let rest = pair.succeed_at_all();
    let created = rest.iter().filter(|(_, what)| what == CREATE).count();
    assert_eq!(created, 1, "{rest:?}");
    pair.assert_done();
    pair.until_logged(1, "took over work");
}

/// Its look-up said that there is no such record, which was true when it was
/// answered: if it went on, the incident would be there twice.
#[test]
fn one_that_was_stopped_for_too_long_does_nothing_more() {
    let Some(pair) = Pair::start() else { return };
    let (_, stale) = pair.first_begins();
    pair.first.signal("-STOP");
    let asked = pair.far_end.next();
    assert!(is_second(&asked));
    pair.instance.succeed(asked);
    let rest = pair.succeed_at_all();
    let created = rest.iter().filter(|(_, what)| what == CREATE).count();
    assert_eq!(created, 1, "{rest:?}");
    assert!(rest.iter().all(|(second, _)| *second), "{rest:?}");

    stale.succeed();
    pair.first.signal("-CONT");
    assert_eq!(pair.succeed_at_all(), []);
    pair.assert_done();
    pair.until_logged(0, "the lease on this work lapsed");
    pair.until_logged(0, "another gateway took over the work");

    // It is as good as new.
    receive(&pair.first, 1);
    let rest = pair.succeed_at_all();
    assert!(rest.contains(&(false, CREATE.to_owned())), "{rest:?}");
}

#[test]
fn one_that_only_waits_for_an_answer_is_not_taken_over_from() {
    let Some(pair) = Pair::start() else { return };
    let (incident, slow) = pair.first_begins();
    receive(&pair.second, incident);
    let other = pair.far_end.asked.recv_timeout(4 * lease());
    assert!(other.is_err(), "{:?}", other.map(|asked| asked.what));
    assert_eq!(pair.second.work("running"), 1);
    pair.instance.succeed(slow);
    let rest = pair.succeed_at_all();
    assert!(rest.contains(&(false, CREATE.to_owned())), "{rest:?}");
    pair.assert_done();
}

#[test]
fn while_the_database_is_gone_nothing_is_acknowledged_and_then_all_goes_on() {
    let Some(mut pair) = Pair::start() else {
        return;
    };
    pair.postgres.kill();
    let answer = webhook(&pair.first, 0);
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    pair.postgres.restart(&[]);
    receive(&pair.first, 0);
    let begin = Instant::now();
    let asked = pair.far_end.next();
    assert!(begin.elapsed() < taken_over());
    pair.instance.succeed(asked);
    pair.succeed_at_all();
    // What was interrupted at an unlucky moment is done a little later.
    while pair.postgres.sql(WORK) != "0" {
        assert!(begin.elapsed() < 2 * taken_over());
        pair.succeed_at_all();
        thread::sleep(A_WHILE);
    }
}
