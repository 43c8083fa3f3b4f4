//! Thousands of connections that never get anywhere, from strangers and from
//! whoever has a token, keep nobody else out.

use crate::FarEnd;
use crate::Gateway;
use crate::PATIENCE;
use crate::flooding::rest;
use crate::folder;
use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::process::getrlimit;
use rustix::process::setrlimit;
use std::env;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::Duration;
use std::time::Instant;

/// As systemd starts a service: with few files, and the right to more.
fn as_a_service() -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -S -n 1024; exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_servicenow-sync"));
    command
}

/// The files and sockets that a gateway has open.
fn open_files(gateway: &Gateway) -> usize {
    let folder = format!("/proc/{}/fd", gateway.process.id());
    fs::read_dir(folder).unwrap().count()
}

/// As many as it may have open.
fn most_files(gateway: &Gateway) -> usize {
    let limits = fs::read_to_string(format!("/proc/{}/limits", gateway.process.id())).unwrap();
    let line = limits
        .lines()
        .find_map(|l| l.strip_prefix("Max open files"));
    line.unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

const HEADS: [&str; 4] = [
    // Nothing, half a head, a whole one without a proof, and one with it.
    "",
    "POST /flashduty/demo HTTP/1.1\r\nhost: gateway\r\nx-a: ",
    "POST /flashduty/demo HTTP/1.1\r\nhost: gateway\r\ncontent-length: 200000\r\n\r\n",
    "POST /flashduty/demo HTTP/1.1\r\nhost: gateway\r\n\
     authorization: Bearer canary-webhook-token\r\ntransfer-encoding: chunked\r\n\r\n3000\r\n",
];

#[test]
fn two_thousand_trickling_sockets_are_closed_in_time_and_keep_nobody_out() {
    let count = env::var("TRICKLING_SOCKETS").map_or(2000, |n| n.parse().unwrap());
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    let far_end = FarEnd::new();
    let timeouts = "server = { listen = \"127.0.0.1:0\", header-timeout-seconds = 3, \
                    body-timeout-seconds = 4 }";
    let folder = folder(&far_end, "", "");
    let file = folder.path().join("sync.toml");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("server.listen = \"127.0.0.1:0\"", timeouts);
    fs::write(&file, text).unwrap();
    let gateway = Gateway::start_by(as_a_service(), folder.path());
    assert!(most_files(&gateway) >= 2 * 1024 + 256);

    thread::scope(|scope| {
        let mut sockets: Vec<TcpStream> = Vec::new();
        let mut longest = Duration::ZERO;
        for number in 0..count {
            let mut socket = gateway.connect(0);
            // The oldest make room, so it may be closed before this is sent.
            let _ = socket.write_all(HEADS[number % HEADS.len()].as_bytes());
            sockets.push(socket);
            if number % (count / 20) == 0 {
                let begin = Instant::now();
                gateway.receive();
                longest = longest.max(begin.elapsed());
            }
        }
        // One byte each, round after round, until all are closed.
        let trickle: Vec<_> = sockets.iter().map(|s| s.try_clone().unwrap()).collect();
        scope.spawn(move || {
            let goes_on = |mut socket: &TcpStream| socket.write_all(b" ").is_ok();
            while trickle.iter().filter(|socket| goes_on(socket)).count() > 0 {
                thread::sleep(Duration::from_millis(200));
            }
        });
        for _ in 0..20 {
            let begin = Instant::now();
            gateway.receive();
            longest = longest.max(begin.elapsed());
            assert!(open_files(&gateway) < 1024 + 256);
        }
        for (listener, request) in [(1, "GET /healthz"), (1, "GET /readyz")] {
            let answer = gateway.send(listener, request, "", "");
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
        println!("the slowest of 40 honest requests took {longest:?}");
        let begin = Instant::now();
        for socket in &sockets {
            let answer = rest(socket);
            // Refused, late, or, once its header was complete, none.
            let statuses = ["401", "408", "400"];
            let is_expected =
                answer.is_empty() || statuses.iter().any(|status| answer.contains(status));
            assert!(is_expected, "{answer}");
        }
        assert!(begin.elapsed() < PATIENCE);
    });
    while open_files(&gateway) > 256 {
        thread::sleep(Duration::from_millis(50));
    }
    // It was taken as the others were, and its work is done.
    gateway.receive();
    assert_eq!(far_end.next().what, "GET /api/now/table/incident");
}

/// A client that asks and asks and never reads: it gets one answer, since it has
/// proved nothing, and its connection is free for somebody else.
#[test]
fn whoever_never_reads_keeps_nobody_out() {
    let far_end = FarEnd::new();
    let folder = folder(&far_end, "", "");
    let file = folder.path().join("sync.toml");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace(
        "server.listen = \"127.0.0.1:0\"",
        "server = { listen = \"127.0.0.1:0\", max-connections = 10 }",
    );
    fs::write(&file, text).unwrap();
    let gateway = Gateway::start(folder.path());
    let asks = "GET /x HTTP/1.1\r\nhost: gateway\r\n\r\n".repeat(1000);
    let sockets: Vec<_> = (0..20)
        .map(|_| {
            let socket = gateway.connect(0);
            socket.set_nonblocking(true).unwrap();
            while (&socket).write_all(asks.as_bytes()).is_ok() {}
            socket
        })
        .collect();
    for _ in 0..20 {
        gateway.receive();
    }
    drop(sockets);
}
