//! The namespaces that there are, and the policy of each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dacapo_model::code::ErrorCode;
use dacapo_model::ids::{NamespaceName, WorkflowId};
use dacapo_model::limits::Limits;
use dacapo_model::namespace::Namespace;
use dacapo_store::Store;
use parking_lot::RwLock;
use tokio::sync::watch;

use super::NamespacePolicy;
use crate::error::{Result, ServiceError};
use crate::runtime::Shared;
use crate::shared_read::SharedRead;

/// How often a node looks whether another one has changed a namespace.
const LOOK: Duration = Duration::from_secs(30);

/// All namespaces, in memory, so that a request reads no table. Nobody has a copy of a policy
/// to lag behind.
pub(crate) struct Namespaces {
    store: Arc<dyn Store>,
    known: RwLock<Known>,
    read: SharedRead,
    /// What the server allows.
    limits: Limits,
    /// Of runs whose namespace is not among them.
    usual: Policies,
    /// How often they had changed when they were read.
    changed: watch::Sender<u64>,
}

/// What may be done in one namespace.
#[derive(Clone)]
struct Policies {
    /// By its clients, and by the code that they have uploaded.
    usual: Arc<NamespacePolicy>,
    /// By runs of built-in workflows.
    builtin: Arc<NamespacePolicy>,
}

impl Policies {
    fn new(usual: NamespacePolicy, server: &Limits) -> Self {
        let builtin = Arc::new(usual.of_builtin(server));
        Self { usual: Arc::new(usual), builtin }
    }
}

struct Known {
    namespaces: BTreeMap<NamespaceName, Policies>,
    /// How often they had changed in the store when they were read.
    changes: u64,
}

impl Known {
    async fn read(store: &dyn Store, limits: &Limits) -> dacapo_store::error::Result<Self> {
        // Before what it counts: what comes between is read again the next time.
        let changes = store.namespace_changes().await?;
        let namespaces = store.namespaces().await?;
        let policies = |namespace: Namespace| {
            let usual = NamespacePolicy::of(&namespace, limits);
            (namespace.name, Policies::new(usual, limits))
        };
        Ok(Self { namespaces: namespaces.into_iter().map(policies).collect(), changes })
    }
}

impl Namespaces {
    /// Reads all of them once.
    pub(crate) async fn load(
        store: Arc<dyn Store>,
        limits: Limits,
    ) -> dacapo_store::error::Result<Self> {
        let known = Known::read(&*store, &limits).await?;
        let (changed, _) = watch::channel(known.changes);
        let usual = Policies::new(NamespacePolicy::usual(limits.clone()), &limits);
        let read = SharedRead::new();
        Ok(Self { store, known: RwLock::new(known), read, limits, usual, changed })
    }

    /// Takes in what has changed in the store, by whichever node. What this read finds is
    /// never older than what is known.
    pub(crate) async fn catch_up(&self) -> Result<()> {
        let read = async || {
            let known = self.known.read().changes;
            if self.store.namespace_changes().await? != known {
                let read = Known::read(&*self.store, &self.limits).await?;
                let changes = read.changes;
                *self.known.write() = read;
                self.changed.send_replace(changes);
            }
            Ok(())
        };
        self.read.after_now(read).await
    }

    /// Says when namespaces have changed.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// All of them with their policies, as far as is known.
    pub(crate) fn all(&self) -> Vec<(NamespaceName, Arc<NamespacePolicy>)> {
        let known = self.known.read();
        let usual =
            |(name, policies): (&NamespaceName, &Policies)| (name.clone(), policies.usual.clone());
        known.namespaces.iter().map(usual).collect()
    }

    /// What a namespace may do. Refuses an unknown one, and one that is being deleted.
    pub(super) fn check_namespace(
        &self,
        namespace: &NamespaceName,
    ) -> Result<Arc<NamespacePolicy>> {
        let usual = |policies: &Policies| policies.usual.clone();
        match self.known.read().namespaces.get(namespace).map(usual) {
            None => Err(unknown(namespace)),
            Some(policy) if policy.is_being_deleted => Err(being_deleted(namespace)),
            Some(policy) => Ok(policy),
        }
    }

    /// What the code of a namespace may do now. Asked for each time, and not kept. A run
    /// goes on whatever has become of its namespace.
    pub(crate) fn policy_of(&self, namespace: &NamespaceName) -> Arc<NamespacePolicy> {
        self.known.read().namespaces.get(namespace).unwrap_or(&self.usual).usual.clone()
    }

