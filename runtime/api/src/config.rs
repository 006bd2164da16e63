//! What an operator decides about the edge.

use std::sync::Arc;

use prometheus::Registry;

use crate::access::{Access, Oidc};
use crate::memory::MemoryBudget;
use crate::site::ServerNames;

/// Bytes for requests unless an operator says otherwise.
const REQUEST_BYTES_DEFAULT: usize = 512 * 1024 * 1024;

/// Settings of the API.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// The names by which clients may call the server.
    pub names: ServerNames,
    /// Memory of all requests together.
    pub memory: Arc<MemoryBudget>,
    /// What the process measures.
    pub metrics: Registry,
    /// Whom to let in.
    pub access: Access,
    /// Whose tokens are taken beside API keys, if anybody's.
    pub oidc: Option<Arc<Oidc>>,
}

impl Default for ApiConfig {
    fn default() -> Self {
        let memory = Arc::new(MemoryBudget::new(REQUEST_BYTES_DEFAULT));
        Self {
            names: ServerNames::default(),
            memory,
            metrics: Registry::new(),
            access: Access::Open,
            oidc: None,
        }
    }
}
