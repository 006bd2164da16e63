//! Between the guest's types and ours: bounds, defaults, whole microseconds.

use std::time::Duration;

use dacapo_model::event::{ActivityOptions, AskedActivityOptions, ModuleRef};
use dacapo_model::failure::{Failure, FailureInfo, FailureKind};
use dacapo_model::ids::{ModuleName, QueueName, TypeName};
use dacapo_model::limits::{ID_BYTES_MAX, Limits, TIMER_MAX};
use dacapo_model::payload::Payload;
use dacapo_model::retry::RetryPolicy;
use dacapo_model::task::{FairnessKey, FairnessWeight, InvalidRoute, Priority, TaskRoute};

use crate::bindings::dacapo::workflow::children as guest_children;
use crate::bindings::dacapo::workflow::operations as guest_operations;
use crate::bindings::dacapo::workflow::task_queues::TaskPlacement;
use crate::bindings::dacapo::workflow::types as guest;
use crate::trap::Stop;
use crate::workflow::state::WorkflowState;

/// The maximum interval, in initial intervals, of a policy that names none.
const MAXIMUM_INTERVAL_FACTOR: u32 = 100;

/// Failure types that one policy may list. They are recorded with each activity.
const NON_RETRYABLE_TYPES_MAX: usize = 100;

/// Wraps bytes that a guest passed, if they are not too many.
pub(super) fn checked_payload(
    what: &'static str,
    bytes: Vec<u8>,
    state: &WorkflowState,
) -> Result<Payload, Stop> {
    state.debt.value(bytes.len());
    let max = state.limits.payload_bytes_max;
    if bytes.len() > max {
        return Err(Stop::PayloadTooLarge { what, bytes: bytes.len(), max });
    }
    Ok(Payload::from(bytes))
}

/// What a guest answers, if it is not too large.
pub(crate) fn checked_outcome(
    what: &'static str,
    outcome: Result<Vec<u8>, guest::Failure>,
    state: &WorkflowState,
) -> Result<Result<Payload, Failure>, Stop> {
    match outcome {
        Ok(result) => Ok(Ok(checked_payload(what, result, state)?)),
        Err(failure) => Ok(Err(failure_from_guest(failure, &state.limits))),
    }
}

/// What is said about where an activity runs, besides its options.
pub(super) enum Place {
    /// Nothing.
    Unnamed,
    /// In a queue.
    Queue(TaskPlacement),
    /// In an instance of another module.
    Module(guest_children::ModuleRef),
}

/// Checks options and fills in every default: a default that changes later must
/// not change what a history means.
pub(super) fn activity_options(
    activity_type: &TypeName,
    options: guest_operations::ActivityOptions,
    place: Place,
) -> Result<ActivityOptions, Stop> {
    let invalid = |field: &str, problem: &str| {
        Stop::Misuse(format!("activity `{activity_type}`: `{field}` {problem}"))
    };
    let (placement, module) = match place {
        Place::Unnamed => (None, None),
        Place::Queue(placement) => (Some(placement), None),
        Place::Module(_) if options.task_queue.is_some() => {
            return Err(invalid("task-queue", "must be none: the module runs it, and no worker"));
        }
        Place::Module(module) => {
            let name = ModuleName::new(module.name)
                .map_err(|error| invalid("module.name", &format!("is wrong: {error}")))?;
            (None, Some(Box::new(ModuleRef { name, version: module.version })))
        }
    };
    let task_queue = task_route(options.task_queue, placement, invalid)?;
    let timeout = |field: &str, nanos: Option<u64>| match nanos {
        Some(0) => Err(invalid(field, "must be more than 0")),
        other => Ok(other.map(duration)),
    };
    let start_to_close = timeout("start-to-close-timeout", options.start_to_close_timeout)?;
    let schedule_to_close =
        timeout("schedule-to-close-timeout", options.schedule_to_close_timeout)?;
    let retry = options.retry.map(|policy| retry_policy(policy, invalid)).transpose()?;
    let schedule_to_start =
        timeout("schedule-to-start-timeout", options.schedule_to_start_timeout)?;
    let heartbeat = timeout("heartbeat-timeout", options.heartbeat_timeout)?;
    Ok(ActivityOptions::from(AskedActivityOptions {
        start_to_close_timeout: start_to_close,
        schedule_to_close_timeout: schedule_to_close,
        schedule_to_start_timeout: schedule_to_start,
        heartbeat_timeout: heartbeat,
        retry,
        task_queue,
        module,
    }))
}

