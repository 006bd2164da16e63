//! Places that are shared out by module: whoever asks for many waits behind their own,
//! not in front of others.
//!
//! Modules that wait for a place get one in turn. None of them has the last eighth of
//! all: what never ends in one leaves some to the others.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use dacapo_model::module::ModuleDigest;
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// The part of all places that one module can't have: one of so many.
const RESERVE: usize = 8;

pub(crate) struct FairPlaces {
    each_max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    free: usize,
    /// What modules have, where that is anything.
    taken: HashMap<ModuleDigest, usize>,
    waiting: HashMap<ModuleDigest, VecDeque<oneshot::Sender<Place>>>,
    /// The modules of which somebody waits, by whose turn it is.
    turns: VecDeque<ModuleDigest>,
}

/// One place, until it is dropped.
pub(crate) struct Place {
    places: Arc<FairPlaces>,
    module: ModuleDigest,
}

impl FairPlaces {
    /// So many in all, at least one.
    pub(crate) fn new(places: usize) -> Arc<Self> {
        let free = places.max(1);
        let state = State { free, ..State::default() };
        Arc::new(Self { each_max: free - free / RESERVE, state: Mutex::new(state) })
    }

    /// A place, if there is one.
    pub(crate) fn try_acquire(self: &Arc<Self>, module: ModuleDigest) -> Option<Place> {
        self.take(&mut self.state.lock(), module)
    }

    /// A place, once it is this module's turn.
    pub(crate) async fn acquire(self: &Arc<Self>, module: ModuleDigest) -> Place {
        let granted = {
            let mut state = self.state.lock();
            // If there is a free one, all who wait have as many as they may.
            if let Some(place) = self.take(&mut state, module) {
                return place;
            }
            state.wait(module)
        };
        match granted.await {
            Ok(place) => place,
            // Who waits is told before they are forgotten.
            Err(_) => std::future::pending().await,
        }
    }

    fn take(self: &Arc<Self>, state: &mut State, module: ModuleDigest) -> Option<Place> {
        if state.free == 0 || state.taken(module) >= self.each_max {
            return None;
        }
        state.free -= 1;
        *state.taken.entry(module).or_default() += 1;
        Some(Place { places: self.clone(), module })
    }

    fn give_back(self: &Arc<Self>, module: ModuleDigest) {
        let mut granted = Vec::new();
        {
            let mut state = self.state.lock();
            state.free += 1;
            state.give_back(module);
            while let Some((module, waiter)) = state.next(self.each_max) {
                granted.extend(self.take(&mut state, module).map(|place| (waiter, place)));
            }
        }
        for (waiter, place) in granted {
            // One that nobody waits for any more comes back.
            let _ = waiter.send(place);
        }
    }
}

impl State {
    fn taken(&self, module: ModuleDigest) -> usize {
        self.taken.get(&module).copied().unwrap_or(0)
    }

    fn give_back(&mut self, module: ModuleDigest) {
        if let Some(taken) = self.taken.get_mut(&module) {
            *taken -= 1;
            if *taken == 0 {
                self.taken.remove(&module);
            }
        }
    }

    fn wait(&mut self, module: ModuleDigest) -> oneshot::Receiver<Place> {
        let (waiter, granted) = oneshot::channel();
        let queue = self.waiting.entry(module).or_default();
        if queue.is_empty() {
            self.turns.push_back(module);
        }
        if queue.len() == queue.capacity() {
            queue.retain(|waiter| !waiter.is_closed());
        }
        queue.push_back(waiter);
        granted
    }

    /// Who gets the next place, if there is a free one.
    fn next(&mut self, each_max: usize) -> Option<(ModuleDigest, oneshot::Sender<Place>)> {
        while self.free > 0 {
            let may = |module: &ModuleDigest| self.taken(*module) < each_max;
            let module = self.turns.iter().position(may).and_then(|at| self.turns.remove(at))?;
            let queue = self.waiting.get_mut(&module)?;
            let waiter = std::iter::from_fn(|| queue.pop_front()).find(|it| !it.is_closed());
            if queue.is_empty() {
                self.waiting.remove(&module);
            } else {
                self.turns.push_back(module);
            }
            if let Some(waiter) = waiter {
                return Some((module, waiter));
            }
        }
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.give_back(self.module);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::FutureExt as _;

    use super::*;

    const LOUD: ModuleDigest = ModuleDigest([1; 32]);
    const QUIET: ModuleDigest = ModuleDigest([2; 32]);

    fn all(places: &Arc<FairPlaces>, module: ModuleDigest) -> Vec<Place> {
        std::iter::from_fn(|| places.try_acquire(module)).collect()
    }

    #[test]
    fn one_module_leaves_some_to_the_others() {
        let places = FairPlaces::new(16);
        assert_eq!(all(&places, LOUD).len(), 14);
        let loud = all(&places, LOUD);
        assert_eq!(loud.len(), 14);
        assert_eq!(all(&places, QUIET).len(), 2);
    }

    #[test]
    fn a_single_place_is_anybodys() {
        let places = FairPlaces::new(0);
        assert_eq!(all(&places, LOUD).len(), 1);
        assert_eq!(all(&places, QUIET).len(), 1);
    }

    #[test]
    fn modules_that_wait_get_a_place_in_turn() {
        let places = FairPlaces::new(1);
        let held = places.try_acquire(LOUD).expect("free");
        let mut loud: Vec<_> = (0..3).map(|_| Box::pin(places.acquire(LOUD))).collect();
        assert!(loud.iter_mut().all(|it| it.as_mut().now_or_never().is_none()));
        let mut quiet = pin!(places.acquire(QUIET));
        assert!(quiet.as_mut().now_or_never().is_none());
        drop(held);
        let first = loud[0].as_mut().now_or_never().expect("it was first");
        drop(first);
        assert!(loud[1].as_mut().now_or_never().is_none());
        drop(quiet.as_mut().now_or_never().expect("it is the other module's turn"));
        assert!(loud[1].as_mut().now_or_never().is_some());
    }

    #[test]
    fn one_that_is_given_up_goes_to_the_next() {
        let places = FairPlaces::new(1);
        let held = places.try_acquire(LOUD).expect("free");
        let mut gone = Box::pin(places.acquire(LOUD));
        assert!(gone.as_mut().now_or_never().is_none());
        let mut granted = Box::pin(places.acquire(LOUD));
        assert!(granted.as_mut().now_or_never().is_none());
        let mut last = pin!(places.acquire(QUIET));
        assert!(last.as_mut().now_or_never().is_none());
        drop(gone);
        drop(held);
        // It is granted, and nobody has looked.
        drop(granted);
        assert!(last.as_mut().now_or_never().is_some());
    }

    #[test]
    fn those_who_gave_up_are_forgotten() {
        let places = FairPlaces::new(1);
        let _held = places.try_acquire(LOUD).expect("free");
        for _ in 0..10_000 {
            assert!(places.acquire(LOUD).now_or_never().is_none());
        }
        assert!(places.state.lock().waiting[&LOUD].len() < 100);
    }
}
