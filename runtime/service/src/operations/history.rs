//! Reads a history, page by page or live.

use std::sync::Arc;
use std::time::Duration;

use dacapo_model::event::HistoryEvent;
use dacapo_model::ids::{EventId, RunId, RunKey};
use dacapo_model::limits::PAGE_SIZE_MAX;
use tokio::sync::watch;

use super::RunRef;
use super::locate::{Located, locate};
use crate::Runtime;
use crate::error::{Result, ServiceError};
use crate::registry::Progress;
use crate::runtime::Shared;

/// Events read by one statement. Small, since each may hold a payload of the
/// largest size.
const CHUNK: u32 = 32;

/// A page ends with the event that makes its payloads larger than this together,
/// so that a request can't make the server hold a whole history.
const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How often a follower looks without being told: a backstop, should the run
/// have moved to another node.
const FOLLOW_POLL: Duration = Duration::from_secs(5);

/// A part of a history.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryPage {
    /// The run it belongs to.
    pub run_id: RunId,
    /// In order.
    pub events: Vec<HistoryEvent>,
    /// Where the next page begins; none after the last event so far.
    pub next: Option<EventId>,
}

impl Runtime {
    /// At most `limit` events from `from` on, or fewer if they are large.
    pub async fn run_history(
        &self,
        run: &RunRef,
        from: EventId,
        limit: u32,
    ) -> Result<HistoryPage> {
        let key = match self.confirmed(run, locate(&self.shared, run)).await? {
            Located::Open(open) => open.key,
            Located::Closed(execution) => execution.key,
        };
        let limit = limit.clamp(1, PAGE_SIZE_MAX) as usize;
        let mut events: Vec<HistoryEvent> = Vec::new();
        let (mut next, mut bytes) = (Some(from), 0);
        while let Some(from) = next
            && events.len() <= limit
            && bytes < PAGE_BYTES_MAX
        {
            let chunk = self.shared.store.load_history(key, from, CHUNK).await?;
            let full = chunk.len() >= CHUNK as usize;
            let payloads = chunk.iter().filter_map(|event| event.attributes.payload());
            bytes += payloads.map(|(_, payload)| payload.len()).sum::<usize>();
            next = chunk.last().filter(|_| full).map(|last| last.id.next());
            events.extend(chunk);
        }
        if let Some(beyond) = events.get(limit) {
            next = Some(beyond.id);
            events.truncate(limit);
        }
        Ok(HistoryPage { run_id: key.run_id, events, next })
    }

    /// Events from `from` on, those that are recorded and those to come.
    pub async fn follow_history(&self, run: &RunRef, from: EventId) -> Result<HistoryFollower> {
        let (key, progress) = match self.confirmed(run, locate(&self.shared, run)).await? {
            Located::Open(open) => (open.key, Some(open.watch())),
            Located::Closed(execution) => (execution.key, None),
        };
        Ok(HistoryFollower {
            run_id: key.run_id,
            shared: self.shared.clone(),
            key,
            next: from,
            progress,
            ended: false,
        })
    }
}

/// Reads a history as it grows. Holds no events: a slow reader costs nothing.
pub struct HistoryFollower {
    /// The run it follows.
    pub run_id: RunId,
    shared: Arc<Shared>,
    key: RunKey,
    next: EventId,
    progress: Option<watch::Receiver<Progress>>,
    ended: bool,
}

impl HistoryFollower {
    /// The next events; none after the closing one. Waits for as long as nothing
    /// happens. Fails when the node stops: go on elsewhere, after the last event.
    pub async fn next(&mut self) -> Result<Option<Vec<HistoryEvent>>> {
        while !self.ended {
            // Before reading, so that what is recorded meanwhile is not missed.
            if let Some(progress) = &mut self.progress {
                progress.mark_unchanged();
            }
            let events = self.shared.store.load_history(self.key, self.next, CHUNK).await?;
            if let Some(last) = events.last() {
                self.next = last.id.next();
                self.ended = last.attributes.is_closing();
                return Ok(Some(events));
            }
            match &mut self.progress {
                None => self.ended = true,
                Some(progress) => tokio::select! {
                    changed = progress.changed() => {
                        if changed.is_err() {
                            // The run is gone from memory; what is stored is all.
                            self.progress = None;
                        }
                    }
                    () = tokio::time::sleep(FOLLOW_POLL) => {}
                    () = self.shared.stopping.cancelled() => return Err(ServiceError::stopping()),
                },
            }
        }
        Ok(None)
    }
}
