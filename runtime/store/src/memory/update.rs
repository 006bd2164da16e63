//! Updates that wait for the guest.

use std::collections::BTreeSet;

use async_trait::async_trait;
use dacapo_model::ids::RunKey;
use dacapo_model::update::AdmittedUpdate;

use super::MemoryStore;
use crate::error::Result;
use crate::update::UpdateStore;

#[async_trait]
impl UpdateStore for MemoryStore {
    async fn run_updates(&self, keys: &[RunKey]) -> Result<Vec<(RunKey, AdmittedUpdate)>> {
        Ok(self.read(|state| {
            let keys: BTreeSet<_> = keys.iter().copied().collect();
            let updates = state.updates.iter().filter(|((key, _), _)| keys.contains(key));
            let mut updates: Vec<_> =
                updates.map(|((key, _), admitted)| (*key, admitted.clone())).collect();
            updates.sort_by_key(|(key, admitted)| (*key, admitted.admitted_at));
            updates
        }))
    }
}
