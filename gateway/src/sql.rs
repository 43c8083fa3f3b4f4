//! What gateways of every kind say to a database that they may share.
//!
//! Each operation is one statement that the database carries out atomically,
//! plain SQL without a function or a type of our own, so that whoever reaches
//! PostgreSQL in another way can share the tables. How a statement is sent, and
//! how rows are read, is the gateway's.

use crate::contract::KeyedEntry;
use crate::contract::Page;
use crate::contract::Precondition;
use crate::contract::Scan;
use crate::store::Refused;

/// Of the objects in PostgreSQL. It grows when an older program could not use
/// them.
pub const SCHEMA: i64 = 1;
/// The schema of the objects that are there, a `bigint`; no row if they are not
/// ours.
pub const READ_SCHEMA: &str = "SELECT value FROM servicenow_sync_meta WHERE name = 'schema'";
/// Creates all objects, or nothing. The lock keeps gateways that start at the
/// same time from getting into each other's way.
pub const CREATE_IN_POSTGRES: &str = r#"DO $create$ BEGIN
    PERFORM pg_advisory_xact_lock(7301462938450081);
    CREATE TABLE IF NOT EXISTS servicenow_sync_keys (
        key text COLLATE "C" PRIMARY KEY,
        value bytea NOT NULL,
        revision bigint NOT NULL
    );
    CREATE SEQUENCE IF NOT EXISTS servicenow_sync_revision;
    CREATE TABLE IF NOT EXISTS servicenow_sync_meta (
        name text PRIMARY KEY,
        value bigint NOT NULL
    );
    INSERT INTO servicenow_sync_meta VALUES ('schema', 1) ON CONFLICT DO NOTHING;
END $create$"#;

/// The history of the database that is noted in it, and the one that it has: two
/// `bigint`, of which the first is null if none is noted; no row if the objects
/// are not ours. An error where the server does not tell.
///
/// A history is the server, its timeline, the database and the table. A standby
/// that takes over begins another timeline, as does archive recovery; a dump is
/// read into another table, of another database or server.
pub const READ_HISTORY: &str = "SELECT \
    (SELECT value FROM servicenow_sync_meta WHERE name = 'history'), \
    hashtextextended(concat_ws(' ', \
        (SELECT system_identifier FROM pg_control_system()), \
        left(pg_walfile_name(pg_current_wal_lsn()), 8), \
        (SELECT oid FROM pg_database WHERE datname = current_database()), \
        'servicenow_sync_keys'::regclass::oid), 0) \
    FROM servicenow_sync_meta WHERE name = 'schema' AND value = 1";
/// Notes the history `$1` unless it is noted, and deletes what holds only while
/// nothing was lost, see [`Store`](crate::Store). Whoever comes second finds it
/// noted.
pub const NOTE_HISTORY: &str = "WITH noted AS ( \
        INSERT INTO servicenow_sync_meta VALUES ('history', $1) \
        ON CONFLICT (name) DO UPDATE SET value = excluded.value \
            WHERE servicenow_sync_meta.value <> excluded.value \
        RETURNING name \
    ) \
    DELETE FROM servicenow_sync_keys \
    WHERE key >= 'p.unbroken.' AND key < 'p.unbroken/' AND EXISTS (SELECT FROM noted)";
/// What a gateway says when a database has another history than is noted.
pub const SET_BACK: &str = "the database has another history than before: a standby took over, or \
    it is a copy, and it may have been set back; for 150 s nothing is created for incidents that \
    existed before";

/// Creates the key `$1` with the value `$2` unless there is one; returns its
/// revision. One sequence serves all keys, so that a key that is deleted and
/// created again never returns to a revision that it once had.
pub const CREATE_KEY_IN_POSTGRES: &str = "INSERT INTO servicenow_sync_keys (key, value, revision) \
    VALUES ($1, $2, nextval('servicenow_sync_revision')) \
    ON CONFLICT (key) DO NOTHING RETURNING revision";
/// Replaces the value of the key `$1` by `$2` if it stands at the revision `$3`;
/// returns the new one.
pub const REPLACE_KEY_IN_POSTGRES: &str = "UPDATE servicenow_sync_keys \
    SET value = $2, revision = nextval('servicenow_sync_revision') \
    WHERE key = $1 AND revision = $3 RETURNING revision";

