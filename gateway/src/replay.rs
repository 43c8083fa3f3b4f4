//! Signed messages that were accepted and whose signature is still valid.
//!
//! A message is remembered when the plugin accepted it, not when it came: a
//! sender whose first try was answered 503 sends the same message again, and
//! must be heard. What is remembered is in memory only. After a restart, a
//! message may be replayed until its signature expires, which costs one look
//! at a state that has not changed, since messages are hints.

use crate::authentication::Once;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::PoisonError;

/// So many at most; the first to expire make room. Only a sender that knows a
/// key can fill it.
const MOST: usize = 1 << 16;

#[derive(Default)]
pub(crate) struct Replays(Mutex<Accepted>);

#[derive(Default)]
struct Accepted {
    expiry: BTreeMap<String, u64>,
    by_expiry: BTreeSet<(u64, String)>,
}

impl Replays {
    /// Whether a message was accepted before, on the given path, with a signature
    /// that is still valid.
    pub(crate) fn contains(&self, path: &str, once: &Once, now_ms: u64) -> bool {
        let accepted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let expires_ms = accepted.expiry.get(&key(path, once));
        expires_ms.is_some_and(|expires_ms| *expires_ms >= now_ms)
    }

    /// Remembers a message, and forgets those that have expired.
    pub(crate) fn remember(&self, path: &str, once: &Once, now_ms: u64) {
        let mut accepted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(path, once);
        if let Some(before) = accepted.expiry.insert(key.clone(), once.expires_ms) {
            accepted.by_expiry.remove(&(before, key.clone()));
        }
        accepted.by_expiry.insert((once.expires_ms, key));
        while let Some((expires_ms, key)) = accepted.by_expiry.first().cloned() {
            if expires_ms >= now_ms && accepted.expiry.len() <= MOST {
                break;
            }
            accepted.by_expiry.remove(&(expires_ms, key.clone()));
            accepted.expiry.remove(&key);
        }
    }
}

/// The message's name among those of every path: no line of either breaks.
fn key(path: &str, once: &Once) -> String {
    format!("{path}\n{}", once.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn once(id: &str, expires_ms: u64) -> Once {
        Once {
            id: id.to_owned(),
            expires_ms,
        }
    }

    #[test]
    fn a_message_is_remembered_per_path_until_its_signature_expires() {
        let replays = Replays::default();
        replays.remember("/a", &once("1", 100), 0);
        assert!(replays.contains("/a", &once("1", 100), 0));
        assert!(!replays.contains("/b", &once("1", 100), 0));
        replays.remember("/a", &once("2", 300), 100);
        assert!(replays.contains("/a", &once("1", 100), 100));
        replays.remember("/a", &once("3", 300), 101);
        assert!(!replays.contains("/a", &once("1", 100), 100));
        assert!(replays.contains("/a", &once("2", 300), 101));
    }

    #[test]
    fn a_message_may_come_again_with_a_new_signature_when_the_old_one_has_expired() {
        let replays = Replays::default();
        replays.remember("/a", &once("1", 100), 0);
        assert!(replays.contains("/a", &once("1", 400), 100));
        assert!(!replays.contains("/a", &once("1", 400), 101));
    }

    #[test]
    fn a_new_signature_of_the_same_message_prolongs_the_memory() {
        let replays = Replays::default();
        replays.remember("/a", &once("1", 100), 0);
        replays.remember("/a", &once("1", 200), 0);
        replays.remember("/a", &once("2", 300), 150);
        assert!(replays.contains("/a", &once("1", 200), 150));
    }

    #[test]
    fn memory_is_bounded() {
        let replays = Replays::default();
        for n in 0..=MOST as u64 {
            replays.remember("/a", &once(&n.to_string(), 1000 + n), 0);
        }
        assert!(!replays.contains("/a", &once("0", 1000), 0));
        assert!(replays.contains("/a", &once("1", 1001), 0));
    }
}
