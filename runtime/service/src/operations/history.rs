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
use crate::salvage::{DamagedEvent, Part, read_around};

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
    /// What of this part of the history can't be shown.
    pub damaged: Vec<DamagedEvent>,
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
        let mut damaged = Vec::new();
        let (mut next, mut bytes) = (Some(from), 0);
        while let Some(from) = next
            && events.len() <= limit
            && bytes < PAGE_BYTES_MAX
        {
            let part = read_part(&self.shared, key, from).await?;
            let chunk = part.events;
            damaged.extend(part.damaged);
            let payloads = chunk.iter().filter_map(|event| event.attributes.payload());
            bytes += payloads.map(|(_, payload)| payload.len()).sum::<usize>();
            next = part.next;
            events.extend(chunk);
        }
        if let Some(beyond) = events.get(limit) {
            next = Some(beyond.id);
            damaged.retain(|damaged| damaged.event_id < beyond.id);
            events.truncate(limit);
        }
        Ok(HistoryPage { run_id: key.run_id, events, damaged, next })
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

async fn read_part(shared: &Shared, key: RunKey, from: EventId) -> Result<Part> {
    let read = async |from, limit| shared.store.load_history(key, from, limit).await;
    Ok(read_around(read, from, CHUNK).await?)
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
            // Who follows sees by the ids what can't be shown.
            let part = read_part(&self.shared, self.key, self.next).await?;
            if let Some(last) = part.events.last() {
                self.next = part.next.unwrap_or(last.id.next());
                self.ended = last.attributes.is_closing();
                return Ok(Some(part.events));
            }
            if let Some(next) = part.next {
                self.next = next;
                continue;
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
