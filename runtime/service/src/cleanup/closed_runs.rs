//! Deletes closed runs, a page at a time.

use std::collections::HashSet;
use std::sync::Arc;

use dacapo_model::ids::{NamespaceName, RunId, RunKey, WorkflowHash};
use dacapo_model::time::Timestamp;
use dacapo_store::deletion::ClosedRun;
use dacapo_store::error::StoreError;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::error::Result;
use crate::log_limit::LogLimit;
use crate::runtime::Shared;
use crate::salvage::is_unreadable;

/// Runs of a page.
const PAGE: u32 = 100;

/// Runs that are deleted at a time: few, since those who work have the same database.
const AT_ONCE: usize = 4;

static SKIPPED_LOG: LogLimit = LogLimit::new();

/// What becomes of closed runs whose parents are open, which may still ask for them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Children {
    /// They are kept.
    Kept,
    /// They are deleted: there are no open runs any more.
    Deleted,
}

/// Deletes the runs of one page that closed before `before`. What can't be read or deleted
/// stays, and keeps nothing else. The last run of the page; none if there is no other page.
pub(super) async fn delete_page(
    shared: &Arc<Shared>,
    namespace: &NamespaceName,
    before: Timestamp,
    after: Option<ClosedRun>,
    children: Children,
) -> Result<Option<ClosedRun>> {
    let page = shared.store.closed_runs(namespace, before, after, PAGE).await?;
    let keys: Vec<_> = page.iter().map(|run| run.key).collect();
    let unneeded = match children {
        Children::Kept => unneeded(shared, namespace, keys).await?,
        Children::Deleted => keys,
    };
    stream::iter(unneeded)
        .map(|key| async move {
            match shared.store.delete_run(&shared.hold.owned.current(), key).await {
                Err(error) if is_unreadable(&error) => {
                    log_skipped(namespace, key, &error);
                    Ok(())
                }
                deleted => shared.hold.loss.judge(deleted).await.map(drop),
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_for_each(async |()| Ok(()))
        .await?;
    let is_full = page.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX);
    Ok(page.last().copied().filter(|_| is_full))
}

/// Those of the runs that no open run may ask for. Where that can't be read, nobody knows.
async fn unneeded(
    shared: &Shared,
    namespace: &NamespaceName,
    keys: Vec<RunKey>,
) -> Result<Vec<RunKey>> {
    match children_of_open(shared, namespace, &keys).await {
        Err(error) if is_unreadable(&error) => {}
        needed => {
            let needed = needed?;
            return Ok(keys.into_iter().filter(|key| !needed.contains(&key.run_id)).collect());
        }
    }
    // One of them, or a parent of one: the others must not suffer for it.
    let mut unneeded = Vec::new();
    for key in keys {
        match children_of_open(shared, namespace, &[key]).await {
            Err(error) if is_unreadable(&error) => log_skipped(namespace, key, &error),
            needed => unneeded.extend(needed?.is_empty().then_some(key)),
        }
    }
    Ok(unneeded)
}

fn log_skipped(namespace: &NamespaceName, key: RunKey, error: &StoreError) {
    if let Some(withheld) = SKIPPED_LOG.allows() {
        tracing::warn!(
            namespace = namespace.as_str(),
            run_id = %key.run_id,
            %error,
            withheld,
            "a closed run is not deleted, because it or its parent can't be read; others are"
        );
    }
}

async fn children_of_open(
    shared: &Shared,
    namespace: &NamespaceName,
    keys: &[RunKey],
) -> std::result::Result<HashSet<RunId>, StoreError> {
    if keys.is_empty() {
        return Ok(HashSet::new());
    }
    let parents = shared.store.find_parents(keys).await?;
    let parent_keys: Vec<_> = parents
        .iter()
        .map(|(_, parent)| {
            let hash = WorkflowHash::of(namespace, &parent.workflow_id);
            RunKey { hash, run_id: parent.run_id }
        })
        .collect();
    if parent_keys.is_empty() {
        return Ok(HashSet::new());
    }
    let found = shared.store.find_runs(&parent_keys).await?;
    let open: HashSet<_> =
        found.iter().filter(|run| run.status.is_open()).map(|run| run.key.run_id).collect();
    let children = parents.into_iter().filter(|(_, parent)| open.contains(&parent.run_id));
    Ok(children.map(|(child, _)| child).collect())
}
