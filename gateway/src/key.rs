//! Keys: which ones a plugin may use, and where they lie in the store.
//!
//! The gateway keeps its own records in the same store. The two never meet:
//! the plugin's keys begin with `p.` there, the gateway's with `g.`.

use crate::contract::Page;
use crate::contract::Scan;

pub(crate) const PLUGIN: &str = "p.";
const LONGEST: usize = 200;

/// Where a plugin's key lies in the store.
pub(crate) fn stored(key: &str) -> Result<String, String> {
    check(key)?;
    Ok(format!("{PLUGIN}{key}"))
}

/// Checks a key that a plugin made up.
pub(crate) fn check(key: &str) -> Result<(), String> {
    if key.is_empty() || key.len() > LONGEST || !is_plain(key) {
        return Err(format!(
            "expected a key of 1 to {LONGEST} of A-Z a-z 0-9 . _ -, found {:?}",
            key.chars().take(LONGEST + 1).collect::<String>()
        ));
    }
    Ok(())
}

/// A plugin's scan as the store must run it.
pub(crate) fn stored_scan(scan: &Scan) -> Result<Scan, String> {
    if scan.prefix.len() > LONGEST || !is_plain(&scan.prefix) {
        return Err(format!(
            "expected a prefix of at most {LONGEST} of A-Z a-z 0-9 . _ -, found {:?}",
            scan.prefix.chars().take(LONGEST + 1).collect::<String>()
        ));
    }
    Ok(Scan {
        prefix: format!("{PLUGIN}{}", scan.prefix),
        after: scan.after.as_deref().map(stored).transpose()?,
        limit: scan.limit.clamp(1, 1000),
    })
}

/// A page of the store as the plugin sees it.
pub(crate) fn seen(mut page: Page) -> Page {
    let plain = |key: &str| key.strip_prefix(PLUGIN).unwrap_or(key).to_owned();
    for found in &mut page.entries {
        found.key = plain(&found.key);
    }
    page.next = page.next.as_deref().map(plain);
    page
}

fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_short_and_plain() {
        let longest = "k".repeat(200);
        for good in ["a", "A-Z_0.9", "..", longest.as_str()] {
            assert_eq!(stored(good), Ok(format!("p.{good}")));
        }
        let longer = "k".repeat(201);
        for bad in ["", "a/b", "a b", "\u{e9}", "a\0", "a\n", longer.as_str()] {
            assert_eq!(
                stored(bad).unwrap_err(),
                format!("expected a key of 1 to 200 of A-Z a-z 0-9 . _ -, found {bad:?}")
            );
        }
    }

    #[test]
    fn a_scan_stays_among_the_plugins_keys() {
        let scan = |prefix: &str, limit| {
            stored_scan(&Scan {
                prefix: prefix.to_owned(),
                after: None,
                limit,
            })
        };
        assert_eq!(scan("", 0).unwrap().prefix, "p.");
        assert_eq!(scan("g.", 5).unwrap().prefix, "p.g.");
        assert_eq!(scan("", 0).unwrap().limit, 1);
        assert_eq!(scan("", u32::MAX).unwrap().limit, 1000);
        assert!(scan("a/b", 1).is_err());
    }
}
