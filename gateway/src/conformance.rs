//! What every [`Store`](crate::Store) must do, as a test that any of them can be put to.
//!
//! A store of your own is tested by two calls:
//!
//! ```
//! # use integration_gateway::MemoryStore;
//! use integration_gateway::conformance;
//!
//! # fn block_on<T>(future: impl Future<Output = T>) -> T {
//! #     let mut context = std::task::Context::from_waker(std::task::Waker::noop());
//! #     match std::pin::pin!(future).poll(&mut context) {
//! #         std::task::Poll::Ready(done) => done,
//! #         std::task::Poll::Pending => unreachable!("nothing waits in memory"),
//! #     }
//! # }
//! let store = MemoryStore::new();
//! block_on(conformance::keeps_its_promises(&store));
//! conformance::is_linearizable(&store, 17, |client| block_on(client));
//! ```
//!
//! What it cannot see is durability: kill the process, or cut the power, and
//! look for what was confirmed.
//!
//! It panics at the first promise that is not kept, and says which. The store
//! should hold nothing else that begins with `conformance.`.

mod history;
mod promises;

pub use history::is_linearizable;
pub use promises::keeps_its_promises;
