//! What a session tells of what it was given.

use crate::HttpFailure;
use crate::Reply;
use crate::Standing;
use crate::program::Bytes;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;

/// Everything that a session has seen.
#[derive(Debug, Default, Serialize)]
pub struct Findings {
    /// What opened it, as far as it is not the program.
    pub input: Value,
    /// Its configuration, as it came.
    pub configuration: String,
    /// The gateway's clock at the last call.
    pub now_ms: u64,
    /// For each step the replies.
    pub replies: Vec<Vec<Value>>,
}

/// A reply in words.
pub(crate) fn reply(reply: &Reply) -> Value {
    match reply {
        Reply::Done => json!("done"),
        Reply::Http(Ok(response)) => json!({
            "status": response.status,
            "headers": response.headers,
            "body": bytes(&response.body),
        }),
        Reply::Http(Err(failure)) => match failure {
            HttpFailure::Refused(why) => json!({ "refused": why }),
            HttpFailure::Held(hold) => json!({ "held": hold.reason, "until-ms": hold.until_ms }),
            HttpFailure::Unreachable(why) => json!({ "unreachable": why }),
            HttpFailure::Unknown(why) => json!({ "unknown": why }),
        },
        Reply::Entries(entries) => entries
            .iter()
            .map(|entry| match entry {
                Some(entry) => json!({ "value": bytes(&entry.value), "revision": entry.revision }),
                None => Value::Null,
            })
            .collect(),
        Reply::Page(page) => {
            let keys: Vec<&str> = page.entries.iter().map(|e| e.key.as_str()).collect();
            json!({ "keys": keys, "next": page.next })
        }
        Reply::Written(Ok(revision)) => json!({ "written": revision }),
        Reply::Written(Err(())) => json!("refused"),
        Reply::Standing(standing) => match standing {
            Standing::None => json!("none"),
            Standing::UnderWay => json!("under-way"),
            Standing::Waiting(why) => json!({ "waiting": why }),
            Standing::Parked(why) => json!({ "parked": why }),
        },
    }
}

/// Text as it is, and the other forms that a program can ask for by their names.
pub(crate) fn bytes(bytes: &[u8]) -> Value {
    if bytes == Bytes::Every.make() {
        return json!({ "every": null });
    }
    if bytes.len() > 4096 && bytes.iter().all(|byte| *byte == b'x') {
        return json!({ "long": bytes.len() });
    }
    json!({ "text": String::from_utf8_lossy(bytes) })
}
