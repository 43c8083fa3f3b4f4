//! Signatures of webhooks as the Standard Webhooks specification 1.0 defines
//! them: HMAC-SHA256 over `id.timestamp.body`, in the headers `webhook-id`,
//! `webhook-timestamp` and `webhook-signature`.
//!
//! The last one is a list, so that a sender can sign with an old and a new key;
//! the keys here are a list, so that a receiver can know both.

use crate::Secret;
use base64ct::Base64;
use base64ct::Encoding as _;
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use sha2::Sha256;
use subtle::Choice;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// More signatures than this are not looked at.
const MOST_SIGNATURES: usize = 8;

/// A longer id is none: accepted ones are kept in memory for a while.
const LONGEST_ID: usize = 256;

/// Keys, and how far a sender's clock may be off.
#[derive(Clone)]
pub(crate) struct Verifier {
    keys: Vec<Zeroizing<Vec<u8>>>,
    tolerance_seconds: u32,
}

/// The three headers, as far as they are there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Signed<'a> {
    pub(crate) id: Option<&'a str>,
    pub(crate) timestamp: Option<&'a str>,
    pub(crate) signature: Option<&'a str>,
}

/// What verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Signature {
    /// Signed with a known key, now. The message stays valid until the given
    /// Unix time in milliseconds; until then its id must be remembered.
    Valid { id: String, expires_ms: u64 },
    /// Signed with a known key, but at another time.
    Expired,
    /// Not signed with a known key, or not at all.
    Invalid,
}

impl Verifier {
    pub(crate) fn new(keys: &[Secret], tolerance_seconds: u32) -> Result<Self, String> {
        let keys = keys.iter().map(key).collect::<Result<_, _>>()?;
        Ok(Self {
            keys,
            tolerance_seconds,
        })
    }

    pub(crate) fn tolerance_seconds(&self) -> u32 {
        self.tolerance_seconds
    }

    /// Verifies a message. The signature is computed whatever is missing, so
    /// that time tells nothing.
    pub(crate) fn verify(&self, signed: Signed<'_>, body: &[u8], now_ms: u64) -> Signature {
        let id = signed.id.unwrap_or_default();
        let timestamp = signed.timestamp.unwrap_or_default();
        let genuine = bool::from(self.is_genuine(id, timestamp, signed.signature, body));
        let seconds = timestamp.parse::<u64>().ok();
        let is_id = (1..=LONGEST_ID).contains(&id.len());
        let (true, Some(seconds), true) = (genuine, seconds, is_id) else {
            return Signature::Invalid;
        };
        let tolerance_ms = u64::from(self.tolerance_seconds) * 1000;
        let sent_ms = seconds.saturating_mul(1000);
        if sent_ms.abs_diff(now_ms) > tolerance_ms {
            return Signature::Expired;
        }
        Signature::Valid {
            id: id.to_owned(),
            expires_ms: sent_ms + tolerance_ms,
        }
    }

    fn is_genuine(&self, id: &str, timestamp: &str, list: Option<&str>, body: &[u8]) -> Choice {
        let mut found = Choice::from(0);
        for key in &self.keys {
            let expected = sign(key, id, timestamp, body);
            for signature in list.unwrap_or_default().split(' ').take(MOST_SIGNATURES) {
                let decoded = signature
                    .strip_prefix("v1,")
                    .and_then(|text| Base64::decode_vec(text).ok())
                    .unwrap_or_default();
                found |= expected.as_slice().ct_eq(&decoded);
            }
        }
        found
    }
}

fn sign(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> [u8; 32] {
    // A key of any length is taken: longer ones are hashed first.
    let mut mac = match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mac) => mac,
        Err(_) => return [0; 32],
    };
    mac.update(id.as_bytes());
    mac.update(b".");
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.finalize().into_bytes().into()
}

