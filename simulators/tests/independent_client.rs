//! Somebody else's client works against the ServiceNow simulator: the command
//! line program `servicenow-cli` from PyPI, which knows nothing of it.
//!
//! It is installed into a virtual environment below `target/tmp`, once. Where
//! that cannot be done, for want of Python or of a network, the test says so
//! and passes.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;

use serde_json::Value;
use serde_json::json;
use simulators::server::Exchange;
use simulators::server::Server;
use simulators::server::ServerOptions;
use simulators::servicenow::Options;
use simulators::servicenow::ServiceNow;
use tokio::sync::broadcast;

const PACKAGE: &str = "servicenow-cli>=0.5,<0.6";

struct Client {
    program: PathBuf,
    home: PathBuf,
    instance: String,
}

impl Client {
    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(&self.program)
            .args(["--output", "json"])
            .args(arguments)
            .env_clear()
            .env("HOME", &self.home)
            .env("SERVICENOW_INSTANCE", &self.instance)
            .env("SERVICENOW_USERNAME", "flashduty")
            .env("SERVICENOW_PASSWORD", "flashduty-password")
            .output()
            .unwrap()
    }

    /// What a command that has to succeed prints.
    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// The installed program, or why there is none.
fn install(directory: &Path) -> Result<PathBuf, String> {
    let environment = directory.join("servicenow-cli");
    let program = environment.join("bin/servicenow");
    if program.exists() {
        return Ok(program);
    }
    run(Command::new("python3")
        .args(["-m", "venv"])
        .arg(&environment))?;
    run(Command::new(environment.join("bin/pip")).args(["install", "--quiet", PACKAGE]))?;
    Ok(program)
}

fn run(command: &mut Command) -> Result<(), String> {
    match command.output() {
        Err(error) => Err(format!("{command:?}: {error}")),
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let errors = String::from_utf8_lossy(&output.stderr);
            Err(format!("{command:?}: {errors}"))
        }
    }
}

/// Method and path of the requests since the last call.
fn requests(exchanges: &mut broadcast::Receiver<Exchange>) -> Vec<String> {
    let mut requests = Vec::new();
    while let Ok(exchange) = exchanges.try_recv() {
        if let Exchange::Handled { request, .. } = exchange {
            requests.push(format!("{} {}", request.method, request.path));
        }
    }
    requests
}

#[tokio::test(flavor = "multi_thread")]
async fn servicenow_cli_finds_creates_notes_and_resolves_incidents() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let program = match install(directory) {
        Ok(program) => program,
        Err(reason) => {
            #[expect(clippy::print_stderr, reason = "a test that is skipped has to say so")]
            {
                eprintln!("skipped, because {PACKAGE} cannot be installed: {reason}");
            }
            return;
        }
    };
    let server = Server::start(
        ServiceNow::new(Options::default()),
        ServerOptions::default(),
    )
    .await
    .unwrap();
    let home = directory.join(format!("servicenow-cli-home-{}", server.addr().port()));
    std::fs::create_dir_all(&home).unwrap();
    let client = Client {
        program,
        home: home.clone(),
        instance: server.url(),
    };
    let mut exchanges = server.exchanges();

    let doctor = client.json(&["doctor"]);
    assert_eq!(doctor["ok"], true, "{doctor}");
    assert_eq!(
        requests(&mut exchanges),
        ["GET /api/now/table/sys_user", "GET /api/now/table/incident"]
    );

    let create = [
        "incidents",
        "create",
        "--short-description",
        "Disk full",
        "--urgency",
        "1",
        "--impact",
        "2",
        "--assignment-group",
        "Network",
        "--field",
        "u_environment=prod",
    ];
    let created = client.json(&create);
    let incident = &created["result"];
    assert_eq!(
        json!([
            incident["number"],
            incident["priority"],
            incident["u_environment"]
        ]),
        json!(["INC0010001", "2", "prod"])
    );
    let group = server.simulator().group_id("Network").unwrap().to_owned();
    assert_eq!(incident["assignment_group"]["value"], group);

    let shown = client.json(&["incidents", "show", "INC0010001"]);
    assert_eq!(
        shown["result"]["urgency"],
        json!({"display_value": "1 - High", "value": "1"})
    );

    client.json(&["incidents", "note", "INC0010001", "Looking at it"]);
    let unknown = [
        "incidents",
        "resolve",
        "INC0010001",
        "--code",
        "Magic",
        "--notes",
        "x",
    ];
    let refused = client.run(&unknown);
    let errors = String::from_utf8_lossy(&refused.stderr);
    assert!(
        errors.contains("unknown resolution code 'Magic'"),
        "{errors}"
    );
    requests(&mut exchanges);
    let resolve = [
        "incidents",
        "resolve",
        "INC0010001",
        "--code",
        "Solution provided",
        "--notes",
        "Freed",
    ];
    client.json(&resolve);
    let sent = requests(&mut exchanges);
    assert!(sent.last().unwrap().starts_with("PATCH "), "{sent:?}");

    let listed = client.json(&["incidents", "list", "--display-value", "true", "--all"]);
    assert_eq!(listed["count"], 1);
    assert_eq!(listed["result"][0]["state"], "Resolved");

    let simulator = server.simulator();
    let incident = simulator.incidents().next().unwrap();
    assert_eq!(incident["close_code"], "Solution provided");
    assert_eq!(incident["close_notes"], "Freed");
    let journal = simulator.journal(&incident["sys_id"]);
    assert_eq!(journal[0].element, "work_notes");
    assert_eq!(journal[0].value, "Looking at it");
    std::fs::remove_dir_all(home).unwrap();
}
