//! The connection between an attempt and its run while it runs: signals one way,
//! heartbeats the other.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dacapo_engine::decide::Input;
use dacapo_engine::guest::{AttemptLink, AttemptSignals};
use dacapo_engine::state::PendingActivity;
use dacapo_model::event::OpenAttempt;
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::EventId;
use dacapo_model::limits::CANCELLATION_GRACE_DEFAULT;
use dacapo_model::payload::Payload;
use dacapo_model::task_token::TaskToken;
use dacapo_model::time::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{Notify, OnceCell, oneshot, watch};
use tokio::time::Instant;
use uuid::Uuid;

use super::throttle::Throttle;
use crate::delivery::deliver;
use crate::run::{Message, OpenRun};
use crate::runtime::Shared;

/// The connection between one attempt and its run.
pub(crate) struct Link {
    shared: Arc<Shared>,
    run: Arc<OpenRun>,
    scheduled_event_id: EventId,
    /// Among all attempts of the activity.
    pub(crate) attempt: u32,
    signals: watch::Sender<AttemptSignals>,
    liveness: Mutex<Liveness>,
    /// Something of the above has changed that [`Link::next`] has to be asked about.
    pub(super) changed: Notify,
    token: OnceCell<String>,
}

/// The signs of life of an attempt, and the request to cancel it.
struct Liveness {
    throttle: Throttle,
    /// When the attempt began, or had its last heartbeat.
    alive_at: Instant,
    started_at: Timestamp,
    /// The details of the last heartbeat, if they are not stored.
    unsaved: Option<Payload>,
    /// It has looked at its signals, so it will see a request to cancel.
    looks_at_signals: bool,
    cancel: Option<Cancel>,
}

#[derive(Debug, Clone, Copy)]
struct Cancel {
    stop_at: Instant,
    /// The workflow waits for its end.
    is_awaited: bool,
}

/// What is to be done about an attempt that runs.
pub(super) enum Next {
    /// It is to be stopped, as it was asked to cancel.
    Stop,
    /// It was silent for too long.
    Silent,
    /// The details of its heartbeat are to be stored.
    Save(Payload),
    /// Nothing before then; with none, nothing before something changes.
    WaitUntil(Option<Instant>),
}

impl Link {
    pub(super) fn new(
        shared: Arc<Shared>,
        run: Arc<OpenRun>,
        scheduled_event_id: EventId,
        activity: &PendingActivity,
    ) -> Self {
        let signals =
            AttemptSignals { cancel_requested: activity.cancel.is_some(), paused: activity.paused };
        let liveness = Liveness {
            throttle: Throttle::of(activity.options.heartbeat_timeout),
            alive_at: shared.clock.instant(),
            started_at: Timestamp::default(),
            unsaved: None,
            looks_at_signals: false,
            cancel: None,
        };
        Self {
            shared,
            run,
            scheduled_event_id,
            attempt: activity.attempt,
            signals: watch::Sender::new(signals),
            liveness: Mutex::new(liveness),
            changed: Notify::new(),
            token: OnceCell::new(),
        }
    }

    /// Notes that the attempt begins now.
    pub(super) fn begin(&self, now: Timestamp) {
        let mut liveness = self.liveness.lock();
        liveness.started_at = now;
        liveness.alive_at = self.shared.clock.instant();
    }

    /// When the attempt has begun, if it has.
    pub(super) fn started_at(&self) -> Option<Timestamp> {
        Some(self.liveness.lock().started_at).filter(|at| *at != Timestamp::default())
    }

    /// Passes on to the attempt what the state says: that it is to cancel, is paused or
    /// is not.
    pub(crate) fn tell(&self, activity: &PendingActivity) {
        self.signals.send_modify(|signals| signals.paused = activity.paused);
        if let Some(cancel) = activity.cancel {
            self.cancel(cancel.grace, true);
        }
    }

    /// Asks the attempt to end, as nobody waits for it any more.
    pub(crate) fn give_up(&self) {
        self.cancel(CANCELLATION_GRACE_DEFAULT, false);
    }

    fn cancel(&self, grace: Duration, is_awaited: bool) {
        let mut liveness = self.liveness.lock();
        let stop_at = self.shared.clock.instant() + grace;
        match &mut liveness.cancel {
            // Asked again: it has no more time than before.
            Some(cancel) => {
                cancel.stop_at = cancel.stop_at.min(stop_at);
                cancel.is_awaited &= is_awaited;
            }
            cancel @ None => *cancel = Some(Cancel { stop_at, is_awaited }),
        }
        drop(liveness);
        self.signals.send_modify(|signals| signals.cancel_requested = true);
        self.changed.notify_one();
    }

    /// Returns once the activity is not paused.
    pub(super) async fn unpaused(&self) {
        let _ = self.signals.subscribe().wait_for(|signals| !signals.paused).await;
    }

