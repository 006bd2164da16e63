//! The tasks of a run's activities: what its commits write of them, and what follows.

use std::sync::Arc;

use dacapo_engine::decide::{Input, not_running};
use dacapo_engine::guest::AttemptSignals;
use dacapo_engine::state::PendingActivity;
use dacapo_engine::transition::TaskChange as Change;
use dacapo_model::ids::EventId;
use dacapo_model::task::TaskRoute;
use dacapo_model::time::Timestamp;
use dacapo_model::timer::NEVER;
use dacapo_store::task::{Lease, LeasedTask, TaskAttempt, TaskChange, TaskKey, TaskPlace, TaskRow};

use super::OpenRun;
use super::actor::Actor;
use super::message::Message;
use crate::delivery::deliver;
use crate::queues::{self, Poller, Promise, Queue};
use crate::runtime::Shared;
use crate::types::HandedTask;

/// What a commit is to write of tasks, and what follows once it has.
pub(super) struct PlannedTasks {
    shared: Arc<Shared>,
    pub(super) rows: Vec<TaskChange>,
    after: Vec<After>,
}

/// What follows from the commit of a change.
enum After {
    /// A new task is counted.
    Scheduled { queue: Arc<Queue> },
    /// A poll gets a task that was leased for it.
    Hand { queue: Arc<Queue>, promise: Promise, leased: Box<LeasedTask>, task: Box<HandedTask> },
    /// A task has gone back into its queue.
    Came { queue: Arc<Queue> },
    /// A task waits.
    Wait { queue: Arc<Queue>, task: TaskKey, visible_at: Timestamp, expires_at: Option<Timestamp> },
    /// Nobody has it any more.
    Gone { task: TaskKey },
    /// Whoever has it is told.
    Tell { task: TaskKey, attempt: u32, signals: AttemptSignals },
}

impl Actor {
    /// Looks up what [`Self::plan_tasks`] has to know, which most often is nothing.
    pub(super) async fn prepare_tasks(&mut self, changes: &[Change]) {
        for change in changes {
            let (Change::Schedule { scheduled_event_id }
            | Change::Requeue { scheduled_event_id, .. }) = change
            else {
                continue;
            };
            if let Some((_, route)) = self.queued(*scheduled_event_id) {
                let queue = self.shared.queues.queue(&self.run.namespace, &route.queue);
                queue.learn_ranks(&*self.shared.store, route).await;
            }
        }
    }

    /// Makes rows of the changes of a transition. A task that somebody waits for is leased
    /// in the same commit.
    pub(super) fn plan_tasks(&self, changes: Vec<Change>) -> PlannedTasks {
        let shared = self.shared.clone();
        let mut planned = PlannedTasks { shared, rows: Vec::new(), after: Vec::new() };
        let now = self.shared.clock.now();
        for change in changes {
            match change {
                Change::Schedule { scheduled_event_id } => {
                    self.plan_schedule(&mut planned, scheduled_event_id, now);
                }
                Change::Requeue { scheduled_event_id, attempt, visible_at, last_failure } => {
                    let Some((activity, route)) = self.queued(scheduled_event_id) else {
                        continue;
                    };
                    let queue = self.shared.queues.queue(&self.run.namespace, &route.queue);
                    let task = (self.run.key, scheduled_event_id);
                    let expires_at = activity.expires_at();
                    planned.rows.push(TaskChange::Requeue {
                        event_id: scheduled_event_id,
                        attempt,
                        visible_at,
                        expires_at,
                        last_failure,
                        fairness_rank: queue.rank(route, now),
                    });
                    planned.after.push(After::Gone { task });
                    planned.after.push(After::Came { queue: queue.clone() });
                    planned.after.push(After::Wait { queue, task, visible_at, expires_at });
                }
                Change::Tell { scheduled_event_id, cancel_until, paused, visible_at } => {
                    let Some((activity, route)) = self.queued(scheduled_event_id) else {
                        continue;
                    };
                    let task = (self.run.key, scheduled_event_id);
                    planned.rows.push(TaskChange::Tell {
                        event_id: scheduled_event_id,
                        cancel_until,
                        paused,
                        visible_at,
                        expires_at: activity.expires_at(),
                    });
                    let cancel_requested = activity.cancel.is_some();
                    let signals = AttemptSignals { cancel_requested, paused };
                    planned.after.push(After::Tell { task, attempt: activity.attempt, signals });
                    let queue = self.shared.queues.queue(&self.run.namespace, &route.queue);
                    let expires_at = activity.expires_at();
                    planned.after.push(After::Wait { queue, task, visible_at, expires_at });
                }
                Change::Remove { scheduled_event_id } => {
                    planned.rows.push(TaskChange::Remove { event_id: scheduled_event_id });
                    planned.after.push(After::Gone { task: (self.run.key, scheduled_event_id) });
                }
            }
        }
        planned
    }

