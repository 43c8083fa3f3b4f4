//! A plugin that was talked into it, or that is hostile, gets nowhere but to
//! the origins on the operator's list, however it writes where it wants to go.

use crate::scene::*;
use integration_gateway::contract::*;

/// What is not `https://api.example.com`, `https://snow.example.com` or
/// `https://other.example.com` once it is read.
const ASTRAY: [&str; 67] = [
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0177.0.0.1/",
    "https://0/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://localhost/",
    "https://169.254.169.254/latest/meta-data/",
    "https://[fd00:ec2::254]/",
    "https://10.0.0.1/",
    "https://example.com/",
    "https://api.example.com.evil.test/",
    "https://api.example.comevil.test/",
    "https://evil-api.example.com/",
    "https://xapi.example.com/",
    "https://api.example.co/",
    "https://api.example.com./",
    "https://api.example.com:8443/",
    "https://api.example.com:80/",
    "http://api.example.com/",
    "http://api.example.com:443/",
    "https://evil.test/api.example.com",
    "https://evil.test/https://api.example.com/",
    "https://evil.test?https://api.example.com/",
    "https://evil.test#https://api.example.com/",
    "https://evil.test\\@api.example.com/",
    "https://evil.test\\.api.example.com/",
    "https://api.example.com@evil.test/",
    "https://api.example.com:443@evil.test/",
    "https://api.example.com:pass@evil.test/",
    "https://api.example.com%40evil.test/",
    "https://api.example.com%2f@evil.test/",
    "https://api.example.com%00.evil.test/",
    "https://user@api.example.com/",
    "https://user:password@api.example.com/",
    "https://@api.example.com/",
    "https:/user:password@api.example.com/",
    "https:user@api.example.com/",
    "https:///user@api.example.com/",
    "https://evil.test;@api.example.com/",
    "https://api.example.com;.evil.test/",
    "https://api.example.com\u{3002}evil.test/",
    "https://api.example.com\u{ff0f}@evil.test/",
    "https://\u{ff41}pi.example.com/",
    "https://api.ex\u{430}mple.com/",
    "https://api.example.com/\r\nhost: evil.test",
    "https://api.example.com\r\n.evil.test/",
    "https://api.example.com\t.evil.test/",
    "https://api.exam\nple.com/",
    "https://api.example.com/a b",
    "https://api.example.com/\0",
    " https://api.example.com/",
    "https://api.example.com/#x",
    "https:\\\\api.example.com/",
    "https:/api.example.com@evil.test/",
    "https:evil.test",
    "//evil.test/",
    "/latest/meta-data",
    "api.example.com",
    "",
    "file:///etc/passwd",
    "gopher://api.example.com/",
    "ftp://api.example.com/",
    "wss://api.example.com/",
    "unix:/run/docker.sock",
];

#[tokio::test]
async fn no_way_of_writing_a_url_leads_off_the_list() {
    let scene = Scene::new();
    for url in ASTRAY {
        for credential in [None, Some("key"), Some("snow")] {
            let result = scene.exchange(vec![get(url, credential)]).await.remove(0);
            let Err(HttpFailure::Refused(why)) = result else {
                panic!("{url:?}: {result:?}");
            };
            assert!(!why.is_empty() && !why.contains("CANARY"), "{url:?}: {why}");
        }
    }
    assert_eq!(scene.far.take_sent().len(), 0);
}

#[tokio::test]
async fn what_is_refused_is_named() {
    let scene = Scene::new();
    for (url, why) in [
        (
            "https://[::ffff:127.0.0.1]/x",
            "https://[::ffff:7f00:1] is not allowed; add it to egress.allow if it is meant",
        ),
        (
            "https://2130706433/",
            "https://127.0.0.1 is not allowed; add it to egress.allow if it is meant",
        ),
        (
            "https://api.example.com:pass@evil.test/",
            "https://evil.test is not allowed; add it to egress.allow if it is meant",
        ),
    ] {
        let result = scene.exchange(vec![get(url, None)]).await.remove(0);
        assert!(matches!(&result, Err(HttpFailure::Refused(_))), "{url}");
        if let Err(HttpFailure::Refused(found)) = result {
            assert!(
                found.contains(why) || found.contains("names a user"),
                "{found}"
            );
        }
    }
}
