//! Flashduty: incident, webhook and Open API, as far as the sync needs them.

mod api;
mod incident;
mod timeline;
mod webhook;

pub use api::FlashdutyApi;
pub use api::Step;
pub use incident::Incident;
pub use incident::IncidentId;
pub use incident::Person;
pub(crate) use incident::is_settled;
pub use timeline::Comment;
pub(crate) use timeline::short_hash;
pub use webhook::Event;

/// Titles that the Open API accepts for an update, in characters.
pub const TITLE: core::ops::RangeInclusive<usize> = 3..=200;
/// Descriptions that the Open API accepts for an update, in characters. It
/// ignores an empty one, so a description cannot be cleared.
pub const DESCRIPTION: core::ops::RangeInclusive<usize> = 3..=6144;
/// The longest description that a new incident may have.
pub const DESCRIPTION_AT_CREATION: usize = 1024;
/// The longest comment, root cause and resolution.
pub const NOTE: usize = 1024;
