//! What the attempts of a node hold in linear memory together.
//!
//! An attempt begins once there is room for what its component needs at first; those
//! who wait for that take their turn. What it asks for later is there at once, or it
//! fails and is made again: if it waited with what it holds, it could wait for others
//! that wait for it.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What is counted: a page of WebAssembly.
const UNIT: usize = 64 * 1024;

/// Bytes for all attempts.
#[derive(Debug)]
pub(crate) struct ActivityMemory {
    room: Arc<Semaphore>,
    units: u32,
    bytes: usize,
}

/// What one attempt has of it, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    memory: Arc<ActivityMemory>,
    permit: OwnedSemaphorePermit,
}

impl ActivityMemory {
    pub(crate) fn new(bytes: usize) -> Arc<Self> {
        let units = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).max(1);
        let permits = usize::try_from(units).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Arc::new(Self { room: Arc::new(Semaphore::new(permits)), units, bytes })
    }

    /// Room for an attempt that needs so many bytes at first. One that needs more than
    /// there is has all of it. None once the host shuts down.
    pub(crate) async fn begin(self: &Arc<Self>, bytes: usize) -> Option<Share> {
        let units = units(bytes).min(self.units);
        let permit = Arc::clone(&self.room).acquire_many_owned(units).await.ok()?;
        Some(Share { memory: Arc::clone(self), permit })
    }
}

impl Share {
    /// Takes what is missing to so many bytes. False if there is no room for it.
    pub(crate) fn cover(&mut self, bytes: usize) -> bool {
        let has = u32::try_from(self.permit.num_permits()).unwrap_or(u32::MAX);
        let missing = units(bytes).saturating_sub(has);
        if missing == 0 {
            return true;
        }
        let room = Arc::clone(&self.memory.room);
        match room.try_acquire_many_owned(missing) {
            Ok(more) => {
                self.permit.merge(more);
                true
            }
            Err(_) => false,
        }
    }

    /// What all attempts have together.
    pub(crate) fn bytes_of_all(&self) -> usize {
        self.memory.bytes
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn begins_at_once(memory: &Arc<ActivityMemory>, bytes: usize) -> bool {
        tokio::select! {
            biased;
            share = memory.begin(bytes) => share.is_some(),
            () = std::future::ready(()) => false,
        }
    }

    #[tokio::test]
    async fn an_attempt_begins_once_there_is_room_for_it() {
        let memory = ActivityMemory::new(4 * UNIT);
        let first = memory.begin(3 * UNIT).await.expect("there is room");
        assert!(!begins_at_once(&memory, 2 * UNIT).await);
        drop(first);
        assert!(begins_at_once(&memory, 2 * UNIT).await);
    }

    #[tokio::test]
    async fn an_attempt_grows_as_long_as_there_is_room_and_gives_all_of_it_back() {
        let memory = ActivityMemory::new(4 * UNIT);
        let mut one = memory.begin(UNIT).await.expect("there is room");
        let mut other = memory.begin(UNIT).await.expect("there is room");
        assert!(one.cover(UNIT) && one.cover(2 * UNIT + 1));
        assert!(!other.cover(2 * UNIT));
        assert!(other.cover(UNIT), "it keeps what it has");
        drop(one);
        assert!(other.cover(4 * UNIT));
        drop(other);
        assert_eq!(memory.room.available_permits(), 4);
    }

    #[tokio::test]
    async fn one_that_needs_more_than_there_is_goes_alone() {
        let memory = ActivityMemory::new(4 * UNIT);
        let mut alone = memory.begin(100 * UNIT).await.expect("it waits for nobody");
        assert_eq!(memory.room.available_permits(), 0);
        assert!(!alone.cover(5 * UNIT));
    }
}
