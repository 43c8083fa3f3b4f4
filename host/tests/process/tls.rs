//! A far end whose certificate does not hold is not told anything, and there is
//! no switch that changes that; an own authority can be trusted.

use crate::Gateway;
use crate::PATIENCE;
use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::CertifiedIssuer;
use rcgen::DnType;
use rcgen::IsCa;
use rcgen::KeyPair;
use rcgen::date_time_ymd;
use rustls::ServerConfig;
use rustls::ServerConnection;
use rustls::Stream;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::PrivatePkcs8KeyDer;
use std::fs;
use std::io;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;
use std::time::Instant;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server's configuration with a certificate for the name, as changed.
fn certified(
    name: &str,
    issuer: Option<&Authority>,
    change: impl FnOnce(&mut CertificateParams),
) -> Arc<ServerConfig> {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    change(&mut params);
    let certificate = match issuer {
        Some(issuer) => params.signed_by(&key, issuer).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    Arc::new(config)
}

/// What a far end does with a connection.
enum Manner {
    Tls(Arc<ServerConfig>),
    /// Sends these bytes after the first that come, whatever they are.
    Bytes(Vec<u8>),
}

/// What a far end got.
#[derive(Default)]
struct Got {
    connections: usize,
    /// As it was on the wire.
    wire: Vec<u8>,
    /// What TLS carried.
    told: Vec<u8>,
}

/// Keeps what it reads.
struct Tapped<'a> {
    stream: TcpStream,
    got: &'a Mutex<Got>,
}

impl Read for Tapped<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.got
            .lock()
            .unwrap()
            .wire
            .extend_from_slice(&buffer[..read]);
        Ok(read)
    }
}

impl Write for Tapped<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

struct FarEnd {
    name: &'static str,
    port: u16,
    got: Arc<Mutex<Got>>,
}

impl FarEnd {
    fn start(name: &'static str, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let got = Arc::new(Mutex::new(Got::default()));
        let kept = Arc::clone(&got);
        thread::spawn(move || {
            for stream in listener.incoming() {
                kept.lock().unwrap().connections += 1;
                let stream = stream.unwrap();
                let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
                let tapped = Tapped { stream, got: &kept };
                // It fails wherever the gateway turns away.
                let _ = serve(&manner, tapped);
            }
        });
        Self { name, port, got }
    }

    fn told(&self) -> String {
        String::from_utf8_lossy(&self.got.lock().unwrap().told).into_owned()
    }
}

