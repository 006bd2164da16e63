//! Which instances stay in memory: those used last, as many as there is room for. A
//! run without one is as alive as any other; its next activation replays its history.
//!
//! Room is counted in instances and in bytes. What an instance is taken for when it
//! enters may be less than it holds later: what it grows by is counted before it has it
//! (`growth.rs`).

mod growth;

use std::collections::{BTreeMap, HashMap};
use std::pin::pin;
use std::sync::Arc;

use dacapo_model::ids::RunId;
use parking_lot::Mutex;
use tokio::sync::Notify;

use self::growth::Growing;

/// What a new instance is taken for until it grows, or waits for the first time.
const NEW_BYTES: usize = 1024 * 1024;

/// Who is in memory, and who could leave it.
pub(crate) struct Residency {
    bounds: Bounds,
    /// Those who wait for room enter one after the other.
    turn: tokio::sync::Mutex<()>,
    /// Somebody has left.
    left: Notify,
    state: Mutex<State>,
}

/// How much there is room for.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    instances: usize,
    bytes: usize,
}

#[derive(Default)]
struct State {
    /// What each instance holds, by the number of its place.
    held: HashMap<u64, usize>,
    /// All of that.
    bytes: usize,
    /// Those who wait to enter.
    waiting: usize,
    growing: Growing,
    /// Those who could leave, by the time they were used.
    by_age: BTreeMap<u64, RunId>,
    /// When they were used, and what they hold.
    idle: HashMap<RunId, (u64, usize)>,
    /// Numbers places, and what happens.
    clock: u64,
}

/// A place in memory, for one instance.
pub(crate) struct Place {
    residency: Arc<Residency>,
    number: u64,
}

impl State {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// The instance of a place holds so many bytes.
    fn count(&mut self, place: u64, bytes: usize) {
        let before = self.held.insert(place, bytes).unwrap_or(0);
        self.bytes = self.bytes.saturating_sub(before).saturating_add(bytes);
    }

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
            bounds: Bounds { instances: instances_max, bytes: bytes_max },
            turn: tokio::sync::Mutex::default(),
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
    /// that has been idle longest.
    pub(crate) async fn acquire(self: &Arc<Self>, evict: impl Fn(RunId)) -> Place {
        let _waiting = match self.enter_or_wait() {
            Ok(place) => return place,
            Err((waiting, oldest)) => {
                oldest.into_iter().for_each(&evict);
                waiting
            }
        };
        let _turn = self.turn.lock().await;
        loop {
            let mut left = pin!(self.left.notified());
            left.as_mut().enable();
            let oldest = {
                let mut state = self.state.lock();
                if let Some(place) = self.enter(&mut state) {
                    return place;
                }
                state.take_oldest()
            };
            if let Some((oldest, _)) = oldest {
                evict(oldest);
            }
            left.await;
        }
    }

    /// A place; or none, as somebody waits, with the run that has been idle longest.
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
        let Bounds { instances, bytes } = self.bounds;
        let has_room = state.held.len() < instances && state.bytes < bytes;
        // One alone always has: however large it is, it must be able to go on.
        if !has_room && !state.held.is_empty() {
            return None;
        }
        let number = state.tick();
        state.count(number, NEW_BYTES);
        Some(Place { residency: self.clone(), number })
    }

    /// The run waits, and its instance, which holds so many bytes, could leave. True if
    /// it should at once. Calls `evict` with others that should.
    pub(crate) fn mark_idle(&self, run_id: RunId, bytes: usize, evict: impl Fn(RunId)) -> bool {
        let mut leave = Vec::new();
        {
            let mut state = self.state.lock();
            state.forget(run_id);
            let is_waited_for = state.waiting > 0 || !state.growing.is_empty();
            if is_waited_for || self.bounds.instances == 0 {
                return true;
            }
            let age = state.tick();
            state.by_age.insert(age, run_id);
            state.idle.insert(run_id, (age, bytes));
            let mut excess = state.bytes.saturating_sub(self.bounds.bytes);
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
    /// What the instance holds now that its run waits. If somebody waits to grow, it
    /// leaves, which is when they are looked after.
    pub(crate) fn set_bytes(&self, bytes: usize) {
        let mut state = self.residency.state.lock();
        let before = state.bytes;
        state.growing.forget(self.number);
        state.count(self.number, bytes);
        let shrank = state.bytes < before;
        drop(state);
        if shrank {
            self.residency.left.notify_one();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.residency.state.lock();
        state.count(self.number, 0);
        state.held.remove(&self.number);
        state.growing.forget(self.number);
        state.let_grow(self.residency.bounds);
        drop(state);
        self.residency.left.notify_one();
    }
}

/// Counts itself among those who wait, also if it is dropped half-way.
struct Waiting<'a>(&'a Residency);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.waiting -= 1;
        state.let_grow(self.0.bounds);
    }
}

#[cfg(test)]
mod tests;
