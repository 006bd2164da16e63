//! The door: who calls, and where, before anything is asked for.

use std::sync::Arc;

use dacapo_model::ids::{NamespaceName, RunKey};
use dacapo_model::trace::TraceContext;

use super::{NamespacePolicy, Principal, unknown};
use crate::Runtime;
use crate::error::Result;
use crate::runtime::Shared;

/// Somebody who calls, in a namespace that is there. Operations are its methods, one file
/// each under `operations/`. It is made for one request: what it knows of the namespace is
/// what held when the request came.
///
/// Refusals come in the same order for all operations: first the namespace that is not
/// there, here; then that the node is stopping, has lost its shards or can't write; then
/// what is wrong with what was asked for.
#[derive(Clone)]
pub struct Tenant {
    pub(crate) shared: Arc<Shared>,
    pub(crate) namespace: NamespaceName,
    pub(crate) policy: Arc<NamespacePolicy>,
    principal: Principal,
    /// The trace that the request is a part of.
    pub(crate) trace: Option<Arc<TraceContext>>,
}

impl Runtime {
    /// The door for clients. Refuses a namespace that is not there.
    pub fn tenant(&self, principal: Principal, namespace: &NamespaceName) -> Result<Tenant> {
        Tenant::enter(&self.shared, principal, namespace)
    }
}

impl Tenant {
    /// The door for what a run asks of other runs of its namespace.
    pub(crate) fn of_run(
        shared: &Arc<Shared>,
        run: RunKey,
        namespace: &NamespaceName,
    ) -> Result<Self> {
        Self::enter(shared, Principal::Run(run), namespace)
    }

    /// For what a namespace that is being deleted goes with: the one that is let in there.
    pub(crate) fn of_deletion(shared: &Arc<Shared>, namespace: &NamespaceName) -> Self {
        let policy = shared.namespaces.policy_of(namespace);
        let principal = Principal::Local;
        let (shared, namespace) = (shared.clone(), namespace.clone());
        Self { shared, namespace, policy, principal, trace: None }
    }

    fn enter(
        shared: &Arc<Shared>,
        principal: Principal,
        namespace: &NamespaceName,
    ) -> Result<Self> {
        let policy = shared.namespaces.check_namespace(namespace)?;
        let (shared, namespace) = (shared.clone(), namespace.clone());
        Ok(Self { shared, namespace, policy, principal, trace: None })
    }

    /// The same, asking as a part of a trace: what it starts belongs to it.
    #[must_use]
    pub fn in_trace(self, trace: Option<TraceContext>) -> Self {
        Self { trace: trace.map(Arc::new), ..self }
    }

    /// Who calls.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Where.
    pub fn namespace(&self) -> &NamespaceName {
        &self.namespace
    }

    /// What may be asked for there now. Refuses a namespace that is being deleted since the
    /// request came, and another one that has its name now.
    pub(crate) fn policy_now(&self) -> Result<Arc<NamespacePolicy>> {
        let policy = self.shared.namespaces.check_namespace(&self.namespace)?;
        let is_same = policy.created_at == self.policy.created_at;
        if is_same { Ok(policy) } else { Err(unknown(&self.namespace)) }
    }

    /// What may be asked for there.
    pub fn policy(&self) -> &NamespacePolicy {
        &self.policy
    }
}