    fn plan_schedule(&self, planned: &mut PlannedTasks, event_id: EventId, now: Timestamp) {
        // One that was given up in the same transition has nothing to wait for.
        let Some((activity, route)) = self.queued(event_id) else {
            return;
        };
        let queue = self.shared.queues.queue(&self.run.namespace, &route.queue);
        let visible_at = activity.visible_at().unwrap_or(now);
        let row = self.task_row(event_id, activity, route, visible_at, queue.rank(route, now));
        planned.after.push(After::Scheduled { queue: queue.clone() });
        let task = (row.key, event_id);
        let promise = match visible_at <= now {
            true => queue.promise(&row.activity_type),
            false => None,
        };
        match promise {
            Some(promise) => {
                // Nothing waits: what a key has had so far counts against it no more.
                queue.handed_out(row.priority, row.fairness_rank, now);
                let leased = lease(promise.poller(), row, now);
                let task = self.handed(promise.poller(), activity, &leased);
                planned.rows.push(TaskChange::Lease(Box::new(leased.clone())));
                let (leased, task) = (Box::new(leased), Box::new(task));
                planned.after.push(After::Hand { queue, promise, leased, task });
            }
            None => {
                let expires_at = row.expires_at;
                planned.rows.push(TaskChange::Enqueue(Box::new(row)));
                planned.after.push(After::Gone { task });
                planned.after.push(After::Wait { queue, task, visible_at, expires_at });
            }
        }
    }

    /// An activity that waits for a worker, or is with one.
    fn queued(&self, event_id: EventId) -> Option<(&PendingActivity, &TaskRoute)> {
        let activity = self.state.activities.get(&event_id)?;
        Some((activity, activity.options.task_queue.as_ref()?))
    }

    fn task_row(
        &self,
        event_id: EventId,
        activity: &PendingActivity,
        route: &TaskRoute,
        visible_at: Timestamp,
        fairness_rank: i64,
    ) -> TaskRow {
        let options = &activity.options;
        TaskRow {
            key: self.run.key,
            event_id,
            namespace: self.run.namespace.clone(),
            queue: route.queue.clone(),
            activity_type: activity.activity_type.clone(),
            priority: route.priority,
            fairness_key: route.fairness_key.clone(),
            fairness_rank,
            visible_at,
            expires_at: activity.expires_at(),
            attempt: TaskAttempt {
                number: activity.attempt,
                start_to_close: options.start_to_close_timeout,
                heartbeat: options.heartbeat_timeout,
                close_by: activity.close_by(),
                last_failure: activity.last_failure.clone(),
                details: activity.heartbeat_details.clone(),
            },
            lease_epoch: 0,
        }
    }

