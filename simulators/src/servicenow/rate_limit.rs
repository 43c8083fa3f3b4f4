//! Inbound rate limits: a number of requests per user and hour.

use std::collections::BTreeMap;

use super::answer;
use super::refusal::Refusal;
use crate::Response;

const WINDOW_MS: u64 = 3_600_000;

/// The sys_id of the rule in `sys_rate_limit_rules`.
const RULE: &str = "5f0c1d9a0b3f4210a1b2c3d4e5f60718";

/// Counts the requests of each user.
#[derive(Debug, Default)]
pub(super) struct RateLimit {
    /// By user name: when the window began, and the requests since.
    windows: BTreeMap<String, (u64, u32)>,
}

/// What the rule says of one request.
pub(super) struct Verdict {
    limit: u32,
    reset_s: u64,
    /// Set if the request is one too many.
    retry_after_s: Option<u64>,
}

impl RateLimit {
    pub(super) fn count(&mut self, user_name: &str, limit: u32, now_ms: u64) -> Verdict {
        let window = self
            .windows
            .entry(user_name.to_owned())
            .or_insert((now_ms, 0));
        if now_ms >= window.0 + WINDOW_MS {
            *window = (now_ms, 0);
        }
        let reset_ms = window.0 + WINDOW_MS;
        let exceeded = window.1 >= limit;
        if !exceeded {
            window.1 += 1;
        }
        Verdict {
            limit,
            reset_s: reset_ms / 1000,
            retry_after_s: exceeded.then(|| (reset_ms - now_ms).div_ceil(1000)),
        }
    }
}

impl Verdict {
    /// The answer to a request that is one too many.
    pub(super) fn refused(&self) -> Option<Response> {
        self.retry_after_s
            .map(|seconds| too_many(self.limit, Some(seconds)))
    }

    /// Adds the headers that also an allowed request gets.
    pub(super) fn mark(&self, response: &mut Response) {
        for (name, value) in [
            ("x-ratelimit-limit", self.limit.to_string()),
            ("x-ratelimit-reset", self.reset_s.to_string()),
            ("x-ratelimit-rule", RULE.to_owned()),
        ] {
            response.headers.push((name.to_owned(), value));
        }
    }
}

pub(super) fn too_many(limit: u32, retry_after_s: Option<u64>) -> Response {
    let detail = format!("Rate limit of {limit} requests per hour for Table API exceeded");
    let mut response = answer::refusal(&Refusal::new(429, "Rate limit exceeded", detail));
    if let Some(seconds) = retry_after_s {
        let header = ("retry-after".to_owned(), seconds.to_string());
        response.headers.push(header);
    }
    response
}
