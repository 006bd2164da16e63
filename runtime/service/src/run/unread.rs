//! Signals that a run did not act on, for the run that it continues as.

use dacapo_model::event::{EventAttributes, HistoryEvent};
use dacapo_model::ids::EventId;
use dacapo_model::payload::Payload;
use dacapo_model::signal::Signal;
use dacapo_store::error::StoreError;

use super::actor::Actor;
use crate::committer::CommitFailure;

/// Events read by one statement.
const PAGE: u32 = 2_000;

impl Actor {
    /// What these events of the run say; `fresh` ones are not stored yet. The
    /// store is read only if others are among them: while a run keeps up with
    /// its signals, there are none.
    pub(super) async fn unread_signals(
        &mut self,
        unread: &[EventId],
        fresh: &[HistoryEvent],
    ) -> Result<Vec<Signal>, CommitFailure> {
        let Some(first) = unread.first().copied() else {
            return Ok(Vec::new());
        };
        let stored = match fresh.first() {
            Some(event) if event.id <= first => Vec::new(),
            _ => self.stored_from(first).await.map_err(|error| {
                tracing::warn!(run_id = %self.run.key, error = ?error, "history can't be read");
                CommitFailure::Unavailable
            })?,
        };
        let mut unread = unread.iter().copied().peekable();
        let signals: Vec<Signal> = stored
            .iter()
            .chain(fresh)
            .filter(|event| unread.next_if_eq(&event.id).is_some())
            .filter_map(|event| Signal::of_event(&event.attributes))
            .collect();
        // Better to read again than to lose one.
        if unread.next().is_some() { Err(CommitFailure::Unavailable) } else { Ok(signals) }
    }

    /// What the run was started with. The store is read unless the run has just
    /// begun.
    pub(super) async fn input(&mut self, fresh: &[HistoryEvent]) -> Result<Payload, CommitFailure> {
        let stored = match fresh.first() {
            Some(first) if first.id == EventId::FIRST => Vec::new(),
            _ => {
                let store = &self.shared.store;
                store.load_history(self.run.key, EventId::FIRST, 1).await.map_err(|error| {
                    tracing::warn!(run_id = %self.run.key, error = ?error, "history can't be read");
                    CommitFailure::Unavailable
                })?
            }
        };
        let first = stored.first().or(fresh.first());
        match first.map(|event| &event.attributes) {
            Some(EventAttributes::WorkflowExecutionStarted(started)) => Ok(started.input.clone()),
            _ => Err(CommitFailure::Unavailable),
        }
    }

    async fn stored_from(&mut self, mut from: EventId) -> Result<Vec<HistoryEvent>, StoreError> {
        let mut events = Vec::new();
        loop {
            let page = self.shared.store.load_history(self.run.key, from, PAGE).await?;
            let next = page.last().map(|last| last.id.next());
            let full = page.len() >= PAGE as usize;
            events.extend(page);
            match next {
                Some(next) if full => from = next,
                _ => return Ok(events),
            }
        }
    }
}
