//! Uploads and lists modules.

use bytes::Bytes;
use dacapo_model::ids::{ModuleName, NamespaceName, WorkflowHash};
use dacapo_model::module::{ModuleDefinitions, ModuleDigest, ModuleVersion};
use dacapo_store::error::StoreError;
use dacapo_store::module::NewModule;

use super::GateReport;
use crate::error::Result;
use crate::{Runtime, catalog};

/// A component that may be kept: all that can take long has been done.
#[derive(Debug)]
pub struct CheckedModule {
    namespace: NamespaceName,
    name: ModuleName,
    bytes: Bytes,
    digest: ModuleDigest,
    definitions: ModuleDefinitions,
}

impl Runtime {
    /// Checks a component, compiles it and keeps it. The same bytes under the
    /// same name are the same version; the flag says whether it is new.
    pub async fn upload_module(
        &self,
        namespace: &NamespaceName,
        name: &ModuleName,
        bytes: Bytes,
    ) -> Result<(ModuleVersion, bool)> {
        let module = self.check_module(namespace, name, bytes).await?;
        self.keep_module(module).await
    }

    /// Like [`Self::upload_module`], but refuses a component that does not fit the
    /// history of an open run of the module. Runs stay where they are in any case;
    /// this says whether they could be moved.
    pub async fn upload_module_through_gate(
        &self,
        namespace: &NamespaceName,
        name: &ModuleName,
        bytes: Bytes,
    ) -> Result<(ModuleVersion, bool, GateReport)> {
        let module = self.check_module(namespace, name, bytes).await?;
        let report = self.replay_gate(&module).await?;
        let (version, created) = self.keep_module(module).await?;
        Ok((version, created, report))
    }

    /// Checks a component and compiles it. Nothing of it is kept yet: whoever loses
    /// interest drops the future, and the compiler stops.
    pub async fn check_module(
        &self,
        namespace: &NamespaceName,
        name: &ModuleName,
        bytes: Bytes,
    ) -> Result<CheckedModule> {
        self.shared.admit_write()?;
        self.shared.catalog.check_namespace(namespace)?;
        let digest = ModuleDigest::of(&bytes);
        let definitions = self.shared.host.inspect(digest, &bytes).await?;
        let (namespace, name) = (namespace.clone(), name.clone());
        Ok(CheckedModule { namespace, name, bytes, digest, definitions })
    }

    /// Refuses a component that does not fit the history of an open run of the module.
    pub async fn replay_gate(&self, module: &CheckedModule) -> Result<GateReport> {
        let CheckedModule { namespace, name, digest, definitions, .. } = module;
        self.check_gate(namespace, name, *digest, definitions).await
    }

    /// Makes a component the newest version under its name, unless it is already.
    pub async fn keep_module(&self, module: CheckedModule) -> Result<(ModuleVersion, bool)> {
        let CheckedModule { namespace, name, bytes, digest, definitions } = module;
        let created_at = self.shared.clock.now();
        let module = NewModule { namespace, name, digest, bytes, definitions, created_at };
        let shared = &self.shared;
        // No deletion comes between the store and memory.
        let chosen = shared.catalog.choose().await?;
        let kept = shared.store.put_module(&shared.owned.current(), module).await;
        match &kept {
            Ok((version, _)) => shared.catalog.add(version.clone()),
            // It may be there.
            Err(StoreError::Unavailable { .. }) => catalog::refresh(shared, chosen),
            Err(_) => {}
        }
        shared.loss.judge(kept).await
    }

    /// The newest version of each module, by name.
    pub async fn list_modules(&self, namespace: &NamespaceName) -> Result<Vec<ModuleVersion>> {
        self.confirm_catalog().await?;
        self.shared.catalog.newest(namespace)
    }

    /// All versions of a module, the oldest first.
    pub async fn module_versions(
        &self,
        namespace: &NamespaceName,
        name: &ModuleName,
    ) -> Result<Vec<ModuleVersion>> {
        self.confirm_catalog().await?;
        self.shared.catalog.versions(namespace, name)
    }

    /// The newest version of each module, as this node has them in memory: another
    /// may have more by now. For a process that is alone with its store.
    pub fn modules_in_memory(&self, namespace: &NamespaceName) -> Result<Vec<ModuleVersion>> {
        self.shared.catalog.newest(namespace)
    }

    /// What memory says of modules is what the store says. A node that was taken over does
    /// not answer; all shards are another's then, so any will do.
    pub(super) async fn confirm_catalog(&self) -> Result<()> {
        self.shared.confirm.held(WorkflowHash(0)).await?;
        self.shared.catalog.catch_up().await
    }
}
