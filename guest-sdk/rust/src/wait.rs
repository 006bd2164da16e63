//! Futures that wait: whom to wake, and where in the workflow's code they are.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::Location;
use std::rc::{Rc, Weak};
use std::task::Waker;

/// A place in the workflow's code.
pub(crate) type Place = &'static Location<'static>;

/// One future that waits. It waits for as long as somebody holds this.
pub(crate) struct Wait {
    waker: RefCell<Waker>,
    place: Place,
    what: &'static str,
    /// Those around it, from the inside out.
    scopes: RefCell<Vec<Weak<Waits>>>,
}

impl Wait {
    /// The same wait, polled again, or the first of its place.
    pub(crate) fn again(
        before: Option<Rc<Self>>,
        what: &'static str,
        place: Place,
        waker: &Waker,
    ) -> Rc<Self> {
        match before.filter(|wait| std::ptr::eq(wait.place, place)) {
            Some(wait) => {
                wait.waker.borrow_mut().clone_from(waker);
                wait
            }
            None => {
                let waker = RefCell::new(waker.clone());
                Rc::new(Self { waker, place, what, scopes: RefCell::default() })
            }
        }
    }

    pub(crate) fn wake(&self) {
        self.waker.borrow().wake_by_ref();
    }

    /// For what, if not for an operation or a signal.
    pub(crate) fn what(&self) -> &'static str {
        self.what
    }

    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// From now on these can wake it, and no others.
    pub(crate) fn within<'a>(self: &Rc<Self>, scopes: impl Iterator<Item = &'a Rc<Waits>> + Clone) {
        let mut known = self.scopes.borrow_mut();
        let same = |(known, scope): (&Weak<Waits>, &Rc<Waits>)| known.as_ptr() == Rc::as_ptr(scope);
        // A future hardly ever goes from one scope to another between two polls.
        if known.len() == scopes.clone().count() && known.iter().zip(scopes.clone()).all(same) {
            return;
        }
        known.clear();
        for scope in scopes {
            scope.add(self);
            known.push(Rc::downgrade(scope));
        }
    }
}

/// Waits of one kind, in the order in which they began.
#[derive(Default)]
pub(crate) struct WaitList {
    waits: BTreeMap<u64, Rc<Wait>>,
    tickets: u64,
}

impl WaitList {
    /// Waits on; the ticket says which wait it is.
    pub(crate) fn wait(
        &mut self,
        ticket: &mut Option<u64>,
        what: &'static str,
        place: Place,
        waker: &Waker,
    ) -> Rc<Wait> {
        let ticket = *ticket.get_or_insert_with(|| {
            self.tickets += 1;
            self.tickets
        });
        let wait = Wait::again(self.waits.remove(&ticket), what, place, waker);
        self.waits.insert(ticket, Rc::clone(&wait));
        wait
    }

    pub(crate) fn stop_waiting(&mut self, ticket: u64) {
        self.waits.remove(&ticket);
    }

    pub(crate) fn wake_all(&self) {
        self.iter().for_each(|wait| wait.wake());
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Rc<Wait>> {
        self.waits.values()
    }
}

/// Waits that others hold: those that a scope can end. Each step costs the same,
/// however many there are, as what is over is swept out in bulk.
#[derive(Default)]
pub(crate) struct Waits(RefCell<Vec<Weak<Wait>>>);

/// Fewer are not worth a sweep.
const SWEEP_MIN: usize = 32;

impl Waits {
    fn add(&self, wait: &Rc<Wait>) {
        let mut waits = self.0.borrow_mut();
        if waits.len() >= SWEEP_MIN && waits.len() == waits.capacity() {
            waits.retain(|wait| wait.strong_count() > 0);
            // Room for as many again before the next sweep.
            let left = waits.len();
            waits.reserve(left.max(SWEEP_MIN));
        }
        waits.push(Rc::downgrade(wait));
    }

    /// Wakes all that go on, in the order in which they began.
    pub(crate) fn wake_all(&self) {
        let waits = self.0.take();
        waits.iter().filter_map(Weak::upgrade).for_each(|wait| wait.wake());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait() -> Rc<Wait> {
        Wait::again(None, "condition", Location::caller(), Waker::noop())
    }

    #[test]
    fn waits_that_are_over_leave_nothing_behind() {
        let scope = Rc::new(Waits::default());
        let stays = wait();
        stays.within([&scope].into_iter());
        for _ in 0..10_000 {
            wait().within([&scope].into_iter());
        }
        assert!(scope.0.borrow().len() <= 2 * SWEEP_MIN, "{}", scope.0.borrow().len());
        assert!(scope.0.borrow().iter().any(|it| it.as_ptr() == Rc::as_ptr(&stays)));
    }

    #[test]
    fn a_wait_is_noted_once_however_often_it_is_polled() {
        let scope = Rc::new(Waits::default());
        let place = Location::caller();
        let mut wait = Wait::again(None, "condition", place, Waker::noop());
        for _ in 0..100 {
            wait = Wait::again(Some(wait), "condition", place, Waker::noop());
            wait.within([&scope].into_iter());
        }
        assert_eq!(scope.0.borrow().len(), 1);
    }
}
