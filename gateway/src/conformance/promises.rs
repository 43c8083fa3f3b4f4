//! The promises that one client alone can check.

use crate::Refused;
use crate::Store;
use crate::contract::Entry;
use crate::contract::Precondition;
use crate::contract::Scan;
use crate::contract::Write;

/// The characters of a key, in the order in which a scan returns them.
const ALPHABET: &str = "-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
/// A plugin's key may have 200 bytes, and the gateway puts two before it.
const LONGEST_KEY: usize = 202;
const LONGEST_VALUE: usize = 1 << 20;

/// Checks preconditions, revisions, reading of many keys, order and pages of
/// scans, and the limits of keys and values. It needs some 10 MB.
///
/// # Panics
///
/// At the first promise that the store does not keep.
pub async fn keeps_its_promises<S: Store>(store: &S) {
    let client = Client(store);
    client.writes_only_if_the_precondition_holds().await;
    client.never_returns_to_a_revision().await;
    client.reads_keys_in_the_order_asked().await;
    client.keeps_any_value().await;
    client.keeps_long_keys_apart().await;
    client.scans_in_byte_order().await;
    client.takes_no_character_of_a_prefix_for_a_pattern().await;
    client.continues_a_scan().await;
    client.bounds_its_pages().await;
    client.keeps_the_rest_of_a_scan_in_place().await;
}

struct Client<'a, S>(&'a S);

