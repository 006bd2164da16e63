//! Modules.

use dacapo_model::ids::{ModuleName, TypeName};
use dacapo_model::module::{self, ModuleDigest};
use dacapo_model::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// One version of a module.
#[derive(Serialize, ToSchema)]
pub(crate) struct ModuleVersion {
    /// Its name in the namespace.
    #[schema(value_type = String, example = "checkout")]
    name: ModuleName,
    /// Counted from 1 under that name.
    version: u32,
    /// SHA-256 of the component, in hex.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    digest: ModuleDigest,
    /// Bytes of the component.
    size_bytes: u64,
    /// The workflow types it defines.
    #[schema(value_type = Vec<String>)]
    workflows: Vec<TypeName>,
    /// The activity types it defines.
    #[schema(value_type = Vec<String>)]
    activities: Vec<TypeName>,
    /// When it was uploaded.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// The modules of a namespace.
#[derive(Serialize, ToSchema)]
pub(crate) struct ModuleList {
    /// The newest version of each, by name.
    pub(crate) modules: Vec<ModuleVersion>,
    /// Where the next page begins; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_page_token: Option<String>,
}

/// The versions of a module.
#[derive(Serialize, ToSchema)]
pub(crate) struct ModuleVersions {
    /// All of them, the oldest first.
    pub(crate) versions: Vec<ModuleVersion>,
}

impl From<module::ModuleVersion> for ModuleVersion {
    fn from(version: module::ModuleVersion) -> Self {
        Self {
            name: version.name,
            version: version.version,
            digest: version.digest,
            size_bytes: version.size_bytes,
            workflows: version.definitions.workflows,
            activities: version.definitions.activities,
            created_at: version.created_at,
        }
    }
}
