//! A journal as ServiceNow shows it, and its entries as comments in Flashduty
//! and back.
//!
//! A carried comment is known for one, fits, and is one comment whatever was in
//! it.

use crate::lossy;
use servicenow_sync_plugin::comment::for_flashduty;
use servicenow_sync_plugin::comment::for_servicenow;
use servicenow_sync_plugin::comment::is_carried;
use servicenow_sync_plugin::flashduty::Comment;
use servicenow_sync_plugin::servicenow::Entry;
use servicenow_sync_plugin::servicenow::Query;
use servicenow_sync_plugin::servicenow::SysId;

/// The longest comment that Flashduty takes, and the longest that we write
/// into a journal.
const LONGEST: (usize, usize) = (1024, 4000);

pub(crate) fn run(data: &[u8]) {
    let text = lossy(data);
    let mut entries = Entry::from_display(&text, true);
    entries.extend(Entry::from_webhook(&text, 1_780_300_800_000));
    for mut entry in entries {
        assert!(!entry.text.trim().is_empty(), "{entry:?}");
        if entry.mark.is_empty() {
            entry.mark = "0123456789".into();
        }
        let carried = for_flashduty(&entry);
        assert!(is_carried(&carried), "{carried:?}");
        assert!(carried.chars().count() <= LONGEST.0, "{carried:?}");
        let comment = Comment {
            mark: entry.mark,
            creator_id: 1,
            created_at: 1_780_300_800_000,
            is_deleted: false,
            text: entry.text,
        };
        let carried = for_servicenow(&comment, &entry.author);
        assert!(is_carried(&carried), "{carried:?}");
        assert!(carried.chars().count() <= LONGEST.1, "{carried:?}");
        let rendered = carried.to_ascii_lowercase().contains("[code]");
        assert!(!rendered, "{carried:?}");
    }
    if let Some(query) = Query::text("name", &text) {
        let encoded = query.encoded();
        let is_plain = |c: u8| c.is_ascii_alphanumeric() || b"-_.%".contains(&c);
        assert!(encoded.bytes().all(is_plain), "{encoded}");
        assert!(
            !encoded.contains("%5E") && !encoded.contains("%0A"),
            "{encoded}"
        );
    }
    if let Some(query) = Query::equals("sys_id", &text) {
        assert!(!query.encoded().contains("%5E"), "{query:?}");
    }
    if let Some(id) = SysId::parse(&text) {
        let is_hex = id.as_str().bytes().all(|c| c.is_ascii_hexdigit());
        assert!(is_hex && id.as_str().len() == 32, "{id:?}");
    }
}
