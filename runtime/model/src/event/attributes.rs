//! What a workflow says about its run.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::attributes::{AttributeChanges, SearchAttribute};
use crate::json::Json;
use crate::tag::{TagChanges, Tags};

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

/// Tags that changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TagsChanged {
    /// Those that the run has from now on.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub added: Tags,
    /// Those that it does not have any more.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub removed: Tags,
}

impl From<TagChanges> for TagsChanged {
    fn from(TagChanges { added, removed }: TagChanges) -> Self {
        Self { added, removed }
    }
}

impl TagsChanged {
    /// What changed.
    pub fn changes(&self) -> AttributeChanges {
        let Self { added, removed } = self.clone();
        let tags = TagChanges { added, removed };
        AttributeChanges { tags, ..AttributeChanges::default() }
    }
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
