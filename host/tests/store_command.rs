//! `servicenow-sync store`: what an operator does with a store.
#![allow(clippy::unwrap_used)]

mod postgres;

use integration_gateway::Store;
use integration_gateway::contract::Precondition;
use integration_gateway::contract::Write;
use postgres::Postgres;
use servicenow_sync::store::FileStore;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use tempfile::TempDir;
use tempfile::tempdir;

const WORK: &str = r#"{"schema":2,"due":1000,"written":1,"reasons":["event"],"attempt":0,"waits":0,"generation":1}"#;
const PARKED: &str = r#"{"schema":1,"due":1,"written":1,"reasons":[],"attempt":8,"waits":0,"generation":1,"parked":{"reason":"no","since":1}}"#;

struct Operator {
    folder: TempDir,
}

impl Operator {
    fn new(store: &str) -> Self {
        let folder = tempdir().unwrap();
        fs::write(
            folder.path().join("sync.toml"),
            format!("[store]\n{store}\n"),
        )
        .unwrap();
        Self { folder }
    }

    fn of_file() -> Self {
        Self::new("path = \"s.redb\"")
    }

    fn of_database(postgres: &Postgres) -> Self {
        let operator = Self::new("url = { file = \"url\" }");
        fs::write(operator.folder.path().join("url"), postgres.url()).unwrap();
        operator
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self) -> FileStore {
        FileStore::open(&self.path().join("s.redb")).unwrap()
    }

    fn command(&self, what: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_servicenow-sync"));
        command
            .args(["store", what, "--config"])
            .arg(self.path().join("sync.toml"));
        command
    }

    /// Runs it on the given input; returns what it printed, or complained of.
    fn run(&self, what: &str, input: &str) -> Result<String, String> {
        told(self.command(what), input)
    }
}

fn told(mut command: Command, input: &str) -> Result<String, String> {
    let mut process = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have ended already, with a complaint.
    let _ = process.stdin.take().unwrap().write_all(input.as_bytes());
    let output = process.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() {
        assert_eq!(text(output.stderr), "");
        Ok(text(output.stdout))
    } else {
        assert_eq!(text(output.stdout), "");
        Err(text(output.stderr))
    }
}

async fn fill(store: &FileStore, entries: &[(&str, &[u8])]) {
    for (key, value) in entries {
        let write = Write {
            key: (*key).to_owned(),
            precondition: Precondition::Absent,
            value: Some(value.to_vec()),
        };
        store.write(write).await.unwrap().unwrap();
    }
}

async fn filled() -> Operator {
    let operator = Operator::of_file();
    let entries: [(&str, &[u8]); 5] = [
        ("p.pair.demo.a", b"{\"layout\":1}"),
        ("p.pair.demo.b", b"\xff\x00binary"),
        ("p.hint.demo.a", b""),
        ("g.work.demo.b", WORK.as_bytes()),
        ("g.work.demo.a", PARKED.as_bytes()),
    ];
    fill(&operator.file(), &entries).await;
    operator
}

const EXPORT: &str = r#"{"servicenow-sync-store":1}
{"key":"g.work.demo.a","revision":5,"text":"{\"schema\":1,\"due\":1,\"written\":1,\"reasons\":[],\"attempt\":8,\"waits\":0,\"generation\":1,\"parked\":{\"reason\":\"no\",\"since\":1}}"}
{"key":"g.work.demo.b","revision":4,"text":"{\"schema\":2,\"due\":1000,\"written\":1,\"reasons\":[\"event\"],\"attempt\":0,\"waits\":0,\"generation\":1}"}
{"key":"p.hint.demo.a","revision":3,"text":""}
{"key":"p.pair.demo.a","revision":1,"text":"{\"layout\":1}"}
{"key":"p.pair.demo.b","revision":2,"base64":"/wBiaW5hcnk="}
{"keys":5}
"#;

