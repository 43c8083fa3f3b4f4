//! ServiceNow: incident record, business rule's webhook and Table API, as far
//! as the sync needs them.

mod api;
mod journal;
mod query;
mod record;
mod webhook;

pub(crate) use api::CHANGED_PAGE;
pub use api::Choice;
pub use api::Columns;
pub use api::Found;
pub use api::ServiceNowApi;
pub use journal::At;
pub use journal::COMMENTS;
pub use journal::Entry;
pub use journal::WORK_NOTES;
pub(crate) use journal::name;
pub use query::Query;
pub(crate) use query::is_name;
pub use record::Record;
pub use record::SysId;
pub use webhook::Body;

/// The longest short description, in characters.
pub const SHORT_DESCRIPTION: usize = 160;
/// The longest description and close notes, in characters.
pub const DESCRIPTION: usize = 4000;
/// The longest journal entry that is written. The column takes more; nobody
/// reads more.
pub const JOURNAL: usize = 4000;
