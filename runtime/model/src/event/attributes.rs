//! What a workflow says about its run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::attributes::{AttributeChanges, SearchAttribute};
use crate::json::Json;

/// Search attributes that changed; those without a value were removed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpsertWorkflowSearchAttributes {
    /// By name.
    pub search_attributes: BTreeMap<String, Option<SearchAttribute>>,
}

/// Values of the memo that changed; those without a value were removed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkflowPropertiesModified {
    /// By name.
    pub memo: BTreeMap<String, Option<Json>>,
}

impl UpsertWorkflowSearchAttributes {
    /// What changed.
    pub fn changes(&self) -> AttributeChanges {
        let search_attributes = self.search_attributes.clone();
        AttributeChanges { search_attributes, ..AttributeChanges::default() }
    }
}

impl WorkflowPropertiesModified {
    /// What changed.
    pub fn changes(&self) -> AttributeChanges {
        AttributeChanges { memo: self.memo.clone(), ..AttributeChanges::default() }
    }
}