/// An export without the revisions, which an import gives anew.
fn without_revisions(export: &str) -> String {
    let lines = export.lines().map(|line| {
        let Some((head, rest)) = line.split_once(",\"revision\":") else {
            return line.to_owned();
        };
        format!("{head},{}", rest.split_once(',').unwrap().1)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn an_export_is_lines_that_an_import_takes() {
    let operator = filled().await;
    let export = operator.run("export", "").unwrap();
    assert_eq!(export, EXPORT);
    let other = Operator::of_file();
    assert_eq!(other.run("import", &export).unwrap(), "imported 5 keys\n");
    let again = other.run("export", "").unwrap();
    assert_eq!(without_revisions(&again), without_revisions(&export));
}

#[test]
fn an_import_leaves_out_what_held_only_in_the_store_it_comes_from() {
    let line = r#"{"key":"p.unbroken.first-look.demo","revision":6,"text":"1"}"#;
    let export = EXPORT.replace("{\"keys\":5}", &format!("{line}\n{{\"keys\":6}}"));
    let operator = Operator::of_file();
    assert_eq!(
        operator.run("import", &export).unwrap(),
        "imported 5 keys; left out 1 that held only in the store they come from, so for 150 s \
         nothing is created for incidents that existed before\n"
    );
    let again = operator.run("export", "").unwrap();
    assert_eq!(without_revisions(&again), without_revisions(EXPORT));
}

#[tokio::test]
async fn a_store_moves_from_a_file_to_a_database_and_back() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    let database = Operator::of_database(&postgres);
    assert_eq!(database.run("import", EXPORT).unwrap(), "imported 5 keys\n");
    assert_eq!(
        database.run("import", EXPORT).unwrap_err(),
        "expected an empty store, found 5 keys in it; nothing was changed; drop the objects whose \
         names begin with servicenow_sync_, or name another store in `[store]`\n"
    );
    let export = database.run("export", "").unwrap();
    assert_eq!(without_revisions(&export), without_revisions(EXPORT));
    assert_eq!(database.run("verify", "").unwrap(), "5 keys, all well\n");
    let told = database.run("inspect", "").unwrap();
    assert!(told.starts_with("store in PostgreSQL\n"), "{told}");
    assert!(
        told.contains("         2           46  plugin: pair\n"),
        "{told}"
    );
    let file = Operator::of_file();
    file.run("import", &export).unwrap();
    let back = file.run("export", "").unwrap();
    assert_eq!(without_revisions(&back), without_revisions(EXPORT));
}

#[tokio::test]
async fn a_database_is_reached_over_tls_if_its_certificate_is_trusted() {
    let Some(mut postgres) = Postgres::start() else {
        return;
    };
    let (certificate, settings) = postgres.certificate();
    postgres.kill();
    postgres.restart(&settings.each_ref().map(String::as_str));
    let operator = Operator::of_database(&postgres);
    let url = format!("{}?sslmode=require", postgres.url());
    fs::write(operator.path().join("url"), url).unwrap();
    let mut command = operator.command("import");
    command.env("SSL_CERT_FILE", certificate);
    assert_eq!(told(command, EXPORT).unwrap(), "imported 5 keys\n");
    let untrusted = operator.run("verify", "").unwrap_err();
    assert!(
        untrusted.contains("invalid peer certificate"),
        "{untrusted}"
    );
}

#[tokio::test]
async fn an_import_changes_nothing_unless_it_can_be_done() {
    let operator = filled().await;
    let error = operator.run("import", EXPORT).unwrap_err();
    assert_eq!(
        error,
        "expected an empty store, found 5 keys in it; nothing was changed; move the file away, or \
         name another store in `[store]`\n"
    );
    let cut = &EXPORT[..EXPORT.len() - 12];
    let (missing, _) = EXPORT.split_once("{\"key\":\"p.pair.demo.b\"").unwrap();
    let missing = format!("{missing}{{\"keys\":5}}\n");
    let newer = EXPORT.replace("store\":1", "store\":2");
    let line = r#"{"key":"p.pair.demo.\u0007","revision":6,"text":"1"}"#;
    let unreadable = EXPORT.replace("{\"keys\":5}", &format!("{line}\n{{\"keys\":6}}"));
    let line = EXPORT.lines().nth(1).unwrap();
    let twice = EXPORT.replace("{\"keys\":5}", &format!("{line}\n{{\"keys\":6}}"));
    let other = Operator::of_file();
    for (export, complaint) in [
        ("", "line 1: expected the first line of an export"),
        ("{}\n", "line 1: expected the first line of an export"),
        (
            newer.as_str(),
            "line 1: expected an export of format 1, found 2",
        ),
        (cut, "the export ends without its last line"),
        (
            missing.as_str(),
            "line 6: expected 5 keys before this, found 4",
        ),
        (
            "{\"servicenow-sync-store\":1}\nx\n",
            "line 2: expected value",
        ),
        (
            unreadable.as_str(),
            "line 7: \"p.pair.demo.\\u{7}\": expected a key of 1 to 200 of A-Z a-z 0-9 . _ -",
        ),
        (
            twice.as_str(),
            "line 7: \"g.work.demo.a\": the key is there twice",
        ),
    ] {
        let error = other.run("import", export).unwrap_err();
        assert!(error.starts_with(complaint), "{error}");
        assert!(!other.path().join("s.redb").exists());
    }
}

#[tokio::test]
async fn a_look_into_a_store_tells_kinds_sizes_and_the_oldest_work() {
    let operator = filled().await;
    let told = operator.run("inspect", "").unwrap();
    let lines: Vec<_> = told.lines().collect();
    let path = operator.path().display();
    assert_eq!(lines[0], format!("store in {path}/s.redb"));
    assert!(lines[1].ends_with(" bytes on disk"), "{told}");
    assert_eq!(
        lines[2..7],
        [
            "      keys        bytes  kind",
            "         2          235  gateway: work",
            "         1           13  plugin: hint",
            "         2           46  plugin: pair",
            "work: 1 waiting, 0 in a session, 1 parked",
        ]
    );
    assert!(lines[7].starts_with("oldest: demo.b, due for "), "{told}");
}

#[tokio::test]
async fn a_check_of_a_store_tells_what_cannot_be_read() {
    let operator = filled().await;
    assert_eq!(operator.run("verify", "").unwrap(), "5 keys, all well\n");
    let entries: [(&str, &[u8]); 3] = [
        ("g.work.newer", b"{\"schema\":9}"),
        ("g.work.torn", b"{\"schema\":2"),
        ("x.unknown", b""),
    ];
    fill(&operator.file(), &entries).await;
    assert_eq!(
        operator.run("verify", "").unwrap_err(),
        "g.work.newer: expected a record of schema 1 to 2, found 9; it was written by another \
         version of the gateway, which must be used to finish it\n\
         g.work.torn: the record is damaged: EOF while parsing an object at line 1 column 11\n\
         x.unknown: expected a key of the plugin's, the gates' or the work queue's\n\
         3 of 8 keys cannot be read\n"
    );
}

#[tokio::test]
async fn a_file_that_a_gateway_has_open_is_left_alone() {
    let operator = filled().await;
    let _gateway = operator.file();
    let path = operator.path().display();
    for what in ["export", "inspect", "verify"] {
        assert_eq!(
            operator.run(what, "").unwrap_err(),
            format!(
                "store {path}/s.redb: another process has this file open; stop that process, or \
                 give this one a file of its own with `path` in `[store]`\n"
            )
        );
    }
}

#[test]
fn looking_into_a_store_that_is_not_there_makes_none() {
    let operator = Operator::of_file();
    for what in ["export", "inspect", "verify"] {
        let error = operator.run(what, "").unwrap_err();
        assert!(error.contains("No such file"), "{error}");
        assert_eq!(fs::read_dir(operator.path()).unwrap().count(), 1);
    }
}

/// A store with more than one page of keys, closed; as bytes.
async fn bytes_of_a_store(operator: &Operator) -> Vec<u8> {
    let keys: Vec<String> = (0..200).map(|n| format!("p.pair.demo.{n:03}")).collect();
    let value = [b'x'; 1000];
    let entries: Vec<(&str, &[u8])> = keys.iter().map(|key| (key.as_str(), &value[..])).collect();
    fill(&operator.file(), &entries).await;
    fs::read(operator.path().join("s.redb")).unwrap()
}

const REMEDY: &str = "; move it away, and restore a copy or start with an empty one\n";

#[tokio::test]
async fn a_page_that_makes_no_sense_is_told_with_a_remedy() {
    let operator = Operator::of_file();
    let whole = bytes_of_a_store(&operator).await;
    let file = operator.path().join("s.redb");
    let mut found = 0;
    for page in 0..whole.len() / 4096 {
        let mut bytes = whole.clone();
        let zeroed = &mut bytes[page * 4096..][..4096];
        // Nothing is changed.
        if zeroed.iter().all(|byte| *byte == 0) {
            continue;
        }
        zeroed.fill(0);
        fs::write(&file, &bytes).unwrap();
        // What is no longer used may be anything.
        match operator.run("verify", "") {
            Ok(told) => assert_eq!(told, "200 keys, all well\n", "page {page}"),
            Err(told) => {
                let is_told = format!("{}: the file is damaged (", file.display());
                assert!(told.contains(&is_told), "page {page}: {told}");
                assert!(told.ends_with(REMEDY), "page {page}: {told}");
                assert_eq!(told.lines().count(), 1, "page {page}: {told}");
                found += 1;
            }
        }
        fs::write(&file, &bytes).unwrap();
        if let Ok(store) = FileStore::open(&file) {
            let keys = ["p.pair.demo.000".to_owned(), "p.pair.demo.199".to_owned()];
            let _ = store.get(&keys).await;
            let write = Write {
                key: "p.pair.demo.new".to_owned(),
                precondition: Precondition::Absent,
                value: Some(b"x".to_vec()),
            };
            let _ = store.write(write).await;
        }
    }
    assert!(found > 20, "only {found} pages were missed");
}

#[tokio::test]
async fn a_byte_that_changed_within_a_value_is_told_with_a_remedy() {
    let operator = Operator::of_file();
    let whole = bytes_of_a_store(&operator).await;
    let file = operator.path().join("s.redb");
    let told = operator.run("export", "").unwrap();
    let mut found = 0;
    let in_values = (0..whole.len() - 100).filter(|at| at % 4096 == 1600);
    for at in in_values.filter(|at| whole[*at..][..100] == [b'x'; 100]) {
        let mut bytes = whole.clone();
        bytes[at] = b'y';
        fs::write(&file, &bytes).unwrap();
        // What is no longer used may be anything.
        let verified = operator.run("verify", "");
        if operator.run("export", "").unwrap() == told {
            continue;
        }
        let why = verified.unwrap_err();
        assert!(why.contains("the file is damaged ("), "byte {at}: {why}");
        assert!(why.ends_with(REMEDY), "byte {at}: {why}");
        found += 1;
    }
    assert!(found > 10, "only {found} bytes were missed");
}

#[tokio::test]
async fn what_is_no_store_or_not_all_of_one_is_told_with_a_remedy() {
    let operator = Operator::of_file();
    let whole = bytes_of_a_store(&operator).await;
    let file = operator.path().join("s.redb");
    let lengths = [1, 100, 4096, 5000, whole.len() / 3, whole.len() / 2];
    let cut = lengths.map(|length| &whole[..length]);
    let other = [&b"not a store"[..], &[0; 100_000]];
    for bytes in cut.into_iter().chain(other) {
        fs::write(&file, bytes).unwrap();
        for what in ["verify", "inspect", "export"] {
            let told = operator.run(what, "").unwrap_err();
            let is_told = format!("{}: the file is damaged (", file.display());
            assert!(told.contains(&is_told), "{} bytes: {told}", bytes.len());
            assert!(told.ends_with(REMEDY), "{} bytes: {told}", bytes.len());
        }
    }
}
