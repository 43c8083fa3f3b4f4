//! Bodies that are meant to blow up what reads them, on every webhook's route.

use simulators::flashduty::Status;
use support::Setting;
use support::World;
use support::wire::bearer;
use support::world::FLASHDUTY_TOKEN;
use support::world::SERVICENOW_TOKEN;

const INCIDENT: &str = "6a1d2f45c0ffee0123456789";
const RECORD: &str = "6a1d2f45c0ffee012345678900000000";

/// A body that both routes would take, with something put in.
fn with(more: &str) -> String {
    format!(
        r#"{{"event_type":"i_new","event_id":"e","sys_id":"{RECORD}","number":"INC1","incident":{{"incident_id":"{INCIDENT}"}}{more}}}"#
    )
}

fn keys(count: usize) -> String {
    let keys: Vec<_> = (0..count).map(|n| format!("\"k{n}\":{n}")).collect();
    keys.join(",")
}

/// A name, and the body.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let text = |name, body: String| (name, body.into_bytes());
    let mut bombs = vec![
        text("open arrays", "[".repeat(1_000_000)),
        text("open objects", "{\"a\":".repeat(200_000)),
        text("closed arrays", "[".repeat(500_000) + &"]".repeat(500_000)),
        text(
            "deep inside",
            with(&format!(
                ",\"x\":{}{}",
                "[".repeat(100_000),
                "]".repeat(100_000)
            )),
        ),
        text(
            "just too deep",
            with(&format!(",\"x\":{}{}", "[".repeat(200), "]".repeat(200))),
        ),
        text("a million keys", format!("{{{}}}", keys(1_000_000))),
        text(
            "a hundred thousand keys beside",
            with(&format!(",{}", keys(100_000))),
        ),
        text(
            "a hundred thousand labels",
            with(&format!(",\"labels\":{{{}}}", keys(100_000))),
        ),
        text(
            "a long array",
            with(&format!(",\"x\":[{}1]", "1,".repeat(1_000_000))),
        ),
        text(
            "many empty arrays",
            with(&format!(",\"x\":[{}[]]", "[],".repeat(1_000_000))),
        ),
        text(
            "a long number",
            with(&format!(",\"x\":{}", "9".repeat(100_000))),
        ),
        text(
            "a long fraction",
            with(&format!(",\"x\":0.{}", "3".repeat(100_000))),
        ),
        text("a huge exponent", with(",\"x\":1e999999999")),
        text("a tiny exponent", with(",\"x\":1e-999999999")),
        text(
            "a number as event",
            with("").replace("\"i_new\"", &"9".repeat(100_000)),
        ),
        text("minus nothing", with(",\"x\":-")),
        text("not a number", with(",\"x\":NaN")),
        text("a lone surrogate", with(",\"title\":\"\\ud800\"")),
        text(
            "surrogates in the wrong order",
            with(",\"title\":\"\\udc00\\ud800\""),
        ),
        text("a surrogate as event", with("").replace("i_new", "\\udfff")),
        text("a NUL", with(",\"title\":\"a\\u0000b\"")),
        text("a NUL as it is", with(",\"title\":\"a\0b\"")),
        text("a NUL in an id", with("").replace("6a1d", "6a\\u0000d")),
        text("a NUL behind", with("") + "\0"),
        text("a byte order mark", format!("\u{feff}{}", with(""))),
        text(
            "the same key twice",
            with(",\"sys_id\":\"x\",\"incident\":{}"),
        ),
        text(
            "the same id twice",
            with(&format!(
                ",\"sys_id\":\"{RECORD}\",\"incident\":{{\"incident_id\":\"{INCIDENT}\"}}"
            )),
        ),
        text(
            "a prototype",
            with(",\"__proto__\":{\"a\":1},\"constructor\":{\"prototype\":{}}"),
        ),
        text(
            "a long title",
            with(&format!(
                ",\"short_description\":\"{}\"",
                "x".repeat(4_000_000)
            )),
        ),
        text(
            "long escapes",
            with(&format!(
                ",\"short_description\":\"{}\"",
                "\\u0041".repeat(1_000_000)
            )),
        ),
        text(
            "a string without end",
            with(&format!(",\"x\":\"{}", "x".repeat(4_000_000))),
        ),
        text("white space", " ".repeat(10_000_000)),
        text("two documents", with("") + &with("")),
        text("nothing", String::new()),
        text("null", "null".into()),
        text("a comment", with("/*x*/")),
    ];
    bombs.push((
        "not UTF-8",
        with(",\"title\":\"~\"")
            .replace('~', "\u{1}")
            .into_bytes()
            .into_iter()
            .map(|b| if b == 1 { 0xff } else { b })
            .collect(),
    ));
    bombs.push((
        "UTF-16",
        with("").encode_utf16().flat_map(u16::to_le_bytes).collect(),
    ));
    bombs.push((
        "gzip",
        [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xcb, 0x4b].to_vec(),
    ));
    bombs
}

#[tokio::test(flavor = "multi_thread")]
async fn no_body_breaks_the_plugin_or_is_written_anywhere() {
    // As much as somebody may have set who knows no better: the default stops
    // most of these at the door.
    let mut world = World::start(Setting::default()).await.unwrap();
    let text = std::fs::read_to_string(world.configuration()).unwrap();
    let text = text.replace("bearer = [", "max-body-bytes = 33554432\nbearer = [");
    world.restart_with(&text).await.unwrap();
    world.connect(&Setting::default());
    let mut writes = world.writes();
    let mut taken = 0;
    for (route, token) in [
        ("/flashduty/demo", FLASHDUTY_TOKEN),
        ("/servicenow/demo", SERVICENOW_TOKEN),
    ] {
        for (what, body) in bombs() {
            let answer = world.send(route, &[bearer(token)], &body).await;
            let is_harmless = matches!(answer.status, 200 | 400 | 413);
            assert!(is_harmless, "{what} at {route}: {answer:?}");
            assert!(answer.text.len() < 1000, "{what} at {route}: {answer:?}");
            taken += u32::from(answer.status == 200);
        }
    }
    assert!(taken > 0, "none was a body at all");
    world.settled().await.unwrap();
    assert_eq!(writes.in_servicenow(), [""; 0]);
    assert_eq!(writes.in_flashduty(), [""; 0]);
    let incident = world.alert("disk full", Status::Critical);
    world.until_record(&incident).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_unpacked() {
    let world = World::start(Setting::default()).await.unwrap();
    let mut writes = world.writes();
    // A gigabyte of zeros in a megabyte is a megabyte here, and so too long;
    // what is short enough is taken as it is, and is no JSON.
    for encoding in ["gzip", "deflate", "br", "zstd"] {
        let headers = [
            bearer(FLASHDUTY_TOKEN),
            format!("content-encoding: {encoding}"),
        ];
        for (length, status) in [(1000, 400), (1 << 20, 413)] {
            let packed = vec![0x1f; length];
            let answer = world.send("/flashduty/demo", &headers, &packed).await;
            assert_eq!(answer.status, status, "{encoding}: {answer:?}");
        }
    }
    world.settled().await.unwrap();
    assert_eq!(writes.in_servicenow(), [""; 0]);
}
