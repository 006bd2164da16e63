//! Forgets modules.

use std::sync::Arc;
use std::time::Duration;

use dacapo_model::code::ErrorCode;
use dacapo_model::ids::{ModuleName, NamespaceName};
use dacapo_store::deletion::ModuleDeletion;
use dacapo_store::error::StoreError;
use tokio::sync::oneshot;

use crate::catalog::NoChoice;
use crate::delivery::no_answer;
use crate::error::{Result, ServiceError};
use crate::runtime::Shared;
use crate::tenancy::Tenant;

/// First wait before a deletion without a verdict is made again; doubled up to
/// [`BACKOFF_MAX`].
const BACKOFF: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

impl Tenant {
    /// Deletes a version of a module that is not its newest, or without one the module with
    /// all its versions. Refused if an open run is pinned to what would be gone. The answer
    /// has the versions that are gone now; a repeat finds none.
    pub async fn delete_module(&self, name: &ModuleName, version: Option<u32>) -> Result<Vec<u32>> {
        let (shared, namespace) = (&self.shared, &self.namespace);
        shared.admit_write()?;
        // Whoever has chosen a version already has it committed by now, and is seen below.
        let none_chooses = shared.catalog.hold_choices().await?;
        if let Some(version) = version {
            // Numbers are counted on from the newest, and must not be given twice.
            let newest = || shared.catalog.versions(namespace, name).ok()?.pop();
            let is_last = || newest().is_some_and(|newest| newest.version == version);
            if is_last() {
                // Another node may have a newer one.
                self.confirm_catalog().await?;
                if is_last() {
                    return Err(is_newest(name, version));
                }
            }
        }
        let deletion = Deletion {
            shared: shared.clone(),
            namespace: namespace.clone(),
            name: name.clone(),
            version,
            _none_chooses: none_chooses,
        };
        let (answer, answered) = oneshot::channel();
        // A task of its own, which whoever asked can't end half-way.
        shared.life.spawn(deletion.until_known(answer));
        answered.await.map_err(|_| no_answer())?
    }
}

/// A deletion under way: nobody chooses code until it is known what has become of it.
struct Deletion {
    shared: Arc<Shared>,
    namespace: NamespaceName,
    name: ModuleName,
    version: Option<u32>,
    _none_chooses: NoChoice,
}

impl Deletion {
    /// Who asked is told at the first answer. One that says nothing may have done it, or
    /// may yet; so it is made again until there is a verdict, and memory says the same as
    /// the store.
    async fn until_known(self, answer: oneshot::Sender<Result<Vec<u32>>>) {
        let mut answer = Some(answer);
        let mut pause = BACKOFF;
        loop {
            let deleted = self.delete().await;
            let is_known = !matches!(deleted, Err(StoreError::Unavailable { .. }));
            let told = self.shared.hold.loss.judge(deleted).await;
            if let Some(answer) = answer.take() {
                // Who went away can ask again.
                let _ = answer.send(told.and_then(|deletion| self.answer(deletion)));
            }
            if is_known {
                return;
            }
            self.shared.hold.health.suspect();
            tokio::select! {
                () = self.shared.life.halted.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(BACKOFF_MAX);
        }
    }

    async fn delete(&self) -> std::result::Result<ModuleDeletion, StoreError> {
        let Self { shared, namespace, name, version, .. } = self;
        let store = &shared.store;
        let deleted =
            store.delete_modules(&shared.hold.owned.current(), namespace, name, *version).await?;
        if let ModuleDeletion::Deleted(_) = &deleted {
            // Also what a try before has deleted that seemed to fail.
            shared.catalog.remove(namespace, name, *version);
        }
        Ok(deleted)
    }

    fn answer(&self, deletion: ModuleDeletion) -> Result<Vec<u32>> {
        match deletion {
            ModuleDeletion::Deleted(versions) => Ok(versions),
            ModuleDeletion::Needed { workflow_id, run_id } => Err(ServiceError::new(
                ErrorCode::ModuleNeeded,
                format!(
                    "run {run_id} of workflow id `{workflow_id}` is open and runs this code of \
                     module `{}`; move it to another version, or wait until it has closed",
                    self.name
                ),
            )
            .with("workflow_id", workflow_id)
            .with("run_id", run_id)),
        }
    }
}

fn is_newest(name: &ModuleName, version: u32) -> ServiceError {
    ServiceError::new(
        ErrorCode::ModuleNeeded,
        format!(
            "version {version} is the newest of module `{name}`, which new runs start with; upload \
             another one first, or delete the module as a whole"
        ),
    )
    .with("version", version)
}
