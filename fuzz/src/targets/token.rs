//! What a token endpoint answers, and ServiceNow to who has such a token.
//!
//! Whatever that is, no session breaks.

use crate::scene::Scene;
use crate::targets::session::authentic;
use crate::transcript::Part;
use crate::transcript::parts;

/// Sessions that follow: a token that was refused is asked for again.
const SESSIONS: usize = 4;

/// Tells of a record, which is then read.
const HINT: &[u8] = br#"{"action_type":"update","sys_id":"9f0d6c1a2b3c4d5e6f708192a3b4c5d6"}"#;

pub(crate) fn run(data: &[u8]) {
    let scene = Scene::with_tokens();
    let parts = parts(data);
    scene.answers(parts.iter().filter_map(Part::answer));
    let hint = authentic("/servicenow/prod".to_owned(), HINT);
    assert_eq!(scene.receive(hint).status, 200, "the hint is refused");
    scene.work(SESSIONS);
    assert!(scene.asked() > 0, "no token was asked for");
}
