//! A task in this worker's hands.

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::cancellation::{CancelReason, Cancellation};
use crate::lease::{Lease, Terms};
use crate::lock::lock;
use crate::payload::Payload;
use crate::wire::Heard;

/// A task in this worker's hands: its token and its lease.
#[derive(Debug)]
pub(crate) struct Held {
    token: String,
    lease: Mutex<Lease>,
    /// When the lease is over; none once it is lost.
    ends_at: watch::Sender<Option<Instant>>,
    cancellation: Cancellation,
}

impl Held {
    pub(crate) fn new(token: String, terms: Terms, now: Instant) -> Self {
        let lease = Lease::new(terms, now);
        let ends_at = watch::Sender::new(Some(lease.ends_at()));
        Self { token, lease: Mutex::new(lease), ends_at, cancellation: Cancellation::default() }
    }

    /// A secret: whoever has it may say how the attempt ended.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    pub(crate) fn cancellation(&self) -> &Cancellation {
        &self.cancellation
    }

    /// Keeps what the next attempt is to be told. True if nothing was kept before.
    pub(crate) fn note(&self, details: Payload) -> bool {
        lock(&self.lease).note(details)
    }

    pub(crate) fn has_details(&self) -> bool {
        lock(&self.lease).has_details()
    }

    pub(crate) fn due_at(&self) -> Instant {
        lock(&self.lease).due_at()
    }

    pub(crate) fn may_join(&self, now: Instant) -> bool {
        lock(&self.lease).may_join(now)
    }

    /// A heartbeat is sent now, with these details.
    pub(crate) fn take(&self, now: Instant) -> Option<Payload> {
        lock(&self.lease).take(now)
    }

    /// How long the server bears silence.
    pub(crate) fn length(&self) -> Duration {
        lock(&self.lease).length()
    }

    /// The heartbeat was not answered.
    pub(crate) fn missed(&self, details: Option<Payload>) {
        lock(&self.lease).missed(details);
    }

    /// The server has answered a heartbeat that was sent then.
    pub(crate) fn heard(&self, heard: &Heard, sent_at: Instant) {
        if heard.held {
            self.cancellation.set_paused(heard.paused);
            if heard.cancel_requested {
                self.cancellation.cancel(CancelReason::Requested);
            }
            let mut lease = lock(&self.lease);
            lease.prolonged(sent_at);
            self.ends_at.send_modify(|end| {
                if end.is_some() {
                    *end = Some(lease.ends_at());
                }
            });
        } else if heard.error.as_ref().is_none_or(|error| !error.retryable) {
            self.ends_at.send_replace(None);
        }
    }

    /// Returns once the lease is lost: the server says so, or has not answered for so long.
    pub(crate) async fn lost(&self) {
        let mut ends_at = self.ends_at.subscribe();
        loop {
            let Some(end) = *ends_at.borrow_and_update() else { break };
            tokio::select! {
                biased;
                changed = ends_at.changed() => if changed.is_err() { break },
                () = sleep_until(end) => break,
            }
        }
        self.cancellation.cancel(CancelReason::LeaseLost);
    }

    /// Until when its outcome is worth sending. A server that was away may not have ended
    /// the lease yet, so it may hold for as long again.
    pub(crate) fn report_until(&self) -> Instant {
        let lease = lock(&self.lease);
        lease.ends_at() + lease.length()
    }
}
