//! A number of bytes that requests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dacapo_model::code::ErrorCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;

/// What is counted: charges are rounded up to it.
const UNIT: usize = 1024;

/// Charges up to this are small.
const SMALL_BYTES_MAX: usize = 256 * 1024;

/// How long a request waits for room before it is refused.
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers that wait for room at a time.
const ANSWERS_WAITING_MAX: usize = 8;

/// Bytes for all requests of a server together.
#[derive(Debug)]
pub struct MemoryBudget {
    small: Share,
    large: Share,
    /// What of the large share modules may have that are being uploaded: each stays
    /// until it is compiled, which takes up to minutes.
    modules: Share,
    /// For answers that are there and wait for room: so many that what they hold does
    /// not matter.
    answers: Semaphore,
}

#[derive(Debug)]
struct Share {
    room: Arc<Semaphore>,
    units: u32,
    /// Requests that wait for room.
    waiting: AtomicUsize,
}

impl Share {
    fn new(bytes: usize) -> Self {
        let units = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).max(1);
        let permits = usize::try_from(units).unwrap_or(Semaphore::MAX_PERMITS);
        let room = Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        Self { room, units, waiting: AtomicUsize::new(0) }
    }

    fn is_short(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    async fn acquire(&self, bytes: usize) -> Result<OwnedSemaphorePermit, ApiError> {
        let units = self.units(bytes);
        if let Ok(permit) = self.room.clone().try_acquire_many_owned(units) {
            return Ok(permit);
        }
        let _waiting = Waiting::begin(&self.waiting);
        match tokio::time::timeout(PATIENCE, self.room.clone().acquire_many_owned(units)).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(overloaded()),
        }
    }

    /// What is larger than all there is gets all there is.
    fn units(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).clamp(1, self.units)
    }
}

/// Bytes that somebody has until this is dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    permit: OwnedSemaphorePermit,
    /// The same of what modules may have.
    of_modules: Option<OwnedSemaphorePermit>,
}

impl From<OwnedSemaphorePermit> for Charge {
    fn from(permit: OwnedSemaphorePermit) -> Self {
        Self { permit, of_modules: None }
    }
}

impl Charge {
    /// Whether it is of the share for large requests.
    pub(super) fn is_large(&self) -> bool {
        self.permit.num_permits() > SMALL_BYTES_MAX / UNIT
    }

    /// Whether there is so much of it.
    pub(super) fn covers(&self, bytes: usize) -> bool {
        self.permit.num_permits() >= bytes.div_ceil(UNIT)
    }

    /// Gives back what is more than this.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        for permit in std::iter::once(&mut self.permit).chain(&mut self.of_modules) {
            let more = permit.num_permits().saturating_sub(bytes.div_ceil(UNIT).max(1));
            drop(permit.split(more));
        }
    }
}

impl MemoryBudget {
    /// A quarter of it is for small requests, and half of the rest for none but what
    /// modules leave.
    pub fn new(bytes: usize) -> Self {
        let large = bytes - bytes / 4;
        Self {
            small: Share::new(bytes / 4),
            large: Share::new(large),
            modules: Share::new(large / 2),
            answers: Semaphore::new(ANSWERS_WAITING_MAX),
        }
    }

    /// Whether somebody waits for room. Then who holds some without getting on with
    /// it has to go.
    pub fn is_short(&self) -> bool {
        self.large.is_short()
    }

    /// The same for the share that a charge of so many bytes is of.
    pub(crate) fn is_short_of(&self, bytes: usize) -> bool {
        self.share(bytes).is_short()
    }

    /// The same for modules.
    pub(crate) fn is_short_of_modules(&self) -> bool {
        self.large.is_short() || self.modules.is_short()
    }

    /// Takes bytes for an answer that is there already. Few may wait with theirs in
    /// their hands.
    pub(super) async fn acquire_for_answer(&self, bytes: usize) -> Option<Charge> {
        if let Some(charge) = self.try_acquire(bytes) {
            return Some(charge);
        }
        let _waits = self.answers.try_acquire().ok()?;
        self.acquire(bytes).await.ok()
    }

