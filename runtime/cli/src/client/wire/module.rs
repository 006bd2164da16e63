//! Modules.

use serde::Deserialize;

/// One version of a module.
#[derive(Debug, Deserialize)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// Counted from 1 under that name.
    pub version: u32,
    /// SHA-256 of the component, in hex.
    pub digest: String,
    /// Bytes of the component.
    pub size_bytes: u64,
    /// Workflow types.
    pub workflows: Vec<String>,
    /// Activity types.
    pub activities: Vec<String>,
    /// When it was uploaded.
    pub created_at: String,
}

/// Several modules, or versions of one.
#[derive(Debug, Deserialize)]
pub struct Modules {
    /// The modules.
    pub modules: Vec<Module>,
    /// Where the next page begins.
    #[serde(default)]
    pub next_page_token: Option<String>,
}

/// All versions of a module.
#[derive(Debug, Deserialize)]
pub struct ModuleVersions {
    /// The versions, oldest first.
    pub versions: Vec<Module>,
}

/// What became of versions that were to be deleted.
#[derive(Debug, Deserialize)]
pub struct ModuleDeleted {
    /// Those that were there.
    pub deleted: Vec<u32>,
}
