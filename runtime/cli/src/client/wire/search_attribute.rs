//! Search attributes that are registered.

use serde::Deserialize;

/// Those of a namespace.
#[derive(Debug, Deserialize)]
pub struct SearchAttributes {
    /// By name.
    pub search_attributes: Vec<RegisteredSearchAttribute>,
}

/// One of them.
#[derive(Debug, Deserialize)]
pub struct RegisteredSearchAttribute {
    /// Its name.
    pub name: String,
    /// The type of its values.
    #[serde(rename = "type")]
    pub attribute_type: String,
    /// When it was registered.
    pub created_at: String,
}

/// What a removal did.
#[derive(Debug, Deserialize)]
pub struct SearchAttributeRemoved {
    /// False if it was not registered.
    pub removed: bool,
}
