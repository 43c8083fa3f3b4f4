//! How a simulated Flashduty behaves, above all where the public
//! documentation leaves the behaviour open.

/// What announces that a snooze has run out. The documentation says that the
/// incident is assigned again, and names no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnoozeExpiryEvent {
    /// `i_wake`
    Wake,
    /// `i_assign`
    Assign,
    /// Nothing: the change is seen only by asking.
    Silent,
}

/// Whose incident is in the payload of `i_merge`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeEvent {
    /// The one that the others were merged into.
    Target,
    /// Each of those that were merged.
    Sources,
    /// An event for each of them.
    Both,
}

/// The documented limits of the Open API are 50 a second and 1000 a minute,
/// for all keys of the account together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Calls in any second.
    pub per_second: usize,
    /// Calls in any minute.
    pub per_minute: usize,
}

impl Default for RateLimit {
    fn default() -> RateLimit {
        RateLimit {
            per_second: 50,
            per_minute: 1000,
        }
    }
}

/// How a simulated Flashduty behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Every id and every random decision follows from it.
    pub seed: u64,
    /// Where the console is, for `detail_url`; without a slash at the end.
    pub base_url: String,
    /// The name in `account_name`.
    pub account_name: String,
    /// Time from a change to its webhook, in milliseconds.
    pub webhook_delay_ms: u64,
    /// Time from a failed delivery to its only retry, in milliseconds.
    pub webhook_retry_ms: u64,
    /// What announces that a snooze has run out.
    pub snooze_expiry: SnoozeExpiryEvent,
    /// Whether acknowledging a snoozed incident ends the snooze.
    pub ack_ends_snooze: bool,
    /// Whose incident is in the payload of `i_merge`.
    pub merge_event: MergeEvent,
    /// Whether a comment with `mute_reply` fires no `i_comm`.
    pub mute_reply_silences_webhook: bool,
    /// Whether `i_r_severity` tells that alerts raised the severity.
    pub announce_severity_from_alerts: bool,
    /// Refuses calls beyond it, if set.
    pub rate_limit: Option<RateLimit>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            seed: 1,
            base_url: "http://127.0.0.1:8891".to_owned(),
            account_name: "Example Co".to_owned(),
            webhook_delay_ms: 50,
            webhook_retry_ms: 200,
            snooze_expiry: SnoozeExpiryEvent::Wake,
            ack_ends_snooze: true,
            merge_event: MergeEvent::Target,
            mute_reply_silences_webhook: false,
            announce_severity_from_alerts: true,
            rate_limit: None,
        }
    }
}
