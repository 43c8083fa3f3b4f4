//! What is counted in a run, and the report that is made of it.

use crate::coverage::CRASH_POINTS;
use crate::network::NetworkFault;
use crate::store::StoreFault;
use std::collections::BTreeMap;
use std::fmt;

/// How often each thing that can go wrong at a place did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// The gateway crashed before it.
    pub crashed_before: u64,
    /// The gateway crashed after it.
    pub crashed_after: u64,
    /// The gateway was paused at it.
    pub paused: u64,
    /// It failed, and was not carried out.
    pub failed_before: u64,
    /// It was carried out, and nobody was told.
    pub failed_after: u64,
    /// It was carried out after everybody had given it up.
    pub late: u64,
}

/// The counts of one run, or of many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Worlds.
    pub worlds: u64,
    /// What people and monitoring did.
    pub events: u64,
    /// Webhooks that reached a gateway.
    pub webhooks: u64,
    /// Sessions of the plugin.
    pub sessions: u64,
    /// Those that worked on a pair.
    pub pair_sessions: u64,
    /// Those of them after nothing went wrong any more.
    pub pair_sessions_after: u64,
    /// Those that wrote something.
    pub syncs: u64,
    /// Those of them after nothing went wrong any more.
    pub syncs_after: u64,
    /// After how long from then on all was in step, at the longest.
    pub longest_ms_to_step: u64,
    /// How long a change took to the other side, at the longest, where that is
    /// measured.
    pub longest_ms_to_mirror: u64,
    /// Requests that read.
    pub reads: u64,
    /// Requests that write.
    pub writes: u64,
    /// Those of them after nothing went wrong any more.
    pub writes_after: u64,
    /// Requests of either kind that were refused, by an error that is not 404.
    pub refused: u64,
    /// Pairs at the end.
    pub pairs: u64,
    /// Virtual milliseconds.
    pub virtual_ms: u64,
    /// What went wrong for a while, or all of a sudden.
    pub events_by_kind: BTreeMap<String, u64>,
    /// What went wrong at which place.
    pub points: BTreeMap<String, Hits>,
}

impl Report {
    /// A fault of the store.
    pub(crate) fn hit_store(&mut self, point: &str, fault: StoreFault) {
        let hits = self.points.entry(format!("store: {point}")).or_default();
        *match fault {
            StoreFault::CrashBefore => &mut hits.crashed_before,
            StoreFault::CrashAfter => &mut hits.crashed_after,
            StoreFault::PauseBefore(_) | StoreFault::PauseAfter(_) => &mut hits.paused,
            StoreFault::FailsBefore => &mut hits.failed_before,
            StoreFault::FailsAfter => &mut hits.failed_after,
        } += 1;
    }

    /// A fault of the network.
    pub(crate) fn hit_network(&mut self, point: &str, fault: NetworkFault) {
        let hits = self.points.entry(point.to_owned()).or_default();
        *match fault {
            NetworkFault::CrashBefore => &mut hits.crashed_before,
            NetworkFault::CrashAfter => &mut hits.crashed_after,
            NetworkFault::Pause(_) => &mut hits.paused,
            NetworkFault::Unreachable | NetworkFault::Lost => &mut hits.failed_before,
            NetworkFault::AnswerLost => &mut hits.failed_after,
            NetworkFault::Late(_) => &mut hits.late,
        } += 1;
    }

    /// How often a call failed, or its gateway did.
    pub fn faults(&self) -> u64 {
        let all = self.points.values();
        let others =
            all.map(|hits| hits.paused + hits.failed_before + hits.failed_after + hits.late);
        others.sum::<u64>() + self.crashes()
    }

    /// How often a gateway crashed at a call.
    pub fn crashes(&self) -> u64 {
        let all = self.points.values();
        all.map(|hits| hits.crashed_before + hits.crashed_after)
            .sum()
    }

    /// Something that went wrong for a while, or all of a sudden.
    pub fn count(&mut self, kind: &str) {
        *self.events_by_kind.entry(kind.to_owned()).or_default() += 1;
    }

    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Self) {
        self.worlds += other.worlds;
        self.events += other.events;
        self.webhooks += other.webhooks;
        self.sessions += other.sessions;
        self.pair_sessions += other.pair_sessions;
        self.pair_sessions_after += other.pair_sessions_after;
        self.syncs += other.syncs;
        self.syncs_after += other.syncs_after;
        self.longest_ms_to_step = self.longest_ms_to_step.max(other.longest_ms_to_step);
        self.longest_ms_to_mirror = self.longest_ms_to_mirror.max(other.longest_ms_to_mirror);
        self.reads += other.reads;
        self.writes += other.writes;
        self.writes_after += other.writes_after;
        self.refused += other.refused;
        self.pairs += other.pairs;
        self.virtual_ms += other.virtual_ms;
        for (kind, count) in &other.events_by_kind {
            *self.events_by_kind.entry(kind.clone()).or_default() += count;
        }
        for (point, hits) in &other.points {
            let sum = self.points.entry(point.clone()).or_default();
            sum.crashed_before += hits.crashed_before;
            sum.crashed_after += hits.crashed_after;
            sum.paused += hits.paused;
            sum.failed_before += hits.failed_before;
            sum.failed_after += hits.failed_after;
            sum.late += hits.late;
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_event = |count: u64| count as f64 / self.events.max(1) as f64;
        writeln!(f, "worlds {}, pairs {}", self.worlds, self.pairs)?;
        writeln!(f, "events of people and monitoring: {}", self.events)?;
        writeln!(f, "webhooks that reached a gateway: {}", self.webhooks)?;
        writeln!(f, "sessions: {}", self.sessions)?;
        writeln!(
            f,
            "requests to both systems: {:.2} reads and {:.2} writes per event",
            per_event(self.reads),
            per_event(self.writes)
        )?;
        writeln!(
            f,
            "in step after the last trouble: within {} s",
            self.longest_ms_to_step / 1000
        )?;
        writeln!(f, "virtual time: {} hours", self.virtual_ms / 3_600_000)?;
        writeln!(f, "\nwhat happened besides")?;
        for (kind, count) in &self.events_by_kind {
            writeln!(f, "  {count:>9}  {kind}")?;
        }
        writeln!(f, "\nwhen gateways died")?;
        for point in CRASH_POINTS {
            writeln!(f, "  {:>9}  {}", point.hits(self), point.name)?;
        }
        writeln!(
            f,
            "\n{:<44} {:>14} {:>8} {:>15} {:>7}",
            "where it went wrong", "crash bef/aft", "paused", "failed bef/aft", "late"
        )?;
        for (point, hits) in &self.points {
            let Hits {
                crashed_before,
                crashed_after,
                paused,
                failed_before,
                failed_after,
                late,
            } = hits;
            writeln!(
                f,
                "{point:<44} {:>14} {paused:>8} {:>15} {late:>7}",
                format!("{crashed_before}/{crashed_after}"),
                format!("{failed_before}/{failed_after}"),
            )?;
        }
        Ok(())
    }
}
