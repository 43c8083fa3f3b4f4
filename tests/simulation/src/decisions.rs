//! What fate decides, one numbered decision after the other.
//!
//! Whatever may go wrong at a place asks here first. Each decision has a name,
//! its stream and its number, and draws from a stream of chance of its own. So
//! decisions can be left out, one by one, and the others stay as they are: that
//! is how a failing run is made short.

use crate::chance::Chance;
use std::collections::BTreeSet;

/// What a decision is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// What a person does.
    People,
    /// What happens to a call of the store.
    Store,
    /// What happens to a request to a far end.
    Network,
    /// What happens to a webhook on its way.
    Webhook,
    /// What happens for a while, or all of a sudden: an outage, a store that
    /// is rolled back, a clock that is set.
    Event,
}

const STREAMS: usize = 5;

/// The name of a decision.
pub type Decision = (Stream, u64);

/// The decisions of one run.
#[derive(Debug)]
pub struct Decisions {
    seed: u64,
    /// If given, only these decisions happen.
    only: Option<BTreeSet<Decision>>,
    counts: [u64; STREAMS],
    /// Those that happened.
    taken: Vec<Decision>,
    /// Whether anything goes wrong at all by now.
    is_over: bool,
}

impl Decisions {
    /// The decisions that follow from a seed, or only some of them.
    pub fn new(seed: u64, only: Option<BTreeSet<Decision>>) -> Self {
        Self {
            seed,
            only,
            counts: [0; STREAMS],
            taken: Vec::new(),
            is_over: false,
        }
    }

    /// Decides whether something happens here, so many times in a million. If
    /// so, the chance that decides the rest.
    pub fn strike(&mut self, stream: Stream, per_million: u32) -> Option<Chance> {
        let number = self.counts[stream as usize];
        self.counts[stream as usize] += 1;
        if self.is_over || per_million == 0 {
            return None;
        }
        let mut chance = Chance::of(self.seed, &[stream as u64, number]);
        if !chance.hits(per_million) {
            return None;
        }
        let decision = (stream, number);
        if self
            .only
            .as_ref()
            .is_some_and(|only| !only.contains(&decision))
        {
            return None;
        }
        self.taken.push(decision);
        Some(chance)
    }

    /// From now on nothing goes wrong.
    pub fn end(&mut self) {
        self.is_over = true;
    }

    /// Those that happened, in order.
    pub fn taken(&self) -> &[Decision] {
        &self.taken
    }
}
