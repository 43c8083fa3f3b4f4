//! Whole sessions: webhooks, the answers of both far ends, what an operator
//! asks, and what the store holds, in any order.
//!
//! Whatever they say, each request gets one answer, no session breaks, and the
//! gateway comes to rest.

use crate::lossy;
use crate::scene::CONFIGURATION;
use crate::scene::Scene;
use crate::scene::TOKEN;
use crate::scene::put;
use crate::transcript::Part;
use crate::transcript::parts;
use integration_gateway::Incoming;
use integration_gateway::Kept;
use integration_gateway::MemoryStore;

/// Sessions after each request.
const SESSIONS: usize = 6;

pub(crate) fn run(data: &[u8]) {
    let parts = parts(data);
    let mut configuration = CONFIGURATION.to_owned();
    let store = MemoryStore::new();
    let mut has_damage = false;
    for part in &parts {
        if part.head == "configuration" {
            configuration = lossy(part.body);
        } else if let Some(key) = part.head.strip_prefix("store ")
            && (!key.starts_with("p.") || Kept::read(key, part.body).is_ok())
        {
            put(&store, key, part.body);
            has_damage = true;
        }
    }
    let Some(scene) = Scene::new(&configuration, store) else {
        return;
    };
    for (index, part) in parts.iter().enumerate() {
        if let Some(ms) = part
            .head
            .strip_prefix("wait ")
            .and_then(|ms| ms.parse().ok())
        {
            scene.wait(ms);
        }
        let Some(request) = request(part) else {
            continue;
        };
        let following = parts[index + 1..].iter();
        scene.answers(following.map_while(Part::answer));
        let response = match request.path.starts_with("/plugin/") {
            true => scene.operate(request),
            false => scene.receive(request),
        };
        let is_broken = response.status == 500 && !has_damage;
        assert!(!is_broken, "{:?}", lossy(&response.body));
        scene.work(SESSIONS);
    }
}

/// What a part lets come in.
fn request(part: &Part<'_>) -> Option<Incoming> {
    let (what, more) = part.head.split_once(' ').unwrap_or((&part.head, ""));
    let path = match what {
        "flashduty" | "servicenow" | "trigger" => format!("/{what}/prod"),
        "operator" => format!("/plugin/prod/{more}"),
        _ => return None,
    };
    Some(authentic(path, part.body))
}

/// A request with every proof that is asked for anywhere.
pub(crate) fn authentic(path: String, body: &[u8]) -> Incoming {
    let headers = [
        ("authorization", format!("Bearer {TOKEN}")),
        ("x-token", TOKEN.to_owned()),
        ("content-type", "application/json".to_owned()),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value));
    Incoming {
        method: "POST".into(),
        path,
        query: format!("token={TOKEN}"),
        headers: headers.into(),
        body: body.to_vec(),
    }
}