impl<S: Store> Client<'_, S> {
    async fn writes_only_if_the_precondition_holds(&self) {
        let key = "conformance.write";
        let first = self.create(key, b"1").await.expect("a new key is created");
        assert_ne!(first, 0, "a revision is never 0");
        assert_eq!(self.create(key, b"2").await, Err(Refused));
        assert_eq!(self.read(key).await, Some((first, b"1".to_vec())));

        let second = self.replace(key, first, b"2").await;
        let second = second.expect("a revision that stands may be replaced");
        assert_ne!(second, first, "a write changes the revision");
        assert_eq!(self.replace(key, first, b"3").await, Err(Refused));
        assert_eq!(self.delete(key, first).await, Err(Refused));
        for never in [0, second + 1000, u64::MAX] {
            assert_eq!(self.replace(key, never, b"3").await, Err(Refused));
            assert_eq!(self.delete(key, never).await, Err(Refused));
        }
        assert_eq!(self.read(key).await, Some((second, b"2".to_vec())));

        let third = self.replace(key, second, b"2").await;
        let third = third.expect("the same value is a write as well");
        assert_ne!(third, second, "a write changes the revision");
        let absent = Write {
            key: key.to_owned(),
            precondition: Precondition::Absent,
            value: None,
        };
        assert_eq!(self.write(absent.clone()).await, Err(Refused));
        assert_eq!(self.delete(key, third).await, Ok(0));
        assert_eq!(self.read(key).await, None);
        assert_eq!(self.delete(key, third).await, Err(Refused));
        assert_eq!(self.replace(key, third, b"4").await, Err(Refused));
        assert_eq!(self.read(key).await, None, "nothing was written");
        assert_eq!(self.write(absent).await, Ok(0), "it is absent as it should");
    }

    async fn never_returns_to_a_revision(&self) {
        let key = "conformance.revision";
        let mut seen = Vec::new();
        for _ in 0..5 {
            let created = self.creates(key, b"x").await;
            let replaced = self.replace(key, created, b"x").await;
            let replaced = replaced.expect("it is replaced");
            assert_eq!(self.delete(key, replaced).await, Ok(0));
            for revision in [created, replaced] {
                assert!(!seen.contains(&revision), "{revision} was there before");
                seen.push(revision);
            }
        }
    }

    async fn reads_keys_in_the_order_asked(&self) {
        let key = |n: usize| format!("conformance.get.{n:04}");
        let mut revisions = Vec::new();
        for n in 0..10 {
            let value = n.to_string().into_bytes();
            revisions.push(self.creates(&key(n), &value).await);
        }
        // As many as a plugin may ask for, with gaps, backwards, one of them twice.
        let mut keys: Vec<String> = (0..999).rev().map(key).collect();
        keys.push(key(3));
        let found = self.0.get(&keys).await.expect("it answers");
        let expected = |key: &String| {
            let n: usize = key[key.len() - 4..].parse().expect("a number");
            revisions.get(n).map(|revision| Entry {
                value: n.to_string().into_bytes(),
                revision: *revision,
            })
        };
        let expected: Vec<_> = keys.iter().map(expected).collect();
        assert!(found == expected, "found {found:?}");
        assert_eq!(self.0.get(&[]).await, Ok(vec![]));
    }

    async fn keeps_any_value(&self) {
        let every_byte: Vec<u8> = (0..=255).collect();
        let longest: Vec<u8> = (0..LONGEST_VALUE).map(|n| (n * n / 7) as u8).collect();
        for (name, value) in [
            ("empty", vec![]),
            ("every-byte", every_byte),
            ("no-utf-8", vec![0xff, 0xfe, 0, 0xc0]),
            ("longest", longest),
        ] {
            let key = format!("conformance.value.{name}");
            let revision = self.creates(&key, &value).await;
            let (found, kept) = self.read(&key).await.expect("it is there");
            assert_eq!(found, revision, "{name}");
            assert!(kept == value, "{name}: {} bytes came back", kept.len());
        }
    }

    async fn keeps_long_keys_apart(&self) {
        let longest = |end: char| {
            let mut key = "conformance.key.".to_owned();
            key.extend(ALPHABET.chars().cycle().take(LONGEST_KEY - key.len() - 1));
            key.push(end);
            key
        };
        for end in ['a', 'A', '_', '-'] {
            let value = end.to_string().into_bytes();
            self.creates(&longest(end), &value).await;
        }
        for end in ['a', 'A', '_', '-'] {
            let (_, value) = self.read(&longest(end)).await.expect("it is there");
            assert_eq!(value, end.to_string().into_bytes());
        }
    }

    async fn scans_in_byte_order(&self) {
        let prefix = "conformance.order.";
        let mut keys: Vec<String> = ALPHABET.chars().map(|c| format!("{prefix}{c}")).collect();
        keys.extend(["a-b", "a.b", "aB", "ab", "aa", "a0", "Ab"].map(|k| format!("{prefix}{k}")));
        // Not in order.
        for key in keys
            .iter()
            .rev()
            .step_by(2)
            .chain(keys.iter().rev().skip(1).step_by(2))
        {
            self.creates(key, b"x").await;
        }
        let (found, next) = self.page(prefix, None, 1000).await;
        keys.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        assert_eq!((found, next), (keys, None));
    }

    async fn takes_no_character_of_a_prefix_for_a_pattern(&self) {
        for key in ["a_b", "axb", "a.b", "aab", "A_b", "a_B"] {
            self.creates(&format!("conformance.plain.{key}"), b"x")
                .await;
        }
        for (prefix, expected) in [("a_", &["a_B", "a_b"][..]), ("a.", &["a.b"])] {
            let (found, _) = self
                .page(&format!("conformance.plain.{prefix}"), None, 9)
                .await;
            let expected: Vec<_> = expected
                .iter()
                .map(|key| format!("conformance.plain.{key}"))
                .collect();
            assert_eq!(found, expected);
        }
    }

    async fn continues_a_scan(&self) {
        let prefix = "conformance.page.";
        let key = |n: u32| format!("{prefix}{n:02}");
        for n in 0..10 {
            self.creates(&key(n), b"x").await;
        }
        // A neighbour before and one behind, which must not be seen.
        for neighbour in ["conformance.page-", "conformance.page/", "conformance.pagf"] {
            let neighbour = neighbour.replace('/', "0");
            self.creates(&neighbour, b"x").await;
        }
        let all: Vec<String> = (0..10).map(key).collect();
        for limit in [1, 3, 5, 9, 10, 11] {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let (keys, next) = self.page(prefix, after.as_deref(), limit).await;
                assert!(keys.len() <= limit as usize, "more than {limit}");
                assert!(
                    !keys.is_empty(),
                    "a page of a scan that goes on is not empty"
                );
                found.extend(keys);
                assert!(found.len() <= 10, "a scan ends");
                after = next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(found, all, "{limit} at a time");
        }
        let behind = |after: &str| {
            let after = format!("{prefix}{after}");
            async move { self.page(prefix, Some(&after), 100).await }
        };
        assert_eq!(behind("08").await, (vec![key(9)], None));
        assert_eq!(
            behind("085").await,
            (vec![key(9)], None),
            "there is no such key"
        );
        assert_eq!(behind("09").await, (vec![], None));
        assert_eq!(behind("zz").await, (vec![], None));
        let from_before = self.page(prefix, Some("conformance.a"), 100).await;
        assert_eq!(
            from_before,
            (all.clone(), None),
            "behind a key before the prefix"
        );
        let from_far = self.page(prefix, Some("x"), 100).await;
        assert_eq!(from_far, (vec![], None), "behind a key behind the prefix");
        assert_eq!(
            self.page("conformance.none.", None, 9).await,
            (vec![], None)
        );
        // A limit out of bounds is brought into them.
        assert_eq!(self.page(prefix, None, 0).await.0, all[..1]);
        assert_eq!(self.page(prefix, None, u32::MAX).await, (all.clone(), None));
        // Everything, which is at least what is here.
        let (mut seen, mut after) = (0, None);
        loop {
            let (keys, next) = self.page("", after.as_deref(), 1000).await;
            seen += keys.iter().filter(|key| all.contains(key)).count();
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, 10, "the empty prefix is one of every key");
    }

    async fn bounds_its_pages(&self) {
        let prefix = "conformance.large.";
        let megabyte = vec![7; LONGEST_VALUE];
        for n in 0..8 {
            self.creates(&format!("{prefix}{n}"), &megabyte).await;
        }
        let (mut found, mut after, mut pages) = (0, None, 0);
        loop {
            let (keys, next) = self.page(prefix, after.as_deref(), 1000).await;
            found += keys.len();
            pages += 1;
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, 8);
        assert!(pages > 1, "8 MiB came in one page");
    }

    async fn keeps_the_rest_of_a_scan_in_place(&self) {
        let prefix = "conformance.moving.";
        for n in 0..6 {
            self.creates(&format!("{prefix}{n}"), b"x").await;
        }
        let (first, next) = self.page(prefix, None, 3).await;
        assert_eq!(first.len(), 3);
        // The key to go on behind is gone, and one before it is new.
        let (revision, _) = self.read(&first[2]).await.expect("it is there");
        assert_eq!(self.delete(&first[2], revision).await, Ok(0));
        self.creates(&format!("{prefix}00"), b"x").await;
        let (rest, _) = self.page(prefix, next.as_deref(), 100).await;
        let expected: Vec<_> = (3..6).map(|n| format!("{prefix}{n}")).collect();
        assert_eq!(rest, expected);
    }

    async fn creates(&self, key: &str, value: &[u8]) -> u64 {
        let created = self.create(key, value).await;
        created.unwrap_or_else(|Refused| panic!("{key} is absent, and was not created"))
    }

    async fn create(&self, key: &str, value: &[u8]) -> Result<u64, Refused> {
        self.write(Write {
            key: key.to_owned(),
            precondition: Precondition::Absent,
            value: Some(value.to_vec()),
        })
        .await
    }

    async fn replace(&self, key: &str, revision: u64, value: &[u8]) -> Result<u64, Refused> {
        self.write(Write {
            key: key.to_owned(),
            precondition: Precondition::Revision(revision),
            value: Some(value.to_vec()),
        })
        .await
    }

    async fn delete(&self, key: &str, revision: u64) -> Result<u64, Refused> {
        self.write(Write {
            key: key.to_owned(),
            precondition: Precondition::Revision(revision),
            value: None,
        })
        .await
    }

    async fn write(&self, write: Write) -> Result<u64, Refused> {
        self.0.write(write).await.expect("the store answers")
    }

    async fn read(&self, key: &str) -> Option<(u64, Vec<u8>)> {
        let found = self.0.get(&[key.to_owned()]).await;
        let found = found.expect("the store answers");
        assert_eq!(found.len(), 1, "there is an answer for each key");
        let entry = found.into_iter().next().flatten()?;
        Some((entry.revision, entry.value))
    }

    async fn page(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> (Vec<String>, Option<String>) {
        let scan = Scan {
            prefix: prefix.to_owned(),
            after: after.map(str::to_owned),
            limit,
        };
        let page = self.0.scan(&scan).await.expect("the store answers");
        let keys = page.entries.into_iter().map(|found| found.key).collect();
        (keys, page.next)
    }
}
