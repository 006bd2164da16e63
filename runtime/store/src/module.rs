//! Uploaded modules (`modules`, and their bytes in `module_contents`).

use async_trait::async_trait;
use bytes::Bytes;
use dacapo_model::ids::{ModuleName, NamespaceName};
use dacapo_model::module::{ModuleDefinitions, ModuleDigest, ModuleVersion};
use dacapo_model::time::Timestamp;

use crate::error::Result;
use crate::shard::Ownership;

/// A module to keep.
#[derive(Debug, Clone)]
pub struct NewModule {
    /// Where.
    pub namespace: NamespaceName,
    /// Under which name.
    pub name: ModuleName,
    /// SHA-256 of `bytes`.
    pub digest: ModuleDigest,
    /// The component.
    pub bytes: Bytes,
    /// What it defines.
    pub definitions: ModuleDefinitions,
    /// When it was uploaded.
    pub created_at: Timestamp,
}

/// Keeping modules.
#[async_trait]
pub trait ModuleStore: Send + Sync {
    /// Adds the next version under the name, and says `true`; or, if the newest
    /// version has the same digest, changes nothing and says `false`.
    ///
    /// [`Fenced`](crate::error::StoreError::Fenced), and nothing was written, if a
    /// shard is not held under its epoch any more: the next owner has read the
    /// modules, and would not know of this one.
    async fn put_module(
        &self,
        ownership: &Ownership,
        module: NewModule,
    ) -> Result<(ModuleVersion, bool)>;

    /// How often modules have changed. As long as it is the same number,
    /// [`Self::all_modules`] finds the same.
    async fn module_changes(&self) -> Result<u64>;

    /// All versions of all modules of all namespaces, ordered by namespace,
    /// name and version. What a node reads when it starts, and after they have changed.
    async fn all_modules(&self) -> Result<Vec<ModuleVersion>>;

    /// The component with this digest.
    async fn module_bytes(&self, digest: ModuleDigest) -> Result<Option<Bytes>>;
}