    pub(super) fn is_paused(&self) -> bool {
        self.signals.borrow().paused
    }

    /// True once the attempt is left to somebody outside.
    pub(super) fn is_left_outside(&self) -> bool {
        self.token.initialized()
    }

    /// What is to be done about the attempt.
    pub(super) fn next(&self, heartbeat_timeout: Option<Duration>) -> Next {
        let now = self.shared.clock.instant();
        let mut liveness = self.liveness.lock();
        let mut wait_until = None::<Instant>;
        let mut not_before = |at: Instant| {
            wait_until = Some(wait_until.map_or(at, |earlier| earlier.min(at)));
        };
        if let Some(cancel) = liveness.cancel {
            // One that has never looked would not see the request.
            if now >= cancel.stop_at || !(cancel.is_awaited || liveness.looks_at_signals) {
                return Next::Stop;
            }
            not_before(cancel.stop_at);
        }
        // Whoever has the token says that it is alive, to the run itself.
        if let Some(timeout) = heartbeat_timeout.filter(|_| !self.is_left_outside()) {
            let silent_at = liveness.alive_at + timeout;
            if now >= silent_at {
                return Next::Silent;
            }
            not_before(silent_at);
        }
        if liveness.unsaved.is_some() {
            let save_at = liveness.throttle.not_before();
            if save_at.is_none_or(|at| now >= at) {
                liveness.throttle.saved(now);
                if let Some(details) = liveness.unsaved.take() {
                    return Next::Save(details);
                }
            } else if let Some(at) = save_at {
                not_before(at);
            }
        }
        Next::WaitUntil(wait_until)
    }

    /// Takes the details of the last heartbeat, if they are not stored.
    pub(super) fn take_unsaved(&self) -> Option<Payload> {
        self.liveness.lock().unsaved.take()
    }

    pub(super) fn heartbeat_input(&self, details: Payload) -> Input {
        Input::ActivityHeartbeat {
            scheduled_event_id: self.scheduled_event_id,
            attempt: self.attempt,
            details: Some(details),
            heard_at: self.shared.clock.now(),
        }
    }

    /// Makes it durable that the attempt is left to somebody outside, before anybody can
    /// have its token.
    async fn leave_outside(&self) -> Result<String, Failure> {
        #[expect(clippy::disallowed_methods, reason = "a secret is random, and made at the edge")]
        let secret = Uuid::new_v4();
        let token = TaskToken {
            key: self.run.key,
            scheduled_event_id: self.scheduled_event_id,
            attempt: None,
            secret,
        };
        let open = OpenAttempt {
            number: self.attempt,
            started_at: self.liveness.lock().started_at,
            token_digest: token.digest(),
        };
        if let Some(details) = self.take_unsaved() {
            let input = self.heartbeat_input(details);
            let _ = deliver(&self.shared, &self.run, Message::Input { input, answer: None }).await;
        }
        let (answer, answered) = oneshot::channel();
        let input =
            Input::ActivityMovedOutside { scheduled_event_id: self.scheduled_event_id, open };
        let message = Message::Input { input, answer: Some(answer) };
        let _ = deliver(&self.shared, &self.run, message).await;
        match answered.await {
            Ok(Ok(Ok(()))) => Ok(token.to_string()),
            Ok(Ok(Err(refusal))) => Err(not_left_outside(&refusal)),
            Ok(Err(error)) => Err(not_left_outside(&error)),
            // The node stops; whether it is recorded is seen by the next one.
            Err(_) => std::future::pending().await,
        }
    }
}

fn not_left_outside(reason: &dyn Display) -> Failure {
    let message = format!("the attempt can't be completed later: {reason}");
    Failure::new(FailureKind::Application, "ActivityCannotBeOpened", message)
}

#[async_trait]
impl AttemptLink for Link {
    fn heartbeat(&self, details: Option<Payload>) {
        let mut liveness = self.liveness.lock();
        liveness.looks_at_signals = true;
        liveness.alive_at = self.shared.clock.instant();
        // A guest may do so in a tight loop: only the first wakes whoever stores them.
        let is_first = details.is_some() && liveness.unsaved.is_none();
        if let Some(details) = details {
            liveness.unsaved = Some(details);
        }
        drop(liveness);
        if is_first {
            self.changed.notify_one();
        }
    }

    fn signals(&self) -> AttemptSignals {
        self.liveness.lock().looks_at_signals = true;
        *self.signals.borrow()
    }

    async fn cancel_requested(&self) {
        self.liveness.lock().looks_at_signals = true;
        let mut signals = self.signals.subscribe();
        if signals.wait_for(|now| now.cancel_requested).await.is_err() {
            std::future::pending().await
        }
    }

    async fn complete_later(&self) -> Result<String, Failure> {
        self.token.get_or_try_init(|| self.leave_outside()).await.cloned()
    }
}
