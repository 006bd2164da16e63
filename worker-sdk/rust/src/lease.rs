//! When a lease has to be prolonged, and when it is over: the rules, without a clock.

use std::time::Duration;

use tokio::time::Instant;

use crate::payload::Payload;

/// A lease is prolonged so many times before it would end: two answers may be lost.
const BEATS_PER_LEASE: u32 = 3;

/// The lease of one task.
///
/// The end that the server names is a time of its clock. Counted here is from when the
/// task was received, or from when the request was sent that prolonged it: too late by the
/// way of one answer at most.
#[derive(Debug)]
pub(crate) struct Lease {
    length: Duration,
    /// Between two heartbeats.
    interval: Duration,
    /// Between two heartbeats with details.
    throttle: Duration,
    /// No heartbeat prolongs it beyond this.
    last_end: Option<Instant>,
    ends_at: Instant,
    sent_at: Instant,
    /// The last heartbeat got no answer.
    is_missed: bool,
    details: Option<Payload>,
    details_sent_at: Option<Instant>,
}

/// The lengths of time that make a lease.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) length: Duration,
    pub(crate) time_left: Option<Duration>,
    pub(crate) heartbeat_timeout: Option<Duration>,
    pub(crate) throttle: Duration,
}

impl Lease {
    pub(crate) fn new(terms: Terms, now: Instant) -> Self {
        let silence = terms.heartbeat_timeout.map_or(terms.length, |it| it.min(terms.length));
        let interval = silence / BEATS_PER_LEASE;
        let last_end = terms.time_left.and_then(|limit| now.checked_add(limit));
        let mut lease = Self {
            length: silence,
            interval,
            throttle: terms.throttle.min(interval),
            last_end,
            ends_at: now,
            sent_at: now,
            is_missed: false,
            details: None,
            details_sent_at: None,
        };
        lease.prolonged(now);
        lease
    }

    /// When it is over, unless it is prolonged.
    pub(crate) fn ends_at(&self) -> Instant {
        self.ends_at
    }

    /// How far a heartbeat prolongs it, and how long the server bears silence.
    pub(crate) fn length(&self) -> Duration {
        self.length
    }

    /// Keeps what the next attempt is to be told. True if nothing was kept before.
    pub(crate) fn note(&mut self, details: Payload) -> bool {
        self.details.replace(details).is_none()
    }

    pub(crate) fn has_details(&self) -> bool {
        self.details.is_some()
    }

    /// When the next heartbeat is to be sent.
    pub(crate) fn due_at(&self) -> Instant {
        if self.is_missed {
            return self.sent_at;
        }
        let regular = self.sent_at + self.interval;
        match (&self.details, self.details_sent_at) {
            (None, _) => regular,
            (Some(_), None) => self.sent_at,
            (Some(_), Some(at)) => regular.min(at + self.throttle),
        }
    }

    /// Whether it may go along with others that are due: half of its time is over.
    pub(crate) fn may_join(&self, now: Instant) -> bool {
        now >= self.due_at() || now >= self.sent_at + self.interval / 2
    }

    /// A heartbeat is sent now, with these details.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Payload> {
        self.sent_at = now;
        self.is_missed = false;
        let details = self.details.take();
        if details.is_some() {
            self.details_sent_at = Some(now);
        }
        details
    }

    /// It was not answered, and is due at once. What was said since then counts more.
    pub(crate) fn missed(&mut self, details: Option<Payload>) {
        self.is_missed = true;
        if self.details.is_none() {
            self.details = details;
        }
    }

    /// The server has prolonged it, at some time after this.
    pub(crate) fn prolonged(&mut self, sent_at: Instant) {
        let end = sent_at + self.length;
        self.ends_at = self.last_end.map_or(end, |last| end.min(last)).max(self.ends_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::now;

    const SECOND: Duration = Duration::from_secs(1);

    fn terms() -> Terms {
        Terms {
            length: 30 * SECOND,
            time_left: Some(60 * SECOND),
            heartbeat_timeout: None,
            throttle: 2 * SECOND,
        }
    }

    #[test]
    fn it_is_prolonged_after_a_third_and_never_beyond_the_last_end() {
        let begin = now();
        let mut lease = Lease::new(terms(), begin);
        assert_eq!(lease.due_at(), begin + 10 * SECOND);
        assert_eq!(lease.ends_at(), begin + 30 * SECOND);
        assert_eq!(lease.take(begin + 10 * SECOND), None);
        lease.prolonged(begin + 10 * SECOND);
        assert_eq!(lease.ends_at(), begin + 40 * SECOND);
        assert_eq!(lease.due_at(), begin + 20 * SECOND);
        lease.prolonged(begin + 50 * SECOND);
        assert_eq!(lease.ends_at(), begin + 60 * SECOND, "its time is over");
    }

    #[test]
    fn a_short_heartbeat_timeout_makes_for_more_heartbeats() {
        let begin = now();
        let terms = Terms { heartbeat_timeout: Some(3 * SECOND), ..terms() };
        let lease = Lease::new(terms, begin);
        assert_eq!((lease.due_at(), lease.ends_at()), (begin + SECOND, begin + 3 * SECOND));
    }

    #[test]
    fn details_go_at_once_and_then_no_more_often_than_the_throttle() {
        let begin = now();
        let mut lease = Lease::new(terms(), begin);
        assert!(lease.note(Payload::new("1")));
        assert!(!lease.note(Payload::new("2")), "only the first wakes who sends them");
        assert!(lease.due_at() <= begin);
        assert_eq!(lease.take(begin), Some(Payload::new("2")));
        lease.note(Payload::new("3"));
        assert_eq!(lease.due_at(), begin + 2 * SECOND);
    }

    #[test]
    fn what_was_not_answered_is_sent_again_unless_there_is_news() {
        let begin = now();
        let mut lease = Lease::new(terms(), begin);
        lease.note(Payload::new("1"));
        let sent = lease.take(begin);
        lease.missed(sent.clone());
        assert!(lease.due_at() <= begin);
        assert_eq!(lease.take(begin), sent);
        lease.note(Payload::new("2"));
        lease.missed(sent);
        assert_eq!(lease.take(begin), Some(Payload::new("2")));
    }

    #[test]
    fn others_join_when_half_of_their_time_is_over() {
        let begin = now();
        let lease = Lease::new(terms(), begin);
        assert!(!lease.may_join(begin + 4 * SECOND));
        assert!(lease.may_join(begin + 5 * SECOND));
    }
}
