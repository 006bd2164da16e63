//! Turns, in which those of one namespace come one after the other.

use std::collections::HashMap;
use std::sync::Arc;

use dacapo_model::ids::NamespaceName;
use parking_lot::Mutex;
use tokio::sync::{MutexGuard, OwnedSemaphorePermit, Semaphore};

/// Those who wait in one namespace, at most.
const WAITING_MAX: usize = 1_024;

/// Who comes first has the first turn. Whoever gives up, before their turn or in it, leaves
/// it to the next.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<NamespaceName, Arc<Line>>>);

struct Line {
    room: Arc<Semaphore>,
    /// Locked in the order in which that is asked for.
    turn: tokio::sync::Mutex<()>,
}

/// Somebody who waits for their turn, or has it.
pub(super) struct InLine {
    line: Arc<Line>,
    _room: OwnedSemaphorePermit,
}

impl Turns {
    /// Somebody comes. None if too many wait already.
    pub(super) fn join(&self, name: &NamespaceName) -> Option<InLine> {
        let mut lines = self.0.lock();
        if !lines.contains_key(name) {
            // Those that nobody is in.
            lines.retain(|_, line| Arc::strong_count(line) > 1);
        }
        let line = lines.entry(name.clone()).or_default().clone();
        let room = line.room.clone().try_acquire_owned().ok()?;
        Some(InLine { line, _room: room })
    }
}

impl InLine {
    /// The turn, once it has come, until this is dropped.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.line.turn.lock().await
    }
}

impl Default for Line {
    fn default() -> Self {
        Self { room: Arc::new(Semaphore::new(WAITING_MAX)), turn: tokio::sync::Mutex::default() }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn name(text: &str) -> NamespaceName {
        NamespaceName::new(text).expect("valid")
    }

    #[tokio::test]
    async fn turns_are_in_order_and_who_gives_up_leaves_theirs_to_the_next() {
        let turns = Turns::default();
        let [first, second, third] = [(); 3].map(|()| turns.join(&name("a")).expect("room"));
        let has_it = first.turn().await;
        let (mut waits, mut goes_away) = (Box::pin(third.turn()), Box::pin(second.turn()));
        assert!((&mut goes_away).now_or_never().is_none());
        assert!((&mut waits).now_or_never().is_none());
        let other = turns.join(&name("b")).expect("room");
        assert!(other.turn().now_or_never().is_some(), "each namespace has its own");
        drop(has_it);
        assert!((&mut waits).now_or_never().is_none(), "it is the second's turn");
        drop(goes_away);
        assert!(waits.now_or_never().is_some());
    }

    #[test]
    fn only_so_many_wait_and_those_of_other_namespaces_are_forgotten() {
        let turns = Turns::default();
        let waiting: Vec<_> = std::iter::from_fn(|| turns.join(&name("a"))).collect();
        assert_eq!(waiting.len(), WAITING_MAX);
        drop(waiting);
        turns.join(&name("b")).expect("room");
        assert_eq!(turns.0.lock().len(), 1);
    }
}
