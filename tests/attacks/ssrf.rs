//! The gateway is not lent to anybody who wants to reach what it can reach.
//!
//! Every way of writing an address that leads to this machine, or to another
//! place that is not public, is put wherever an operator names a place; and a far
//! end that is allowed sends the gateway to a trap, which listens on loopback. That
//! no such address is connected to, however it is written, and no name that resolves
//! to one, now or later, is tested in `host/src/client.rs`, and the URLs of a
//! plugin that is not trusted in `gateway/tests/scenarios/straying.rs`.

use simulators::flashduty::Status;
use std::fs;
use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use support::Setting;
use support::World;
use support::world::ADMIN_TOKEN;

/// A listener that nobody should ever connect to.
struct Trap {
    port: u16,
    caught: Arc<AtomicUsize>,
}

impl Trap {
    fn set() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let caught = Arc::new(AtomicUsize::new(0));
        let also = TcpListener::bind(("::1", port)).ok();
        for listener in [Some(listener), also].into_iter().flatten() {
            let caught = Arc::clone(&caught);
            thread::spawn(move || {
                for _ in listener.incoming() {
                    caught.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        Self { port, caught }
    }

    fn caught(&self) -> usize {
        self.caught.load(Ordering::SeqCst)
    }
}

/// Where nothing may be sent, however it is written.
const PLACES: [&str; 97] = [
    // Loopback, in every notation that some library takes.
    "http://127.0.0.1:PORT",
    "https://127.0.0.1:PORT",
    "http://127.1:PORT",
    "http://127.0.1:PORT",
    "http://127.8.8.8:PORT",
    "http://2130706433:PORT",
    "http://0x7f000001:PORT",
    "http://0x7f.1:PORT",
    "http://0x7f.0x0.0x0.0x1:PORT",
    "http://017700000001:PORT",
    "http://0177.0.0.1:PORT",
    "http://0177.1:PORT",
    "http://127.000.000.001:PORT",
    "http://127.0.0.1.:PORT",
    "http://0:PORT",
    "http://0.0.0.0:PORT",
    "http://[::]:PORT",
    "http://[::1]:PORT",
    "https://[::1]:PORT",
    "http://[0:0:0:0:0:0:0:1]:PORT",
    "http://[0000::1]:PORT",
    "http://[::ffff:127.0.0.1]:PORT",
    "http://[::ffff:7f00:1]:PORT",
    "http://[::127.0.0.1]:PORT",
    "http://[64:ff9b::127.0.0.1]:PORT",
    "http://[64:ff9b:1::7f00:1]:PORT",
    "http://[2002:7f00:1::]:PORT",
    "http://[2001:0:7f00:1::]:PORT",
    "http://localhost:PORT",
    "https://localhost:PORT",
    "http://LocalHost:PORT",
    "http://localhost.:PORT",
    "http://①②⑦.⓪.⓪.①:PORT",
    "http://１２７.０.０.１:PORT",
    "http://127。0。0。1:PORT",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:PORT",
    "http://127.0.0.1%00.example.com:PORT",
    "http://%31%32%37.0.0.1:PORT",
    // What clouds tell a machine about itself.
    "http://169.254.169.254",
    "https://169.254.169.254",
    "http://169.254.169.254:80",
    "http://2852039166",
    "http://0xa9fea9fe",
    "http://0xa9.0xfe.0xa9.0xfe",
    "http://0251.0376.0251.0376",
    "http://[::ffff:169.254.169.254]",
    "http://[::ffff:a9fe:a9fe]",
    "http://[64:ff9b::a9fe:a9fe]",
    "http://[fd00:ec2::254]",
    "https://[fd00:ec2::254]",
    "http://100.100.100.200",
    "http://192.0.0.192",
    // Other networks that are not public.
    "https://10.0.0.1",
    "https://172.16.0.1",
    "https://172.31.255.255",
    "https://192.168.1.1",
    "https://100.64.0.1",
    "https://198.18.0.1",
    "https://192.0.2.1",
    "https://224.0.0.1",
    "https://240.0.0.1",
    "https://255.255.255.255",
    "https://[fe80::1]",
    "https://[fe80::1%25eth0]",
    "https://[fc00::1]",
    "https://[fec0::1]",
    "https://[ff02::1]",
    "https://[2001:db8::1]",
    // One place for whoever reads it and another for whoever connects.
    "http://example.com@127.0.0.1:PORT",
    "https://example.com:443@127.0.0.1:PORT",
    "http://user:password@127.0.0.1:PORT",
    "https://@127.0.0.1:PORT",
    "https://example.com%40127.0.0.1:PORT",
    "https://example.com\\@127.0.0.1:PORT",
    "http://127.0.0.1:PORT\\@example.com",
    "http://127.0.0.1:PORT#@example.com",
    "http://127.0.0.1:PORT?@example.com",
    "http://127.0.0.1:PORT/@example.com",
    "https://example.com/..//127.0.0.1:PORT",
    "http:\\\\127.0.0.1:PORT",
    "http:127.0.0.1:PORT",
    "http:/127.0.0.1:PORT",
    "http:///127.0.0.1:PORT",
    "//127.0.0.1:PORT",
    "127.0.0.1:PORT",
    " http://127.0.0.1:PORT",
    "http://127.0.\t0.1:PORT",
    "http://127.0.0.1:PORT\r\nhost: example.com",
    "http://127.0.0.1\0.example.com:PORT",
    // Not for HTTP at all.
    "file:///etc/passwd",
    "gopher://127.0.0.1:PORT/_GET",
    "ftp://127.0.0.1:PORT",
    "dict://127.0.0.1:PORT",
    "ws://127.0.0.1:PORT",
    "unix:/run/docker.sock",
    "data:text/plain,x",
    "https://example.com:99999",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_place_that_is_not_public_is_taken_wherever_it_is_configured() {
    let world = World::start(Setting::default()).await.unwrap();
    let (flashduty, servicenow) = (world.flashduty.url(), world.servicenow.url());
    let text = fs::read_to_string(world.configuration()).unwrap();
    // Without the permission that the simulators need, and with far ends that
    // a public gateway would have.
    let good = text
        .replace(
            "private = [\"127.0.0.0/8\"]",
            "allow = [\"https://allowed.example\"]",
        )
        .replace(&flashduty, "https://flashduty.example")
        .replace(&servicenow, "https://servicenow.example");
    assert_eq!(world.problems(&good).unwrap(), None);
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    let token_url = |place: &str| {
        format!(
            "kind = \"oauth2-client-credentials\"\ntoken-url = {place}\nclient-id = \"id\"\n\
             client-secret = {{ file = \"password\" }}"
        )
    };
    let basic = "kind = \"basic\"";
    let user = "user = { file = \"user\" }\npassword = { file = \"password\" }";
    let put = |place: &str| {
        let place = quoted(place);
        let token_url = good.replace(user, "").replace(basic, &token_url(&place));
        let servicenow = "\"https://servicenow.example\"";
        let allowed = "\"https://allowed.example\"";
        [
            (
                "as a credential's origin and its system's address",
                "servicenow.",
                good.replace(servicenow, &place),
            ),
            (
                "as an origin to allow",
                "egress.allow[1]",
                good.replace(allowed, &format!("{allowed}, {place}")),
            ),
            (
                "as an origin to allow without encryption",
                "egress.",
                good.replace(
                    &format!("allow = [{allowed}]"),
                    &format!("allow = [{place}]\ninsecure = [{place}]"),
                ),
            ),
            (
                "as where tokens are fetched",
                "credential.servicenow.token-url",
                token_url.replace(allowed, &format!("{allowed}, \"https://public.example\"")),
            ),
        ]
    };
    // What is public is taken in each of them.
    for (put, _, configuration) in put("https://public.example") {
        assert_ne!(configuration, good);
        assert_eq!(world.problems(&configuration).unwrap(), None, "{put}");
    }
    for place in PLACES {
        let place = place.replace("PORT", "8080");
        for (put, key, configuration) in put(&place) {
            assert_ne!(configuration, good);
            let problems = world.problems(&configuration).unwrap();
            let problems = problems.unwrap_or_else(|| panic!("{place} is taken {put}"));
            assert!(problems.contains(key), "{place} {put}: {problems}");
            assert!(problems.contains("other.toml"), "{place} {put}: {problems}");
        }
    }
}

/// A ServiceNow that answers everything in one way; counts what it is asked.
fn sends_elsewhere(answer: String) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 8192];
            if stream.read(&mut request).is_ok_and(|read| read > 0) {
                count.fetch_add(1, Ordering::SeqCst);
                let _ = stream.write_all(answer.as_bytes());
            }
        }
    });
    (port, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_far_end_that_is_allowed_cannot_send_the_gateway_elsewhere() {
    let trap = Trap::set();
    let there = format!("127.0.0.1:{}", trap.port);
    let mut world = World::start(Setting::default()).await.unwrap();
    let text = fs::read_to_string(world.configuration()).unwrap();
    let servicenow = world.servicenow.url();
    let heads = [
        format!("301 Moved Permanently\r\nlocation: http://{there}/api/now/table/incident"),
        format!("302 Found\r\nlocation: http://{there}/"),
        format!("303 See Other\r\nlocation: //{there}/"),
        format!("307 Temporary Redirect\r\nlocation: http://{there}/"),
        format!("308 Permanent Redirect\r\nlocation: http://user@{there}/"),
        format!("300 Multiple Choices\r\nlocation: http://{there}/"),
        format!("305 Use Proxy\r\nlocation: http://{there}/"),
        format!("201 Created\r\nlocation: http://{there}/"),
        format!("200 OK\r\nrefresh: 0; url=http://{there}/\r\nlink: <http://{there}/>; rel=next"),
        format!("200 OK\r\nalt-svc: h2=\"{there}\"; ma=1\r\ncontent-location: http://{there}/"),
        format!("401 Unauthorized\r\nwww-authenticate: Bearer realm=\"http://{there}/token\""),
    ];
    for head in heads {
        let body = format!("{{\"result\":{{\"link\":\"http://{there}/\"}}}}");
        let (port, asked) = sends_elsewhere(format!(
            "HTTP/1.1 {head}\r\ncontent-type: application/json\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        ));
        let moved = text.replace(&servicenow, &format!("http://127.0.0.1:{port}"));
        world.restart_with(&moved).await.unwrap();
        world.connect(&Setting::default());
        world.alert(&head, Status::Critical);
        let look = |_: &World| (asked.load(Ordering::SeqCst) > 0).then_some(());
        world.until("ServiceNow is asked", look).await.unwrap();
        let waits = |w: &World| {
            let work = w.host.as_ref()?.gateway().status().work;
            (work.due == 0 && work.running == 0).then_some(())
        };
        world
            .until("the gateway has made of it what it can", waits)
            .await
            .unwrap();
        assert_eq!(trap.caught(), 0, "{head}");
    }
}

/// The name of this machine, resolved by the system as any other.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_to_this_machine_is_refused_when_it_is_used() {
    let trap = Trap::set();
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let name = name.trim().to_lowercase();
    let setting = Setting {
        direction: "to-servicenow",
        flashduty_access: false,
        ..Setting::default()
    };
    let mut world = World::start(setting.clone()).await.unwrap();
    let text = fs::read_to_string(world.configuration()).unwrap();
    let text = text
        .replace(
            &world.servicenow.url(),
            &format!("https://{name}:{}", trap.port),
        )
        .replace(&world.flashduty.url(), "https://flashduty.example")
        .replace("private = [\"127.0.0.0/8\"]", "");
    world.restart_with(&text).await.unwrap();
    world.connect(&setting);
    world.alert("disk full", Status::Critical);
    let is_put_off = |w: &World| {
        let work = w.host.as_ref()?.gateway().status().work;
        (work.parked + work.waiting > 0).then_some(())
    };
    world
        .until("the work is put off", is_put_off)
        .await
        .unwrap();
    let work = world.admin("/work", Some(ADMIN_TOKEN)).await;
    let expected = match tokio::net::lookup_host((&name[..], 0)).await {
        Ok(_) => format!("{name}: "),
        Err(_) => "no connection".to_owned(),
    };
    assert!(work.text.contains(&expected), "{work:?}");
    assert_eq!(trap.caught(), 0);
}
