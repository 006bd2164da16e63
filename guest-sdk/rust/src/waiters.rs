//! Who waits for something to change, in the order in which they began to.

use std::collections::BTreeMap;
use std::task::Waker;

/// Wakers, each found again by the ticket of the future that it wakes.
#[derive(Default)]
pub(crate) struct Waiters {
    wakers: BTreeMap<u64, Waker>,
    tickets: u64,
}

impl Waiters {
    pub(crate) fn wait(&mut self, ticket: &mut Option<u64>, waker: &Waker) {
        let ticket = *ticket.get_or_insert_with(|| {
            self.tickets += 1;
            self.tickets
        });
        self.wakers.insert(ticket, waker.clone());
    }

    pub(crate) fn stop_waiting(&mut self, ticket: &mut Option<u64>) {
        if let Some(ticket) = ticket.take() {
            self.wakers.remove(&ticket);
        }
    }

    pub(crate) fn wake_all(&self) {
        self.wakers.values().for_each(Waker::wake_by_ref);
    }
}
