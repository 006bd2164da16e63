//! What an operation answers when it can't do as asked.

use std::collections::BTreeMap;

use dacapo_engine::guest::ModuleRejected;
use dacapo_model::code::ErrorCode;
use dacapo_model::ids::InvalidId;
use dacapo_store::error::StoreError;

use crate::log_limit::LogLimit;

/// A refused or failed operation. Nothing of it was done, unless the code is
/// `unavailable`: then it may have been, and may be sent again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ServiceError {
    /// The stable code.
    pub code: ErrorCode,
    /// What is wrong, and what to do.
    pub message: String,
    /// Facts for programs.
    pub details: BTreeMap<String, String>,
}

/// A request that fails is sent again.
static LOG: LogLimit = LogLimit::new();

/// Short for results of this crate.
pub type Result<T> = std::result::Result<T, ServiceError>;

impl ServiceError {
    /// An error without details.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: BTreeMap::new() }
    }

    /// Adds a fact for programs.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.details.insert(key.to_owned(), value.to_string());
        self
    }

    pub(crate) fn stopping() -> Self {
        Self::new(ErrorCode::Unavailable, "this node is stopping; send the request again")
    }
}

impl ServiceError {
    /// The database lacks what it had acknowledged.
    pub(crate) fn starting_over() -> Self {
        Self::new(
            ErrorCode::Unavailable,
            "the database has lost some of the last commits, and this node is reading all runs \
             again; send the request again",
        )
    }

    /// Why a node can't start, for whoever starts it: there is no request to send again.
    pub(crate) fn at_start(error: StoreError) -> Self {
        let message = match &error {
            StoreError::Fenced { .. } => {
                "another server has taken the runs of this database meanwhile".to_owned()
            }
            StoreError::Unavailable { source } => format!("{error}: {source}"),
            StoreError::Conflict { .. }
            | StoreError::WentBack { .. }
            | StoreError::TooSlow { .. }
            | StoreError::SearchesBusy { .. } => error.to_string(),
            StoreError::Rejected { .. } | StoreError::Corrupt { .. } => return error.into(),
        };
        Self::new(ErrorCode::Unavailable, message)
    }

    /// Another node has the shards.
    pub(crate) fn displaced() -> Self {
        Self::new(
            ErrorCode::Unavailable,
            "this node has lost its shards to another; send the request again",
        )
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        // The caller's view is the same for all: the service logs the cause
        // where it handles it.
        match error {
            StoreError::Corrupt { table: "history_events", .. } => {
                Self::new(ErrorCode::HistoryDamaged, error.to_string())
            }
            StoreError::Corrupt { .. } => {
                tracing::error!(error = %error, "stored data is corrupt");
                Self::new(ErrorCode::Internal, error.to_string())
            }
            StoreError::Fenced { .. } => Self::displaced(),
            StoreError::TooSlow { limit } => Self::new(
                ErrorCode::FilterTooSlow,
                format!(
                    "looking for these runs takes longer than {} s, and was given up; ask for \
                     fewer: with a status, a workflow type or a StartTime",
                    limit.as_secs_f64()
                ),
            ),
            StoreError::SearchesBusy { limit } => Self::new(
                ErrorCode::Overloaded,
                format!(
                    "other lists and counts with filters were looking for runs for {} s, and this \
                     one had no turn; send it again in a moment",
                    limit.as_secs_f64()
                ),
            ),
            StoreError::Rejected { reason, .. } => crate::run::not_storable(&reason),
            StoreError::Conflict { .. }
            | StoreError::WentBack { .. }
            | StoreError::Unavailable { .. } => {
                if let Some(withheld) = LOG.allows() {
                    tracing::warn!(error = ?error, withheld, "the store did not do as asked");
                }
                Self::new(
                    ErrorCode::Unavailable,
                    "the database did not answer; send the request again, with the same \
                     request id if it changes something",
                )
            }
        }
    }
}

impl From<InvalidId> for ServiceError {
    fn from(error: InvalidId) -> Self {
        Self::new(ErrorCode::InvalidArgument, error.to_string())
    }
}

impl From<ModuleRejected> for ServiceError {
    fn from(rejected: ModuleRejected) -> Self {
        Self { code: rejected.code, message: rejected.message, details: rejected.details }
    }
}
