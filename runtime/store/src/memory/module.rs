//! Modules and their versions.

use async_trait::async_trait;
use bytes::Bytes;
use dacapo_model::module::{ModuleDigest, ModuleVersion};

use super::MemoryStore;
use crate::error::{Result, StoreError};
use crate::module::{ModuleStore, NewModule};
use crate::shard::Ownership;

#[async_trait]
impl ModuleStore for MemoryStore {
    async fn put_module(
        &self,
        ownership: &Ownership,
        module: NewModule,
    ) -> Result<(ModuleVersion, bool)> {
        self.counters.add_statements(1);
        let mut state = self.state.lock();
        state.check_all_held(ownership)?;
        if !state.namespaces.contains_key(&module.namespace) {
            return Err(StoreError::Corrupt {
                table: "modules",
                column: "namespace",
                row: module.name.to_string(),
                reason: format!("there is no namespace {}", module.namespace),
            });
        }
        let is_same =
            |it: &&ModuleVersion| it.namespace == module.namespace && it.name == module.name;
        let newest = state.modules.iter().filter(is_same).max_by_key(|it| it.version);
        if let Some(newest) = newest.filter(|newest| newest.digest == module.digest) {
            return Ok((newest.clone(), false));
        }
        let version = ModuleVersion {
            version: newest.map_or(0, |newest| newest.version) + 1,
            namespace: module.namespace,
            name: module.name,
            digest: module.digest,
            size_bytes: u64::try_from(module.bytes.len()).unwrap_or(u64::MAX),
            definitions: module.definitions,
            created_at: module.created_at,
        };
        state.contents.insert(module.digest, module.bytes);
        state.modules.push(version.clone());
        state.module_changes += 1;
        Ok((version, true))
    }

    async fn module_changes(&self) -> Result<u64> {
        Ok(self.read(|state| state.module_changes))
    }

    async fn all_modules(&self) -> Result<Vec<ModuleVersion>> {
        let mut modules = self.read(|state| state.modules.clone());
        modules.sort_by(|a, b| {
            (&a.namespace, &a.name, a.version).cmp(&(&b.namespace, &b.name, b.version))
        });
        Ok(modules)
    }

    async fn module_bytes(&self, digest: ModuleDigest) -> Result<Option<Bytes>> {
        Ok(self.read(|state| state.contents.get(&digest).cloned()))
    }
}