/// Checks where the tasks of an activity wait, and fills in the defaults.
fn task_route(
    queue: Option<String>,
    placement: Option<TaskPlacement>,
    invalid: impl Fn(&str, &str) -> Stop,
) -> Result<Option<TaskRoute>, Stop> {
    let name = |field: &str, name: &str| {
        QueueName::addressable(name).map_err(|error| invalid(field, &format!("is wrong: {error}")))
    };
    let Some(placement) = placement else {
        let queue = queue.map(|queue| name("task-queue", &queue)).transpose()?;
        return Ok(queue.map(TaskRoute::to));
    };
    if queue.is_some_and(|queue| queue != placement.queue) {
        return Err(invalid("task-queue", "is another queue than that of the placement"));
    }
    let wrong = |field: &str, error: InvalidRoute| invalid(field, &format!("is wrong: {error}"));
    let mut route = TaskRoute::to(name("placement.queue", &placement.queue)?);
    if let Some(priority) = placement.priority {
        route.priority =
            Priority::new(priority).map_err(|error| wrong("placement.priority", error))?;
    }
    if let Some(key) = placement.fairness_key {
        let key = FairnessKey::new(key);
        route.fairness_key = Some(key.map_err(|error| wrong("placement.fairness-key", error))?);
    }
    if let Some(weight) = placement.fairness_weight {
        let weight = FairnessWeight::new(weight);
        route.fairness_weight =
            weight.map_err(|error| wrong("placement.fairness-weight", error))?;
    }
    Ok(Some(route))
}

/// Checks a policy and fills in its defaults. `invalid` says of which field what is
/// wrong.
pub(super) fn retry_policy(
    policy: guest::RetryPolicy,
    invalid: impl Fn(&str, &str) -> Stop,
) -> Result<RetryPolicy, Stop> {
    if !policy.backoff_coefficient.is_finite() || policy.backoff_coefficient < 1.0 {
        return Err(invalid("retry.backoff-coefficient", "must be a number of at least 1"));
    }
    if policy.non_retryable_types.len() > NON_RETRYABLE_TYPES_MAX {
        return Err(invalid("retry.non-retryable-types", "may list at most 100 types"));
    }
    if policy.non_retryable_types.iter().any(|name| name.len() > ID_BYTES_MAX) {
        return Err(invalid("retry.non-retryable-types", "may have types of at most 255 bytes"));
    }
    let initial_interval = match policy.initial_interval {
        0 => RetryPolicy::default().initial_interval,
        nanos => duration(nanos),
    };
    let maximum_interval = match policy.maximum_interval {
        Some(nanos) => duration(nanos),
        None => initial_interval.saturating_mul(MAXIMUM_INTERVAL_FACTOR).min(TIMER_MAX),
    };
    Ok(RetryPolicy {
        initial_interval,
        backoff_coefficient: policy.backoff_coefficient,
        maximum_interval,
        maximum_attempts: policy.maximum_attempts,
        non_retryable_types: policy.non_retryable_types,
    })
}

/// As it is recorded: in whole microseconds, rounded up, within the limit. What
/// the guest asks for on replay must be equal to what was read back.
pub(crate) fn duration(nanos: u64) -> Duration {
    Duration::from_micros(nanos.div_ceil(1000)).min(TIMER_MAX)
}

/// A length of time for the guest to read.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What is copied of a failure.
pub(super) fn failure_values(failure: &Failure) -> impl Iterator<Item = usize> {
    std::iter::once(&failure.info).chain(&failure.causes).flat_map(|info| {
        let details = info.details.as_ref().map_or(0, Payload::len);
        [info.type_name.len(), info.message.len(), details]
    })
}

/// A failure for the guest to read.
pub(crate) fn failure_to_guest(failure: Failure) -> guest::Failure {
    guest::Failure {
        info: info_to_guest(failure.info),
        causes: failure.causes.into_iter().map(info_to_guest).collect(),
    }
}

fn info_to_guest(info: FailureInfo) -> guest::FailureInfo {
    guest::FailureInfo {
        kind: match info.kind {
            FailureKind::Application => guest::FailureKind::Application,
            FailureKind::Cancelled => guest::FailureKind::Cancelled,
            FailureKind::Timeout => guest::FailureKind::Timeout,
            FailureKind::Terminated => guest::FailureKind::Terminated,
            FailureKind::Activity => guest::FailureKind::Activity,
            FailureKind::Child => guest::FailureKind::Child,
            FailureKind::Nondeterminism => guest::FailureKind::Nondeterminism,
        },
        type_name: info.type_name,
        message: info.message,
        non_retryable: info.non_retryable,
        next_retry_delay: info.next_retry_delay.map(nanos),
        details: info.details.map(|details| details.into_bytes().into()),
    }
}

/// A failure that a guest raised, cut to what is recorded of one.
pub(crate) fn failure_from_guest(failure: guest::Failure, limits: &Limits) -> Failure {
    let failure = Failure {
        info: info_from_guest(failure.info),
        causes: failure.causes.into_iter().map(info_from_guest).collect(),
    };
    failure_without_large_details(failure.bounded(), limits)
}

