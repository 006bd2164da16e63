//! How many bytes a commit writes, about: what bounds a batch. Everything counts
//! that guests and clients make as long as they like.

use std::io;

use dacapo_model::attributes::RunAttributes;
use dacapo_model::event::HistoryEvent;
use dacapo_model::execution::{Blocked, ParentRun};
use dacapo_model::payload::Payload;
use dacapo_model::timer::TimerKind;
use dacapo_model::update::AdmittedUpdate;
use serde::Serialize;

use crate::commit::{CommitUnit, ExecutionChange, RunTransition};
use crate::task::{TaskChange, TaskRow};
use crate::timer::TimerRow;

/// Of a row, for its key and its small columns.
const ROW_BYTES: usize = 64;

impl CommitUnit {
    /// About how many bytes it writes.
    pub fn bytes(&self) -> usize {
        self.transitions.iter().map(transition_bytes).sum()
    }
}

/// About how many bytes a part of a history has, as it is stored.
pub fn history_bytes(events: &[HistoryEvent]) -> usize {
    events.iter().map(event_bytes).sum()
}

fn transition_bytes(transition: &RunTransition) -> usize {
    let events = history_bytes(&transition.events);
    let timers: usize = transition.timers_set.iter().map(timer_bytes).sum();
    let updates: usize = transition.updates_set.iter().map(update_bytes).sum();
    let published = transition.query_results_set.iter();
    let published: usize =
        published.map(|(name, value)| ROW_BYTES + name.as_str().len() + value.len()).sum();
    let removed = transition.timers_cleared.len() + transition.updates_removed.len();
    let execution = match &transition.execution {
        ExecutionChange::None => 0,
        ExecutionChange::Insert(execution) => {
            let ids = execution.workflow_id.as_str().len() + execution.workflow_type.as_str().len();
            2 * ROW_BYTES
                + ids
                + parent_bytes(execution.parent.as_ref())
                + blocked_bytes(execution.blocked.as_ref())
                + attributes_bytes(&execution.attributes)
        }
        ExecutionChange::Update(update) => {
            ROW_BYTES
                + blocked_bytes(update.blocked.as_ref())
                + update.attributes.as_ref().map_or(0, attributes_bytes)
                + update.tags.as_ref().map_or(0, json_bytes)
        }
    };
    let tasks: usize = transition.tasks.iter().map(task_bytes).sum();
    events + timers + updates + published + tasks + removed * ROW_BYTES + execution
}

fn event_bytes(event: &HistoryEvent) -> usize {
    let payload = event.attributes.payload().map_or(0, |(_, payload)| payload.len());
    ROW_BYTES + payload + json_bytes(&event.attributes)
}

fn timer_bytes(row: &TimerRow) -> usize {
    let (last_failure, details) = match &row.kind {
        TimerKind::Timer | TimerKind::StartDelay | TimerKind::RunTimeout => (None, None),
        TimerKind::ActivityRetry { last_failure, details, .. } => {
            (Some(last_failure), details.as_ref())
        }
        TimerKind::ActivityHeartbeat { last_failure, details, .. } => {
            (last_failure.as_ref(), Some(details))
        }
        TimerKind::ActivityTimeout { last_failure, details, .. } => {
            (last_failure.as_ref(), details.as_ref())
        }
    };
    ROW_BYTES + last_failure.map_or(0, json_bytes) + details.map_or(0, Payload::len)
}

fn task_bytes(change: &TaskChange) -> usize {
    match change {
        TaskChange::Enqueue(row) => task_row_bytes(row),
        TaskChange::Lease(leased) => {
            ROW_BYTES + leased.lease.worker.as_str().len() + task_row_bytes(&leased.task)
        }
        TaskChange::Requeue { last_failure, .. } => ROW_BYTES + json_bytes(last_failure),
        TaskChange::Tell { .. } | TaskChange::Remove { .. } => ROW_BYTES,
    }
}

fn task_row_bytes(row: &TaskRow) -> usize {
    let attempt = &row.attempt;
    // A row, and its place in an index.
    let names = row.namespace.as_str().len()
        + row.queue.as_str().len()
        + row.fairness_key.as_ref().map_or(0, |key| key.as_str().len());
    2 * (ROW_BYTES + names)
        + row.activity_type.as_str().len()
        + attempt.last_failure.as_ref().map_or(0, json_bytes)
        + attempt.details.as_ref().map_or(0, Payload::len)
}

fn update_bytes(admitted: &AdmittedUpdate) -> usize {
    let update = &admitted.update;
    ROW_BYTES + update.id.as_str().len() + update.name.as_str().len() + update.input.len()
}

fn blocked_bytes(blocked: Option<&Blocked>) -> usize {
    blocked.map_or(0, json_bytes)
}

/// Of the columns, and of their places in indexes.
fn parent_bytes(parent: Option<&ParentRun>) -> usize {
    parent.map_or(0, |parent| {
        let ids = parent.workflow_id.as_str().len() + parent.root.workflow_id.as_str().len();
        2 * (ROW_BYTES + ids)
    })
}

fn attributes_bytes(attributes: &RunAttributes) -> usize {
    if attributes.is_empty() { 0 } else { json_bytes(attributes) }
}

/// Of its JSON form, which is not made.
fn json_bytes(value: &impl Serialize) -> usize {
    let mut counted = Counted(0);
    let written = serde_json::to_writer(&mut counted, value);
    debug_assert!(written.is_ok(), "types of the model have a JSON form");
    counted.0
}

