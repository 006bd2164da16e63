//! Namespaces (`namespaces`). The migration creates one called `default`.

use async_trait::async_trait;
use dacapo_model::ids::NamespaceName;

use crate::error::Result;

/// Reading namespaces.
#[async_trait]
pub trait NamespaceStore: Send + Sync {
    /// All of them, by name.
    async fn namespaces(&self) -> Result<Vec<NamespaceName>>;
}
