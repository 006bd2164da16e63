//! Runs that a node wakes by itself when it starts: as many at a time as there is room
//! for what is read of them. There may be more of them than memory.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What is counted.
const UNIT: u64 = 1024;

/// What a run takes that is awake, beside its history.
const RUN_BYTES: u64 = 16 * UNIT;

/// The room of one run that was woken, until it waits for the first time.
pub(crate) type Portion = OwnedSemaphorePermit;

/// Room for the runs that are being woken.
pub(crate) struct Portions {
    room: Arc<Semaphore>,
    units: u32,
}

impl Portions {
    /// So many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        let units = u32::try_from(bytes as u64 / UNIT).unwrap_or(u32::MAX).max(1);
        let permits = usize::try_from(units).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { room: Arc::new(Semaphore::new(permits)), units }
    }

    /// Room for a run with a history of so many bytes, if there is any now.
    pub(crate) fn try_acquire(&self, history_bytes: u64) -> Option<Portion> {
        self.room.clone().try_acquire_many_owned(self.units_of(history_bytes)).ok()
    }

    /// The same, once there is.
    pub(crate) async fn acquire(&self, history_bytes: u64) -> Option<Portion> {
        self.room.clone().acquire_many_owned(self.units_of(history_bytes)).await.ok()
    }

    /// A run that is larger than all the room has all of it.
    fn units_of(&self, history_bytes: u64) -> u32 {
        let units = history_bytes.saturating_add(RUN_BYTES) / UNIT;
        u32::try_from(units).unwrap_or(u32::MAX).min(self.units)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn runs_are_woken_while_there_is_room_for_their_histories() {
        let portions = Portions::new(50 * 1024);
        let first = portions.try_acquire(4 * UNIT).expect("there is room");
        let second = portions.try_acquire(10 * UNIT).expect("there is room");
        assert!(portions.try_acquire(0).is_none());
        drop(first);
        assert!(portions.try_acquire(0).is_some());
        drop(second);
        let large = portions.acquire(u64::MAX).await.expect("it is alone");
        assert!(portions.try_acquire(0).is_none());
        drop(large);
    }
}
