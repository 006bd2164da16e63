//! What a run has recorded, read from its history: only for those who repeat a request
//! after its run has closed.

use dacapo_model::event::HistoryEvent;
use dacapo_model::ids::{EventId, RunKey};

use crate::error::Result;
use crate::tenancy::Tenant;

/// Events read by one statement.
const PAGE: u32 = 2_000;

impl Tenant {
    /// Whether there is such an event in the history of a run.
    pub(super) async fn has_recorded(
        &self,
        key: RunKey,
        is_it: impl Fn(&HistoryEvent) -> Result<bool>,
    ) -> Result<bool> {
        let mut from = EventId::FIRST;
        loop {
            let page = self.shared.store.load_history(key, from, PAGE).await?;
            for event in &page {
                if is_it(event)? {
                    return Ok(true);
                }
            }
            match page.last() {
                Some(last) if page.len() >= PAGE as usize => from = last.id.next(),
                _ => return Ok(false),
            }
        }
    }
}
