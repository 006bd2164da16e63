//! Instances that grow while they are busy.
//!
//! What an instance grows by is counted before it has it. If there is no room for it,
//! those leave that are idle, and it waits, in the middle of its code. Whoever wants to
//! hold least goes first, and before them those who want to enter: the small do not wait
//! for the large. So that all go on in the end, one at a time may hold more than there
//! is room for; that is whoever has waited longest.

use std::collections::BTreeMap;

use dacapo_model::ids::RunId;
use tokio::sync::oneshot;

use super::{Bounds, NEW_BYTES, Place, Residency, State};

/// Those who wait to grow.
#[derive(Default)]
pub(super) struct Growing {
    /// By what they want to hold, and when they came.
    by_bytes: BTreeMap<(usize, u64), Waiter>,
    /// What they want to hold, by when they came.
    by_age: BTreeMap<u64, usize>,
    /// The place that may hold more than there is room for, and what it holds besides
    /// what is counted.
    beyond: Option<(u64, usize)>,
}

struct Waiter {
    place: u64,
    granted: oneshot::Sender<()>,
}

impl Growing {
    pub(super) fn is_empty(&self) -> bool {
        self.by_age.is_empty()
    }

    /// What a place holds beyond what there is room for is counted, or gone.
    pub(super) fn forget(&mut self, place: u64) {
        self.beyond.take_if(|(owner, _)| *owner == place);
    }

    fn remove(&mut self, age: u64) -> Option<(usize, Waiter)> {
        let bytes = self.by_age.remove(&age)?;
        self.by_bytes.remove(&(bytes, age)).map(|waiter| (bytes, waiter))
    }

    /// Who wants to hold least.
    fn smallest(&self) -> Option<(u64, usize, u64)> {
        self.by_bytes.first_key_value().map(|((bytes, age), waiter)| (*age, *bytes, waiter.place))
    }
}

impl Place {
    /// Returns once there is room for an instance that holds so many bytes. Calls
    /// `evict` with those who should leave.
    pub(crate) async fn hold(&self, bytes: usize, evict: impl Fn(RunId)) {
        let (granted, _waits, leave) = {
            let mut state = self.residency.state.lock();
            if state.grow(self.number, bytes, self.residency.bounds) {
                return;
            }
            let missing = bytes.saturating_sub(state.held_by(self.number));
            let leave = state.take_idle(missing);
            let age = state.tick();
            let (sender, granted) = oneshot::channel();
            let waiter = Waiter { place: self.number, granted: sender };
            state.growing.by_age.insert(age, bytes);
            state.growing.by_bytes.insert((bytes, age), waiter);
            if leave.is_empty() {
                state.let_grow(self.residency.bounds);
            }
            (granted, Waits { residency: &self.residency, age }, leave)
        };
        leave.into_iter().for_each(evict);
        // Nobody is forgotten while they wait.
        let _ = granted.await;
    }
}

impl State {
    /// Lets those grow for whom there is room by now.
    pub(super) fn let_grow(&mut self, bounds: Bounds) {
        while let Some((age, bytes, place)) = self.growing.smallest()
            && self.grow(place, bytes, bounds)
        {
            self.tell(age);
        }
        if self.growing.beyond.is_none()
            && let Some((&age, &bytes)) = self.growing.by_age.first_key_value()
            && let Some(waiter) = self.growing.by_bytes.get(&(bytes, age))
        {
            let place = waiter.place;
            self.growing.beyond = Some((place, bytes.saturating_sub(self.held_by(place))));
            self.tell(age);
        }
    }

    fn tell(&mut self, age: u64) {
        if let Some((_, waiter)) = self.growing.remove(age) {
            // Who does not wait any more is about to leave, with what was granted.
            let _ = waiter.granted.send(());
        }
    }

    /// Counts what an instance grows by, if there is room for it.
    fn grow(&mut self, place: u64, bytes: usize, bounds: Bounds) -> bool {
        let missing = bytes.saturating_sub(self.held_by(place));
        if missing == 0 {
            return true;
        }
        if let Some((owner, beyond)) = &mut self.growing.beyond
            && *owner == place
        {
            *beyond = beyond.saturating_add(missing);
            return true;
        }
        // One alone always has room.
        if self.held.len() > 1 && !self.fits(missing, bounds) {
            return false;
        }
        self.count(place, bytes);
        true
    }

    fn fits(&self, bytes: usize, bounds: Bounds) -> bool {
        let entering = self.waiting.min(bounds.instances.saturating_sub(self.held.len()));
        let entering = entering.saturating_mul(NEW_BYTES);
        self.bytes.saturating_add(bytes).saturating_add(entering) <= bounds.bytes
    }

    fn held_by(&self, place: u64) -> usize {
        let counted = self.held.get(&place).copied().unwrap_or(0);
        match self.growing.beyond {
            Some((owner, beyond)) if owner == place => counted.saturating_add(beyond),
            _ => counted,
        }
    }

    /// Those who have been idle longest, until they hold so much.
    fn take_idle(&mut self, bytes: usize) -> Vec<RunId> {
        let (mut leave, mut left) = (Vec::new(), 0_usize);
        while left < bytes
            && let Some((oldest, bytes)) = self.take_oldest()
        {
            left = left.saturating_add(bytes);
            leave.push(oldest);
        }
        leave
    }
}

/// Counts itself among those who wait, also if it is dropped half-way.
struct Waits<'a> {
    residency: &'a Residency,
    age: u64,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.residency.state.lock().growing.remove(self.age);
    }
}

#[cfg(test)]
mod tests;
