//! Deletes a namespace: first its open runs end, then all runs go, then its modules, then it.

use std::sync::Arc;

use dacapo_model::code::ErrorCode;
use dacapo_model::ids::NamespaceName;
use dacapo_model::time::Timestamp;
use dacapo_store::namespace::Removal;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::closed_runs::{Children, delete_page};
use super::{Places, note_place};
use crate::error::{Result, ServiceError};
use crate::log_limit::LogLimit;
use crate::operations::RunRef;
use crate::runtime::Shared;
use crate::tenancy::Tenant;

/// Runs that are terminated in one step, and at a time.
const TERMINATED_MAX: usize = 200;
const AT_ONCE: usize = 8;

/// Later than any run closes: the year 10000.
const ANY_TIME: Timestamp = Timestamp::from_micros(253_402_300_800_000_000);

static LOG: LogLimit = LogLimit::new();

/// Does the next step. Whether there is more to do at once.
pub(super) async fn advance(
    shared: &Arc<Shared>,
    name: &NamespaceName,
    places: &mut Places,
) -> Result<bool> {
    let tenant = Tenant::of_deletion(shared, name);
    // No other starts: whoever has claimed a workflow id since looks whether the namespace is
    // being deleted, and those who had looked before are among these.
    let open = shared.directory.some_of(name, TERMINATED_MAX);
    if !open.is_empty() {
        stream::iter(open)
            .map(|run| {
                let of = RunRef { workflow_id: run.workflow_id.clone(), run_id: None };
                terminate(&tenant, of)
            })
            .buffer_unordered(AT_ONCE)
            .try_for_each(async |()| Ok(()))
            .await?;
        places.remove(name);
        return Ok(true);
    }
    let place = places.get(name).copied();
    let last = delete_page(shared, name, ANY_TIME, place, Children::Deleted).await?;
    if note_place(places, name, last) {
        return Ok(true);
    }
    for module in shared.catalog.newest(name) {
        tenant.delete_module(&module.name, None).await?;
    }
    let removed = shared.store.remove_namespace(&shared.hold.owned.current(), name).await;
    match shared.hold.loss.judge(removed).await? {
        Removal::Removed | Removal::Unknown => {
            shared.queues.forget(name);
            shared.search_attributes.catch_up().await?;
            shared.namespaces.catch_up().await?;
            tracing::info!(namespace = name.as_str(), "a namespace is deleted");
        }
        Removal::InUse => {
            // Another node may have uploaded one.
            shared.catalog.catch_up().await?;
            if let Some(withheld) = LOG.allows() {
                tracing::warn!(
                    namespace = name.as_str(),
                    withheld,
                    "a namespace that is being deleted still has runs or modules; trying again"
                );
            }
        }
    }
    Ok(false)
}

async fn terminate(tenant: &Tenant, run: RunRef) -> Result<()> {
    match tenant.terminate_run(&run, "its namespace is being deleted".to_owned()).await {
        Ok(_) => Ok(()),
        // It has ended meanwhile, or has never started.
        Err(ServiceError { code: ErrorCode::RunClosed | ErrorCode::RunNotFound, .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
