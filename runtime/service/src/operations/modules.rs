//! Uploads and lists modules.

use bytes::Bytes;
use dacapo_model::ids::{ModuleName, NamespaceName};
use dacapo_model::module::{ModuleDigest, ModuleVersion};
use dacapo_store::module::NewModule;

use crate::Runtime;
use crate::error::Result;

impl Runtime {
    /// Checks a component, compiles it and keeps it. The same bytes under the
    /// same name are the same version; the flag says whether it is new.
    pub async fn upload_module(
        &self,
        namespace: &NamespaceName,
        name: &ModuleName,
        bytes: Bytes,
    ) -> Result<(ModuleVersion, bool)> {
        self.shared.admit()?;
        self.shared.catalog.check_namespace(namespace)?;
        let digest = ModuleDigest::of(&bytes);
        let definitions = self.shared.host.inspect(digest, &bytes).await?;
        let module = NewModule {
            namespace: namespace.clone(),
            name: name.clone(),
            digest,
            bytes,
            definitions,
            created_at: self.shared.clock.now(),
        };
        let (version, created) = self.shared.store.put_module(module).await?;
        self.shared.catalog.add(version.clone());
        Ok((version, created))
    }

    /// The newest version of each module, by name.
    pub fn list_modules(&self, namespace: &NamespaceName) -> Result<Vec<ModuleVersion>> {
        self.shared.catalog.newest(namespace)
    }

    /// All versions of a module, the oldest first.
    pub fn module_versions(
        &self,
        namespace: &NamespaceName,
        name: &ModuleName,
    ) -> Result<Vec<ModuleVersion>> {
        self.shared.catalog.versions(namespace, name)
    }
}
