//! A PostgreSQL server of the test's own, on loopback and in a temporary
//! folder. It ends with the test.
#![allow(dead_code, reason = "each test program uses its part")]

use integration_gateway::Secret;
use servicenow_sync::store::PostgresStore;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);
const PASSWORD: &str = "canary/p@ss:word";

/// A running server, with one role and one database.
pub(crate) struct Postgres {
    server: Child,
    programs: PathBuf,
    folder: TempDir,
    port: u16,
}

impl Postgres {
    /// Starts a server; none, after saying why, where PostgreSQL is not
    /// installed.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            let why = "skipped: PostgreSQL is not installed; `cargo xtask test` installs it where \
                       it can\n";
            // Not captured, unlike what is printed.
            let _ = std::io::stderr().write_all(why.as_bytes());
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let password = folder.path().join("password");
        std::fs::write(&password, PASSWORD).unwrap();
        if let Some(user) = other_user() {
            for path in [folder.path(), &password] {
                std::os::unix::fs::chown(path, Some(user), None).unwrap();
            }
        }
        let made = as_user(&programs.join("initdb"))
            .args(["--username=sync", "--auth=scram-sha-256", "--no-sync"])
            // The order of such a locale is not that of bytes.
            .args(["--encoding=UTF8", "--locale=C.UTF-8"])
            .args(["--locale-provider=icu", "--icu-locale=en"])
            .arg("--pwfile")
            .arg(&password)
            .arg("--pgdata")
            .arg(folder.path().join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let port = free_port();
        let server = serve(&programs, folder.path(), port, &[]);
        let server = Self {
            server,
            programs,
            folder,
            port,
        };
        server.wait_until_ready();
        Some(server)
    }

    /// As a configuration names it.
    pub(crate) fn url(&self) -> String {
        format!(
            "postgresql://sync:canary%2Fp%40ss%3Aword@127.0.0.1:{}/postgres",
            self.port
        )
    }

    pub(crate) async fn store(&self) -> PostgresStore {
        PostgresStore::connect(&Secret::new(self.url()))
            .await
            .unwrap()
    }

    /// Carries out a statement as the server's own tool does, and returns what
    /// it printed.
    pub(crate) fn sql(&self, statement: &str) -> String {
        let told = self.psql(statement, &self.url());
        assert!(told.status.success(), "{told:?}");
        String::from_utf8(told.stdout).unwrap().trim().to_owned()
    }

    fn psql(&self, statement: &str, url: &str) -> Output {
        Command::new(self.programs.join("psql"))
            .args(["--no-psqlrc", "--tuples-only", "--no-align", "--quiet"])
            .args(["--set=ON_ERROR_STOP=1", "--command", statement, url])
            .output()
            .unwrap()
    }

