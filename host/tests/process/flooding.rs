//! Whoever sends more than can be taken fills neither memory nor queue, and
//! nothing that was acknowledged is lost for it.

use crate::A_WHILE;
use crate::FarEnd;
use crate::Gateway;
use crate::INCIDENT;
use crate::PATIENCE;
use crate::folder;
use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Instant;

const MIB: u64 = 1 << 20;

impl Gateway {
    /// The memory that it has in use, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.unwrap().trim().trim_end_matches(" kB");
        kib.parse::<u64>().unwrap() << 10
    }

    pub(crate) fn connect(&self, listener: usize) -> TcpStream {
        let address = self.ready.split("http://").nth(listener + 1).unwrap();
        let stream = TcpStream::connect(address.split([',', '\n']).next().unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

/// All that comes until the connection is closed.
pub(crate) fn rest(mut stream: &TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after an early refusal is as good as an end; silence is not.
    if let Err(error) = stream.read_to_end(&mut answer) {
        let kind = error.kind();
        assert_eq!(kind, std::io::ErrorKind::ConnectionReset, "{error}");
    }
    String::from_utf8(answer).unwrap()
}

/// A head with the given lines and the right token.
fn head(lines: &str) -> String {
    format!(
        "POST /flashduty/demo HTTP/1.1\r\nhost: gateway\r\n\
         authorization: Bearer canary-webhook-token\r\ncontent-type: application/json\r\n\
         {lines}\r\n"
    )
}

/// Offers a gibibyte; tells how much of it was taken, and what came back.
fn offer(gateway: &Gateway, lines: &str) -> (u64, String) {
    let mut stream = gateway.connect(0);
    stream.write_all(head(lines).as_bytes()).unwrap();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let mut taken = 0;
    while taken < 1024 * MIB && stream.write_all(chunk.as_bytes()).is_ok() {
        taken += chunk.len() as u64;
    }
    (taken, rest(&stream))
}

#[test]
fn a_gibibyte_is_refused_at_the_limit_and_takes_no_memory() {
    let far_end = FarEnd::new();
    let folder = folder(&far_end, "", "");
    let gateway = Gateway::start(folder.path());
    gateway.receive();
    far_end.succeed_at_all();
    let before = gateway.memory();
    thread::scope(|scope| {
        for lines in [
            "transfer-encoding: chunked\r\n",
            "transfer-encoding: chunked\r\ncontent-encoding: gzip\r\n",
            "content-length: 1073741824\r\n",
            "content-length: 18446744073709551615\r\n",
            "transfer-encoding: chunked\r\nexpect: 100-continue\r\n",
        ] {
            let gateway = &gateway;
            for _ in 0..4 {
                scope.spawn(move || {
                    let (taken, answer) = offer(gateway, lines);
                    // The rest is what the sockets of both sides hold.
                    assert!(taken < 16 * MIB, "{lines}: {taken}");
                    // A length of twenty digits is too large for the header.
                    let is_refused = [" 413 ", " 431 "].iter().any(|s| answer.contains(s));
                    let is_refused = is_refused || answer.is_empty();
                    assert!(is_refused, "{lines}: {answer}");
                });
            }
        }
    });
    let grown = gateway.memory().saturating_sub(before);
    assert!(grown < 16 * MIB, "{grown}");
    gateway.receive();
}

/// Opens connections that send the most part of a body and then nothing, and
/// tells by how much the gateway grew.
fn strand(gateway: &Gateway, count: usize) -> (Vec<TcpStream>, u64) {
    let before = gateway.memory();
    let part = " ".repeat(200_000);
    let request = format!(
        "POST /flashduty/demo HTTP/1.1\r\nhost: gateway\r\n\
         authorization: Bearer canary-guess\r\ntransfer-encoding: chunked\r\n\r\n\
         40000\r\n{part}"
    );
    let strand = |_| {
        let mut stream = gateway.connect(0);
        // It may be answered before all is sent.
        let _ = stream.write_all(request.as_bytes());
        stream
    };
    let streams = (0..count).map(strand).collect();
    thread::sleep(A_WHILE);
    (streams, gateway.memory().saturating_sub(before))
}

/// Whether the gateway has closed it without an answer.
fn is_closed(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    match stream.peek(&mut [0]) {
        Ok(length) => length == 0,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}

#[test]
fn of_a_body_that_proves_nothing_nothing_is_kept() {
    let far_end = FarEnd::new();
    let folder = folder(&far_end, "", "");
    let gateway = Gateway::start(folder.path());
    let (streams, grown) = strand(&gateway, 400);
    println!("grew by {grown} bytes");
    assert!(grown < 24 * MIB, "{grown}");
    for stream in &streams {
        let answer = rest(stream);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 401 "),
            "{answer}"
        );
    }
    // A short one is heard out, so that its sender hears the answer.
    let answer = gateway.send(0, "POST /flashduty/demo", "", &" ".repeat(60_000));
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let proof = "authorization: Bearer canary-admin-token\r\n";
    let metrics = gateway.send(1, "GET /metrics", proof, "");
    let counted = "path=\"/flashduty/demo\",outcome=\"unproven\"} 401\n";
    assert!(metrics.contains(counted), "{metrics}");
    gateway.receive();
}

#[test]
fn bodies_that_may_prove_their_senders_take_so_much_memory_and_no_more() {
    let far_end = FarEnd::new();
    // None is closed for being late.
    let folder = folder(&far_end, "", "server.body-timeout-seconds = 120");
    let file = folder.path().join("sync.toml");
    let text = fs::read_to_string(&file).unwrap();
    let signature = "[[webhook]]\nsignature = { secrets = [{ file = \"webhook-token\" }] }";
    let text = text.replacen("[[webhook]]", signature, 1);
    fs::write(&file, text).unwrap();
    let gateway = Gateway::start(folder.path());
    let before = gateway.memory();
    let (streams, _) = strand(&gateway, 800);
    // Of as many bytes as they sent, 335 bodies are kept; and without a limit all 800.
    let count = || streams.iter().filter(|stream| is_closed(stream)).count();
    let begin = Instant::now();
    while count() < 450 && begin.elapsed() < PATIENCE {
        thread::sleep(A_WHILE);
    }
    let (closed, grown) = (count(), gateway.memory().saturating_sub(before));
    println!("{closed} were closed, and it grew by {grown} bytes");
    assert!(closed >= 450, "{closed}");
    // Some 64 MiB of bodies, and what their connections and the allocator take.
    assert!(grown < 200 * MIB, "{grown}");
    // Those who come later are heard.
    let answer = gateway.send(0, "POST /flashduty/demo", "", &" ".repeat(200_000));
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(answer.contains("a webhook-signature"), "{answer}");
    gateway.receive();
    drop(streams);
}

#[test]
fn a_body_that_does_not_arrive_in_time_is_counted() {
    let far_end = FarEnd::new();
    let folder = folder(&far_end, "", "server.body-timeout-seconds = 1");
    let gateway = Gateway::start(folder.path());
    let stream = gateway.connect(0);
    let request = head("content-length: 10\r\n") + "123";
    (&stream).write_all(request.as_bytes()).unwrap();
    let answer = rest(&stream);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let proof = "authorization: Bearer canary-admin-token\r\n";
    let metrics = gateway.send(1, "GET /metrics", proof, "");
    let counted = "path=\"/flashduty/demo\",outcome=\"timeout\"} 1\n";
    assert!(metrics.contains(counted), "{metrics}");
}

#[test]
fn a_length_that_lies_is_no_way_to_smuggle_a_request() {
    let far_end = FarEnd::new();
    let folder = folder(&far_end, "", "server.body-timeout-seconds = 1");
    let gateway = Gateway::start(folder.path());
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: gateway\r\n\r\n";
    let behind = format!("content-length: {}\r\n", 2 + smuggled.len());
    for (lines, body, statuses) in [
        // What follows is part of the body, and no JSON.
        (&behind[..], "{}", &["400"][..]),
        // No number, two numbers, a number and chunks: nobody knows where the
        // body ends, so nothing behind it is a request.
        ("content-length: x\r\n", "{}", &["400"]),
        ("content-length: -2\r\n", "{}", &["400"]),
        (
            "content-length: 2\r\ncontent-length: 47\r\n",
            "{}",
            &["400"],
        ),
        ("content-length: 2, 47\r\n", "{}", &["400"]),
        ("transfer-encoding: chunked, identity\r\n", "{}", &["400"]),
        ("transfer-encoding: xchunked\r\n", "{}", &["400"]),
        ("transfer-encoding: chunked\r\n", "zz\r\n{}\r\n", &[]),
        (
            "transfer-encoding: chunked\r\n",
            "fffffffffffffffff\r\n{}\r\n",
            &[],
        ),
    ] {
        let stream = gateway.connect(0);
        let request = format!("{}{body}{smuggled}", head(lines));
        (&stream).write_all(request.as_bytes()).unwrap();
        // Whoever hangs up before the answer is not given one.
        let _ = stream.peek(&mut [0]);
        let _ = stream.shutdown(Shutdown::Write);
        let answer = rest(&stream);
        let answers = answer.split("HTTP/1.1 ").skip(1);
        let found: Vec<_> = answers.map(|answer| &answer[..3]).collect();
        assert_eq!(found, statuses, "{lines}: {answer}");
    }
}

/// As `INCIDENT`, of another number.
fn incident(number: usize) -> String {
    INCIDENT.replace("6a1d2f45c0ffee0123456789", &format!("{number:024x}"))
}

/// The far end is down, and a sender with a valid token sends as fast as it can:
/// many events about few incidents. Then the process is killed, and when the far
/// end is there again all that was acknowledged has its effect.
#[test]
fn a_flood_while_the_far_end_is_down_is_kept_and_its_queue_is_short() {
    const INCIDENTS: usize = 20;
    let events = env::var("FLOOD_EVENTS").map_or(800, |n| n.parse().unwrap());
    let far_end = FarEnd::new();
    let folder = folder(&far_end, "", "");
    let file = folder.path().join("sync.toml");
    let is_down = Arc::new(AtomicBool::new(true));
    let down = Arc::clone(&is_down);
    let far_end = thread::spawn(move || {
        while down.load(Ordering::SeqCst) {
            // Hung up on, whatever it is.
            drop(far_end.asked.recv_timeout(A_WHILE));
        }
        far_end
    });
    let mut gateway = Gateway::start(folder.path());

    let flood = |from: usize, to: usize| {
        let begin = Instant::now();
        thread::scope(|scope| {
            for sender in 0..4 {
                let gateway = &gateway;
                scope.spawn(move || {
                    for event in (from + sender..to).step_by(4) {
                        let body = format!(
                            r#"{{"event_type":"i_ack","event_id":"e{event}","incident":{}}}"#,
                            incident(event % INCIDENTS)
                        );
                        let proof = "authorization: Bearer canary-webhook-token\r\n";
                        let answer = gateway.send(0, "POST /flashduty/demo", proof, &body);
                        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
                    }
                });
            }
        });
        begin.elapsed()
    };
    flood(0, events / 2);
    let before = gateway.memory();
    let took = flood(events / 2, events);
    let grown = gateway.memory().saturating_sub(before);
    let stored = fs::metadata(folder.path().join("sync.redb")).unwrap().len();
    println!(
        "{} events in {took:?}: grew by {grown} bytes, stored {stored}",
        events / 2
    );
    assert!(grown < 24 * MIB, "{grown}");
    // The newest of each is the one that counts.
    for number in 0..INCIDENTS {
        let proof = "authorization: Bearer canary-webhook-token\r\n";
        let last = incident(number).replace("Disk full", &format!("the last of {number}."));
        let body =
            format!(r#"{{"event_type":"i_ack","event_id":"last{number}","incident":{last}}}"#);
        let answer = gateway.send(0, "POST /flashduty/demo", proof, &body);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    // The plugin has an item of its own.
    let items = |gateway: &Gateway| {
        let keys = gateway.reasons().into_iter();
        keys.filter(|(key, _)| key.starts_with("demo.f-")).count()
    };
    assert_eq!((items(&gateway), gateway.work("parked")), (INCIDENTS, 0));
    gateway.signal("-KILL");
    gateway.end();

    // Each event is there by itself...
    let mut export = Command::new(env!("CARGO_BIN_EXE_servicenow-sync"));
    let export = export
        .args(["store", "export", "--config"])
        .arg(&file)
        .output();
    let export = String::from_utf8(export.unwrap().stdout).unwrap();
    let hints = export.matches(r#""p.hint.demo.f-"#).count();
    assert_eq!(hints, events + INCIDENTS);

    // ...and what it says arrives.
    is_down.store(false, Ordering::SeqCst);
    let far_end = far_end.join().unwrap();
    let gateway = Gateway::start(folder.path());
    assert_eq!((items(&gateway), gateway.work("parked")), (INCIDENTS, 0));
    let mut missing: BTreeSet<String> = (0..INCIDENTS)
        .map(|n| format!("the last of {n}."))
        .collect();
    let begin = Instant::now();
    while !missing.is_empty() || gateway.work("due") + gateway.work("waiting") > 1 {
        // The first is a probe, half a minute after it went down.
        let asked = far_end.asked.recv_timeout(2 * PATIENCE).unwrap();
        missing.retain(|title| !asked.body.contains(title.as_str()));
        asked.succeed();
    }
    println!("recovered in {:?}", begin.elapsed());
}
