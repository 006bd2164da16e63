//! What the guest says about its run.

use dacapo_model::attributes::{AttributeChanges, RunAttributes};
use dacapo_model::command::Command;

use super::{CallError, Cursor};

impl Cursor {
    /// Changes what is said about the run. The memo, search attributes and tags are
    /// recorded apart.
    pub fn upsert_attributes(&mut self, changes: AttributeChanges) -> Result<(), CallError> {
        let AttributeChanges { memo, search_attributes, tags } = changes;
        let memo = AttributeChanges { memo, ..AttributeChanges::default() };
        let searched = AttributeChanges { search_attributes, ..AttributeChanges::default() };
        let tagged = AttributeChanges { tags, ..AttributeChanges::default() };
        for changes in [memo, searched, tagged] {
            if !changes.is_empty() {
                self.run_attributes.apply(&changes);
                self.emit(Command::UpsertAttributes(changes))?;
            }
        }
        Ok(())
    }

    /// What is said about the run, as far as the guest has come. Of tags only what it says
    /// itself: those that others set are no business of its code.
    pub fn attributes(&self) -> &RunAttributes {
        &self.run_attributes
    }
}
