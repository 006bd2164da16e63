//! A child goes on as other runs, one after the other: it continues as new, is tried again or
//! is reset.

use dacapo_engine::decide::child_run_id;
use dacapo_model::event::ParentExecution;
use dacapo_model::ids::{RunId, RunKey};
use dacapo_store::Store;
use dacapo_store::error::StoreError;

/// Whether a run is the child that has begun as `first`. The id of that run was made of what
/// all runs of the child say of their parent.
pub(super) async fn is_child(
    store: &dyn Store,
    run: RunKey,
    first: RunId,
) -> Result<bool, StoreError> {
    let parents = store.find_parents(&[run]).await?;
    let began_as = |(_, parent): &(RunId, ParentExecution)| {
        child_run_id(parent.run_id, parent.initiated_event_id)
    };
    Ok(parents.iter().any(|parent| began_as(parent) == first))
}