fn key(secret: &Secret) -> Result<Zeroizing<Vec<u8>>, String> {
    let text = secret.reveal();
    let Some(encoded) = text.strip_prefix("whsec_") else {
        return Ok(Zeroizing::new(text.as_bytes().to_vec()));
    };
    match Base64::decode_vec(encoded) {
        Ok(key) if !key.is_empty() => Ok(Zeroizing::new(key)),
        _ => Err("expected base64 behind whsec_, found something else".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of the specification.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIMESTAMP: &str = "1614265330";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const SENT_MS: u64 = 1_614_265_330_000;

    fn verifier(secrets: &[&str]) -> Verifier {
        let secrets: Vec<Secret> = secrets.iter().map(|s| Secret::new(*s)).collect();
        Verifier::new(&secrets, 300).unwrap()
    }

    fn signed<'a>(id: &'a str, timestamp: &'a str, signature: &'a str) -> Signed<'a> {
        Signed {
            id: Some(id),
            timestamp: Some(timestamp),
            signature: Some(signature),
        }
    }

    #[test]
    fn the_example_of_the_specification_is_valid() {
        assert_eq!(
            verifier(&[SECRET]).verify(signed(ID, TIMESTAMP, SIGNATURE), BODY, SENT_MS),
            Signature::Valid {
                id: ID.to_owned(),
                expires_ms: SENT_MS + 300_000
            }
        );
    }

    #[test]
    fn a_change_anywhere_makes_it_invalid() {
        let verifier = verifier(&[SECRET]);
        let other = SIGNATURE.replace("g0h", "g0i");
        for (id, timestamp, signature, body) in [
            ("msg_other", TIMESTAMP, SIGNATURE, BODY),
            (ID, "1614265331", SIGNATURE, BODY),
            (ID, "01614265330", SIGNATURE, BODY),
            (ID, TIMESTAMP, SIGNATURE, b"{}".as_slice()),
            (ID, TIMESTAMP, &other, BODY),
            (ID, TIMESTAMP, &SIGNATURE[3..], BODY),
            (ID, TIMESTAMP, "v1,", BODY),
            (ID, TIMESTAMP, "", BODY),
            ("", TIMESTAMP, SIGNATURE, BODY),
        ] {
            assert_eq!(
                verifier.verify(signed(id, timestamp, signature), body, SENT_MS),
                Signature::Invalid,
                "{id} {timestamp} {signature}"
            );
        }
        assert_eq!(
            verifier.verify(Signed::default(), BODY, SENT_MS),
            Signature::Invalid
        );
    }

    #[test]
    fn the_border_between_id_timestamp_and_body_is_signed() {
        let moved = verifier(&[SECRET]).verify(
            signed("msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330", "", SIGNATURE),
            BODY,
            SENT_MS,
        );
        assert_eq!(moved, Signature::Invalid);
    }

    #[test]
    fn an_id_too_long_to_be_remembered_is_none() {
        let verifier = verifier(&["key"]);
        for (length, is_valid) in [(1, true), (256, true), (257, false)] {
            let id = "x".repeat(length);
            let mac = sign(b"key", &id, TIMESTAMP, BODY);
            let signature = format!("v1,{}", Base64::encode_string(&mac));
            let found = verifier.verify(signed(&id, TIMESTAMP, &signature), BODY, SENT_MS);
            assert_eq!(found != Signature::Invalid, is_valid, "{length}");
        }
    }

    #[test]
    fn a_genuine_signature_of_another_time_is_expired() {
        let verifier = verifier(&[SECRET]);
        let signed = signed(ID, TIMESTAMP, SIGNATURE);
        for (now_ms, valid) in [
            (SENT_MS + 300_000, true),
            (SENT_MS - 300_000, true),
            (SENT_MS + 300_001, false),
            (SENT_MS - 300_001, false),
        ] {
            let found = verifier.verify(signed, BODY, now_ms);
            assert_eq!(found != Signature::Expired, valid, "{now_ms}");
        }
    }

    #[test]
    fn either_side_may_know_two_keys() {
        let list = format!("v1a,ed25519 v1,bm9uZQ== {SIGNATURE}");
        let found =
            verifier(&["plain text", SECRET]).verify(signed(ID, TIMESTAMP, &list), BODY, SENT_MS);
        assert!(matches!(found, Signature::Valid { .. }));
        let unknown = verifier(&["plain text"]).verify(signed(ID, TIMESTAMP, &list), BODY, SENT_MS);
        assert_eq!(unknown, Signature::Invalid);
    }

    #[test]
    fn a_key_in_plain_text_is_taken_as_it_is() {
        let mac = sign(b"plain text", ID, TIMESTAMP, BODY);
        let signature = format!("v1,{}", Base64::encode_string(&mac));
        let found =
            verifier(&["plain text"]).verify(signed(ID, TIMESTAMP, &signature), BODY, SENT_MS);
        assert!(matches!(found, Signature::Valid { .. }));
    }

    #[test]
    fn a_key_that_is_not_base64_is_refused_without_being_shown() {
        let error = Verifier::new(&[Secret::new("whsec_canary!")], 300)
            .err()
            .unwrap();
        assert_eq!(error, "expected base64 behind whsec_, found something else");
    }
}
