//! Uploads and lists modules.

use bytes::Bytes;
use dacapo_model::ids::{ModuleName, NamespaceName, WorkflowHash};
use dacapo_model::module::{ModuleDefinitions, ModuleDigest, ModuleVersion};
use dacapo_store::error::StoreError;
use dacapo_store::module::NewModule;

use super::GateReport;
use crate::error::Result;
use crate::{Runtime, catalog};

impl Runtime {
    /// Checks a component, compiles it and keeps it. The same bytes under the
    /// same name are the same version; the flag says whether it is new.
    pub async fn upload_module(
        &self,
        namespace: &NamespaceName,
        name: &ModuleName,
        bytes: Bytes,
    ) -> Result<(ModuleVersion, bool)> {
        let (digest, definitions) = self.inspect(namespace, &bytes).await?;
        self.put(namespace, name, bytes, digest, definitions).await
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
        let (digest, definitions) = self.inspect(namespace, &bytes).await?;
        let report = self.check_gate(namespace, name, digest, &definitions).await?;
        let (version, created) = self.put(namespace, name, bytes, digest, definitions).await?;
        Ok((version, created, report))
    }

    async fn inspect(
        &self,
        namespace: &NamespaceName,
        bytes: &Bytes,
    ) -> Result<(ModuleDigest, ModuleDefinitions)> {
        self.shared.admit()?;
        self.shared.catalog.check_namespace(namespace)?;
        let digest = ModuleDigest::of(bytes);
        Ok((digest, self.shared.host.inspect(digest, bytes).await?))
    }

    async fn put(
        &self,
        namespace: &NamespaceName,
        name: &ModuleName,
        bytes: Bytes,
        digest: ModuleDigest,
        definitions: ModuleDefinitions,
    ) -> Result<(ModuleVersion, bool)> {
        let module = NewModule {
            namespace: namespace.clone(),
            name: name.clone(),
            digest,
            bytes,
            definitions,
            created_at: self.shared.clock.now(),
        };
        let shared = &self.shared;
        match shared.store.put_module(&shared.ownership, module).await {
            Ok((version, created)) => {
                shared.catalog.add(version.clone());
                Ok((version, created))
            }
            Err(error) => {
                match &error {
                    StoreError::Fenced { .. } => shared.confirm.lose(&error),
                    // It may be there.
                    StoreError::Unavailable { .. } => catalog::refresh(shared),
                    StoreError::Conflict { .. } | StoreError::Corrupt { .. } => {}
                }
                Err(error.into())
            }
        }
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

    /// Uploads are refused as soon as any shard is another node's, so any will do.
    async fn confirm_catalog(&self) -> Result<()> {
        self.shared.confirm.held(WorkflowHash(0)).await
    }
}
