//! What a damaged file does to redb, and what an operator is told of it.
//!
//! redb trusts most of what is in its file: over a page that makes no sense it
//! panics. An operator who asks whether a file is well should get an answer, and
//! a gateway should tell why it cannot work.

use std::any::Any;
use std::cell::Cell;
use std::io;
use std::panic;
use std::panic::AssertUnwindSafe;
use std::sync::Once;

thread_local! {
    /// Whether a panic in this thread is reported as an error.
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Does something with redb; fails with the message of a panic if there is one,
/// and then nothing else is printed of it.
///
/// redb may be used after a panic: it takes care of what it left half done, as
/// it does after an error.
pub(super) fn guarded<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !IS_GUARDED.get() {
                before(panic);
            }
        }));
    });
    let was_guarded = IS_GUARDED.replace(true);
    let done = panic::catch_unwind(AssertUnwindSafe(act));
    IS_GUARDED.set(was_guarded);
    done.map_err(|panic| said(&*panic))
}

/// The first line of what a panic says: an assertion goes on with values that
/// mean nothing to an operator.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let first = text.and_then(|text| text.lines().next());
    first.unwrap_or("it makes no sense").to_owned()
}

/// Whether an error that is the system's by its kind tells of what is in the
/// file: it is not redb's, or ends too early.
pub(super) fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
    )
}

/// What is wrong with the file, and what to do.
pub(super) fn remedy(reason: &str) -> String {
    format!(
        "the file is damaged ({reason}); move it away, and restore a copy or start with an empty \
         one"
    )
}
