//! Uploads and lists modules.

use bytes::Bytes;
use dacapo_model::builtin::BUILTIN_MODULE;
use dacapo_model::code::ErrorCode;
use dacapo_model::ids::{ModuleName, WorkflowHash};
use dacapo_model::module::{ModuleDefinitions, ModuleDigest, ModuleVersion};
use dacapo_store::error::StoreError;
use dacapo_store::module::NewModule;

use super::GateReport;
use crate::error::{Result, ServiceError};
use crate::tenancy::Tenant;

/// One page of a list, by name.
#[derive(Debug, Clone, PartialEq)]
pub struct ModuleList {
    /// The newest version of each.
    pub modules: Vec<ModuleVersion>,
    /// The name of the last of them, if there are more.
    pub next: Option<ModuleName>,
}

/// A component that may be kept: all that can take long has been done.
#[derive(Debug)]
pub struct CheckedModule {
    name: ModuleName,
    bytes: Bytes,
    digest: ModuleDigest,
    definitions: ModuleDefinitions,
}

impl Tenant {
    /// Checks a component, compiles it and keeps it. The same bytes under the
    /// same name are the same version; the flag says whether it is new.
    pub async fn upload_module(
        &self,
        name: &ModuleName,
        bytes: Bytes,
    ) -> Result<(ModuleVersion, bool)> {
        let module = self.check_module(name, bytes).await?;
        self.keep_module(module).await
    }

    /// Like [`Self::upload_module`], but refuses a component that does not fit the
    /// history of an open run of the module. Runs stay where they are in any case;
    /// this says whether they could be moved.
    pub async fn upload_module_through_gate(
        &self,
        name: &ModuleName,
        bytes: Bytes,
    ) -> Result<(ModuleVersion, bool, GateReport)> {
        let module = self.check_module(name, bytes).await?;
        let report = self.replay_gate(&module).await?;
        let (version, created) = self.keep_module(module).await?;
        Ok((version, created, report))
    }

    /// Checks a component and compiles it. Nothing of it is kept yet: whoever loses
    /// interest drops the future, and the compiler stops.
    pub async fn check_module(&self, name: &ModuleName, bytes: Bytes) -> Result<CheckedModule> {
        self.shared.admit_write()?;
        if name.as_str() == BUILTIN_MODULE {
            return Err(ServiceError::new(
                ErrorCode::InvalidArgument,
                format!("`{name}` is the module of the built-in workflows: choose another name"),
            ));
        }
        let digest = ModuleDigest::of(&bytes);
        let definitions = self.shared.host.inspect(digest, &bytes).await?;
        Ok(CheckedModule { name: name.clone(), bytes, digest, definitions })
    }

    /// Refuses a component that does not fit the history of an open run of the module.
    pub async fn replay_gate(&self, module: &CheckedModule) -> Result<GateReport> {
        let CheckedModule { name, digest, definitions, .. } = module;
        self.check_gate(name, *digest, definitions).await
    }

    /// Makes a component the newest version under its name, unless it is already.
    pub async fn keep_module(&self, module: CheckedModule) -> Result<(ModuleVersion, bool)> {
        let CheckedModule { name, bytes, digest, definitions } = module;
        let namespace = self.namespace.clone();
        let created_at = self.shared.clock.now();
        let module = NewModule { namespace, name, digest, bytes, definitions, created_at };
        let shared = &self.shared;
        // No deletion comes between the store and memory.
        let chosen = shared.catalog.choose().await?;
        let kept = shared.store.put_module(&shared.hold.owned.current(), module).await;
        match &kept {
            Ok((version, _)) => shared.catalog.add(version.clone()),
            // It may be there.
            Err(StoreError::Unavailable { .. }) => shared.catalog.refresh(&shared.life, chosen),
            Err(_) => {}
        }
        shared.hold.loss.judge(kept).await
    }

    /// The newest version of each module, by name, after `after`.
    pub async fn list_modules(&self, after: Option<&ModuleName>, limit: u32) -> Result<ModuleList> {
        self.confirm_catalog().await?;
        let mut modules = self.modules_in_memory();
        modules.retain(|module| after.is_none_or(|after| module.name > *after));
        let more = modules.len() > limit as usize;
        modules.truncate(limit as usize);
        let next = modules.last().filter(|_| more).map(|last| last.name.clone());
        Ok(ModuleList { modules, next })
    }

    /// All versions of a module, the oldest first.
    pub async fn module_versions(&self, name: &ModuleName) -> Result<Vec<ModuleVersion>> {
        self.confirm_catalog().await?;
        self.shared.catalog.versions(&self.namespace, name)
    }

    /// The newest version of each module, as this node has them in memory: another
    /// may have more by now. For a process that is alone with its store.
    pub fn modules_in_memory(&self) -> Vec<ModuleVersion> {
        self.shared.catalog.newest(&self.namespace)
    }

    /// What memory says of modules is what the store says. A node that was taken over does
    /// not answer; all shards are another's then, so any will do.
    pub(super) async fn confirm_catalog(&self) -> Result<()> {
        self.shared.hold.confirm.held(WorkflowHash(0)).await?;
        self.shared.catalog.catch_up().await
    }
}
