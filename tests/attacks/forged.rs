//! Whoever has no secret is not heard, whatever they try.

use crate::chance::Chance;
use crate::recorded::Recorded;
use simulators::flashduty::Status;
use std::env;
use support::Setting;
use support::World;
use support::wire::bearer;
use support::world::ADMIN_TOKEN;
use support::world::FLASHDUTY_TOKEN;
use support::world::SERVICENOW_TOKEN;
use support::world::SIGNATURE;

/// A world in which ServiceNow signs, with one genuine webhook of each system.
async fn eavesdropped() -> (World, Recorded, Recorded) {
    let world = World::start(Setting {
        servicenow_proof: SIGNATURE,
        ..Setting::default()
    })
    .await
    .unwrap();
    let mut from_flashduty = world.flashduty.exchanges();
    let mut from_servicenow = world.servicenow.exchanges();
    let incident = world.alert("disk full", Status::Critical);
    world.until_record(&incident).await.unwrap();
    world.abel_opens(&[("short_description", "VPN down"), ("urgency", "1")]);
    world.until_incident("VPN down").await.unwrap();
    world.settled().await.unwrap();
    let token = Recorded::all(&mut from_flashduty).swap_remove(0);
    let signed = Recorded::all(&mut from_servicenow).swap_remove(0);
    (world, token, signed)
}

