//! Reads a history, page by page or live.

use std::sync::Arc;
use std::time::Duration;

use dacapo_model::event::HistoryEvent;
use dacapo_model::ids::{EventId, RunId, RunKey};
use dacapo_model::limits::PAGE_SIZE_MAX;
use tokio::sync::watch;

use super::RunRef;
use super::locate::Located;
use crate::error::{Result, ServiceError};
use crate::run::Progress;
use crate::runtime::Shared;
use crate::salvage::{DamagedEvent, Part, is_unreadable, read_around};
use crate::tenancy::Tenant;

/// Events that a follower gets at a time.
const CHUNK: u32 = 32;

/// A page ends with the event that makes it larger than this, so that a request
/// can't make the server hold a whole history.
pub const PAGE_BYTES_MAX: usize = 1024 * 1024;

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

impl Tenant {
    /// At most `limit` events from `from` on, or fewer if they are large.
    pub async fn run_history(
        &self,
        run: &RunRef,
        from: EventId,
        limit: u32,
    ) -> Result<HistoryPage> {
        let key = match self.confirmed(run, self.locate(run)).await? {
            Located::Open(open) => open.key,
            Located::Closed(execution) => execution.key,
        };
        let limit = limit.clamp(1, PAGE_SIZE_MAX);
        let part = read_part(&self.shared, key, from, limit, PAGE_BYTES_MAX as u64).await?;
        let has_ended = part.events.last().is_some_and(|last| last.attributes.is_closing());
        // What ended the part is not told, so this looks whether there is more.
        let next = match part.next.filter(|_| !has_ended) {
            Some(next) => {
                let beyond = read_part(&self.shared, key, next, 1, 1).await?;
                Some(next).filter(|_| !beyond.events.is_empty() || !beyond.damaged.is_empty())
            }
            None => None,
        };
        Ok(HistoryPage { run_id: key.run_id, events: part.events, damaged: part.damaged, next })
    }

    /// Events from `from` on, those that are recorded and those to come.
    pub async fn follow_history(&self, run: &RunRef, from: EventId) -> Result<HistoryFollower> {
        let (key, progress) = match self.confirmed(run, self.locate(run)).await? {
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

/// Events from `from` on: at most `limit`, and not many more bytes than `bytes_max`. What
/// is in the way of a damaged history is told instead of read.
async fn read_part(
    shared: &Shared,
    key: RunKey,
    from: EventId,
    limit: u32,
    bytes_max: u64,
) -> Result<Part> {
    let store = &shared.store;
    match store.load_history_part(key, from, limit, bytes_max).await {
        Ok(events) if events.iter().zip(from.0.max(1)..).all(|(event, id)| event.id.0 == id) => {
            let next = events.last().map(|last| last.id.next());
            return Ok(Part { events, damaged: Vec::new(), next });
        }
        Err(error) if !is_unreadable(&error) => return Err(error.into()),
        // An event is missing, or can't be read.
        Ok(_) | Err(_) => {}
    }
    Ok(read_around(&**store, key, from, limit.min(CHUNK)).await?)
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
        loop {
            let events = self.read().await?;
            if !events.is_empty() {
                return Ok(Some(events));
            }
            if !self.wait().await? {
                return Ok(None);
            }
        }
    }

    /// The next of those events that are recorded by now, if there are any.
    pub async fn read(&mut self) -> Result<Vec<HistoryEvent>> {
        if self.ended {
            return Ok(Vec::new());
        }
        // Before reading, so that what is recorded meanwhile is not missed.
        if let Some(progress) = &mut self.progress {
            progress.mark_unchanged();
        }
        loop {
            let bytes_max = PAGE_BYTES_MAX as u64;
            let part = read_part(&self.shared, self.key, self.next, CHUNK, bytes_max).await?;
            if let Some(last) = part.events.last() {
                self.next = part.next.unwrap_or(last.id.next());
                self.ended = last.attributes.is_closing();
                return Ok(part.events);
            }
            // Who follows sees by the ids what can't be shown.
            match part.next {
                Some(next) => self.next = next,
                None => return Ok(part.events),
            }
        }
    }

    /// Waits until there may be more to read than was there; false if there never
    /// will be.
    pub async fn wait(&mut self) -> Result<bool> {
        let Some(progress) = self.progress.as_mut().filter(|_| !self.ended) else {
            return Ok(false);
        };
        tokio::select! {
            changed = progress.changed() => {
                if changed.is_err() {
                    // The run is gone from memory; what is stored is all.
                    self.progress = None;
                }
            }
            () = tokio::time::sleep(FOLLOW_POLL) => {}
            () = self.shared.life.stopping.cancelled() => return Err(ServiceError::stopping()),
        }
        Ok(true)
    }
}