    fn handed(
        &self,
        poller: &Poller,
        activity: &PendingActivity,
        leased: &LeasedTask,
    ) -> HandedTask {
        let LeasedTask { task, lease } = leased;
        HandedTask {
            token: poller.token(task.key, task.event_id, task.attempt.number),
            workflow_id: self.run.workflow_id.clone(),
            run_id: task.key.run_id,
            workflow_type: self.execution.workflow_type.clone(),
            operation_id: activity.operation_id,
            activity_type: activity.activity_type.clone(),
            input: activity.input.clone(),
            attempt: task.attempt.number,
            options: activity.options.clone(),
            scheduled_at: activity.scheduled_at,
            started_at: lease.started_at,
            lease_until: lease.expires_at,
            lease: lease.duration,
            last_failure: activity.last_failure.clone(),
            heartbeat_details: activity.heartbeat_details.clone(),
            trace: self.shared.traces.of_task(&self.run, task),
        }
    }
}

/// The lease of a task that goes to a poll without waiting.
fn lease(poller: &Poller, mut task: TaskRow, now: Timestamp) -> LeasedTask {
    task.lease_epoch += 1;
    let lease = Lease {
        worker: poller.worker().clone(),
        token_digest: poller.token_digest(),
        started_at: now,
        expires_at: task.attempt.lease_until(now, now, poller.lease()),
        duration: poller.lease(),
        cancel_requested: false,
        paused: false,
    };
    LeasedTask { task, lease }
}

impl PlannedTasks {
    /// The rows are committed: polls are answered.
    pub(super) fn committed(mut self, run: &Arc<OpenRun>) {
        for after in std::mem::take(&mut self.after) {
            after.act(&self.shared, run);
        }
    }
}

impl Drop for PlannedTasks {
    /// The commit has failed, or has no verdict: then the leases may be there, and nobody
    /// has heard of them.
    fn drop(&mut self) {
        let leases = self.after.iter().filter_map(|after| match after {
            After::Hand { leased, .. } => {
                Some(((leased.task.key, leased.task.event_id), leased.lease.token_digest))
            }
            _ => None,
        });
        queues::release_leases(&self.shared, leases.collect());
    }
}

impl After {
    fn act(self, shared: &Arc<Shared>, run: &Arc<OpenRun>) {
        match self {
            Self::Scheduled { queue } => {
                shared.queues.metrics.scheduled(&queue.labels);
                queues::note_came(shared, &queue);
            }
            Self::Hand { queue, mut promise, leased, task } => {
                let (visible_at, started_at) = (leased.task.visible_at, leased.lease.started_at);
                shared.queues.metrics.started(&queue.labels, visible_at, started_at);
                queues::note_lease(shared, *leased);
                if let Err(task) = promise.deliver(task) {
                    queues::release(shared, vec![*task]);
                }
            }
            Self::Wait { queue, task, visible_at, expires_at } => {
                if let Some(expires_at) = expires_at {
                    queues::look_at(shared, task, expires_at);
                }
                if visible_at <= shared.clock.now() {
                    queues::note_waiting(shared, &queue);
                } else if visible_at != NEVER {
                    queues::look_at(shared, task, visible_at);
                }
            }
            Self::Came { queue } => queues::note_came(shared, &queue),
            Self::Gone { task } => queues::note_no_lease(shared, task),
            Self::Tell { task, attempt, signals } => {
                if !queues::tell_worker(shared, task, signals) && signals.cancel_requested {
                    let (shared, run) = (shared.clone(), run.clone());
                    shared.clone().life.spawn(cancel_unless_leased(shared, run, task, attempt));
                }
            }
        }
    }
}

/// Ends an activity that was asked to cancel and that no worker has.
async fn cancel_unless_leased(shared: Arc<Shared>, run: Arc<OpenRun>, task: TaskKey, attempt: u32) {
    let _work = shared.life.workload.begin();
    // If it can't be read, it ends when its grace period is over.
    let Ok(places) = shared.store.find_tasks(&[task]).await else {
        return;
    };
    if matches!(places.first(), Some(TaskPlace::Queue(_))) {
        let (scheduled_event_id, failure) = (task.1, not_running());
        let input = Input::ActivityStopped { scheduled_event_id, attempt, failure };
        let _ = deliver(&shared, &run, Message::Input { input, answer: None }).await;
    }
}
