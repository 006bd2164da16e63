//! A module that a workflow named, for what another one defines.

use dacapo_model::event::ModuleRef;
use dacapo_model::ids::ModuleName;
use serde::Serialize;
use utoipa::ToSchema;

/// The module that was named for a child or an activity.
#[derive(Serialize, ToSchema)]
pub(crate) struct NamedModule {
    /// Its name.
    #[schema(value_type = String)]
    name: ModuleName,
    /// A certain version; absent if the newest was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
}

impl From<ModuleRef> for NamedModule {
    fn from(module: ModuleRef) -> Self {
        Self { name: module.name, version: module.version }
    }
}