/// Changes a text somehow: one letter, a piece, its case, its length.
fn mutated(text: &str, chance: &mut Chance) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let at = chance.below(bytes.len());
    match chance.below(9) {
        0 => bytes[at] = b"!0Aaz~=+/."[chance.below(10)],
        1 => bytes[at] ^= 1 << chance.below(7),
        2 => drop(bytes.remove(at)),
        3 => bytes.insert(at, b"0a=A,"[chance.below(5)]),
        4 => bytes.truncate(at),
        5 => bytes.make_ascii_uppercase(),
        6 => bytes.rotate_left(at),
        7 => bytes.extend_from_slice(text.as_bytes()),
        _ => {
            let noise = (0..bytes.len()).map(|_| b'!' + (chance.below(94)) as u8);
            bytes = noise.collect();
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_thousand_forgeries_none_is_accepted() {
    let (world, token, signed) = eavesdropped().await;
    let mut writes = world.writes();
    let gateway = world.host.as_ref().unwrap().gateway();
    let status = async |forged: &Recorded| {
        let mut status = 0;
        gateway
            .receive(forged.incoming(), |answer| status = answer.status)
            .await;
        status
    };
    // What is changed below is genuine: the one is taken again, the other known.
    assert_eq!(status(&token).await, 200);
    assert_eq!(status(&signed).await, 409);
    let count = env::var("ATTACKS_FORGERIES").map_or(100_000, |n| n.parse().unwrap());
    let mut chance = Chance(1);
    let mut tried = 0;
    while tried < count {
        let mut forged;
        let genuine;
        if chance.below(3) == 0 {
            genuine = &token;
            forged = token.clone();
            let token = format!("Bearer {}", mutated(FLASHDUTY_TOKEN, &mut chance));
            *forged.header("authorization") = token;
        } else {
            genuine = &signed;
            forged = signed.clone();
            match chance.below(5) {
                0 => {
                    let at = chance.below(forged.body.len());
                    forged.body[at] ^= 1 << chance.below(8);
                }
                1 => {
                    let signature = forged.header("webhook-signature");
                    let digest = mutated(&signature[3..], &mut chance);
                    *signature = format!("v1,{digest}");
                }
                2 => {
                    // Many guesses at once, and other schemes.
                    let signature = forged.header("webhook-signature");
                    let guesses = (0..20).map(|_| mutated(signature, &mut chance));
                    *signature = guesses.collect::<Vec<_>>().join(" ");
                    if signature
                        .split(' ')
                        .any(|s| *s == signed.clone().header("webhook-signature")[..])
                    {
                        continue;
                    }
                }
                n => {
                    let name = ["webhook-id", "webhook-timestamp"][n - 3];
                    let value = forged.header(name);
                    *value = mutated(value, &mut chance);
                }
            }
        }
        if forged.headers == genuine.headers && forged.body == genuine.body {
            continue;
        }
        tried += 1;
        assert_eq!(status(&forged).await, 401, "{forged:?}");
    }
    world.settled().await.unwrap();
    assert_eq!(writes.in_servicenow(), [""; 0]);
    assert_eq!(writes.in_flashduty(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unsigned_or_signed_for_something_else_is_refused() {
    let (world, token, signed) = eavesdropped().await;
    let mut writes = world.writes();
    let without = |names: &[&str]| {
        let mut forged = signed.clone();
        forged
            .headers
            .retain(|(name, _)| !names.contains(&&name[..]));
        forged
    };
    let with = |name: &str, value: &str| {
        let mut forged = without(&[name]);
        forged.headers.push((name.to_owned(), value.to_owned()));
        forged
    };
    let moved = |path: &str| Recorded {
        path: path.to_owned(),
        ..signed.clone()
    };
    let signature = signed.clone().header("webhook-signature").clone();
    for (what, forged) in [
        ("no signature", without(&["webhook-signature"])),
        ("no id", without(&["webhook-id"])),
        ("no time", without(&["webhook-timestamp"])),
        ("an empty signature", with("webhook-signature", "")),
        ("no scheme", with("webhook-signature", &signature[3..])),
        (
            "another scheme",
            with("webhook-signature", &signature.replace("v1", "v1a")),
        ),
        (
            "the scheme in upper case",
            with("webhook-signature", &signature.replace("v1", "V1")),
        ),
        (
            "a comma-joined list",
            with("webhook-signature", &format!("v1,AAAA,{signature}")),
        ),
        ("a new id", with("webhook-id", "another")),
        ("a token instead", {
            let mut forged = without(&["webhook-signature"]);
            forged
                .headers
                .push(("authorization".into(), format!("Bearer {SERVICENOW_TOKEN}")));
            forged
        }),
        ("the other route's token", {
            let mut forged = without(&["webhook-signature"]);
            forged
                .headers
                .push(("authorization".into(), format!("Bearer {FLASHDUTY_TOKEN}")));
            forged
        }),
        ("a route that takes no signatures", moved("/flashduty/demo")),
        (
            "another body",
            Recorded {
                body: token.body.clone(),
                ..signed.clone()
            },
        ),
        (
            "no body",
            Recorded {
                body: Vec::new(),
                ..signed.clone()
            },
        ),
    ] {
        let answer = forged.replay(&world).await;
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        let error = answer.json()["error"].to_string();
        assert!(
            error.starts_with("\"no valid proof of the sender; expected "),
            "{what}: {error}"
        );
    }
    world.settled().await.unwrap();
    assert_eq!(writes.in_flashduty(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_counts_in_its_own_place_and_form_only() {
    let world = World::start(Setting::default()).await.unwrap();
    let mut writes = world.writes();
    let body = br#"{"event_type":"i_new","incident":{"incident_id":"6a1d2f45c0ffee0123456789"}}"#;
    let right = bearer(FLASHDUTY_TOKEN);
    let wrong = bearer("wrong");
    let line = |line: String| vec![line];
    for (what, headers, status) in [
        (
            "a wrong copy first",
            vec![wrong.clone(), right.clone()],
            401,
        ),
        (
            "both in one line",
            line(bearer(&format!("wrong, Bearer {FLASHDUTY_TOKEN}"))),
            401,
        ),
        (
            "in upper case",
            line(bearer(&FLASHDUTY_TOKEN.to_uppercase())),
            401,
        ),
        (
            "in quotes",
            line(bearer(&format!("\"{FLASHDUTY_TOKEN}\""))),
            401,
        ),
        (
            "without its scheme",
            line(format!("authorization: {FLASHDUTY_TOKEN}")),
            401,
        ),
        (
            "with another scheme",
            line(format!("authorization: Basic {FLASHDUTY_TOKEN}")),
            401,
        ),
        ("as a proxy's", line(format!("proxy-{right}")), 401),
        (
            "in a header of another name",
            line(format!("x-{right}")),
            401,
        ),
        (
            "in a cookie",
            line(format!("cookie: token={FLASHDUTY_TOKEN}")),
            401,
        ),
        ("of the other route", line(bearer(SERVICENOW_TOKEN)), 401),
        ("of the admin", line(bearer(ADMIN_TOKEN)), 401),
        (
            "with a space before the colon",
            line(right.replacen(':', " :", 1)),
            400,
        ),
        (
            "on a folded line",
            line(right.replacen(": ", ":\r\n ", 1)),
            400,
        ),
        (
            "with a byte that ends a text",
            line(format!("{right}\0")),
            400,
        ),
        (
            "genuine, the scheme in lower case",
            line(right.replace("Bearer", "bearer")),
            200,
        ),
        (
            "genuine, the name in upper case",
            line(right.replace("authorization", "AUTHORIZATION")),
            200,
        ),
    ] {
        let answer = world.send("/flashduty/demo", &headers, body).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
    }
    for path in [
        format!("/flashduty/demo?token={FLASHDUTY_TOKEN}"),
        format!("/flashduty/demo?access_token={FLASHDUTY_TOKEN}"),
    ] {
        assert_eq!(world.send(&path, &[], body).await.status, 401, "{path}");
    }
    // No token in a path was asked for, so there is no such path.
    let path = format!("/flashduty/demo/{FLASHDUTY_TOKEN}");
    assert_eq!(world.send(&path, &[], body).await.status, 404);
    world.settled().await.unwrap();
    assert_eq!(writes.in_servicenow(), [""; 0]);
    assert_eq!(writes.in_flashduty(), [""; 0]);
}