    /// Bytes that are free for large requests.
    #[cfg(test)]
    pub(crate) fn free(&self) -> usize {
        self.large.room.available_permits() * UNIT
    }

    /// Takes bytes, at once or not at all.
    pub(crate) fn try_acquire(&self, bytes: usize) -> Option<Charge> {
        let share = self.share(bytes);
        share.room.clone().try_acquire_many_owned(share.units(bytes)).ok().map(Charge::from)
    }

    /// Takes bytes, in the order of those who ask, within a few seconds.
    pub(crate) async fn acquire(&self, bytes: usize) -> Result<Charge, ApiError> {
        self.share(bytes).acquire(bytes).await.map(Charge::from)
    }

    /// Takes bytes for a module that is uploaded: of its own share, and of the large one.
    pub(crate) async fn acquire_for_module(&self, bytes: usize) -> Result<Charge, ApiError> {
        let of_modules = self.modules.acquire(bytes).await?;
        let permit = self.large.acquire(bytes).await?;
        Ok(Charge { permit, of_modules: Some(of_modules) })
    }

    fn share(&self, bytes: usize) -> &Share {
        if bytes <= SMALL_BYTES_MAX { &self.small } else { &self.large }
    }
}

/// The refusal of a request for which there is no room.
pub(crate) fn overloaded() -> ApiError {
    ApiError::new(
        ErrorCode::Overloaded,
        "the server has no memory left for this request; nothing was done, so send it again in a \
         moment. If this happens often, give the server more memory (--memory-limit) or send it \
         less at a time",
    )
}

/// Counts itself among those who wait, also if it is dropped half-way.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    #[tokio::test]
    async fn what_is_given_back_is_there_for_the_next() {
        let budget = MemoryBudget::new(4 * MIB);
        let mut first = budget.acquire(2 * MIB).await.expect("there is room");
        let _second = budget.acquire(MIB).await.expect("there is room");
        assert!(budget.try_acquire(MIB).is_none());
        first.shrink(MIB);
        assert!(budget.try_acquire(MIB).is_some());
        drop(first);
        assert!(budget.try_acquire(2 * MIB).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_room_waits_and_is_refused_after_a_while() {
        let budget = MemoryBudget::new(4 * MIB);
        let all = budget.acquire(3 * MIB).await.expect("there is room");
        let refused = budget.acquire(MIB).await.expect_err("there is none");
        assert_eq!(refused.code(), ErrorCode::Overloaded);
        assert!(!budget.is_short(), "nobody waits any more");

        let (waited, ()) = tokio::join!(budget.acquire(MIB), async {
            assert!(budget.is_short());
            drop(all);
        });
        assert!(waited.is_ok());
    }

    #[tokio::test]
    async fn small_requests_get_through_while_large_ones_take_all_they_may() {
        let budget = MemoryBudget::new(4 * MIB);
        let _large = budget.acquire(3 * MIB).await.expect("there is room");
        assert!(budget.try_acquire(SMALL_BYTES_MAX + 1).is_none());
        assert!(budget.try_acquire(SMALL_BYTES_MAX).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn modules_that_are_compiled_leave_room_for_others() {
        let budget = MemoryBudget::new(4 * MIB);
        let first = budget.acquire_for_module(MIB).await.expect("there is room");
        let refused = budget.acquire_for_module(MIB).await.expect_err("not for another");
        assert_eq!(refused.code(), ErrorCode::Overloaded);
        let other = budget.try_acquire(2 * MIB).expect("there is room for anything else");
        drop((first, other));
        let mut alone = budget.acquire_for_module(100 * MIB).await.expect("it goes alone");
        alone.shrink(MIB / 2);
        assert!(budget.acquire_for_module(MIB).await.is_ok());
    }

    #[tokio::test]
    async fn what_is_larger_than_all_there_is_goes_alone() {
        let budget = MemoryBudget::new(4 * MIB);
        let alone = budget.acquire(100 * MIB).await.expect("it waits for nobody");
        assert_eq!(budget.free(), 0);
        drop(alone);
        assert_eq!(budget.free(), 3 * MIB);
    }
}
