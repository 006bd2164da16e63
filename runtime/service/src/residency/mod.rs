//! Which instances stay in memory: those used last, as many as there is room for. A
//! run without one is as alive as any other; its next activation replays its history.
//!
//! Room is counted in instances and in bytes. How large an instance is becomes known
//! when it waits: so there may be more than fit for as long as they are busy, but
//! none is added to them, and none of them stays.

use std::collections::{BTreeMap, HashMap};
use std::pin::pin;
use std::sync::Arc;

use dacapo_model::ids::RunId;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};

/// What a new instance is taken for until it waits for the first time.
const NEW_BYTES: usize = 1024 * 1024;

/// Who is in memory, and who could leave it.
pub(crate) struct Residency {
    instances_max: usize,
    bytes_max: usize,
    /// Those who wait for room enter one after the other.
    turn: Semaphore,
    /// Somebody has left.
    left: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    instances: usize,
    bytes: usize,
    /// Those who wait for room.
    waiting: usize,
    /// Those who could leave, by the time they were used.
    by_age: BTreeMap<u64, RunId>,
    /// When they were used, and what they hold.
    idle: HashMap<RunId, (u64, usize)>,
    clock: u64,
}

/// A place in memory, for one instance.
pub(crate) struct Place {
    residency: Arc<Residency>,
    bytes: usize,
}

impl State {
    fn forget(&mut self, run_id: RunId) {
        if let Some((age, _)) = self.idle.remove(&run_id) {
            self.by_age.remove(&age);
        }
    }

    /// The run that was used least recently, and what it holds.
    fn take_oldest(&mut self) -> Option<(RunId, usize)> {
        let (_, oldest) = self.by_age.pop_first()?;
        self.idle.remove(&oldest).map(|(_, bytes)| (oldest, bytes))
    }
}

impl Residency {
    /// With room for so many instances, and so many bytes. Without any, there is one at
    /// a time, which goes as soon as its run waits.
    pub(crate) fn new(instances_max: usize, bytes_max: usize) -> Arc<Self> {
        Arc::new(Self {
            instances_max,
            bytes_max,
            turn: Semaphore::new(1),
            left: Notify::new(),
            state: Mutex::default(),
        })
    }

    /// A place for one instance, if there is one and nobody waits for it.
    pub(crate) fn try_acquire(self: &Arc<Self>) -> Option<Place> {
        let mut state = self.state.lock();
        if state.waiting > 0 {
            return None;
        }
        self.enter(&mut state)
    }

    /// A place for one instance. While there is none, `evict` is called with the run
    /// that has been idle longest. None once nobody can enter any more.
    pub(crate) async fn acquire(self: &Arc<Self>, evict: impl Fn(RunId)) -> Option<Place> {
        let _waiting = match self.enter_or_wait() {
            Ok(place) => return Some(place),
            Err((waiting, oldest)) => {
                oldest.into_iter().for_each(&evict);
                waiting
            }
        };
        let _turn = self.turn.acquire().await.ok()?;
        loop {
            let mut left = pin!(self.left.notified());
            left.as_mut().enable();
            let oldest = {
                let mut state = self.state.lock();
                if let Some(place) = self.enter(&mut state) {
                    return Some(place);
                }
                state.take_oldest()
            };
            if let Some((oldest, _)) = oldest {
                evict(oldest);
            }
            left.await;
        }
    }

    /// A place, or the news that somebody waits, with the run that has been idle longest.
    /// In one step: from then on nobody who could leave stays, and a run falls idle before
    /// this or after it.
    fn enter_or_wait(self: &Arc<Self>) -> Result<Place, (Waiting<'_>, Option<RunId>)> {
        let mut state = self.state.lock();
        if state.waiting == 0
            && let Some(place) = self.enter(&mut state)
        {
            return Ok(place);
        }
        state.waiting += 1;
        let oldest = state.take_oldest().map(|(oldest, _)| oldest);
        Err((Waiting(self), oldest))
    }

    fn enter(self: &Arc<Self>, state: &mut State) -> Option<Place> {
        let has_room = state.instances < self.instances_max && state.bytes < self.bytes_max;
        // One alone always has: however large it is, it must be able to go on.
        if !has_room && state.instances > 0 {
            return None;
        }
        state.instances += 1;
        state.bytes = state.bytes.saturating_add(NEW_BYTES);
        Some(Place { residency: self.clone(), bytes: NEW_BYTES })
    }

    /// The run waits, and its instance, which holds so many bytes, could leave. True if
    /// it should at once. Calls `evict` with others that should.
    pub(crate) fn mark_idle(&self, run_id: RunId, bytes: usize, evict: impl Fn(RunId)) -> bool {
        let mut leave = Vec::new();
        {
            let mut state = self.state.lock();
            state.forget(run_id);
            if state.waiting > 0 || self.instances_max == 0 {
                return true;
            }
            state.clock += 1;
            let age = state.clock;
            state.by_age.insert(age, run_id);
            state.idle.insert(run_id, (age, bytes));
            let mut excess = state.bytes.saturating_sub(self.bytes_max);
            while excess > 0
                && let Some((oldest, bytes)) = state.take_oldest()
            {
                excess = excess.saturating_sub(bytes.max(1));
                leave.push(oldest);
            }
        }
        let itself = leave.contains(&run_id);
        leave.into_iter().filter(|other| *other != run_id).for_each(evict);
        itself
    }

    /// The run is busy, or has no instance any more.
    pub(crate) fn mark_busy(&self, run_id: RunId) {
        self.state.lock().forget(run_id);
    }
}

