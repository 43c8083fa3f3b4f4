//! The end, when nobody does anything any more.

use crate::gateway::Gateway;
use crate::is_long;
use crate::systems::Systems;
use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

/// What waits is tried again after up to five minutes, and then perhaps has to
/// wait for something else.
const PATIENCE: Duration = Duration::from_secs(900);

/// Waits until no webhook is under way and no work is left, and returns the keys
/// of the work that is left all the same.
///
/// That is work which waits, for up to 150 seconds and then some, until it can
/// believe that a creation or a comment without an answer did not arrive, or that
/// no earlier store began what this one does not know. It is waited for only in
/// the long form of a test: it is not lost, for it is there.
pub(crate) fn settle(systems: &mut Systems, gateways: &[&Gateway]) -> BTreeSet<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = || {
            let all = systems.have_sent_all();
            let work: Vec<_> = gateways.iter().flat_map(|gateway| gateway.work()).collect();
            let keys = work.iter().map(|item| text(&item["key"]));
            let keys: BTreeSet<String> = keys.map(str::to_owned).collect();
            let waits_for_an_answer = |item: &serde_json::Value| {
                let why = text(&item["last_failure"]);
                let may = why.contains(" may still ") || why.contains(" may have begun ");
                item["state"] == "waiting" && may
            };
            let done =
                all && (keys.is_empty() || !is_long() && work.iter().all(waits_for_an_answer));
            (done, keys)
        };
        // Twice, for what comes of a webhook that arrives between two looks.
        if left().0
            && let (true, keys) = left()
        {
            return keys;
        }
        let work = || gateways.iter().flat_map(|gateway| gateway.work());
        let shown = |item: serde_json::Value| format!("{} {}", item["state"], item["last_failure"]);
        assert!(
            Instant::now() < deadline,
            "{:#?}",
            work().map(shown).collect::<BTreeSet<_>>()
        );
        systems.note_acknowledged();
        sleep(Duration::from_millis(100));
    }
}

fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or_default()
}