    /// The same, for a run with this workflow id: a built-in workflow is no code of the
    /// namespace.
    pub(crate) fn policy_of_run(
        &self,
        namespace: &NamespaceName,
        workflow_id: &WorkflowId,
    ) -> Arc<NamespacePolicy> {
        let known = self.known.read();
        let policies = known.namespaces.get(namespace).unwrap_or(&self.usual);
        let policy = if workflow_id.is_builtin() { &policies.builtin } else { &policies.usual };
        policy.clone()
    }
}

/// Looks from time to time what other nodes have changed.
pub(crate) async fn keep_up(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(LOOK).await;
        if let Err(error) = shared.namespaces.catch_up().await {
            tracing::debug!(%error, "namespaces can't be read");
        }
    }
}

/// There is none of this name.
pub(crate) fn unknown(namespace: &NamespaceName) -> ServiceError {
    ServiceError::new(
        ErrorCode::NamespaceNotFound,
        format!(
            "there is no namespace `{namespace}`; `dacapo namespace list` shows those that there \
             are, and every server has one called `default`"
        ),
    )
    .with("namespace", namespace)
}

/// Nothing can be asked for in it any more.
pub(crate) fn being_deleted(namespace: &NamespaceName) -> ServiceError {
    ServiceError::new(
        ErrorCode::NamespaceBeingDeleted,
        format!(
            "namespace `{namespace}` is being deleted, with all that is in it. Its name is free \
             once that has ended, which `dacapo namespace show {namespace}` tells"
        ),
    )
    .with("namespace", namespace)
}

#[cfg(test)]
mod tests {
    use dacapo_model::namespace::{NamespaceLimits, NamespaceSettings};
    use dacapo_model::time::Timestamp;
    use dacapo_store::memory::MemoryStore;
    use dacapo_store::shard::NodeId;
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn a_namespace_that_is_not_there_is_refused_and_its_runs_go_on() {
        let limits = Limits { payload_bytes_max: 7, ..Limits::default() };
        let store = Arc::new(MemoryStore::new());
        let namespaces = Namespaces::load(store, limits).await.expect("readable");
        let there = "default".parse().expect("valid");
        let nowhere = "nowhere".parse().expect("valid");
        let policy = namespaces.check_namespace(&there).expect("it is there");
        assert_eq!(policy.limits.payload_bytes_max, 7);
        let refused = namespaces.check_namespace(&nowhere).expect_err("it is not there");
        assert_eq!(refused.code, ErrorCode::NamespaceNotFound);
        assert_eq!(namespaces.policy_of(&nowhere).limits.payload_bytes_max, 7);
    }

    #[tokio::test]
    async fn what_another_node_changes_is_heard_of_by_one_statement() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let owned = store.acquire_all_shards(NodeId(Uuid::nil())).await.expect("takes");
        let namespaces = Namespaces::load(store.clone(), Limits::default()).await.expect("reads");
        let name: NamespaceName = "shop".parse().expect("valid");
        let limits = NamespaceLimits {
            payload_bytes_max: std::num::NonZeroU64::new(3),
            ..NamespaceLimits::default()
        };
        let shop = Namespace {
            name: name.clone(),
            settings: NamespaceSettings { limits, ..NamespaceSettings::default() },
            created_at: Timestamp::default(),
            deleted_at: None,
        };
        store.create_namespace(&owned, &shop, 9).await.expect("writes");
        namespaces.check_namespace(&name).expect_err("it was made elsewhere");
        namespaces.catch_up().await.expect("reads");
        let policy = namespaces.check_namespace(&name).expect("it is known");
        assert_eq!(policy.limits.payload_bytes_max, 3);
        let of_run = |workflow_id: &str| {
            let workflow_id = WorkflowId::new(workflow_id).expect("valid");
            namespaces.policy_of_run(&name, &workflow_id).limits.payload_bytes_max
        };
        assert_eq!(of_run("order-17"), 3);
        for builtin in ["dacapo:schedule:s", "dacapo:batch:b", "dacapo:activity:a"] {
            assert_eq!(of_run(builtin), Limits::default().payload_bytes_max, "{builtin}");
        }
        let before = store.statistics().statements;
        namespaces.catch_up().await.expect("reads");
        assert_eq!(store.statistics().statements, before + 1, "nothing has changed");
        store.mark_namespace_deleted(&owned, &name, Timestamp::default()).await.expect("writes");
        namespaces.catch_up().await.expect("reads");
        let refused = namespaces.check_namespace(&name).expect_err("it is being deleted");
        assert_eq!(refused.code, ErrorCode::NamespaceBeingDeleted);
    }
}
