//! Forgets modules.

use dacapo_model::code::ErrorCode;
use dacapo_model::ids::{ModuleName, NamespaceName};
use dacapo_store::deletion::ModuleDeletion;

use crate::Runtime;
use crate::error::{Result, ServiceError};

impl Runtime {
    /// Deletes a version of a module that is not its newest, or without one the module with
    /// all its versions. Refused if an open run is pinned to what would be gone. The answer
    /// has the versions that are gone now; a repeat finds none.
    pub async fn delete_module(
        &self,
        namespace: &NamespaceName,
        name: &ModuleName,
        version: Option<u32>,
    ) -> Result<Vec<u32>> {
        let shared = &self.shared;
        shared.admit()?;
        shared.catalog.check_namespace(namespace)?;
        // Whoever has chosen a version already has it committed by now, and is seen below.
        let _none_is_chosen = shared.catalog.hold_choices().await?;
        if let Some(version) = version {
            // Numbers are counted on from the newest, and must not be given twice.
            let versions = shared.catalog.versions(namespace, name).unwrap_or_default();
            if versions.last().is_some_and(|newest| newest.version == version) {
                return Err(is_newest(name, version));
            }
        }
        match shared.store.delete_modules(namespace, name, version).await? {
            ModuleDeletion::Deleted(versions) => {
                // Also what a try before has deleted that seemed to fail.
                shared.catalog.remove(namespace, name, version);
                Ok(versions)
            }
            ModuleDeletion::Needed { workflow_id, run_id } => Err(ServiceError::new(
                ErrorCode::ModuleNeeded,
                format!(
                    "run {run_id} of workflow id `{workflow_id}` is open and runs this code of \
                     module `{name}`; move it to another version, or wait until it has closed"
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
