//! The namespaces that there are, and the policy of each.

use std::collections::BTreeMap;
use std::sync::Arc;

use dacapo_model::code::ErrorCode;
use dacapo_model::ids::NamespaceName;
use dacapo_model::limits::Limits;
use dacapo_store::Store;

use super::NamespacePolicy;
use crate::error::{Result, ServiceError};

/// The namespaces as they were when the node started. Nothing changes them while it runs
/// yet; what will do so changes this value, and nobody has a copy to lag behind.
pub(crate) struct Namespaces {
    policies: BTreeMap<NamespaceName, Arc<NamespacePolicy>>,
    /// Of runs whose namespace is not among them.
    usual: Arc<NamespacePolicy>,
}

impl Namespaces {
    /// Reads their names once. The limits are those of all of them.
    pub(crate) async fn load(
        store: &dyn Store,
        limits: Limits,
    ) -> dacapo_store::error::Result<Self> {
        let usual = Arc::new(NamespacePolicy { limits });
        let names = store.namespaces().await?;
        let policies = names.into_iter().map(|name| (name, usual.clone())).collect();
        Ok(Self { policies, usual })
    }

    /// What a namespace may do. Refuses an unknown one.
    pub(super) fn check_namespace(
        &self,
        namespace: &NamespaceName,
    ) -> Result<Arc<NamespacePolicy>> {
        self.policies.get(namespace).cloned().ok_or_else(|| {
            ServiceError::new(
                ErrorCode::NamespaceNotFound,
                format!(
                    "there is no namespace `{namespace}`; every server has one called `default`"
                ),
            )
            .with("namespace", namespace)
        })
    }

    /// What the runs of a namespace may do now. Asked for each time, and not kept. A run
    /// goes on whatever has become of its namespace.
    pub(crate) fn policy_of(&self, namespace: &NamespaceName) -> Arc<NamespacePolicy> {
        self.policies.get(namespace).unwrap_or(&self.usual).clone()
    }
}

#[cfg(test)]
mod tests {
    use dacapo_store::memory::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn a_namespace_that_is_not_there_is_refused_and_its_runs_go_on() {
        let limits = Limits { payload_bytes_max: 7, ..Limits::default() };
        let namespaces = Namespaces::load(&MemoryStore::new(), limits).await.expect("readable");
        let there = "default".parse().expect("valid");
        let nowhere = "nowhere".parse().expect("valid");
        let policy = namespaces.check_namespace(&there).expect("it is there");
        assert_eq!(policy.limits.payload_bytes_max, 7);
        let refused = namespaces.check_namespace(&nowhere).expect_err("it is not there");
        assert_eq!(refused.code, ErrorCode::NamespaceNotFound);
        assert_eq!(namespaces.policy_of(&nowhere).limits.payload_bytes_max, 7);
    }
}
