//! Executes attempts on the node that owns the run.

use std::collections::HashMap;
use std::sync::Arc;

use dacapo_engine::decide::{Input, not_running};
use dacapo_engine::guest::RunContext;
use dacapo_engine::state::{ActivityDuty, PendingActivity};
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::EventId;
use dacapo_model::time::Timestamp;
use tokio::task::AbortHandle;

use super::Executor;
use super::attempt::{Attempt, report};
use super::link::Link;
use crate::run::OpenRun;
use crate::runtime::Shared;

/// The attempts of one run that this node executes, by the `ActivityTaskScheduled` of
/// each. Dropping this leaves them running.
pub(crate) struct LocalExecutor {
    shared: Arc<Shared>,
    run: Arc<OpenRun>,
    attempts: HashMap<EventId, Running>,
}

/// An attempt under way, or a report that stands for one.
struct Running {
    /// Aborting it stops the attempt.
    handle: AbortHandle,
    link: Arc<Link>,
    activity: Arc<PendingActivity>,
}

impl Executor for LocalExecutor {
    fn start(
        &mut self,
        context: &Arc<RunContext>,
        scheduled_event_id: EventId,
        activity: &PendingActivity,
    ) {
        // A stopping node leaves it to the next one, which finds it in history; but not
        // one of which history says that it may have begun.
        if self.shared.life.stopping.is_cancelled() && !activity.started {
            return;
        }
        let link = self.link(scheduled_event_id, activity);
        let activity = Arc::new(activity.clone());
        let attempt = Attempt {
            shared: self.shared.clone(),
            run: self.run.clone(),
            context: context.clone(),
            scheduled_event_id,
            activity: activity.clone(),
            link: link.clone(),
            _work: self.shared.life.workload.begin(),
        };
        let handle = self.shared.life.spawn_attempt(attempt.run());
        self.attempts.insert(scheduled_event_id, Running { handle, link, activity });
    }

    fn tell(&mut self, scheduled_event_id: EventId, activity: &PendingActivity) {
        if let Some(running) = self.attempts.get(&scheduled_event_id) {
            running.link.tell(activity);
        } else if activity.duty() == Some(ActivityDuty::ReportStopped) {
            self.report_stopped(scheduled_event_id, activity);
        }
    }

    fn give_up(&mut self, scheduled_event_id: EventId) {
        if let Some(running) = self.attempts.get(&scheduled_event_id) {
            running.link.give_up();
        }
    }

    fn stop(&mut self, scheduled_event_id: EventId) {
        if let Some(running) = self.attempts.remove(&scheduled_event_id) {
            running.handle.abort();
        }
    }
}

impl LocalExecutor {
    pub(crate) fn new(shared: Arc<Shared>, run: Arc<OpenRun>) -> Self {
        Self { shared, run, attempts: HashMap::new() }
    }

    /// True if the run waits for nothing that happens here.
    pub(crate) fn is_empty(&self) -> bool {
        self.attempts.is_empty()
    }

    /// The attempts under way, by their activities.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = (EventId, u32)> {
        self.attempts.iter().map(|(event_id, running)| (*event_id, running.link.attempt))
    }

    /// The activity of an attempt that has begun, and when it has.
    pub(crate) fn under_way(
        &self,
        scheduled_event_id: EventId,
    ) -> Option<(&PendingActivity, Timestamp)> {
        let running = self.attempts.get(&scheduled_event_id)?;
        Some((&running.activity, running.link.started_at()?))
    }

    /// Does what the state says is to be done for an activity, unless it is under way:
    /// then the attempt may not have been told of what was committed since.
    pub(crate) fn resume(
        &mut self,
        context: &Arc<RunContext>,
        scheduled_event_id: EventId,
        activity: &PendingActivity,
    ) {
        if self.attempts.contains_key(&scheduled_event_id) {
            self.tell(scheduled_event_id, activity);
            return;
        }
        match activity.duty() {
            Some(ActivityDuty::RunAttempt) => self.start(context, scheduled_event_id, activity),
            Some(ActivityDuty::ReportLost) => self.report_lost(scheduled_event_id, activity),
            Some(ActivityDuty::ReportStopped) => {
                self.report_stopped(scheduled_event_id, activity);
            }
            None => {}
        }
    }

    /// Forgets the attempt, whichever it is: the run knows how it ended.
    pub(crate) fn forget(&mut self, scheduled_event_id: EventId) {
        self.attempts.remove(&scheduled_event_id);
    }

    /// Forgets this attempt: it has ended, and is completed from outside.
    pub(crate) fn forget_attempt(&mut self, scheduled_event_id: EventId, attempt: u32) {
        let running = self.attempts.get(&scheduled_event_id);
        if running.is_some_and(|running| running.link.attempt == attempt) {
            self.attempts.remove(&scheduled_event_id);
        }
    }

    pub(crate) fn stop_all(&mut self) {
        for (_, running) in self.attempts.drain() {
            running.handle.abort();
        }
    }

    /// Reports an attempt that may have begun before this process, and must not be
    /// made again.
    fn report_lost(&mut self, scheduled_event_id: EventId, activity: &PendingActivity) {
        let failure = Failure::new(
            FailureKind::Application,
            "ActivityLost",
            "the node stopped while the only attempt of this activity may have been running; \
             whether it had its effect is not known",
        )
        .non_retryable();
        let attempt = activity.attempt;
        let input = Input::ActivityReturned { scheduled_event_id, attempt, outcome: Err(failure) };
        self.report(scheduled_event_id, activity, input);
    }

    /// Reports that nothing runs for an activity which was asked to cancel.
    fn report_stopped(&mut self, scheduled_event_id: EventId, activity: &PendingActivity) {
        let (attempt, failure) = (activity.attempt, not_running());
        let input = Input::ActivityStopped { scheduled_event_id, attempt, failure };
        self.report(scheduled_event_id, activity, input);
    }

    fn report(&mut self, scheduled_event_id: EventId, activity: &PendingActivity, input: Input) {
        let link = self.link(scheduled_event_id, activity);
        let work = self.shared.life.workload.begin();
        let (shared, run) = (self.shared.clone(), self.run.clone());
        let report = async move {
            report(&shared, &run, input).await;
            drop(work);
        };
        let handle = self.shared.life.spawn_attempt(report);
        let activity = Arc::new(activity.clone());
        self.attempts.insert(scheduled_event_id, Running { handle, link, activity });
    }

    fn link(&self, scheduled_event_id: EventId, activity: &PendingActivity) -> Arc<Link> {
        let (shared, run) = (self.shared.clone(), self.run.clone());
        Arc::new(Link::new(shared, run, scheduled_event_id, activity))
    }
}
