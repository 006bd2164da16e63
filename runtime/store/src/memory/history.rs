//! Reading histories.

use async_trait::async_trait;
use dacapo_model::event::{EventAttributes, HistoryEvent, ParentExecution};
use dacapo_model::ids::{EventId, RunId, RunKey};

use super::{MemoryStore, at_most};
use crate::error::Result;
use crate::history::HistoryStore;
use crate::size::history_bytes;

#[async_trait]
impl HistoryStore for MemoryStore {
    async fn load_history(
        &self,
        key: RunKey,
        from: EventId,
        limit: u32,
    ) -> Result<Vec<HistoryEvent>> {
        self.read(|state| {
            let events = state.events.range((key, from)..=(key, EventId(u64::MAX)));
            events.take(at_most(limit)).map(|it| state.readable(it)).collect()
        })
    }

    async fn load_history_part(
        &self,
        key: RunKey,
        from: EventId,
        limit: u32,
        bytes_max: u64,
    ) -> Result<Vec<HistoryEvent>> {
        self.read(|state| {
            let events = state.events.range((key, from)..=(key, EventId(u64::MAX)));
            let mut bytes = 0;
            let part = events.take(at_most(limit)).take_while(|(_, event)| {
                let has_room = bytes < bytes_max;
                bytes += event.attributes.bytes();
                has_room
            });
            part.map(|it| state.readable(it)).collect()
        })
    }

    async fn last_event(&self, key: RunKey) -> Result<Option<HistoryEvent>> {
        self.read(|state| {
            let mut events = state.events.range((key, EventId(0))..=(key, EventId(u64::MAX)));
            events.next_back().map(|it| state.readable(it)).transpose()
        })
    }

    async fn load_histories(
        &self,
        keys: &[RunKey],
        limit: u32,
        bytes_max: usize,
    ) -> Result<Vec<Vec<HistoryEvent>>> {
        self.read(|state| {
            let (mut histories, mut bytes) = (Vec::new(), 0);
            for &key in keys {
                if bytes >= bytes_max && !histories.is_empty() {
                    break;
                }
                let events = state.events.range((key, EventId(0))..=(key, EventId(u64::MAX)));
                let events = events.take(at_most(limit)).map(|it| state.readable(it));
                let history = events.collect::<Result<Vec<HistoryEvent>>>()?;
                bytes += history_bytes(&history);
                histories.push(history);
            }
            Ok(histories)
        })
    }

    async fn last_events(&self, keys: &[RunKey]) -> Result<Vec<Option<HistoryEvent>>> {
        self.read(|state| {
            let last = |&key: &RunKey| -> Result<Option<HistoryEvent>> {
                let mut events = state.events.range((key, EventId(0))..=(key, EventId(u64::MAX)));
                events.next_back().map(|it| state.readable(it)).transpose()
            };
            keys.iter().map(last).collect()
        })
    }

    async fn find_parents(&self, keys: &[RunKey]) -> Result<Vec<(RunId, ParentExecution)>> {
        self.read(|state| {
            let mut parents = Vec::new();
            for key in keys {
                let place = (*key, EventId::FIRST);
                let Some(event) = state.events.get(&place) else { continue };
                let attributes = state.readable((&place, event))?.attributes;
                if let EventAttributes::WorkflowExecutionStarted(started) = attributes
                    && let Some(parent) = started.parent
                {
                    parents.push((key.run_id, *parent));
                }
            }
            Ok(parents)
        })
    }
}
