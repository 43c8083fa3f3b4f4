//! How long it takes until there is a gateway, and what it then holds.

use crate::table::heading;
use crate::table::line;
use crate::table::shown;
use crate::table::spread;
use anyhow::Context as _;
use anyhow::ensure;
use servicenow_sync::Host;
use servicenow_sync::config::Draft;
use servicenow_sync::runtime::RuntimeOptions;
use servicenow_sync::runtime::WasmRuntime;
use std::fs;
use std::io::BufRead as _;
use std::io::BufReader;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

/// Starts that are measured, each of them after one that is not.
const STARTS: usize = 10;
/// The first look at the memory of a process.
const IDLE: Duration = Duration::from_secs(1);

pub(crate) async fn measure(component: &Path, configuration: &Path) -> anyhow::Result<()> {
    heading("start");
    let size = fs::metadata(component)?.len();
    line("the component", format!("{} KiB", size / 1024));

    let draft = || Draft::read(configuration);
    let options = RuntimeOptions {
        cache_directory: Some(draft()?.cache_directory()),
        ..RuntimeOptions::default()
    };
    let load = || {
        let start = Instant::now();
        let runtime = WasmRuntime::from_file(component, &options)?;
        anyhow::Ok((runtime, start.elapsed()))
    };
    line("compiling it, all cores", shown(load()?.1));
    // wasmtime writes its cache behind one's back.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (mut loads, mut starts) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let (runtime, taken) = load()?;
        loads.push(taken);
        let config = draft()?.check(&runtime)?;
        let start = Instant::now();
        let host = Host::start(config, runtime).await?;
        starts.push(start.elapsed());
        host.shutdown(Duration::from_secs(1)).await;
    }
    spread("loading it from the cache", loads);
    spread("`Host::start` until it listens", starts);
    process(component, configuration)
}

/// The program itself, if it is built the same way as this one.
fn process(component: &Path, configuration: &Path) -> anyhow::Result<()> {
    let examples = std::env::current_exe()?;
    let program = examples
        .ancestors()
        .nth(2)
        .map(|folder| folder.join("servicenow-sync"));
    let Some(program) = program.filter(|program| program.exists()) else {
        line("the process", "not built");
        return Ok(());
    };
    let mut ready = Vec::new();
    let mut resident = String::new();
    for i in 0..STARTS {
        let start = Instant::now();
        let mut child = Command::new(&program)
            .arg("serve")
            .arg("--config")
            .arg(configuration)
            .arg("--plugin")
            .arg(component)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut text = String::new();
        let stdout = child.stdout.take().context("no output")?;
        BufReader::new(stdout).read_line(&mut text)?;
        ready.push(start.elapsed());
        ensure!(text.starts_with("ready: "), "the process did not start");
        if i == 0 {
            std::thread::sleep(IDLE);
            resident = memory_of(child.id());
        }
        Command::new("kill").arg(child.id().to_string()).status()?;
        ensure!(child.wait()?.success(), "the process did not stop well");
    }
    spread("the process until its ready line", ready);
    line("its resident memory, idle", resident);
    Ok(())
}

fn memory_of(process: u32) -> String {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = resident.and_then(|text| text.trim().strip_suffix(" kB")?.parse::<u32>().ok());
    kib.map_or("unknown".into(), |kib| {
        format!("{:.1} MiB", f64::from(kib) / 1024.0)
    })
}
