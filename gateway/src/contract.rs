//! The contract's types, generated from `wit/plugin.wit`.
//!
//! They are the bindings of the world `gateway`, so a gateway that is itself a
//! component uses them, and the imported functions beside them, as they are. A
//! native gateway uses only the types and converts to and from the bindings of
//! its runtime with [`bridge!`](crate::bridge).

#[allow(missing_docs, unsafe_code, clippy::all, unreachable_pub)]
mod generated {
    wit_bindgen::generate!({
        path: "../wit",
        world: "gateway",
        additional_derives: [PartialEq, Clone],
    });
}

pub use generated::integration::plugin::integration::*;

/// Defines `to_input`, `to_context`, `to_reply`, `from_effect` and
/// `from_requirements` between the contract's types and another set generated
/// from the same WIT, which lives in the module `$theirs`.
///
/// The two sets are alike to the letter, since both generators follow the same
/// naming rules; Rust only does not know it.
#[macro_export]
macro_rules! bridge {
    ($($theirs:tt)::+) => {
        use $($theirs)::+ as theirs;
        use $crate::contract as ours;

        fn to_headers(headers: ours::Headers) -> theirs::Headers { headers }

        fn to_response(r: ours::Response) -> theirs::Response {
            theirs::Response { status: r.status, headers: to_headers(r.headers), body: r.body }
        }

        fn to_entry(e: ours::Entry) -> theirs::Entry {
            theirs::Entry { value: e.value, revision: e.revision }
        }

        fn to_request(r: ours::Request) -> theirs::Request {
            theirs::Request {
                method: r.method,
                path: r.path,
                query: r.query,
                headers: r.headers,
                body: r.body,
            }
        }

        /// Converts what opens a session.
        fn to_input(input: ours::Input) -> theirs::Input {
            match input {
                ours::Input::Request(r) => theirs::Input::Request(to_request(r)),
                ours::Input::Operator(r) => theirs::Input::Operator(to_request(r)),
                ours::Input::Work(w) => theirs::Input::Work(theirs::Work {
                    key: w.key,
                    reasons: w.reasons,
                    attempt: w.attempt,
                }),
            }
        }

        /// Converts what a session knows when it opens.
        fn to_context(context: ours::Context) -> theirs::Context {
            theirs::Context {
                configuration: context.configuration,
                rehearsal: context.rehearsal,
            }
        }

        /// Converts an answer to an effect.
        fn to_reply(reply: ours::Reply) -> theirs::Reply {
            match reply {
                ours::Reply::Done => theirs::Reply::Done,
                ours::Reply::Http(Ok(r)) => theirs::Reply::Http(Ok(to_response(r))),
                ours::Reply::Http(Err(f)) => theirs::Reply::Http(Err(match f {
                    ours::HttpFailure::Refused(why) => theirs::HttpFailure::Refused(why),
                    ours::HttpFailure::Held(h) => theirs::HttpFailure::Held(theirs::Hold {
                        until_ms: h.until_ms,
                        reason: h.reason,
                    }),
                    ours::HttpFailure::Unreachable(why) => theirs::HttpFailure::Unreachable(why),
                    ours::HttpFailure::Unknown(why) => theirs::HttpFailure::Unknown(why),
                })),
                ours::Reply::Entries(entries) => {
                    theirs::Reply::Entries(entries.into_iter().map(|e| e.map(to_entry)).collect())
                }
                ours::Reply::Page(page) => theirs::Reply::Page(theirs::Page {
                    entries: page
                        .entries
                        .into_iter()
                        .map(|e| theirs::KeyedEntry { key: e.key, entry: to_entry(e.entry) })
                        .collect(),
                    next: page.next,
                }),
                ours::Reply::Written(result) => theirs::Reply::Written(result),
                ours::Reply::Standing(standing) => theirs::Reply::Standing(match standing {
                    ours::Standing::None => theirs::Standing::None,
                    ours::Standing::UnderWay => theirs::Standing::UnderWay,
                    ours::Standing::Waiting(why) => theirs::Standing::Waiting(why),
                    ours::Standing::Parked(why) => theirs::Standing::Parked(why),
                }),
            }
        }

        fn from_response(r: theirs::Response) -> ours::Response {
            ours::Response { status: r.status, headers: r.headers, body: r.body }
        }

        /// Converts what a session asks for.
        fn from_effect(effect: theirs::Effect) -> ours::Effect {
            match effect {
                theirs::Effect::Respond(r) => ours::Effect::Respond(from_response(r)),
                theirs::Effect::Http(r) => ours::Effect::Http(ours::HttpRequest {
                    method: r.method,
                    url: r.url,
                    headers: r.headers,
                    body: r.body,
                    credential: r.credential,
                    timeout_ms: r.timeout_ms,
                }),
                theirs::Effect::Get(keys) => ours::Effect::Get(keys),
                theirs::Effect::Scan(s) => ours::Effect::Scan(ours::Scan {
                    prefix: s.prefix,
                    after: s.after,
                    limit: s.limit,
                }),
                theirs::Effect::Write(w) => ours::Effect::Write(ours::Write {
                    key: w.key,
                    precondition: match w.precondition {
                        theirs::Precondition::Absent => ours::Precondition::Absent,
                        theirs::Precondition::Revision(r) => ours::Precondition::Revision(r),
                    },
                    value: w.value,
                }),
                theirs::Effect::Schedule(s) => ours::Effect::Schedule(ours::Schedule {
                    key: s.key,
                    due_ms: s.due_ms,
                    reason: s.reason,
                }),
                theirs::Effect::AwaitWork(a) => ours::Effect::AwaitWork(ours::Awaiting {
                    key: a.key,
                    timeout_ms: a.timeout_ms,
                }),
                theirs::Effect::Log(l) => ours::Effect::Log(ours::LogRecord {
                    level: match l.level {
                        theirs::Level::Debug => ours::Level::Debug,
                        theirs::Level::Info => ours::Level::Info,
                        theirs::Level::Warn => ours::Level::Warn,
                        theirs::Level::Error => ours::Level::Error,
                    },
                    message: l.message,
                    fields: l.fields,
                }),
                theirs::Effect::Finish(verdict) => ours::Effect::Finish(match verdict {
                    theirs::Verdict::Done => ours::Verdict::Done,
                    theirs::Verdict::Retry(r) => ours::Verdict::Retry(ours::Retry {
                        not_before_ms: r.not_before_ms,
                        counts: r.counts,
                        reason: r.reason,
                    }),
                    theirs::Verdict::Park(why) => ours::Verdict::Park(why),
                }),
            }
        }

        /// Converts what a configuration needs.
        fn from_requirements(needs: theirs::Requirements) -> ours::Requirements {
            let route = |r: theirs::Route| ours::Route { path: r.path, summary: r.summary };
            let destination = |d: theirs::Destination| ours::Destination {
                origin: d.origin,
                credential: d.credential,
                purpose: d.purpose,
            };
            ours::Requirements {
                routes: needs.routes.into_iter().map(route).collect(),
                destinations: needs.destinations.into_iter().map(destination).collect(),
                standing: needs.standing,
            }
        }
    };
}
