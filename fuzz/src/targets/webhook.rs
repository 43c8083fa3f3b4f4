//! The body of a webhook, behind the path that it comes to.
//!
//! It is accepted or refused with a reason, and nothing is sent anywhere before
//! the answer. (Behind a path that takes a token, what follows is a wrong one.)

use crate::first_line;
use crate::lossy;
use crate::scene::Scene;
use crate::targets::session::authentic;

pub(crate) fn run(data: &[u8]) {
    let (path, body) = first_line(data);
    let scene = Scene::plain();
    let response = scene.receive(authentic(path, body));
    let answer = lossy(&response.body);
    assert!(
        matches!(response.status, 200 | 400 | 401 | 404 | 409 | 413),
        "{} {answer}",
        response.status
    );
    assert!(
        answer.ends_with('\n') && answer.lines().count() == 1,
        "{answer:?}"
    );
    assert_eq!(scene.asked(), 0, "a request was sent");
}
