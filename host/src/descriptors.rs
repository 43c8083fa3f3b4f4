//! How many files and sockets the process may have open.
//!
//! Service managers start programs with room for 1024, for the sake of old ones
//! that cannot count further, and let them ask for more. Without it, strangers
//! who take all the connections that are allowed would take the sockets away
//! that requests to the far ends need.

use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::process::getrlimit;
use rustix::process::setrlimit;

/// The store, the log, the poller, and requests to the far ends.
const OWN: u64 = 256;

/// Sees to it that both listeners can have as many connections as they may.
pub(crate) fn make_room_for(connections: u32) {
    let needed = 2 * u64::from(connections) + OWN;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(needed, |most| most.min(needed));
    if current.is_some_and(|current| current < wanted) {
        let raised = Rlimit {
            current: Some(wanted),
            maximum,
        };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "the number of open files stays as it is");
        }
    }
    if getrlimit(Resource::Nofile)
        .current
        .is_some_and(|current| current < needed)
    {
        tracing::warn!(
            needed,
            "too few files may be open for `max-connections` in `[server]`; raise the hard limit \
             (LimitNOFILE), or lower the number"
        );
    }
}
