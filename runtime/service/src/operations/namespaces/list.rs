//! Lists namespaces, and shows one.

use dacapo_model::ids::NamespaceName;
use dacapo_model::namespace::Namespace;

use crate::Runtime;
use crate::error::Result;
use crate::tenancy::unknown;

/// One page of namespaces.
#[derive(Debug, Clone, PartialEq)]
pub struct NamespaceList {
    /// By name.
    pub namespaces: Vec<Namespace>,
    /// The name of the last of them, if there are more.
    pub next: Option<NamespaceName>,
}

impl Runtime {
    /// Namespaces by name, those after `after`. Those that are being deleted are among them.
    pub async fn list_namespaces(
        &self,
        after: Option<&NamespaceName>,
        limit: u32,
    ) -> Result<NamespaceList> {
        self.shared.admit()?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut namespaces = self.shared.store.namespaces().await?;
        namespaces.retain(|it| after.is_none_or(|after| it.name > *after));
        let is_more = namespaces.len() > limit;
        namespaces.truncate(limit);
        let next = namespaces.last().filter(|_| is_more).map(|last| last.name.clone());
        Ok(NamespaceList { namespaces, next })
    }

    /// What is known of a namespace.
    pub async fn describe_namespace(&self, name: &NamespaceName) -> Result<Namespace> {
        self.shared.admit()?;
        let mut namespaces = self.shared.store.namespaces().await?;
        let at = namespaces.iter().position(|it| it.name == *name);
        at.map(|at| namespaces.swap_remove(at)).ok_or_else(|| unknown(name))
    }
}