impl Place {
    /// What the instance holds now.
    pub(crate) fn set_bytes(&mut self, bytes: usize) {
        let mut state = self.residency.state.lock();
        state.bytes = state.bytes.saturating_sub(self.bytes).saturating_add(bytes);
        drop(state);
        let shrank = bytes < self.bytes;
        self.bytes = bytes;
        if shrank {
            self.residency.left.notify_one();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.residency.state.lock();
        state.instances -= 1;
        state.bytes = state.bytes.saturating_sub(self.bytes);
        drop(state);
        self.residency.left.notify_one();
    }
}

/// Counts itself among those who wait, also if it is dropped half-way.
struct Waiting<'a>(&'a Residency);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state.lock().waiting -= 1;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use uuid::Uuid;

    use super::*;

    const ANY: usize = usize::MAX;

    #[test]
    fn those_who_enter_at_the_same_time_are_no_reason_to_leave() {
        let residency = Residency::new(ANY, ANY);
        assert!(!residency.mark_idle(run(0), 0, |_| unreachable!("there is room")));
        std::thread::scope(|threads| {
            for number in 1..=4 {
                let residency = &residency;
                threads.spawn(move || {
                    for _ in 0..20_000 {
                        let place = enter(residency).now_or_never().expect("there is room");
                        let id = run(number);
                        assert!(!residency.mark_idle(id, 0, |_| unreachable!("there is room")));
                        residency.mark_busy(id);
                        drop(place);
                    }
                });
            }
        });
    }

    fn run(number: u128) -> RunId {
        RunId(Uuid::from_u128(number))
    }

    async fn enter(residency: &Arc<Residency>) -> Place {
        residency.acquire(|_| unreachable!("there is room")).await.expect("there is room")
    }

    #[tokio::test]
    async fn without_room_no_run_that_waits_keeps_its_instance() {
        let residency = Residency::new(0, ANY);
        let only = enter(&residency).await;
        assert!(residency.mark_idle(run(1), 0, |_| unreachable!("it is alone")));
        drop(only);
        let _next = enter(&residency).await;
        assert!(residency.mark_idle(run(2), 0, |_| unreachable!("it is alone")), "later, too");
    }

    #[tokio::test]
    async fn the_run_that_was_idle_longest_gives_its_place_up() {
        let residency = Residency::new(2, ANY);
        let first = enter(&residency).await;
        let second = enter(&residency).await;
        for number in [1, 2, 1] {
            assert!(!residency.mark_idle(run(number), 0, |_| unreachable!("there is room")));
        }

        let (held, evicted) = (Mutex::new(Some(second)), Mutex::new(Vec::new()));
        let third = residency
            .acquire(|run_id| {
                evicted.lock().push(run_id);
                held.lock().take();
            })
            .await;
        assert!(third.is_some());
        assert_eq!(*evicted.lock(), [run(2)]);
        drop(first);
    }

    #[tokio::test]
    async fn a_run_that_falls_idle_while_somebody_waits_leaves_at_once() {
        let residency = Residency::new(1, ANY);
        let busy = enter(&residency).await;
        let mut waiting = pin!(residency.acquire(|_| unreachable!("nobody is idle")));
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(residency.mark_idle(run(1), 0, |_| unreachable!("nobody is idle")));
        drop(busy);
        assert!(waiting.now_or_never().is_some(), "it has the place");
        assert_eq!(residency.state.lock().waiting, 0);
    }

    #[tokio::test]
    async fn instances_that_hold_more_than_there_is_room_for_leave_the_oldest_first() {
        let residency = Residency::new(100, 10 * NEW_BYTES);
        let mut places = Vec::new();
        for number in 1..=3 {
            let mut place = enter(&residency).await;
            place.set_bytes(3 * NEW_BYTES);
            places.push(place);
            assert!(!residency.mark_idle(run(number), 3 * NEW_BYTES, |_| unreachable!("fits")));
        }
        // One more grows to twice that: two of the others have to leave.
        let mut large = enter(&residency).await;
        large.set_bytes(6 * NEW_BYTES);
        let left = Mutex::new(Vec::new());
        assert!(!residency.mark_idle(run(4), 6 * NEW_BYTES, |other| left.lock().push(other)));
        assert_eq!(*left.lock(), [run(1), run(2)]);
        places.drain(..2);
        assert!(!residency.mark_idle(run(4), 6 * NEW_BYTES, |_| unreachable!("it fits now")));
        // What is larger than all the room leaves itself, with the rest.
        large.set_bytes(20 * NEW_BYTES);
        assert!(residency.mark_idle(run(4), 20 * NEW_BYTES, |other| left.lock().push(other)));
        assert_eq!(left.lock().last(), Some(&run(3)));
    }

    #[tokio::test]
    async fn nobody_enters_while_those_who_are_busy_hold_too_much() {
        let residency = Residency::new(100, 2 * NEW_BYTES);
        let mut large = enter(&residency).await;
        large.set_bytes(50 * NEW_BYTES);
        let mut waiting = pin!(residency.acquire(|_| unreachable!("nobody is idle")));
        assert!(waiting.as_mut().now_or_never().is_none());
        large.set_bytes(NEW_BYTES);
        assert!(waiting.now_or_never().is_some(), "it has become small");
        drop(large);
        // One alone may be as large as it likes.
        assert_eq!(residency.state.lock().instances, 0);
        let mut alone = enter(&residency).await;
        alone.set_bytes(50 * NEW_BYTES);
    }
}
