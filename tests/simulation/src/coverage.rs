//! Names for the places where a gateway can die, and the moments at which it
//! must have died in a run that is to count.

use crate::report::Hits;
use crate::report::Report;
use serde_json::Value;

/// A moment at which a crash must cost nothing but time, as the reliability page
/// knows it.
#[derive(Debug)]
pub struct CrashPoint {
    /// What has been done by then, and what has not.
    pub name: &'static str,
    /// Between which calls that is.
    at: &'static [(Moment, &'static str)],
}

/// Where a crash is, next to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Before,
    After,
}

use Moment::After;
use Moment::Before;

/// The call that closes or opens a gate.
pub(crate) const GATING: &str = "store: write gate";

/// The call that parks work.
pub(crate) const PARKING: &str = "store: write work: parked";

/// All of them, in the order of an event's way.
pub const CRASH_POINTS: &[CrashPoint] = &[
    CrashPoint {
        name: "a webhook is there, and nothing is stored",
        at: &[(Before, "store: write hint")],
    },
    CrashPoint {
        name: "its hint is stored, its work is not",
        at: &[
            (After, "store: write hint"),
            (Before, "store: write work: scheduled"),
        ],
    },
    CrashPoint {
        name: "its work is stored, and nobody was answered",
        at: &[(After, "store: write work: scheduled")],
    },
    CrashPoint {
        name: "the lease is taken, and nothing is done",
        at: &[(After, "store: write work: lease")],
    },
    CrashPoint {
        name: "a creation is intended, and not sent",
        at: &[
            (After, "store: write pair: about to create"),
            (Before, "ServiceNow create the record"),
            (Before, "Flashduty /incident/create"),
        ],
    },
    CrashPoint {
        name: "a creation is sent, its answer not heard",
        at: &[
            (After, "ServiceNow create the record"),
            (After, "Flashduty /incident/create"),
        ],
    },
    CrashPoint {
        name: "it is created, and the pair not stored",
        at: &[
            (Before, "store: write member"),
            (Before, "store: write pair: linked"),
        ],
    },
    CrashPoint {
        name: "the way to the pair is stored, the pair is not",
        at: &[(After, "store: write member")],
    },
    CrashPoint {
        name: "the pair is stored, and nobody is told",
        at: &[(After, "store: write pair: linked")],
    },
    CrashPoint {
        name: "fields are written, what is agreed is not",
        at: &[
            (After, "ServiceNow write the record"),
            (After, "Flashduty /incident/reset"),
            (Before, "store: write pair: in step"),
        ],
    },
    CrashPoint {
        name: "a comment is announced, and not sent",
        at: &[(After, "store: write pair: about to comment")],
    },
    CrashPoint {
        name: "a comment is sent, and not noted",
        at: &[
            (After, "ServiceNow write a journal"),
            (After, "Flashduty /incident/comment"),
        ],
    },
    CrashPoint {
        name: "all is in step, and the hints are there",
        at: &[(Before, "store: delete hint")],
    },
    CrashPoint {
        name: "the hints are gone, the work is not",
        at: &[
            (After, "store: delete hint"),
            (Before, "store: delete work"),
        ],
    },
    CrashPoint {
        name: "work is to be parked, or was just now",
        at: &[(Before, PARKING), (After, PARKING)],
    },
    CrashPoint {
        name: "a page is gone through, the poll has not moved on",
        at: &[(Before, "store: write poll")],
    },
    CrashPoint {
        name: "a gate is to be closed or opened, or was just now",
        at: &[(Before, GATING), (After, GATING)],
    },
    CrashPoint {
        name: "a token is asked for",
        at: &[(Before, "fetch a token"), (After, "fetch a token")],
    },
    CrashPoint {
        name: "a pair is half taken apart",
        at: &[
            (Before, "store: write pair: ended"),
            (After, "store: write pair: ended"),
        ],
    },
];

impl CrashPoint {
    /// Where next to a call it is, if it is there.
    pub(crate) fn beside(&self, call: &str) -> Option<Moment> {
        let mut at = self.at.iter();
        at.find(|(_, place)| *place == call)
            .map(|(moment, _)| *moment)
    }

    /// How often a gateway died there.
    pub fn hits(&self, report: &Report) -> u64 {
        let hits = |(moment, call): &(Moment, &str)| {
            let Hits {
                crashed_before,
                crashed_after,
                ..
            } = report.points.get(*call).copied().unwrap_or_default();
            match moment {
                Before => crashed_before,
                After => crashed_after,
            }
        };
        self.at.iter().map(hits).sum()
    }
}

/// What a call of the store does, from its key and what is written.
pub fn store_point(verb: &str, key: &str, value: Option<&[u8]>) -> String {
    let value: Value = value
        .and_then(|value| serde_json::from_slice(value).ok())
        .unwrap_or_default();
    let thing = match key.split('.').nth(1).unwrap_or_default() {
        "work" if key.contains(".poll-") => "poll's work",
        "work" if key.starts_with("g.") => work(verb, &value),
        "pair" => pair(verb, &value),
        other => other,
    };
    format!("{verb} {thing}")
}

fn work(verb: &str, record: &Value) -> &'static str {
    if verb != "write" {
        return "work";
    }
    let beat = record["lease"]["beat"].as_u64();
    match (beat, &record["parked"], &record["again"]) {
        (_, Value::Object(_), _) => "work: parked",
        (Some(_), _, Value::Object(_)) => "work: once more",
        (Some(0), ..) => "work: lease",
        (Some(_), ..) => "work: beat",
        (None, ..) if record["failure"].is_string() => "work: to be tried again",
        (None, ..) => "work: scheduled",
    }
}

fn pair(verb: &str, pair: &Value) -> &'static str {
    if verb != "write" {
        return "pair";
    }
    let is_linked = pair["flashduty"].is_string() && pair["servicenow"].is_string();
    if pair["ended"].is_string() {
        "pair: ended"
    } else if pair["creating"].is_object() {
        "pair: about to create"
    } else if !is_linked {
        "pair: not linked"
    } else if pair["flashduty_unsettled_ms"].is_u64() || pair["servicenow_unsettled_ms"].is_u64() {
        "pair: about to comment"
    } else if pair["introduced"] == false {
        "pair: linked"
    } else {
        "pair: in step"
    }
}

/// What a request to a far end does.
pub fn network_point(method: &str, path: &str, query: &str, body: &[u8]) -> String {
    if path == "/oauth_token.do" {
        return "fetch a token".to_owned();
    }
    let Some(table) = path.strip_prefix("/api/now/table/") else {
        return format!("Flashduty {path}");
    };
    let table = table.split('/').next().unwrap_or_default();
    let is_about = |column: &str| {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        body.get(column).is_some()
    };
    let what = match (method, table) {
        ("GET", "incident") if query.contains("sysparm_query") => "look up records",
        ("GET", "incident") => "read the record",
        ("GET", table) => return format!("ServiceNow read {table}"),
        ("POST", _) => "create the record",
        _ if is_about("comments") || is_about("work_notes") => "write a journal",
        _ => "write the record",
    };
    format!("ServiceNow {what}")
}
