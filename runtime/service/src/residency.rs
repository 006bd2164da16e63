//! How many instances stay in memory: the ones used last. A run without one is
//! as alive as any other; its next activation replays its history.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dacapo_model::ids::RunId;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Permits for instances, and who could give one up.
pub(crate) struct Residency {
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    by_age: BTreeMap<u64, RunId>,
    ages: HashMap<RunId, u64>,
    clock: u64,
}

impl Idle {
    fn remove(&mut self, run_id: RunId) {
        if let Some(age) = self.ages.remove(&run_id) {
            self.by_age.remove(&age);
        }
    }
}

impl Residency {
    /// With room for this many instances. Without any, there is one at a time, which
    /// goes as soon as its run waits.
    pub(crate) fn new(instances_max: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(instances_max.clamp(1, Semaphore::MAX_PERMITS))),
            // As if somebody waited for room all the time.
            waiting: AtomicUsize::new(usize::from(instances_max == 0)),
            idle: Mutex::new(Idle::default()),
        }
    }

    /// A permit for one instance. When there is none left, `evict` is called
    /// with the run that has been idle longest.
    pub(crate) async fn acquire(&self, evict: impl Fn(RunId)) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            return Some(permit);
        }
        let _waiting = Waiting::begin(&self.waiting);
        if let Some(oldest) = self.take_oldest() {
            evict(oldest);
        }
        self.permits.clone().acquire_owned().await.ok()
    }

    /// The run waits, and could give its instance up. True if it should at once.
    pub(crate) fn mark_idle(&self, run_id: RunId) -> bool {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            return true;
        }
        let mut idle = self.idle.lock();
        idle.remove(run_id);
        idle.clock += 1;
        let age = idle.clock;
        idle.by_age.insert(age, run_id);
        idle.ages.insert(run_id, age);
        false
    }

    /// The run is busy, or has no instance any more.
    pub(crate) fn mark_busy(&self, run_id: RunId) {
        self.idle.lock().remove(run_id);
    }

    fn take_oldest(&self) -> Option<RunId> {
        let mut idle = self.idle.lock();
        let (_, oldest) = idle.by_age.pop_first()?;
        idle.ages.remove(&oldest);
        Some(oldest)
    }
}

/// Counts itself among those who wait, also if it is dropped half-way.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as StdMutex;

    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn without_room_no_run_that_waits_keeps_its_instance() {
        let residency = Residency::new(0);
        let only = residency.acquire(|_| unreachable!("there is one")).await;
        assert!(residency.mark_idle(RunId(Uuid::from_u128(1))));
        drop(only);
        assert!(residency.acquire(|_| unreachable!("nobody is idle")).await.is_some());
        assert!(residency.mark_idle(RunId(Uuid::from_u128(2))), "later, too");
    }

    #[tokio::test]
    async fn the_run_that_was_idle_longest_gives_its_place_up() {
        let residency = Residency::new(2);
        let first = residency.acquire(|_| unreachable!("there is room")).await;
        let second = residency.acquire(|_| unreachable!("there is room")).await;
        let (a, b) = (RunId(Uuid::from_u128(1)), RunId(Uuid::from_u128(2)));
        assert!(!residency.mark_idle(a));
        assert!(!residency.mark_idle(b));
        assert!(!residency.mark_idle(a));

        let held = StdMutex::new(second);
        let evicted = StdMutex::new(Vec::new());
        let third = residency
            .acquire(|run_id| {
                evicted.lock().expect("not poisoned").push(run_id);
                held.lock().expect("not poisoned").take();
            })
            .await;
        assert!(third.is_some());
        assert_eq!(*evicted.lock().expect("not poisoned"), [b]);
        drop(first);
    }
}
