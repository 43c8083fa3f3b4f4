use crate::contract::Entry;
use crate::contract::Page;
use crate::contract::Scan;
use crate::contract::Write;

/// The keys that begin so hold only while the store has lost nothing: see
/// [`Store`].
pub const UNBROKEN: &str = "p.unbroken.";

/// Where a gateway keeps keys: the plugin's and its own.
///
/// A store promises, per key, linearizable reads and writes: a write that
/// returned is seen by every later read, of every gateway that shares the
/// store, and survives a crash and a power cut. Nothing is promised across
/// keys. The module `conformance` (a feature of this crate) checks it.
///
/// A store that may have been set back to an earlier state, because a copy is in
/// its place or a standby took over, deletes all keys that begin with [`UNBROKEN`]
/// before it answers anything. How it notices is its own affair, and is checked
/// for each store by itself.
#[allow(async_fn_in_trait)] // Callers spawn with the concrete type, which tells whether it is `Send`.
pub trait Store {
    /// Whether other gateways may use the same store at the same time. A
    /// gateway that has the store to itself takes no leases on its work, which
    /// spares two writes for each session.
    fn is_shared(&self) -> bool;

    /// Reads keys; the answer holds them in the same order.
    async fn get(&self, keys: &[String]) -> Result<Vec<Option<Entry>>, StoreError>;

    /// Reads a page of the keys that begin with a prefix, in ascending order.
    /// A page has 1 to 1000 entries, whatever the limit says, and ends when it
    /// holds some MiB of values.
    async fn scan(&self, scan: &Scan) -> Result<Page, StoreError>;

    /// Writes or deletes one key if its precondition holds, and returns when
    /// that is durable: the new revision, 0 after a delete.
    async fn write(&self, write: Write) -> Result<Result<u64, Refused>, StoreError>;
}

/// The precondition of a write did not hold; nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// The store did not do what it was asked, and cannot tell whether a write
/// happened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store failed: {0}")]
pub struct StoreError(pub String);
