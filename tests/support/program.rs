//! A gateway that is a program of its own, in whatever language: those in
//! `examples/`.

use crate::Setting;
use crate::World;
use crate::story;
use crate::wire::bearer;
use crate::world::FLASHDUTY_TOKEN;
use crate::world::SERVICENOW_TOKEN;
use crate::world::component;
use anyhow::Context as _;
use anyhow::bail;
use anyhow::ensure;
use serde_json::Value;
use serde_json::json;
use simulators::flashduty;
use std::fs;
use std::io::BufRead as _;
use std::io::BufReader;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;

/// What a program prints when it is ready, before the port.
const READY: &str = "listening on ";

/// The folder of an example.
pub fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples")
        .join(name)
}

/// Plays the story through a program, which is told the plugin and its settings
/// as arguments: what it wrote in both systems. It must let nobody in who has no
/// token.
pub async fn story_through(program: Command) -> anyhow::Result<Vec<String>> {
    let setting = Setting::default();
    let mut world = World::without_gateway(&setting).await?;
    let program = Program::start(program, &world)?;
    world.through(program.address, &setting).await?;
    for (path, token) in [
        ("/flashduty/demo", SERVICENOW_TOKEN),
        ("/flashduty/demo", ""),
        ("/elsewhere", FLASHDUTY_TOKEN),
    ] {
        let answer = world.send(path, &[bearer(token)], b"{}").await;
        ensure!(
            matches!(answer.status, 401 | 404),
            "{path} with {token:?} was answered {}",
            answer.status
        );
    }
    let mut writes = world.writes();
    story::play(&world, &mut |_| {}).await?;
    Ok(writes.transcript(&world))
}

/// The same through our own gateway.
pub async fn story_through_host() -> anyhow::Result<Vec<String>> {
    let world = World::start(Setting::default()).await?;
    let mut writes = world.writes();
    story::play(&world, &mut |_| {}).await?;
    Ok(writes.transcript(&world))
}

/// A running program, which ends with this value.
struct Program {
    child: Child,
    address: SocketAddr,
}

impl Program {
    fn start(mut program: Command, world: &World) -> anyhow::Result<Self> {
        let settings = world.folder().join("sync.json");
        fs::write(&settings, settings_between(world)?.to_string())?;
        let app_key = {
            let flashduty = world.flashduty.simulator();
            let key = flashduty.app_key(flashduty::INTEGRATION_MEMBER);
            key.unwrap_or_default().to_owned()
        };
        program
            .arg(component())
            .arg(settings)
            .env("PORT", "0")
            .env("FLASHDUTY_TOKEN", FLASHDUTY_TOKEN)
            .env("SERVICENOW_TOKEN", SERVICENOW_TOKEN)
            .env("FLASHDUTY_APP_KEY", app_key)
            .env("SERVICENOW_API_KEY", "flashduty-api-key")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = program.spawn().context("the program does not start")?;
        let stdout = child.stdout.take().context("its output is read")?;
        let mut lines = BufReader::new(stdout).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let port = line.strip_prefix(READY)?.parse().ok()?;
            Some(port)
        });
        // Nobody reads what it tells later, but it must not wait for that.
        thread::spawn(move || lines.for_each(drop));
        let Some(port) = port else {
            let status = child.wait()?;
            bail!("the program ended before it was ready: {status}");
        };
        Ok(Self {
            child,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It fails only if the program has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The settings that readers of the examples see, with the simulators in the
/// places of the real systems.
fn settings_between(world: &World) -> anyhow::Result<Value> {
    let text = fs::read_to_string(example("sync.json"))?
        .replace("https://api.flashcat.cloud", &world.flashduty.url())
        .replace("https://example.service-now.com", &world.servicenow.url())
        .replace("prod", "demo");
    let mut settings: Value = serde_json::from_str(&text)?;
    settings["egress"] = json!({ "private": ["127.0.0.0/8"] });
    let integration = &mut settings["integration"][0];
    integration["name"] = "Demo".into();
    integration["flashduty"]["channels"] = json!([flashduty::PAYMENTS]);
    // Nothing is polled, so that each write has one cause.
    integration["reconcile"] = json!({ "flashduty": false, "servicenow": false });
    Ok(settings)
}
