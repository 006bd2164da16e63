//! How far a batch has come in the list of its runs, as text that histories keep.

use std::fmt::{self, Display};

use dacapo_model::code::ErrorCode;
use dacapo_model::execution::Execution;
use dacapo_model::ids::RunId;
use dacapo_model::time::Timestamp;

use crate::error::{Result, ServiceError};

/// After this run, in a list from the newest start to the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(super) started_at: Timestamp,
    pub(super) run_id: RunId,
}

impl Place {
    pub(crate) fn of(execution: &Execution) -> Self {
        Self { started_at: execution.started_at, run_id: execution.key.run_id }
    }

    /// The reverse of its text.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let place = || {
            let (micros, run_id) = text.split_once('/')?;
            let started_at = Timestamp::from_micros(micros.parse().ok()?);
            Some(Self { started_at, run_id: run_id.parse().ok()? })
        };
        place().ok_or_else(|| {
            ServiceError::new(ErrorCode::Internal, format!("`{text}` is no place in a list"))
        })
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.started_at.as_micros(), self.run_id)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let place = Place {
            started_at: Timestamp::from_micros(1_700_000_000_123_456),
            run_id: RunId(Uuid::from_u128(17)),
        };
        assert_eq!(Place::parse(&place.to_string()).expect("a place"), place);
        assert!(Place::parse("next").is_err());
    }
}