fn serve(manner: &Manner, mut tapped: Tapped<'_>) -> io::Result<()> {
    let mut buffer = [0; 4096];
    match manner {
        Manner::Tls(config) => {
            let got = tapped.got;
            let mut connection = ServerConnection::new(Arc::clone(config)).unwrap();
            let mut stream = Stream::new(&mut connection, &mut tapped);
            let read = stream.read(&mut buffer)?;
            got.lock().unwrap().told.extend_from_slice(&buffer[..read]);
            stream.write_all(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\
                  content-length: 13\r\n\r\n{\"result\":[]}",
            )?;
            stream.flush()
        }
        Manner::Bytes(bytes) => {
            let _ = tapped.read(&mut buffer)?;
            tapped.write_all(bytes)?;
            while tapped.read(&mut buffer)? > 0 {}
            Ok(())
        }
    }
}

/// The first answer of a server that knows nothing newer than TLS 1.1.
fn tls_1_1() -> Vec<u8> {
    let mut hello = vec![3, 2];
    hello.extend([7; 32]);
    // No session, AES-128 in CBC mode, no compression.
    hello.extend([0, 0xc0, 0x13, 0]);
    let length = hello.len() as u8;
    let handshake = [&[2, 0, 0, length][..], &hello].concat();
    [&[22, 3, 2, 0, length + 4][..], &handshake].concat()
}

/// One integration for each far end.
fn configuration(far_ends: &[FarEnd]) -> String {
    let dist = concat!(env!("CARGO_MANIFEST_DIR"), "/../dist");
    let mut text = format!(
        r#"
plugin = {{ path = "{dist}/servicenow_sync.wasm", cache-directory = "{dist}/cache" }}
server.listen = "127.0.0.1:0"
admin = {{ listen = "127.0.0.1:0", token = [{{ file = "admin-token" }}] }}
egress.private = ["127.0.0.0/8"]
"#
    );
    for FarEnd { name, port, .. } in far_ends {
        text += &format!(
            r#"
[[webhook]]
path = "/flashduty/{name}"
bearer = [{{ file = "webhook-token" }}]
[credential.{name}]
kind = "basic"
origin = "https://localhost:{port}"
user = "canary-user"
password = {{ file = "password" }}
[[integration]]
id = "{name}"
direction = "to-servicenow"
flashduty = {{ url = "https://flashduty.example" }}
servicenow = {{ url = "https://localhost:{port}", credential = "{name}" }}
"#
        );
    }
    text
}

#[test]
fn no_far_end_is_told_anything_before_its_certificate_holds() {
    let (trusted, other) = (authority("trusted"), authority("other"));
    let localhost = |issuer: &Authority, change: fn(&mut CertificateParams)| {
        Manner::Tls(certified("localhost", Some(issuer), change))
    };
    let far_ends = [
        FarEnd::start("good", localhost(&trusted, |_| {})),
        FarEnd::start(
            "expired",
            localhost(&trusted, |p| p.not_after = date_time_ymd(2020, 1, 1)),
        ),
        FarEnd::start(
            "early",
            localhost(&trusted, |p| p.not_before = date_time_ymd(3000, 1, 1)),
        ),
        FarEnd::start("stranger", localhost(&other, |_| {})),
        FarEnd::start(
            "misnamed",
            Manner::Tls(certified("other.example", Some(&trusted), |_| {})),
        ),
        FarEnd::start(
            "self-signed",
            Manner::Tls(certified("localhost", None, |_| {})),
        ),
        FarEnd::start("old", Manner::Bytes(tls_1_1())),
        FarEnd::start(
            "plain",
            Manner::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n{\"result\":[]}".into()),
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("sync.toml", &configuration(&far_ends));
    write("password", "canary-password");
    write("webhook-token", "canary-webhook-token");
    write("admin-token", "canary-admin-token");
    write("ca.pem", &trusted.pem());
    let mut command = Command::new(env!("CARGO_BIN_EXE_servicenow-sync"));
    command.env("SSL_CERT_FILE", folder.path().join("ca.pem"));
    // What other programs take as a switch.
    for name in ["SSL_VERIFY", "INSECURE", "CURL_INSECURE", "SSL_NO_VERIFY"] {
        command.env(name, "0");
    }
    command.env("NODE_TLS_REJECT_UNAUTHORIZED", "0");
    let gateway = Gateway::start_by(command, folder.path());
    for far_end in &far_ends {
        gateway.receive_at(far_end.name);
    }
    let begin = Instant::now();
    let is_over = |far_end: &FarEnd| {
        let got = far_end.got.lock().unwrap();
        got.connections > 0 && (far_end.name != "good" || !got.told.is_empty())
    };
    let is_told = |far_end: &FarEnd| {
        let key = format!("{}.f-", far_end.name);
        let mut reasons = gateway.reasons().into_iter();
        reasons.any(|(found, why)| found.starts_with(&key) && !why.is_empty())
    };
    while !far_ends.iter().all(is_over) || !far_ends[1..].iter().all(is_told) {
        assert!(begin.elapsed() < PATIENCE, "{:?}", gateway.reasons());
        thread::sleep(Duration::from_millis(50));
    }
    let basic = "authorization: Basic Y2FuYXJ5LXVzZXI6Y2FuYXJ5LXBhc3N3b3Jk";
    assert!(far_ends[0].told().contains(basic), "{}", far_ends[0].told());
    let reasons = gateway.reasons();
    for (far_end, why) in far_ends[1..].iter().zip([
        "certificate expired",
        "certificate not valid yet",
        "UnknownIssuer",
        "certificate not valid for name \"localhost\"",
        "certificate",
        "peer is incompatible",
        "corrupt message",
    ]) {
        let name = far_end.name;
        let key = format!("{name}.f-");
        let reason = reasons.iter().find(|(found, _)| found.starts_with(&key));
        let (_, reason) = reason.unwrap_or_else(|| panic!("{name}: {reasons:?}"));
        assert!(reason.contains("no connection: "), "{name}: {reason}");
        assert!(reason.contains(why), "{name}: {reason}");
        assert_eq!(far_end.told(), "", "{name}");
        let got = far_end.got.lock().unwrap();
        assert_eq!(
            got.wire[0], 22,
            "{name}: the first byte is not a handshake's"
        );
        let wire = String::from_utf8_lossy(&got.wire);
        for secret in ["canary", "Y2FuYXJ5", "authorization", "/api/now"] {
            assert!(!wire.contains(secret), "{name}: {wire}");
        }
    }
}

impl Gateway {
    fn receive_at(&self, integration: &str) {
        let proof = "authorization: Bearer canary-webhook-token\r\n";
        let body = format!(r#"{{"event_type":"i_new","incident":{}}}"#, crate::INCIDENT);
        let answer = self.send(0, &format!("POST /flashduty/{integration}"), proof, &body);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }

    /// The keys of all work, and why it last failed.
    pub(crate) fn reasons(&self) -> Vec<(String, String)> {
        let proof = "authorization: Bearer canary-admin-token\r\n";
        let answer = self.send(1, "GET /work", proof, "");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let page: serde_json::Value = serde_json::from_str(body).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let items = page["work"].as_array().unwrap().iter();
        items
            .map(|item| (text(&item["key"]), text(&item["last_failure"])))
            .collect()
    }
}
