//! A running gateway takes a changed configuration, all of it or nothing.

use super::FarEnd;
use super::Gateway;
use super::INCIDENT;
use super::PATIENCE;
use super::folder;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;

/// Long enough for a look at the files, and for another.
const LOOKS: Duration = Duration::from_secs(4);

impl Gateway {
    fn metric(&self, name: &str) -> u64 {
        let proof = "authorization: Bearer canary-admin-token\r\n";
        let text = self.send(1, "GET /metrics", proof, "");
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.expect(&text).trim().parse().unwrap()
    }

    /// How often a configuration was applied, and how often refused.
    fn reloads(&self) -> (u64, u64) {
        let count = |outcome| {
            self.metric(&format!(
                "gateway_configuration_reloads_total{{outcome=\"{outcome}\"}}"
            ))
        };
        (count("applied"), count("refused"))
    }

    #[track_caller]
    pub(super) fn wait_for_reloads(&self, expected: (u64, u64)) {
        let begin = Instant::now();
        while self.reloads() != expected {
            assert!(begin.elapsed() < PATIENCE, "{:?}", self.reloads());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The status that a webhook with the given token is answered with.
    fn status_with(&self, token: &str) -> u16 {
        self.status_of(token, INCIDENT)
    }

    fn status_of(&self, token: &str, incident: &str) -> u16 {
        let proof = format!("authorization: Bearer {token}\r\n");
        let body = format!(r#"{{"event_type":"i_new","incident":{incident}}}"#);
        let answer = self.send(0, "POST /flashduty/demo", &proof, &body);
        answer.split(' ').nth(1).expect(&answer).parse().unwrap()
    }
}

/// Changes a text in the configuration.
fn edited(folder: &Path, from: &str, to: &str) -> String {
    let text = fs::read_to_string(folder.join("sync.toml")).unwrap();
    assert!(text.contains(from), "{from}");
    text.replace(from, to)
}

/// Puts a file in the place of another, as editors do.
fn replace(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, file).unwrap();
}

/// What the log says of the configuration, without times.
fn told(folder: &Path) -> Vec<String> {
    let log = fs::read_to_string(folder.join("log")).unwrap();
    let lines = log
        .lines()
        .filter_map(|line| line.split_once(" servicenow_sync::reload: "));
    lines.map(|(_, message)| message.to_owned()).collect()
}

const BOTH: &str = "bearer = [{ file = \"webhook-token\" }, { file = \"next-token\" }]";
const ONE: &str = "bearer = [{ file = \"webhook-token\" }]";

#[test]
fn a_signal_brings_what_the_files_say_into_force_once() {
    let far_end = FarEnd::new();
    let folder = folder(&far_end, "", "");
    let folder = folder.path();
    let gateway = Gateway::start(folder);
    fs::write(folder.join("next-token"), "canary-next\n").unwrap();
    let text = edited(folder, ONE, BOTH);
    fs::write(folder.join("sync.toml"), text).unwrap();
    gateway.signal("-HUP");
    gateway.wait_for_reloads((1, 0));
    assert_eq!(gateway.status_with("canary-next"), 200);
    assert_eq!(gateway.status_with("canary-webhook-token"), 200);
    thread::sleep(LOOKS);
    assert_eq!(gateway.reloads(), (1, 0));
    // Whether anything has changed or not.
    gateway.signal("-HUP");
    gateway.wait_for_reloads((2, 0));
}

#[test]
fn a_file_with_mistakes_changes_nothing_and_every_mistake_is_told() {
    let far_end = FarEnd::new();
    let folder = folder(&far_end, "", "");
    let folder = folder.path();
    let gateway = Gateway::start(folder);
    let good = fs::read_to_string(folder.join("sync.toml")).unwrap();
    let bad = good
        .replace(ONE, "baerer = [{ file = \"webhook-token\" }]")
        .replace("direction = \"to-servicenow\"", "direction = \"sideways\"");
    fs::write(folder.join("sync.toml"), bad).unwrap();
    gateway.signal("-HUP");
    gateway.wait_for_reloads((0, 1));
    assert_eq!(gateway.status_with("canary-webhook-token"), 200);
    let at = |line: usize| format!("{}/sync.toml:{line}: ", folder.display());
    assert_eq!(
        told(folder),
        [
            "reading the configuration anew: SIGHUP".to_owned(),
            format!(
                "{}webhook[0].baerer: no such key; expected one of \"path\", \"bearer\", \
                 \"header\", \"url-token\", \"signature\", \"max-body-bytes\", found \"baerer\"; \
                 did you mean \"bearer\"?",
                at(9)
            ),
            format!(
                "{}integration[0].direction: unknown value \"sideways\"; expected one of \
                 to-servicenow, from-servicenow, two-way",
                at(25)
            ),
            "the old configuration stays in force".to_owned(),
        ]
    );
    // No TOML at all, no file at all, and then all is well again.
    fs::write(folder.join("sync.toml"), "[server\n").unwrap();
    gateway.wait_for_reloads((0, 2));
    fs::remove_file(folder.join("sync.toml")).unwrap();
    gateway.wait_for_reloads((0, 3));
    assert_eq!(gateway.status_with("canary-webhook-token"), 200);
    fs::write(folder.join("sync.toml"), good).unwrap();
    gateway.wait_for_reloads((1, 3));
    assert_eq!(gateway.status_with("canary-webhook-token"), 200);
}

#[test]
fn a_file_that_is_replaced_is_noticed() {
    let far_end = FarEnd::new();
    let folder = folder(&far_end, "", "");
    let folder = folder.path();
    let gateway = Gateway::start(folder);
    fs::write(folder.join("next-token"), "canary-next\n").unwrap();
    assert_eq!(gateway.status_with("canary-next"), 401);
    replace(&folder.join("sync.toml"), &edited(folder, ONE, BOTH));
    gateway.wait_for_reloads((1, 0));
    assert_eq!(gateway.status_with("canary-next"), 200);
}

/// As Kubernetes does: the file is a link into a folder that is a link.
#[test]
fn a_secret_that_is_replaced_behind_a_link_is_noticed() {
    let far_end = FarEnd::new();
    let folder = folder(&far_end, "", "");
    let folder = folder.path();
    for (version, token) in [("v1", "canary-1"), ("v2", "canary-2")] {
        fs::create_dir(folder.join(version)).unwrap();
        fs::write(folder.join(version).join("webhook-token"), token).unwrap();
    }
    symlink("v1", folder.join("data")).unwrap();
    fs::remove_file(folder.join("webhook-token")).unwrap();
    symlink("data/webhook-token", folder.join("webhook-token")).unwrap();
    let gateway = Gateway::start(folder);
    let statuses = || ["canary-1", "canary-2"].map(|token| gateway.status_with(token));
    assert_eq!(statuses(), [200, 401]);
    symlink("v2", folder.join("new")).unwrap();
    fs::rename(folder.join("new"), folder.join("data")).unwrap();
    gateway.wait_for_reloads((1, 0));
    assert_eq!(statuses(), [401, 200]);
    // A secret that is gone is no reason to let nobody in.
    fs::remove_file(folder.join("v2/webhook-token")).unwrap();
    gateway.wait_for_reloads((1, 1));
    assert_eq!(statuses(), [401, 200]);
    fs::write(folder.join("v2/webhook-token"), "canary-1").unwrap();
    gateway.wait_for_reloads((2, 1));
    assert_eq!(statuses(), [200, 401]);
}

#[test]
fn what_needs_a_restart_is_told_and_nothing_else_is_taken_either() {
    let far_end = FarEnd::new();
    let folder = folder(&far_end, "", "");
    let folder = folder.path();
    let gateway = Gateway::start(folder);
    fs::write(folder.join("next-token"), "canary-next\n").unwrap();
    let text = edited(folder, ONE, BOTH).replace(
        "server.listen = \"127.0.0.1:0\"",
        "server = { listen = \"127.0.0.1:1\", workers = 3 }\nstore.path = \"other.redb\"",
    );
    replace(&folder.join("sync.toml"), &text);
    gateway.wait_for_reloads((0, 1));
    assert_eq!(gateway.status_with("canary-next"), 401);
    let expected = [
        (3, "server.listen", "127.0.0.1:0, found 127.0.0.1:1"),
        (3, "server.workers", "16, found 3"),
        (4, "store.path", "sync.redb, found other.redb"),
    ];
    let expected = expected.map(|(line, key, values)| {
        format!(
            "{}/sync.toml:{line}: {key}: a change of this needs a restart; running with {values}",
            folder.display()
        )
    });
    assert_eq!(told(folder)[1..4], expected);
}

#[test]
fn a_replaced_plugin_is_taken_at_a_signal_if_it_is_one() {
    let far_end = FarEnd::new();
    let folder = folder(&far_end, "", "");
    let folder = folder.path();
    let dist = concat!(env!("CARGO_MANIFEST_DIR"), "/../dist");
    let plugin = fs::read(format!("{dist}/servicenow_sync.wasm")).unwrap();
    let file = folder.join("plugin.wasm");
    fs::write(&file, &plugin).unwrap();
    let text = edited(
        folder,
        &format!("{dist}/servicenow_sync.wasm"),
        "plugin.wasm",
    );
    fs::write(folder.join("sync.toml"), text).unwrap();
    let gateway = Gateway::start(folder);
    let replaced = || {
        let log = fs::read_to_string(folder.join("log")).unwrap();
        log.matches("the plugin is another one").count()
    };
    // A section that nobody reads makes it another file and no other plugin.
    let another = [plugin, vec![0, 2, 1, b'x']].concat();
    fs::write(&file, another).unwrap();
    gateway.signal("-HUP");
    gateway.wait_for_reloads((1, 0));
    assert_eq!(replaced(), 1);
    gateway.signal("-HUP");
    gateway.wait_for_reloads((2, 0));
    assert_eq!(replaced(), 1);
    fs::write(&file, "not a plugin").unwrap();
    gateway.signal("-HUP");
    gateway.wait_for_reloads((2, 1));
    assert_eq!(replaced(), 1);
    let told = told(folder).join("\n");
    assert!(
        told.contains("/plugin.wasm: the plugin is no WebAssembly component that runs here: "),
        "{told}"
    );
    gateway.receive();
    assert_eq!(far_end.next().what, "GET /api/now/table/incident");
}

#[test]
fn the_level_of_the_log_is_changed_while_it_runs() {
    let far_end = FarEnd::new();
    let folder = folder(&far_end, "", "log.level = \"error\"");
    let folder = folder.path();
    let gateway = Gateway::start(folder);
    gateway.status_with("nobody");
    let text = edited(folder, "\"error\"", "\"info\"");
    replace(&folder.join("sync.toml"), &text);
    gateway.wait_for_reloads((1, 0));
    gateway.status_with("nobody");
    let log = fs::read_to_string(folder.join("log")).unwrap();
    assert_eq!(log.matches("refused a request").count(), 1, "{log}");
}

#[test]
fn a_session_under_way_is_not_disturbed() {
    let far_end = FarEnd::new();
    let folder = folder(&far_end, "", "");
    let folder = folder.path();
    let gateway = Gateway::start(folder);
    gateway.receive();
    let asked = far_end.next();
    fs::write(folder.join("password"), "canary-next\n").unwrap();
    gateway.wait_for_reloads((1, 0));
    let old = "Basic Y2FuYXJ5LXVzZXI6Y2FuYXJ5LXBhc3N3b3Jk";
    let new = "Basic Y2FuYXJ5LXVzZXI6Y2FuYXJ5LW5leHQ=";
    asked.succeed();
    // The rest of the session, and then the first of the next.
    for _ in super::CREATED {
        let asked = far_end.next();
        assert!(asked.head.contains(old), "{}", asked.head);
        asked.succeed();
    }
    gateway.receive();
    let asked = far_end.next();
    assert!(asked.head.contains(new), "{}", asked.head);
}

/// Senders that know the old token, the new one, or change over in the middle;
/// and signals all the time.
#[test]
fn under_load_no_request_is_refused_and_no_work_is_lost() {
    let far_end = FarEnd::new();
    let folder = folder(&far_end, "", "");
    let folder = folder.path();
    fs::write(folder.join("next-token"), "canary-next\n").unwrap();
    let gateway = Gateway::start(folder);
    let [one, both] = [ONE, BOTH].map(|tokens| edited(folder, ONE, tokens));
    let (stop, overlap) = (AtomicBool::new(false), AtomicBool::new(false));
    let sent = AtomicU64::new(0);
    let file = folder.join("sync.toml");
    let asked = thread::scope(|scope| {
        for sender in 0..4 {
            let (gateway, stop, overlap, sent) = (&gateway, &stop, &overlap, &sent);
            scope.spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    let next = sender % 2 == 1 && overlap.load(Ordering::SeqCst);
                    let token = if next {
                        "canary-next"
                    } else {
                        "canary-webhook-token"
                    };
                    let number = sent.fetch_add(1, Ordering::SeqCst);
                    let id = format!("{number:024x}");
                    let incident = INCIDENT.replace("6a1d2f45c0ffee0123456789", &id);
                    assert_eq!(gateway.status_of(token, &incident), 200);
                    thread::sleep(Duration::from_millis(10));
                }
            });
        }
        let changing = scope.spawn(|| {
            let take = |text: &str| {
                let (before, _) = gateway.reloads();
                replace(&file, text);
                gateway.signal("-HUP");
                // On a slow day the change is noticed before the signal comes.
                while gateway.reloads().0 == before {
                    thread::sleep(Duration::from_millis(20));
                }
            };
            for _ in 0..10 {
                take(&both);
                overlap.store(true, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(100));
                overlap.store(false, Ordering::SeqCst);
                // Whoever read the flag before has been answered by then.
                thread::sleep(Duration::from_millis(300));
                take(&one);
            }
            stop.store(true, Ordering::SeqCst);
        });
        let mut asked = Vec::new();
        while !changing.is_finished() {
            asked.extend(far_end.succeed_at_all());
        }
        changing.join().unwrap();
        asked.extend(far_end.succeed_at_all());
        asked
    });
    while gateway.work("due") + gateway.work("running") > 0 {
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!((gateway.work("waiting"), gateway.work("parked")), (0, 0));
    let created = asked
        .iter()
        .filter(|what| *what == super::CREATED[0])
        .count();
    assert_eq!(created as u64, sent.load(Ordering::SeqCst));
}