    /// A certificate for this server, and the settings that make it use that.
    pub(crate) fn certificate(&self) -> (PathBuf, [String; 3]) {
        let [certificate, key] = ["certificate", "key"].map(|name| self.folder.path().join(name));
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
            ])
            .args(["-nodes", "-days", "2", "-subj", "/CN=test"])
            .args(["-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-out")
            .arg(&certificate)
            .arg("-keyout")
            .arg(&key)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let user = other_user();
        std::os::unix::fs::chown(&key, user, None).unwrap();
        let settings = [
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", certificate.display()),
            format!("ssl_key_file={}", key.display()),
        ];
        (certificate, settings)
    }

    /// Ends the server as a power cut would, as far as a process can.
    pub(crate) fn kill(&mut self) {
        self.signal("-QUIT");
        self.server.wait().unwrap();
    }

    /// Starts it again, with more settings.
    pub(crate) fn restart(&mut self, settings: &[&str]) {
        self.server = serve(&self.programs, self.folder.path(), self.port, settings);
        self.wait_until_ready();
    }

    /// Starts it as a standby whose primary is gone, and lets it take over.
    pub(crate) fn promote(&mut self) {
        let signal = self.folder.path().join("data").join("standby.signal");
        std::fs::write(&signal, "").unwrap();
        std::os::unix::fs::chown(&signal, other_user(), None).unwrap();
        self.restart(&[]);
        assert_eq!(self.sql("SELECT pg_promote()"), "t");
    }

    /// Makes another database of the one that is used, which nobody may use
    /// meanwhile.
    pub(crate) fn copy_database(&self, name: &str) {
        let url = self.url().replace("/postgres", "/template1");
        let statement = format!("CREATE DATABASE {name:?} TEMPLATE postgres");
        let told = self.psql(&statement, &url);
        assert!(told.status.success(), "{told:?}");
    }

    /// Reads a dump of the database into another one.
    pub(crate) fn dump_into(&self, other: &str) {
        let mut dump = Command::new(self.programs.join("pg_dump"))
            .arg(self.url())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let read = Command::new(self.programs.join("psql"))
            .args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", other])
            .stdin(dump.stdout.take().unwrap())
            .output()
            .unwrap();
        assert!(dump.wait().unwrap().success());
        assert!(read.status.success(), "{read:?}");
    }

    fn wait_until_ready(&self) {
        let begin = Instant::now();
        let port = self.port.to_string();
        let is_ready = || {
            Command::new(self.programs.join("pg_isready"))
                .args(["--quiet", "--host=127.0.0.1", "--port", &port])
                .status()
                .unwrap()
                .success()
        };
        while !is_ready() {
            let log = std::fs::read_to_string(self.folder.path().join("log"));
            assert!(begin.elapsed() < PATIENCE, "it does not start: {log:?}");
            sleep(Duration::from_millis(20));
        }
    }

    fn signal(&self, signal: &str) {
        let process = self.server.id().to_string();
        let kill = Command::new("kill").args([signal, &process]).status();
        assert!(kill.unwrap().success());
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Ok(None) = self.server.try_wait() {
            self.signal("-QUIT");
            let _ = self.server.wait();
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn serve(programs: &Path, folder: &Path, port: u16, settings: &[&str]) -> Child {
    let log = std::fs::File::create(folder.join("log")).unwrap();
    as_user(&programs.join("postgres"))
        .arg("-D")
        .arg(folder.join("data"))
        .args(["-h", "127.0.0.1", "-p", &port.to_string()])
        .args(["-c", "unix_socket_directories="])
        // Two processes of Spin may open 64 each, which are more than are usual.
        .args(["-c", "max_connections=200"])
        .args(settings.iter().flat_map(|setting| ["-c", *setting]))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// The server refuses to run as root. It ends with the thread that started it,
/// so that none is left behind when a test is interrupted.
fn as_user(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.arg("--pdeathsig=QUIT");
    if let Some(user) = other_user() {
        let user = user.to_string();
        command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
    }
    // Readable to that user, as the folder that the test runs in may not be.
    command.arg("--").arg(program).current_dir("/");
    command
}

/// The user that Debian's package makes for the server, if this is root.
fn other_user() -> Option<u32> {
    let id = |arguments: &[&str]| {
        let answer = Command::new("id").args(arguments).output().ok()?;
        String::from_utf8(answer.stdout).ok()?.trim().parse().ok()
    };
    match id(&["-u"]) {
        Some(0) => id(&["-u", "postgres"]),
        _ => None,
    }
}

/// The folder with the server's programs: of the newest version that Debian's
/// packages have installed, or in the path.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let newest = versions
        .filter_map(|entry| {
            let folder = entry.ok()?.path();
            let version: u32 = folder.file_name()?.to_str()?.parse().ok()?;
            Some((version, folder.join("bin")))
        })
        .max();
    let path = std::env::var_os("PATH").unwrap_or_default();
    newest
        .map(|(_, folder)| folder)
        .into_iter()
        .chain(std::env::split_paths(&path))
        .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}
