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

/// As long as a body can be made by whoever configures the gateway.
const LONGEST: usize = 512 << 10;

/// As many repetitions as a body has room for.
fn filled(piece: &str) -> String {
    piece.repeat((LONGEST - 1000) / piece.len())
}

fn keys(count: usize) -> String {
    let keys: Vec<_> = (0..count).map(|n| format!("\"{n:x}\":0")).collect();
    keys.join(",")
}

/// A name, and the body.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let bomb = |name, body: String| (name, body.into_bytes());
    let nested = |depth: usize| format!(",\"x\":{}{}", "[".repeat(depth), "]".repeat(depth));
    let again = format!(",\"sys_id\":\"{RECORD}\",\"incident\":{{\"incident_id\":\"{INCIDENT}\"}}");
    let mut bombs = vec![
        bomb("open arrays", filled("[")),
        bomb("open objects", filled("{\"a\":")),
        bomb("deep inside", with(&nested(200_000))),
        bomb("just too deep", with(&nested(200))),
        bomb("a million keys", format!("{{{}}}", keys(1_000_000))),
        bomb("as many keys as fit", with(&format!(",{}", keys(40_000)))),
        bomb(
            "as many labels as fit",
            with(&format!(",\"labels\":{{{}}}", keys(40_000))),
        ),
        bomb("a long list", with(&format!(",\"x\":[{}1]", filled("1,")))),
        bomb(
            "many empty lists",
            with(&format!(",\"x\":[{}[]]", filled("[],"))),
        ),
        bomb(
            "many small objects",
            with(&format!(",\"x\":[{}0]", filled("{\"\":0},"))),
        ),
        bomb(
            "many empty texts",
            with(&format!(",\"x\":[{}0]", filled("\"\","))),
        ),
        bomb(
            "a long number",
            with(&format!(",\"x\":{}", "9".repeat(100_000))),
        ),
        bomb(
            "a long fraction",
            with(&format!(",\"x\":0.{}", "3".repeat(100_000))),
        ),
        bomb("a huge exponent", with(",\"x\":1e999999999")),
        bomb("a tiny exponent", with(",\"x\":1e-999999999")),
        bomb(
            "a number as event",
            with("").replace("\"i_new\"", &"9".repeat(100_000)),
        ),
        bomb("minus nothing", with(",\"x\":-")),
        bomb("not a number", with(",\"x\":NaN")),
        bomb("a lone surrogate", with(",\"title\":\"\\ud800\"")),
        bomb(
            "surrogates in disorder",
            with(",\"title\":\"\\udc00\\ud800\""),
        ),
        bomb("a surrogate as event", with("").replace("i_new", "\\udfff")),
        bomb("a NUL", with(",\"title\":\"a\\u0000b\"")),
        bomb("a NUL as it is", with(",\"title\":\"a\0b\"")),
        bomb("a NUL in an id", with("").replace("6a1d", "6a\\u0000d")),
        bomb("a NUL behind", with("") + "\0"),
        bomb("a byte order mark", format!("\u{feff}{}", with(""))),
        bomb(
            "other values of a key",
            with(",\"sys_id\":\"x\",\"incident\":{}"),
        ),
        bomb("a key twice", with(&again)),
        bomb(
            "a prototype",
            with(",\"__proto__\":{\"a\":1},\"constructor\":{\"prototype\":{}}"),
        ),
        bomb(
            "a long text",
            with(&format!(",\"short_description\":\"{}\"", filled("x"))),
        ),
        bomb(
            "long escapes",
            with(&format!(",\"short_description\":\"{}\"", filled("\\u0041"))),
        ),
        bomb(
            "a text without end",
            with(&format!(",\"x\":\"{}", filled("x"))),
        ),
        bomb("white space", filled(" ")),
        bomb("two documents", with("") + &with("")),
        bomb("nothing", String::new()),
        bomb("null", "null".into()),
        bomb("a comment", with("/*x*/")),
    ];
    let (before, after) = (with(",\"title\":\""), b"\xff\"}".to_vec());
    bombs.push((
        "not UTF-8",
        [before.trim_end_matches('}').as_bytes(), &after].concat(),
    ));
    let utf16 = with("").encode_utf16().flat_map(u16::to_le_bytes).collect();
    bombs.push(("UTF-16", utf16));
    bombs.push(("gzip", vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xcb, 0x4b]));
    bombs
}

#[tokio::test(flavor = "multi_thread")]
async fn no_body_breaks_the_plugin_or_is_written_anywhere() {
    // Half of it is the default.
    let mut world = World::start(Setting::default()).await.unwrap();
    let text = std::fs::read_to_string(world.configuration()).unwrap();
    let text = text.replace(
        "bearer = [",
        &format!("max-body-bytes = {LONGEST}\nbearer = ["),
    );
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
            let is_too_long = body.len() > LONGEST;
            let expected: &[u16] = if is_too_long { &[413] } else { &[200, 400] };
            assert!(
                expected.contains(&answer.status),
                "{what} at {route}: {answer:?}"
            );
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