fn info_from_guest(info: guest::FailureInfo) -> FailureInfo {
    FailureInfo {
        kind: match info.kind {
            guest::FailureKind::Application => FailureKind::Application,
            guest::FailureKind::Cancelled => FailureKind::Cancelled,
            guest::FailureKind::Timeout => FailureKind::Timeout,
            guest::FailureKind::Terminated => FailureKind::Terminated,
            guest::FailureKind::Activity => FailureKind::Activity,
            guest::FailureKind::Child => FailureKind::Child,
            guest::FailureKind::Nondeterminism => FailureKind::Nondeterminism,
        },
        type_name: info.type_name,
        message: info.message,
        non_retryable: info.non_retryable,
        next_retry_delay: info.next_retry_delay.map(duration),
        details: info.details.map(Payload::from),
    }
}

/// Details over the limit are dropped and the message says so: the failure
/// itself matters more.
fn failure_without_large_details(mut failure: Failure, limits: &Limits) -> Failure {
    let bytes = failure.details_len();
    if bytes > limits.payload_bytes_max {
        for info in std::iter::once(&mut failure.info).chain(&mut failure.causes) {
            info.details = None;
        }
        failure.info.message.push_str(&format!(
            " (its details of {bytes} bytes were dropped: at most {} are allowed)",
            limits.payload_bytes_max
        ));
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_options() -> guest_operations::ActivityOptions {
        guest_operations::ActivityOptions {
            start_to_close_timeout: None,
            schedule_to_close_timeout: None,
            schedule_to_start_timeout: None,
            heartbeat_timeout: None,
            retry: None,
            task_queue: None,
        }
    }

    fn policy() -> guest::RetryPolicy {
        guest::RetryPolicy {
            initial_interval: 0,
            backoff_coefficient: 2.0,
            maximum_interval: None,
            maximum_attempts: 0,
            non_retryable_types: Vec::new(),
        }
    }

    fn convert(options: guest_operations::ActivityOptions) -> Result<ActivityOptions, Stop> {
        activity_options(&TypeName::new("charge").expect("valid"), options, Place::Unnamed)
    }

    fn at(queue: &str) -> TaskPlacement {
        TaskPlacement {
            queue: queue.to_owned(),
            priority: None,
            fairness_key: None,
            fairness_weight: None,
        }
    }

    fn place(
        task_queue: Option<&str>,
        placement: TaskPlacement,
    ) -> Result<Option<TaskRoute>, Stop> {
        let task_queue = task_queue.map(str::to_owned);
        let options = guest_operations::ActivityOptions { task_queue, ..no_options() };
        let charge = TypeName::new("charge").expect("valid");
        Ok(activity_options(&charge, options, Place::Queue(placement))?.task_queue)
    }

    #[test]
    fn a_task_queue_is_named_with_the_options_or_with_what_comes_first_in_it() {
        let emails = TaskRoute::to(QueueName::new("e mails/\u{e9}").expect("valid"));
        let named = guest_operations::ActivityOptions {
            task_queue: Some("e mails/\u{e9}".to_owned()),
            ..no_options()
        };
        assert_eq!(convert(named).expect("valid").task_queue, Some(emails.clone()));
        for same in [None, Some("e mails/\u{e9}")] {
            assert_eq!(place(same, at("e mails/\u{e9}")).expect("valid"), Some(emails.clone()));
        }
        let placement = TaskPlacement {
            priority: Some(5),
            fairness_key: Some("tenant 7".to_owned()),
            fairness_weight: Some(0.001),
            ..at("e mails/\u{e9}")
        };
        let route = TaskRoute {
            priority: Priority::new(5).expect("valid"),
            fairness_key: Some(FairnessKey::new("tenant 7").expect("valid")),
            fairness_weight: FairnessWeight::new(0.001).expect("valid"),
            ..emails
        };
        assert_eq!(place(None, placement).expect("valid"), Some(route));
    }

    #[test]
    fn what_breaks_a_rule_of_a_queue_is_named_with_the_rule() {
        for (task_queue, placement, message) in [
            (Some("b"), at("a"), "`task-queue` is another queue than that of the placement"),
            (None, at(""), "`placement.queue` is wrong: the task queue must not be empty"),
            (None, at(".."), "`placement.queue` is wrong: the task queue must not be `.`"),
            (None, at(&"q".repeat(256)), "at most 255"),
            (
                None,
                TaskPlacement { priority: Some(6), ..at("a") },
                "`placement.priority` is wrong: the priority is 6; it goes from 1, which comes \
                 first, to 5",
            ),
            (
                None,
                TaskPlacement { fairness_key: Some("k".repeat(65)), ..at("a") },
                "`placement.fairness-key` is wrong: the fairness key has 65 bytes",
            ),
            (
                None,
                TaskPlacement { fairness_weight: Some(f64::NAN), ..at("a") },
                "`placement.fairness-weight` is wrong: the fairness weight is NaN; it goes from \
                 0.001 to 1000",
            ),
        ] {
            let said = place(task_queue, placement).expect_err("breaks a rule").to_string();
            assert!(said.starts_with("activity `charge`: ") && said.contains(message), "{said}");
        }
    }

    #[test]
    fn an_activity_of_another_module_has_no_queue() {
        let charge = TypeName::new("charge").expect("valid");
        let payments = |name: &str, task_queue: Option<&str>| {
            let task_queue = task_queue.map(str::to_owned);
            let options = guest_operations::ActivityOptions { task_queue, ..no_options() };
            let module = guest_children::ModuleRef { name: name.to_owned(), version: Some(2) };
            activity_options(&charge, options, Place::Module(module))
        };
        let name = ModuleName::new("payments").expect("valid");
        let module = ModuleRef { name, version: Some(2) };
        assert_eq!(payments("payments", None).expect("valid").module.as_deref(), Some(&module));
        for (name, queue, message) in
            [("payments", Some("emails"), "`task-queue` must be none"), ("", None, "`module.name`")]
        {
            let said = payments(name, queue).expect_err("breaks a rule").to_string();
            assert!(said.starts_with("activity `charge`: ") && said.contains(message), "{said}");
        }
    }

    #[test]
    fn defaults_are_those_of_the_interface() {
        let options = convert(no_options()).expect("valid");
        assert_eq!(options.start_to_close_timeout, Duration::from_secs(60));
        assert_eq!(options.schedule_to_close_timeout, None);
        assert_eq!(options.retry, RetryPolicy::default());

        let given = guest_operations::ActivityOptions { retry: Some(policy()), ..no_options() };
        assert_eq!(convert(given).expect("valid").retry, RetryPolicy::default());
    }

    #[test]
    fn an_attempt_is_not_longer_than_all_attempts_by_default() {
        let options = guest_operations::ActivityOptions {
            schedule_to_close_timeout: Some(5_000_000_001),
            ..no_options()
        };
        let options = convert(options).expect("valid");
        // Rounded up to the microsecond, as it is recorded.
        assert_eq!(options.start_to_close_timeout, Duration::from_micros(5_000_001));
    }

    #[test]
    fn no_timeout_is_longer_than_the_one_that_holds_it() {
        let hour = Some(3_600_000_000_000);
        let options = guest_operations::ActivityOptions {
            start_to_close_timeout: hour,
            schedule_to_close_timeout: Some(5_000_000_000),
            schedule_to_start_timeout: hour,
            heartbeat_timeout: hour,
            ..no_options()
        };
        let options = convert(options).expect("valid");
        let all = Duration::from_secs(5);
        assert_eq!(options.start_to_close_timeout, all);
        assert_eq!(options.schedule_to_start_timeout, Some(all));
        assert_eq!(options.heartbeat_timeout, Some(all));
    }

    #[test]
    fn what_breaks_a_rule_is_named() {
        for (options, field) in [
            (
                guest_operations::ActivityOptions {
                    retry: Some(guest::RetryPolicy { backoff_coefficient: 0.5, ..policy() }),
                    ..no_options()
                },
                "retry.backoff-coefficient",
            ),
            (
                guest_operations::ActivityOptions {
                    retry: Some(guest::RetryPolicy { backoff_coefficient: f64::NAN, ..policy() }),
                    ..no_options()
                },
                "retry.backoff-coefficient",
            ),
            (
                guest_operations::ActivityOptions {
                    start_to_close_timeout: Some(0),
                    ..no_options()
                },
                "start-to-close-timeout",
            ),
            (
                guest_operations::ActivityOptions {
                    task_queue: Some("g\npu".to_owned()),
                    ..no_options()
                },
                "task-queue",
            ),
        ] {
            let message = convert(options).expect_err("breaks a rule").to_string();
            assert!(message.contains(field), "{message}");
        }
    }

    #[test]
    fn large_details_are_dropped_but_not_the_failure() {
        let limits = Limits { payload_bytes_max: 3, ..Limits::default() };
        let mut failure = Failure::new(FailureKind::Application, "Declined", "no");
        failure.info.details = Some(Payload::from(vec![0; 4]));
        let failure = failure_without_large_details(failure, &limits);
        assert_eq!(failure.info.details, None);
        assert!(failure.info.message.starts_with("no (its details of 4 bytes"));
    }
}
