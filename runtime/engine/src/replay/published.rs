//! Values that the guest shows to those who ask, without being asked.

use std::collections::{BTreeMap, BTreeSet};

use dacapo_model::command::Command;
use dacapo_model::ids::QueryName;
use dacapo_model::limits::PUBLISHED_VALUES_MAX;
use dacapo_model::payload::Payload;

use super::{CallError, Cursor};

/// All that the guest has published.
#[derive(Debug, Default)]
pub(super) struct Published {
    values: BTreeMap<QueryName, Payload>,
    bytes: usize,
    /// Those that are not stored yet.
    fresh: BTreeSet<QueryName>,
}

impl Published {
    /// The values that are to be stored.
    pub(super) fn take_fresh(&mut self) -> impl Iterator<Item = Command> {
        std::mem::take(&mut self.fresh).into_iter().filter_map(|name| {
            let value = self.values.get(&name)?.clone();
            Some(Command::Publish { name, value })
        })
    }

    pub(super) fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }
}

impl Cursor {
    /// Shows a value from now on, in place of the one before. On replay it is only
    /// noted: it was stored with the transition in which it was published.
    pub fn publish(&mut self, name: QueryName, value: Payload) -> Result<(), CallError> {
        self.check_undisturbed(|| format!("published `{name}`"))?;
        self.overtake();
        let published = &mut self.published;
        let old = published.values.get(&name);
        if old == Some(&value) {
            return Ok(());
        }
        let max = self.budget.command_bytes_max;
        let bytes = published.bytes - old.map_or(0, Payload::len);
        let bytes = bytes.saturating_add(value.len());
        if old.is_none() && published.values.len() >= PUBLISHED_VALUES_MAX {
            return Err(CallError::TooManyPublished { max: PUBLISHED_VALUES_MAX });
        }
        if bytes > max {
            return Err(CallError::TooManyPublishedBytes { max });
        }
        published.bytes = bytes;
        published.values.insert(name.clone(), value);
        if self.history.is_empty() {
            self.published.fresh.insert(name);
        }
        Ok(())
    }

    /// All that the guest has published so far.
    pub fn published(&self) -> &BTreeMap<QueryName, Payload> {
        &self.published.values
    }
}