struct Counted(usize);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dacapo_model::attributes::SearchAttribute;
    use dacapo_model::event::EventAttributes;
    use dacapo_model::execution::ExecutionStatus;
    use dacapo_model::failure::{Failure, FailureKind};
    use dacapo_model::ids::{
        EventId, OperationId, QueryName, RunId, RunKey, UpdateId, WorkflowHash,
    };
    use dacapo_model::retry::RetryState;
    use dacapo_model::task::Priority;
    use dacapo_model::time::Timestamp;
    use dacapo_model::update::Update;
    use uuid::Uuid;

    use super::*;
    use crate::commit::ExecutionUpdate;
    use crate::task::TaskAttempt;

    const MANY: usize = 1_000_000;

    fn key() -> RunKey {
        RunKey { hash: WorkflowHash(7), run_id: RunId(Uuid::nil()) }
    }

    fn large() -> Payload {
        Payload::from(vec![b'x'; MANY])
    }

    /// Its details are kept in the JSON of what it is a part of.
    fn large_failure() -> Failure {
        let mut failure = Failure::new(FailureKind::Application, "Large", "many details");
        failure.info.details = Some(large());
        failure
    }

    fn bytes_of(change: impl FnOnce(&mut RunTransition)) -> usize {
        let mut transition = RunTransition::new(key());
        change(&mut transition);
        CommitUnit { transitions: vec![transition] }.bytes()
    }

    fn event(attributes: EventAttributes) -> HistoryEvent {
        HistoryEvent { id: EventId(1), time: Timestamp::default(), attributes }
    }

    fn timer(kind: TimerKind) -> TimerRow {
        TimerRow { key: key(), event_id: EventId(2), fire_at: Timestamp::default(), kind }
    }

    fn small_task() -> TaskRow {
        TaskRow {
            key: key(),
            event_id: EventId(2),
            namespace: "default".parse().expect("valid"),
            queue: "emails".parse().expect("valid"),
            activity_type: "send".parse().expect("valid"),
            priority: Priority::default(),
            fairness_key: None,
            fairness_rank: 0,
            visible_at: Timestamp::default(),
            expires_at: None,
            attempt: TaskAttempt {
                number: 1,
                start_to_close: Duration::from_secs(60),
                heartbeat: None,
                close_by: None,
                last_failure: None,
                details: None,
            },
            lease_epoch: 0,
        }
    }

    #[test]
    fn whatever_can_be_large_counts() {
        let failed = EventAttributes::ActivityTaskFailed {
            scheduled_event_id: EventId(2),
            operation_id: OperationId(1),
            attempt: 1,
            failure: large_failure(),
            retry_state: RetryState::MaximumAttemptsReached,
        };
        let completed = EventAttributes::WorkflowExecutionCompleted { result: large() };
        let reason = "x".repeat(MANY);
        let terminated = EventAttributes::WorkflowExecutionTerminated {
            reason: reason.clone(),
            new_run_id: None,
        };
        for attributes in [failed, completed, terminated] {
            let name = attributes.type_name();
            let bytes = bytes_of(|it| it.events.push(event(attributes)));
            assert!(bytes >= MANY, "{name}: {bytes}");
        }
        let kinds = [
            TimerKind::ActivityRetry { attempt: 2, last_failure: large_failure(), details: None },
            TimerKind::ActivityHeartbeat { attempt: 1, last_failure: None, details: large() },
            TimerKind::ActivityTimeout { attempt: 1, last_failure: None, details: Some(large()) },
        ];
        for kind in kinds {
            let bytes = bytes_of(|it| it.timers_set.push(timer(kind.clone())));
            assert!(bytes >= MANY, "{kind:?}: {bytes}");
        }
        let update = Update {
            id: UpdateId::new("u").expect("valid"),
            name: "add".parse().expect("valid"),
            input: large(),
        };
        let admitted = AdmittedUpdate { update, admitted_at: Timestamp::default() };
        assert!(bytes_of(|it| it.updates_set.push(admitted)) >= MANY);
        let mut row = small_task();
        row.attempt.details = Some(large());
        assert!(bytes_of(|it| it.tasks.push(TaskChange::Enqueue(Box::new(row)))) >= MANY);
        let requeue = TaskChange::Requeue {
            event_id: EventId(2),
            attempt: 2,
            visible_at: Timestamp::default(),
            expires_at: None,
            last_failure: large_failure(),
            fairness_rank: 0,
        };
        assert!(bytes_of(|it| it.tasks.push(requeue)) >= MANY);
        let name = QueryName::new("status").expect("valid");
        assert!(bytes_of(|it| it.query_results_set.push((name, large()))) >= MANY);
        let note = SearchAttribute::Text(reason.clone());
        let search_attributes = [("note".to_owned(), note)].into();
        let attributes = RunAttributes { search_attributes, ..RunAttributes::default() };
        let update = ExecutionUpdate {
            status: ExecutionStatus::Blocked,
            blocked: Some(Blocked {
                code: "guest_trap".to_owned(),
                message: reason,
                backtrace: None,
                nondeterminism: None,
            }),
            closed_at: None,
            module_digest: None,
            attributes: Some(attributes),
            tags: None,
            history_size: None,
        };
        assert!(
            bytes_of(|it| it.execution = ExecutionChange::Update(Box::new(update))) >= 2 * MANY
        );
    }

    #[test]
    fn small_things_count_little() {
        let fired = EventAttributes::TimerFired {
            started_event_id: EventId(2),
            operation_id: OperationId(1),
        };
        assert_eq!(bytes_of(|_| ()), 0);
        assert!(bytes_of(|it| it.events.push(event(fired))) < 256);
        assert!(bytes_of(|it| it.timers_set.push(timer(TimerKind::Timer))) < 256);
        let enqueue = TaskChange::Enqueue(Box::new(small_task()));
        assert!(bytes_of(|it| it.tasks.push(enqueue)) < 256);
    }
}
