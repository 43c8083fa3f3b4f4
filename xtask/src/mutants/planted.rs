//! The bugs that the simulation must notice: each breaks something that only
//! shows when several things happen at once.

/// A deliberate bug.
pub(super) struct Planted {
    /// What it does.
    pub(super) name: &'static str,
    /// From the root of the workspace.
    pub(super) file: &'static str,
    /// Stands just once in the file.
    pub(super) text: &'static str,
    /// What takes its place.
    pub(super) instead: &'static str,
}

pub(super) const PLANTED: &[Planted] = &[
    Planted {
        name: "no look-up before a record is created",
        file: "plugin/src/sync/birth.rs",
        text: "true => self.servicenow.find(&derived, &correlation).await?,",
        instead: "true => Vec::new(),",
    },
    Planted {
        name: "no waiting after a creation whose answer was lost",
        file: "plugin/src/sync/birth.rs",
        text: "if settled_ms <= now_ms.saturating_sub(self.elapsed_ms()) {",
        instead: "if settled_ms < u64::MAX {",
    },
    Planted {
        name: "the gateway's clock tells whether a creation can still happen",
        file: "plugin/src/sync/case.rs",
        text: "clock_ms.unwrap_or(self.effects.now_ms())",
        instead: "clock_ms.map_or(self.effects.now_ms(), |_| self.effects.now_ms())",
    },
    Planted {
        name: "the base stored before the record is written",
        file: "plugin/src/sync/converge.rs",
        text: "self.write_record(columns, &notes, &mut base).await?;",
        instead: "self.pair.base = base.clone();\n        self.save().await?;\n        \
                  self.write_record(columns, &notes, &mut base).await?;",
    },
    Planted {
        name: "a comment is not looked for before it is written",
        file: "plugin/src/sync/comments.rs",
        text: ".is_some_and(|r| r.journals_contain(&mark));",
        instead: ".is_some_and(|r| r.journals_contain(&mark) && mark.is_empty());",
    },
    Planted {
        name: "a record that is missing once is gone",
        file: "plugin/src/sync/ending.rs",
        text: "const GONE_MS: u64 = 600_000;",
        instead: "const GONE_MS: u64 = 0;",
    },
    Planted {
        name: "401 parks",
        file: "plugin/src/servicenow/api.rs",
        text: "401 | 429 => Kind::NotNow,",
        instead: "401 => Kind::Forbidden,\n            429 => Kind::NotNow,",
    },
    Planted {
        name: "an agreed value counts as changed",
        file: "plugin/src/plan/merge.rs",
        text: ".is_some_and(|f| field.base.flashduty.as_ref() != Some(f));",
        instead: ".is_some();",
    },
    Planted {
        name: "the incidents of pairs are never polled",
        file: "plugin/src/reconcile/progress.rs",
        text: "const PAIRS_EVERY: u64 = 5;",
        instead: "const PAIRS_EVERY: u64 = 5_000_000;",
    },
    Planted {
        name: "a lease that lapsed is not noticed",
        file: "gateway/src/session.rs",
        text: "work.is_none_or(|key| queue.holds(key, environment))",
        instead: "work.is_none_or(|key| queue.holds(key, environment) || !key.is_empty())",
    },
    Planted {
        name: "a lease is taken over before its term",
        file: "gateway/src/queue/index.rs",
        text: "let until = now.steady_ms.saturating_add(lease.term_ms);",
        instead: "let until = now.steady_ms.saturating_add(lease.term_ms / 20);",
    },
    Planted {
        name: "what was scheduled during a session is forgotten",
        file: "gateway/src/queue/record.rs",
        text: "let again = again?;",
        instead: "let again = again.filter(|again| again.due > now_ms)?;",
    },
];