/// The most entries of a page.
const PAGE_ENTRIES: u32 = 1000;
/// A page ends behind this many bytes of values, whatever its limit.
const PAGE_BYTES: i64 = 4 << 20;

/// The revision at which a key must stand, none if it must be absent. Refused is
/// one that no key in a table ever had.
pub fn expected(precondition: &Precondition) -> Result<Option<i64>, Refused> {
    match precondition {
        Precondition::Absent => Ok(None),
        Precondition::Revision(revision) => i64::try_from(*revision).map(Some).map_err(|_| Refused),
    }
}

/// The statement that reads one page of a scan, for PostgreSQL and SQLite alike,
/// and its parameters.
pub struct PageStatement<'a> {
    /// Its rows are `key, value, revision` and, the same in each, how many
    /// entries were looked at, which is what [`page`] takes as `seen`.
    pub text: String,
    /// `$1`: the key that the page begins at or behind.
    pub from: &'a str,
    /// `$2`: the most entries of it.
    pub limit: i64,
    /// `$3`: the bytes of values behind which it ends.
    pub bytes: i64,
    /// `$4`, if there is one: the key that it ends before.
    pub end: Option<String>,
}

impl<'a> PageStatement<'a> {
    /// The statement for a scan.
    pub fn new(scan: &'a Scan) -> Self {
        let (comparison, from) = match &scan.after {
            Some(after) if *after >= scan.prefix => (">", after),
            _ => (">=", &scan.prefix),
        };
        let end = behind(&scan.prefix);
        let before = match end {
            Some(_) => "AND key < $4",
            None => "",
        };
        // One entry more than asked for is looked at, to know whether there is
        // more; values are added up before any is read.
        let text = format!(
            "SELECT key, value, revision, seen FROM ( \
                SELECT key, value, revision, \
                    count(*) OVER () AS seen, \
                    row_number() OVER (ORDER BY key) AS place, \
                    sum(length(value)) OVER (ORDER BY key) - length(value) AS ahead \
                FROM ( \
                    SELECT key, value, revision FROM servicenow_sync_keys \
                    WHERE key {comparison} $1 {before} ORDER BY key LIMIT CAST($2 AS bigint) + 1 \
                ) AS found \
            ) AS page WHERE place <= CAST($2 AS bigint) AND ahead <= CAST($3 AS bigint) \
            ORDER BY key"
        );
        Self {
            text,
            from,
            limit: scan.limit.clamp(1, PAGE_ENTRIES).into(),
            bytes: PAGE_BYTES,
            end,
        }
    }
}

/// The page with these entries, of `seen` that were looked at.
pub fn page(entries: Vec<KeyedEntry>, seen: i64) -> Page {
    let next = match entries.last() {
        Some(last) if entries.len() < usize::try_from(seen).unwrap_or(0) => Some(last.key.clone()),
        _ => None,
    };
    Page { entries, next }
}

/// The first key behind all that begin with a prefix; none if there is nothing
/// behind them.
fn behind(prefix: &str) -> Option<String> {
    let mut prefix = prefix.to_owned();
    while let Some(last) = prefix.pop() {
        // In UTF-8 the order of bytes is that of characters.
        if let Some(next) = (last..=char::MAX).nth(1) {
            prefix.push(next);
            return Some(prefix);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::UNBROKEN;

    #[test]
    fn the_keys_of_a_prefix_end_before_the_next_prefix() {
        assert_eq!(behind("g.work."), Some("g.work/".to_owned()));
        assert_eq!(behind("a\u{10ffff}"), Some("b".to_owned()));
        assert_eq!(behind("\u{d7ff}"), Some("\u{e000}".to_owned()));
        assert_eq!(behind("\u{10ffff}"), None);
        assert_eq!(behind(""), None);
    }

    #[test]
    fn what_is_deleted_is_what_holds_only_while_nothing_was_lost() {
        let end = behind(UNBROKEN).unwrap();
        assert!(NOTE_HISTORY.contains(&format!("key >= '{UNBROKEN}' AND key < '{end}'")));
        assert!(READ_HISTORY.contains(&format!("name = 'schema' AND value = {SCHEMA}")));
    }

    #[test]
    fn a_revision_beyond_those_of_a_table_is_refused() {
        assert_eq!(expected(&Precondition::Absent), Ok(None));
        assert_eq!(expected(&Precondition::Revision(7)), Ok(Some(7)));
        assert_eq!(expected(&Precondition::Revision(1 << 63)), Err(Refused));
    }
}
