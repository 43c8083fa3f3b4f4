//! What happened, in order: a hash of all of it, and the lines if asked for.

use std::fmt::Arguments;
use std::fmt::Write as _;

/// The trace of one run.
#[derive(Debug, Default)]
pub struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
    line: String,
}

impl Trace {
    /// A trace that keeps its lines, or only their hash.
    pub fn new(keeps_lines: bool) -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            lines: keeps_lines.then(Vec::new),
            line: String::new(),
        }
    }

    /// Takes down what happened at a virtual time, in milliseconds.
    pub fn note(&mut self, at_ms: u64, what: Arguments<'_>) {
        self.line.clear();
        let (seconds, ms) = (at_ms / 1000, at_ms % 1000);
        // Writing to a text cannot fail.
        let _ = write!(self.line, "{seconds:>6}.{ms:03} {what}");
        // FNV-1a.
        for byte in self.line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        if let Some(lines) = &mut self.lines {
            lines.push(self.line.clone());
        }
    }

    /// Equal for two runs in which the same happened.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The lines, if they were kept.
    pub fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }
}
