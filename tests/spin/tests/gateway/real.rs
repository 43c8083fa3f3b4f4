//! The program `spin` itself, where `SPIN` names it or it is on the `PATH`.

use crate::application::Build;
use crate::application::dist;
use crate::contract::keep_the_contract;
use crate::load::sixty_four_senders_are_answered;
use conformance::site::FarEnds;
use conformance::site::PATIENCE;
use conformance::site::Place;
use conformance::site::SECRETS;
use conformance::wire;
use std::env;
use std::fs;
use std::fs::File;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::time::Duration;
use std::time::Instant;
use tokio::time::sleep;

/// The program; none, after saying so, where there is none.
fn program() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut found = env::split_paths(&path).map(|folder| folder.join("spin"));
    let named = env::var_os("SPIN").map(PathBuf::from);
    let program = named.or_else(|| found.find(|program| program.is_file()));
    if program.is_none() {
        let why = "skipped: no program spin is on the PATH, and SPIN names none\n";
        // Not captured, unlike what is printed.
        let _ = std::io::stderr().write_all(why.as_bytes());
    }
    program
}

/// What is in the environment.
type Values = Vec<(String, String)>;

/// `spin up`, and the process that it starts. Dropped, both are killed.
struct Spin {
    process: Child,
    url: String,
}

impl Spin {
    /// Starts the application in a folder that [`prepare`] made.
    async fn start(program: &Path, folder: &Path, values: &Values) -> anyhow::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log = folder.join("log");
        let process = Command::new(program)
            .args(["up", "--from", "spin.toml", "--state-dir", "state"])
            .args(["--listen", &address.to_string()])
            .envs(values.iter().cloned())
            .current_dir(folder)
            .stdout(File::create(&log)?)
            .stderr(File::options().append(true).open(&log)?)
            .process_group(0)
            .spawn()?;
        let url = format!("http://{address}");
        let mut spin = Self { process, url };
        let health = format!("{}/healthz", spin.url);
        let begin = Instant::now();
        while wire::send("GET", &health, "", vec![], PATIENCE)
            .await
            .is_err()
        {
            let is_over = spin.process.try_wait()?.is_some() || begin.elapsed() > PATIENCE;
            anyhow::ensure!(
                !is_over,
                "spin does not answer: {}",
                fs::read_to_string(&log)?
            );
            sleep(Duration::from_millis(50)).await;
        }
        Ok(spin)
    }

    fn place(&self) -> Place {
        Place {
            url: self.url.clone(),
            operator: self.url.clone(),
            tick: Some(format!("{}/tick", self.url)),
        }
    }
}

impl Drop for Spin {
    fn drop(&mut self) {
        let group = format!("-{}", self.process.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.process.wait();
    }
}

/// Makes the application of `spin.toml` with the probe in the plugin's place: its
/// file, with the suite's secrets as further variables. Returns the values of all.
fn prepare(folder: &Path, far_ends: &FarEnds) -> Values {
    let manifest = fs::read_to_string(Build::P2.manifest()).unwrap();
    let component = dist().join(Build::P2.with_probe());
    let component = component.canonicalize().unwrap();
    let (mut declared, mut given) = (
        "[variables]".to_owned(),
        "[component.gateway.variables]".to_owned(),
    );
    for (name, _) in SECRETS {
        declared += &format!("\n{name} = {{ required = true, secret = true }}");
        given += &format!("\n{name} = \"{{{{ {name} }}}}\"");
    }
    let manifest = manifest
        .replace(
            "dist/servicenow_sync_spin.wasm",
            component.to_str().unwrap(),
        )
        .replace("\n[variables]", &format!("\n{declared}"))
        .replace("\n[component.gateway.variables]", &format!("\n{given}"));
    fs::write(folder.join("spin.toml"), manifest).unwrap();
    let configuration = format!("limits.lease-seconds = 5\n{}", far_ends.configuration());
    let (flashduty, servicenow) = (far_ends.far_end.origin(), far_ends.other.origin());
    let values = [
        ("sync_config", configuration.as_str()),
        ("flashduty_origin", &flashduty),
        ("servicenow_origin", &servicenow),
    ];
    let values = values.into_iter().chain(SECRETS);
    let variable = |name: &str| format!("SPIN_VARIABLE_{}", name.to_ascii_uppercase());
    values
        .map(|(name, value)| (variable(name), value.to_owned()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_spin_keeps_the_contract_and_answers_sixty_four_senders() {
    let Some(program) = program() else {
        return;
    };
    let far_ends = FarEnds::somewhere().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let values = prepare(folder.path(), &far_ends);
    let spin = Spin::start(&program, folder.path(), &values);
    let spin = spin.await.unwrap();
    sixty_four_senders_are_answered(&spin.url).await;
    drop(spin);
    let path = folder.path().to_owned();
    let start = move || {
        let (program, path, values) = (program.clone(), path.clone(), values.clone());
        async move {
            let spin = Spin::start(&program, &path, &values).await?;
            let places = vec![spin.place()];
            Ok((spin, places))
        }
    };
    keep_the_contract(far_ends, Build::P2.except(), start).await;
}
