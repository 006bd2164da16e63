//! The span of an attempt of an activity, a part of that of its run.

use dacapo_engine::state::PendingActivity;
use dacapo_engine::transition::{TaskChange, TimerChange, Transition};
use dacapo_model::event::EventAttributes;
use dacapo_model::failure::Failure;
use dacapo_model::ids::{EventId, QueueName, TypeName};
use dacapo_model::time::Timestamp;
use dacapo_model::timer::TimerKind;
use dacapo_model::trace::{SpanId, TraceContext};
use dacapo_store::task::LeasedTask;
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;

use super::{Span, SpanError};
use crate::run::OpenRun;

/// Which attempt it is.
pub(crate) struct AttemptOf<'a> {
    pub(crate) activity_type: &'a TypeName,
    /// Among all there ever were.
    pub(crate) attempt: u32,
    /// As people count it.
    pub(crate) number: u32,
    /// From which a worker has taken it.
    pub(crate) queue: Option<&'a QueueName>,
}

impl<'a> From<&'a PendingActivity> for AttemptOf<'a> {
    fn from(activity: &'a PendingActivity) -> Self {
        Self {
            activity_type: &activity.activity_type,
            attempt: activity.attempt,
            number: activity.attempt_number(),
            queue: activity.options.task_queue.as_ref().map(|route| &route.queue),
        }
    }
}

impl<'a> From<&'a LeasedTask> for AttemptOf<'a> {
    fn from(leased: &'a LeasedTask) -> Self {
        let task = &leased.task;
        Self {
            activity_type: &task.activity_type,
            attempt: task.attempt.number,
            number: task.attempt.number,
            queue: Some(&task.queue),
        }
    }
}

/// An attempt that has begun.
#[derive(Debug, Clone)]
pub(crate) struct Attempted {
    scheduled_event_id: EventId,
    span: Span,
}

impl Attempted {
    pub(crate) fn new(
        run: &OpenRun,
        context: &TraceContext,
        scheduled_event_id: EventId,
        of: &AttemptOf<'_>,
        started_at: Timestamp,
    ) -> Self {
        let run_id = run.key.run_id;
        let span_id = SpanId::of_attempt(run_id, scheduled_event_id, of.attempt);
        let mut attributes = super::of_run(&run.namespace, &run.workflow_id, run_id);
        attributes.extend([
            KeyValue::new("dacapo.activity_type", of.activity_type.as_str().to_owned()),
            KeyValue::new("dacapo.attempt", i64::from(of.number)),
        ]);
        let queue = of.queue.map(|queue| queue.as_str().to_owned());
        attributes.extend(queue.map(|queue| KeyValue::new("dacapo.task_queue", queue)));
        let span = Span {
            name: format!("activity {}", of.activity_type),
            kind: if of.queue.is_some() { SpanKind::Client } else { SpanKind::Internal },
            context: context.at(span_id),
            parent: Some(SpanId::of_run(run_id)),
            parent_is_remote: false,
            started_at,
            ended_at: started_at,
            attributes,
            links: Vec::new(),
            error: None,
        };
        Self { scheduled_event_id, span }
    }

    /// Its span, if it has ended by a step.
    pub(crate) fn ended_by(self, step: &Transition, at: Timestamp) -> Option<Span> {
        let (outcome, error) = outcome(step, self.scheduled_event_id)?;
        Some(self.ended(outcome, error, at))
    }

    /// Its span, when nobody waits for it any more.
    pub(crate) fn stopped(self, at: Timestamp) -> Span {
        self.ended("stopped", None, at)
    }

    fn ended(self, outcome: &'static str, error: Option<SpanError>, at: Timestamp) -> Span {
        let mut span = self.span;
        span.ended_at = at.max(span.started_at);
        span.attributes.push(KeyValue::new("dacapo.outcome", outcome));
        span.error = error;
        span
    }
}

/// How the attempt of an activity has ended, if it has.
fn outcome(step: &Transition, scheduled: EventId) -> Option<(&'static str, Option<SpanError>)> {
    let events = step.events.iter().find_map(|event| of_event(&event.attributes, scheduled));
    events.or_else(|| next_attempt(step, scheduled).map(|failure| ("failed", of(failure))))
}

fn of_event(
    event: &EventAttributes,
    scheduled: EventId,
) -> Option<(&'static str, Option<SpanError>)> {
    match event {
        EventAttributes::ActivityTaskCompleted { scheduled_event_id: id, .. }
            if *id == scheduled =>
        {
            Some(("completed", None))
        }
        EventAttributes::ActivityTaskFailed { scheduled_event_id: id, failure, .. }
            if *id == scheduled =>
        {
            Some(("failed", of(failure)))
        }
        EventAttributes::ActivityTaskTimedOut { scheduled_event_id: id, timeout_type, .. }
            if *id == scheduled =>
        {
            let type_name = timeout_type.type_name();
            Some(("timed_out", Some(SpanError::new(type_name, "the activity ran out of time"))))
        }
        EventAttributes::ActivityTaskCanceled { scheduled_event_id: id, .. }
            if *id == scheduled =>
        {
            Some(("canceled", None))
        }
        _ => None,
    }
}

/// Why there is another attempt.
fn next_attempt(step: &Transition, scheduled: EventId) -> Option<&Failure> {
    let retries = step.timers.iter().find_map(|timer| match timer {
        TimerChange::Set {
            event_id, kind: TimerKind::ActivityRetry { last_failure, .. }, ..
        } if *event_id == scheduled => Some(last_failure),
        _ => None,
    });
    retries.or_else(|| {
        step.tasks.iter().find_map(|task| match task {
            TaskChange::Requeue { scheduled_event_id, last_failure, .. }
                if *scheduled_event_id == scheduled =>
            {
                Some(last_failure)
            }
            _ => None,
        })
    })
}

fn of(failure: &Failure) -> Option<SpanError> {
    Some(SpanError::new(failure.info.type_name.as_str(), &failure.info.message))
}
