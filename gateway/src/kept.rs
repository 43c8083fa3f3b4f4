use crate::gates;
use crate::key;
use crate::queue;

/// What a store keeps under a key, for tools that look into one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// A value of the plugin's, which only the plugin can read.
    Plugin {
        /// The key as the plugin knows it.
        key: String,
    },
    /// A place that nothing is sent to for now.
    Gate {
        /// The origin.
        origin: String,
        /// Why.
        reason: String,
    },
    /// An item of work.
    Work {
        /// The key that the plugin scheduled it under.
        key: String,
        /// Due time in Unix milliseconds.
        due_ms: u64,
        /// Whether it waits for an operator.
        parked: bool,
        /// Whether a gateway works on it, or did when it was last heard of.
        leased: bool,
    },
}

impl Kept {
    /// Tells what an entry is, or why no gateway of this version could read it.
    pub fn read(key: &str, value: &[u8]) -> Result<Self, String> {
        if let Some(key) = key.strip_prefix(key::PLUGIN) {
            key::check(key)?;
            let key = key.to_owned();
            return Ok(Self::Plugin { key });
        }
        if key.starts_with(gates::PREFIX) {
            let record = gates::Record::read(value)?;
            return Ok(Self::Gate {
                origin: record.place.origin,
                reason: record.closed.reason,
            });
        }
        let Some(key) = key.strip_prefix(queue::PREFIX) else {
            return Err(
                "expected a key of the plugin's, the gates' or the work queue's".to_owned(),
            );
        };
        key::check(key)?;
        let record = queue::Record::read(value)?;
        Ok(Self::Work {
            key: key.to_owned(),
            due_ms: record.due,
            parked: record.parked.is_some(),
            leased: record.is_leased(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_tells_what_it_is_or_why_it_cannot_be_read() {
        let work = br#"{"schema":1,"due":7,"written":1,"reasons":[],"attempt":0,"waits":0,"generation":0}"#;
        assert_eq!(
            Kept::read("g.work.pair", work),
            Ok(Kept::Work {
                key: "pair".to_owned(),
                due_ms: 7,
                parked: false,
                leased: false
            })
        );
        assert_eq!(
            Kept::read("p.pair.a", b"anything"),
            Ok(Kept::Plugin {
                key: "pair.a".to_owned()
            })
        );
        for (key, value, problem) in [
            ("g.work.pair", &b"{"[..], "the record is damaged: "),
            (
                "g.work.pair",
                br#"{"schema":9}"#,
                "expected a record of schema 1 to 2, found 9",
            ),
            ("g.work.a b", work, "expected a key of 1 to 200"),
            ("p.", b"", "expected a key of 1 to 200"),
            (
                "g.other",
                b"",
                "expected a key of the plugin's, the gates' or the work queue's",
            ),
            (
                "x",
                b"",
                "expected a key of the plugin's, the gates' or the work queue's",
            ),
        ] {
            let found = Kept::read(key, value).unwrap_err();
            assert!(found.starts_with(problem), "{found}");
        }
    }
}
