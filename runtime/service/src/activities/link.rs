//! What an attempt and its run tell each other while it runs.

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
use crate::registry::OpenRun;
use crate::run::{Message, deliver};
use crate::runtime::Shared;

/// The two ends of one attempt.
pub(crate) struct Link {
    shared: Arc<Shared>,
    run: Arc<OpenRun>,
    scheduled_event_id: EventId,
    /// Among all attempts of the activity.
    pub(crate) attempt: u32,
    signals: watch::Sender<AttemptSignals>,
    heard: Mutex<Heard>,
    /// Something of the above has changed that whoever watches the attempt has to
    /// act on.
    pub(super) changed: Notify,
    token: OnceCell<String>,
}

/// What was heard of the attempt, and what it was asked.
struct Heard {
    throttle: Throttle,
    /// When the attempt began, or last said that it is alive.
    alive_at: Instant,
    started_at: Timestamp,
    /// What it said last, if that is not stored.
    unsaved: Option<Payload>,
    /// It has looked, and so will see what it is told.
    listens: bool,
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
    /// What it said is to be stored.
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
        let heard = Heard {
            throttle: Throttle::of(activity.options.heartbeat_timeout),
            alive_at: shared.clock.instant(),
            started_at: Timestamp::default(),
            unsaved: None,
            listens: false,
            cancel: None,
        };
        Self {
            shared,
            run,
            scheduled_event_id,
            attempt: activity.attempt,
            signals: watch::Sender::new(signals),
            heard: Mutex::new(heard),
            changed: Notify::new(),
            token: OnceCell::new(),
        }
    }

    /// The attempt begins now.
    pub(super) fn begin(&self, now: Timestamp) {
        let mut heard = self.heard.lock();
        heard.started_at = now;
        heard.alive_at = self.shared.clock.instant();
    }

    /// What the state says that the attempt is to know.
    pub(crate) fn tell(&self, activity: &PendingActivity) {
        self.signals.send_modify(|signals| signals.paused = activity.paused);
        if let Some(cancel) = activity.cancel {
            self.cancel(cancel.grace, true);
        }
    }

    /// Nobody waits for the attempt any more.
    pub(crate) fn give_up(&self) {
        self.cancel(CANCELLATION_GRACE_DEFAULT, false);
    }

    fn cancel(&self, grace: Duration, is_awaited: bool) {
        let mut heard = self.heard.lock();
        let stop_at = self.shared.clock.instant() + grace;
        match &mut heard.cancel {
            // Asked again: it has no more time than before.
            Some(cancel) => {
                cancel.stop_at = cancel.stop_at.min(stop_at);
                cancel.is_awaited &= is_awaited;
            }
            cancel @ None => *cancel = Some(Cancel { stop_at, is_awaited }),
        }
        drop(heard);
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

    /// True once it is somebody else's to complete.
    pub(super) fn is_open(&self) -> bool {
        self.token.initialized()
    }

    /// What is to be done about the attempt.
    pub(super) fn next(&self, heartbeat_timeout: Option<Duration>) -> Next {
        let now = self.shared.clock.instant();
        let mut heard = self.heard.lock();
        let mut wait_until = None::<Instant>;
        let mut not_before = |at: Instant| {
            wait_until = Some(wait_until.map_or(at, |earlier| earlier.min(at)));
        };
        if let Some(cancel) = heard.cancel {
            // One that has never looked would not see the request.
            if now >= cancel.stop_at || !(cancel.is_awaited || heard.listens) {
                return Next::Stop;
            }
            not_before(cancel.stop_at);
        }
        // Whoever has the token says that it is alive, to the run itself.
        if let Some(timeout) = heartbeat_timeout.filter(|_| !self.is_open()) {
            let silent_at = heard.alive_at + timeout;
            if now >= silent_at {
                return Next::Silent;
            }
            not_before(silent_at);
        }
        if heard.unsaved.is_some() {
            let save_at = heard.throttle.not_before();
            if save_at.is_none_or(|at| now >= at) {
                heard.throttle.saved(now);
                if let Some(details) = heard.unsaved.take() {
                    return Next::Save(details);
                }
            } else if let Some(at) = save_at {
                not_before(at);
            }
        }
        Next::WaitUntil(wait_until)
    }

    /// What it said last and nobody has stored.
    pub(super) fn take_unsaved(&self) -> Option<Payload> {
        self.heard.lock().unsaved.take()
    }

    pub(super) fn heartbeat_input(&self, details: Payload) -> Input {
        Input::ActivityHeartbeat {
            scheduled_event_id: self.scheduled_event_id,
            attempt: self.attempt,
            details: Some(details),
            heard_at: self.shared.clock.now(),
        }
    }

    /// Makes it durable that the attempt is open before anybody can have its token.
    async fn open(&self) -> Result<String, Failure> {
        #[expect(clippy::disallowed_methods, reason = "a secret is random, and made at the edge")]
        let secret = Uuid::new_v4();
        let token =
            TaskToken { key: self.run.key, scheduled_event_id: self.scheduled_event_id, secret };
        let open = OpenAttempt {
            number: self.attempt,
            started_at: self.heard.lock().started_at,
            token_digest: token.digest(),
        };
        if let Some(details) = self.take_unsaved() {
            let input = self.heartbeat_input(details);
            let _ = deliver(&self.shared, &self.run, Message::Input { input, answer: None }).await;
        }
        let (answer, answered) = oneshot::channel();
        let input = Input::ActivityOpened { scheduled_event_id: self.scheduled_event_id, open };
        let message = Message::Input { input, answer: Some(answer) };
        let _ = deliver(&self.shared, &self.run, message).await;
        match answered.await {
            Ok(Ok(Ok(()))) => Ok(token.to_string()),
            Ok(Ok(Err(refusal))) => Err(not_opened(&refusal)),
            Ok(Err(error)) => Err(not_opened(&error)),
            // The node stops; whether it is recorded is seen by the next one.
            Err(_) => std::future::pending().await,
        }
    }
}

fn not_opened(reason: &dyn Display) -> Failure {
    let message = format!("the attempt can't be completed later: {reason}");
    Failure::new(FailureKind::Application, "ActivityCannotBeOpened", message)
}

#[async_trait]
impl AttemptLink for Link {
    fn heartbeat(&self, details: Option<Payload>) {
        let mut heard = self.heard.lock();
        heard.listens = true;
        heard.alive_at = self.shared.clock.instant();
        // A guest may do so in a tight loop: only the first is worth a look.
        let is_news = details.is_some() && heard.unsaved.is_none();
        if let Some(details) = details {
            heard.unsaved = Some(details);
        }
        drop(heard);
        if is_news {
            self.changed.notify_one();
        }
    }

    fn signals(&self) -> AttemptSignals {
        self.heard.lock().listens = true;
        *self.signals.borrow()
    }

    async fn cancel_requested(&self) {
        self.heard.lock().listens = true;
        let mut told = self.signals.subscribe();
        if told.wait_for(|signals| signals.cancel_requested).await.is_err() {
            std::future::pending().await
        }
    }

    async fn complete_later(&self) -> Result<String, Failure> {
        self.token.get_or_try_init(|| self.open()).await.cloned()
    }
}
