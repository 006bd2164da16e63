//! What a test is told when something is not as it expects.

use std::fmt;
use std::path::PathBuf;

use dacapo_guest_build::BuildError;
use dacapo_model::execution::Blocked;
use dacapo_model::failure::Failure;
use dacapo_service::error::ServiceError;

/// Why a test can't go on. Shown as a sentence, also by `unwrap` and `?`.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum TestError {
    /// The guest could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The server could not be set up.
    #[error("{0}")]
    Setup(String),
    /// The server refused what was asked for.
    #[error("{0}")]
    Refused(#[from] ServiceError),
    /// A value can't be written as JSON, or a result is not what was expected.
    #[error("{0}")]
    Value(String),
    /// The workflow failed.
    #[error("the workflow failed: {}", Chain(.0))]
    Failed(Box<Failure>),
    /// The workflow rejected an update. Nothing of it is recorded.
    #[error("the workflow rejected update `{update}`: {}", Chain(.failure))]
    Rejected {
        /// The name of the update.
        update: String,
        /// What the workflow said.
        failure: Box<Failure>,
    },
    /// The workflow took an update on, and failed it.
    #[error("update `{update}` failed: {}", Chain(.failure))]
    UpdateFailed {
        /// The name of the update.
        update: String,
        /// What the workflow said.
        failure: Box<Failure>,
    },
    /// The workflow ended otherwise than by returning: cancelled, terminated.
    #[error("the workflow ended as {0}")]
    Ended(&'static str),
    /// The code of the run can't go on.
    #[error("the run is blocked, {}: {}{}", .0.code, .0.message, Backtrace(.0))]
    Blocked(Box<Blocked>),
    /// The run waits, and nothing will come.
    #[error("{0}")]
    Stuck(String),
    /// The code does not fit the history.
    #[error("the code does not fit the history: {}{}", .0.message, Backtrace(.0))]
    Replay(Box<Blocked>),
    /// The code does not fit histories that were read from files.
    #[error("the code does not fit {} of {tried} histories:{}", .misfits.len(), Misfits(.misfits))]
    ReplayFiles {
        /// How many there are.
        tried: usize,
        /// Those that it does not fit.
        misfits: Vec<Misfit>,
    },
}

/// A history in a file that the code does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// Which one.
    pub file: PathBuf,
    /// Where they differ.
    pub report: Box<Blocked>,
}

impl TestError {
    /// The failure of the workflow, or what it said to an update, if that is what
    /// it is.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure)
            | Self::Rejected { failure, .. }
            | Self::UpdateFailed { failure, .. } => Some(failure),
            _ => None,
        }
    }

    /// True if the workflow failed, or said no to an update, and the failure or one
    /// of the causes has this type.
    pub fn is_failure(&self, type_name: &str) -> bool {
        self.failure().is_some_and(|failure| {
            std::iter::once(&failure.info)
                .chain(&failure.causes)
                .any(|info| info.type_name == type_name)
        })
    }
}

/// `unwrap` and a test that returns an error show this.
impl fmt::Debug for TestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

struct Chain<'a>(&'a Failure);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.info.type_name, self.0.info.message)?;
        self.0
            .causes
            .iter()
            .try_for_each(|cause| write!(f, "; caused by {}: {}", cause.type_name, cause.message))
    }
}

struct Backtrace<'a>(&'a Blocked);

impl fmt::Display for Backtrace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.backtrace.iter().try_for_each(|backtrace| write!(f, "\n{backtrace}"))
    }
}

struct Misfits<'a>(&'a [Misfit]);

impl fmt::Display for Misfits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|Misfit { file, report }| {
            write!(f, "\n{}: {}{}", file.display(), report.message, Backtrace(report))
        })
    }
}
