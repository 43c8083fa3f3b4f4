//! A request line, headers and a body from somebody who does not know the
//! secret. Nothing comes through.

use crate::lossy;
use crate::scene::Scene;
use crate::scene::TOKEN;
use crate::transcript::headers;
use integration_gateway::Incoming;

pub(crate) fn run(data: &[u8]) {
    let text = lossy(data);
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let mut line = lines.next().unwrap_or_default().splitn(2, ' ');
    let method = line.next().unwrap_or_default();
    let target = line.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let incoming = Incoming {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: headers(lines),
        body: body.as_bytes().to_vec(),
    };
    let scene = Scene::plain();
    let response = match path.starts_with("/admin/") {
        true => scene.operate(Incoming {
            path: path["/admin".len()..].to_owned(),
            ..incoming
        }),
        false => scene.receive(incoming),
    };
    let is_open = matches!(path, "/admin/healthz" | "/admin/readyz");
    // Percent-encoded it would be the secret too; the corpus has it plain.
    let knows_the_secret = head.contains(TOKEN) || head.contains('%');
    assert!(
        is_open || knows_the_secret || matches!(response.status, 401 | 404 | 405 | 413),
        "{} {}",
        response.status,
        lossy(&response.body)
    );
    if let Some((_, value)) = response.headers.iter().find(|(_, v)| v.contains(TOKEN)) {
        panic!("the secret is told: {value}");
    }
}
