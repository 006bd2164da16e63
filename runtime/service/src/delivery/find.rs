//! Finds a run.

use std::sync::Arc;

use dacapo_model::execution::Execution;
use dacapo_model::ids::RunId;
use dacapo_store::error::StoreError;

use super::{Address, LOOKS_MAX, not_reached};
use crate::error::Result;
use crate::run::{self, OpenRun};
use crate::runtime::Shared;
use crate::salvage::is_unreadable;

/// A run that the store has as open is usually about to appear in memory: its start was
/// committed a moment ago. One that was looked for so often is run by nobody.
const LOOKS_BEFORE_ADOPTION: usize = 3;

/// What was found at an address.
pub(crate) enum Reached<T> {
    /// An open run of this node.
    Here(T),
    /// A run that has closed.
    Closed(Box<Execution>),
    /// Another node has it, if there is such a run.
    Elsewhere,
    /// There is no such run.
    Unknown,
    /// Its row can't be read, so nobody runs it. Once that is repaired, recovery sees to
    /// what others had to say to it.
    Unreadable(StoreError),
}

impl<T> Reached<T> {
    /// What is here, or the reason why nothing is.
    pub(super) fn here<U>(self) -> std::result::Result<T, Reached<U>> {
        match self {
            Self::Here(here) => Ok(here),
            Self::Closed(execution) => Err(Reached::Closed(execution)),
            Self::Elsewhere => Err(Reached::Elsewhere),
            Self::Unknown => Err(Reached::Unknown),
            Self::Unreadable(error) => Err(Reached::Unreadable(error)),
        }
    }
}

/// Finds a run. Reads the store only if it is not in memory.
pub(crate) async fn find(
    shared: &Arc<Shared>,
    address: Address<'_>,
) -> Result<Reached<Arc<OpenRun>>> {
    for look in 1..=LOOKS_MAX {
        if let Some(run) = in_memory(shared, address) {
            return Ok(Reached::Here(run));
        }
        if !shared.life.recovered.is_cancelled() {
            // Not all of them are in memory yet.
            shared.life.recovered.cancelled().await;
            continue;
        }
        if shared.hold.owned.current().lease_of(address.hash()).is_none() {
            return Ok(Reached::Elsewhere);
        }
        let execution = match stored(shared, address).await {
            Ok(None) => return Ok(Reached::Unknown),
            Ok(Some(execution)) if execution.status.is_open() => execution,
            Ok(Some(closed)) => return Ok(Reached::Closed(Box::new(closed))),
            Err(error) if is_unreadable(&error) => return Ok(Reached::Unreadable(error)),
            Err(error) => return Err(error.into()),
        };
        if look < LOOKS_BEFORE_ADOPTION {
            continue;
        }
        if let Some(run) = adopt(shared, &execution).await? {
            return Ok(Reached::Here(run));
        }
    }
    Err(not_reached())
}

/// An open run of this node. None also of one that the store has as open, but which this
/// node does not run.
pub(crate) fn find_run(shared: &Shared, run_id: RunId) -> Option<Arc<OpenRun>> {
    shared.directory.by_run(run_id)
}

/// Whether this node runs it now. If not, it may have closed, or moved to another node:
/// whoever runs it sees to what it has under way.
pub(crate) fn is_here(shared: &Shared, run_id: RunId) -> bool {
    shared.directory.by_run(run_id).is_some()
}

fn in_memory(shared: &Shared, address: Address<'_>) -> Option<Arc<OpenRun>> {
    match address {
        Address::Key(key) => shared.directory.by_run(key.run_id),
        Address::Named(namespace, name) => shared
            .directory
            .by_workflow(namespace, &name.workflow_id)
            .filter(|run| name.run_id.is_none_or(|run_id| run_id == run.key.run_id)),
    }
}

async fn stored(
    shared: &Shared,
    address: Address<'_>,
) -> std::result::Result<Option<Execution>, StoreError> {
    let store = &shared.store;
    match address {
        Address::Key(key) => store.find_runs(&[key]).await.map(|mut found| found.pop()),
        Address::Named(namespace, name) => {
            store.find_execution(namespace, &name.workflow_id, name.run_id).await
        }
    }
}

/// Takes over a run that is open and has no actor. None if its workflow id has another
/// run by now.
async fn adopt(shared: &Arc<Shared>, execution: &Execution) -> Result<Option<Arc<OpenRun>>> {
    // Who was displaced must not begin with what is another's.
    shared.hold.confirm.held(execution.key.hash).await?;
    let Some(run) = shared.directory.adopt(execution) else {
        return Ok(None);
    };
    // Its admitted updates are looked for when it is read.
    run.set_admitted(true);
    // At once: it may have closed since its row was read, and must not stay then.
    run::wake(shared, &run);
    Ok(Some(run))
}
