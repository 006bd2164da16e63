//! Changes the tags of an open run.

use dacapo_engine::decide::{Input, Refusal};
use dacapo_model::code::ErrorCode;
use dacapo_model::ids::RunId;
use dacapo_model::limits::TAGS_MAX;
use dacapo_model::tag::TagChanges;

use super::RunRef;
use super::complete_activity::refused;
use super::locate::closed;
use crate::error::{Result, ServiceError};
use crate::tenancy::Tenant;

impl Tenant {
    /// Gives a run tags, and takes some from it. When it returns, that is durable. To add what
    /// is there, or to remove what is not, has no effect, and is no error.
    pub async fn tag_run(&self, run: &RunRef, changes: TagChanges) -> Result<RunId> {
        self.shared.admit_write()?;
        check_tags(&changes)?;
        match self.send(run, Input::ChangeTags(changes)).await? {
            (run_id, Ok(()) | Err(Refusal::Stale)) => Ok(run_id),
            (run_id, Err(Refusal::Closed)) => Err(closed(run, run_id)),
            (run_id, Err(Refusal::TooManyTags { count })) => Err(invalid(format!(
                "run {run_id} would have {count} tags; at most {TAGS_MAX} are allowed. Remove some \
                 that are not needed. Nothing was changed"
            ))
            .with("run_id", run_id)),
            (_, Err(refusal)) => Err(refused(&refusal)),
        }
    }
}

/// Refuses what says nothing, or is more than any run could have.
pub(super) fn check_tags(changes: &TagChanges) -> Result<()> {
    if changes.is_empty() {
        return Err(invalid("say which tags to add or to remove"));
    }
    if let Some(tag) = changes.added.intersection(&changes.removed).next() {
        return Err(invalid(format!("tag `{tag}` can't be added and removed at once")));
    }
    let count = changes.added.len().max(changes.removed.len());
    if count > TAGS_MAX {
        return Err(invalid(format!("{count} tags are more than the {TAGS_MAX} of a run")));
    }
    Ok(())
}

fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new(ErrorCode::InvalidArgument, message)
}
