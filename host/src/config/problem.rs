use std::fmt;
use std::path::PathBuf;

/// Something wrong in the configuration file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Counted from 1; absent when the whole file is meant.
    pub line: Option<usize>,
    /// The key, as one would write it: `credential.servicenow.kind`.
    pub key: String,
    /// What was expected, what was found, and what to do.
    pub message: String,
}

/// Everything that was found wrong in a configuration file, one to a line, in
/// the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    file: PathBuf,
    problems: Vec<Problem>,
}

impl Problems {
    pub(super) fn new(file: PathBuf, mut problems: Vec<Problem>) -> Self {
        problems.sort();
        problems.dedup();
        Self { file, problems }
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{}:", self.file.display())?;
            if let Some(line) = problem.line {
                write!(f, "{line}:")?;
            }
            if !problem.key.is_empty() {
                write!(f, " {}:", problem.key)?;
            }
            write!(f, " {}", problem.message)?;
        }
        Ok(())
    }
}
