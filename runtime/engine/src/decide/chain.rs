//! The run that follows another under the same workflow id: its next attempt, or
//! what it continues as.

use std::time::Duration;

use dacapo_model::event::{Chain, ContinuationOptions, RunOptions, WorkflowExecutionStarted};
use dacapo_model::failure::Failure;
use dacapo_model::ids::{EventId, RunId, TypeName};
use dacapo_model::payload::Payload;
use dacapo_model::retry::RetryState;
use dacapo_model::time::Timestamp;
use uuid::Uuid;

use crate::compat::ENGINE_VERSION;
use crate::state::RunState;
use crate::transition::NextRun;

/// The next attempt of a run that failed, and why there is one or none. Without a
/// retry policy there is nothing to say.
pub(super) fn next_attempt(
    state: &RunState,
    run_id: RunId,
    failure: &Failure,
    unread_signals: Vec<EventId>,
    now: Timestamp,
) -> (Option<RetryState>, Option<NextRun>) {
    let Some(policy) = &state.options.retry else {
        return (None, None);
    };
    let attempt = state.chain.attempt;
    let remaining = state.chain.execution_deadline.map(|deadline| deadline.since(now));
    let delay = match policy.next_delay(attempt, failure, remaining) {
        Ok(delay) => delay,
        Err(reason) => return (Some(reason), None),
    };
    let workflow_type = state.workflow_type.clone();
    let mut started = follow(state, run_id, workflow_type, delay, &unread_signals, now);
    started.chain.attempt = attempt.saturating_add(1);
    started.chain.continued_failure = Some(failure.clone());
    let next = NextRun {
        run_id: derived(run_id, b"retry"),
        started,
        same_input: true,
        unread_signals,
        admitted: state.updates.admitted().collect(),
    };
    (Some(RetryState::InProgress), Some(next))
}

/// What a run continues as.
pub(super) fn continuation(
    state: &RunState,
    run_id: RunId,
    workflow_type: TypeName,
    input: Payload,
    options: &ContinuationOptions,
    unread_signals: Vec<EventId>,
    now: Timestamp,
) -> NextRun {
    let mut started = follow(state, run_id, workflow_type, options.backoff, &unread_signals, now);
    started.input = input;
    started.options.run_timeout = options.run_timeout.or(started.options.run_timeout);
    started.options.attributes.apply(&options.attributes);
    NextRun {
        run_id: derived(run_id, b"continue-as-new"),
        started,
        same_input: false,
        unread_signals,
        admitted: state.updates.admitted().collect(),
    }
}

/// Derived, so that a repeat of this transition makes the same run.
fn derived(run_id: RunId, how: &[u8]) -> RunId {
    RunId(Uuid::new_v5(&run_id.0, how))
}

fn follow(
    state: &RunState,
    run_id: RunId,
    workflow_type: TypeName,
    delay: Duration,
    unread_signals: &[EventId],
    now: Timestamp,
) -> WorkflowExecutionStarted {
    WorkflowExecutionStarted {
        workflow_type,
        module_digest: state.module_digest,
        input: Payload::default(),
        engine_version: ENGINE_VERSION,
        request_id: None,
        environment: state.environment.clone(),
        arguments: state.arguments.clone(),
        continued_from: Some(run_id),
        initial_signals: 0,
        // It is the same child.
        parent: state.parent.clone(),
        options: RunOptions {
            delayed_until: (!delay.is_zero()).then(|| now.after(delay)),
            ..state.options.clone()
        },
        chain: Chain {
            first_run_id: Some(state.chain.first_run_id.unwrap_or(run_id)),
            execution_deadline: state.chain.execution_deadline,
            taken: state.taken(run_id, unread_signals),
            ..Chain::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use dacapo_model::command::{Command, Outcome};
    use dacapo_model::event::{EventAttributes, RunTimeoutType};
    use dacapo_model::execution::ExecutionStatus;
    use dacapo_model::retry::RetryPolicy;

    use super::*;
    use crate::decide::fixtures::*;
    use crate::decide::{Input, start};
    use crate::transition::{Effect, Transition};

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A run of second 10 that is tried three times.
    fn retried(options: RunOptions) -> RunState {
        let retry = Some(RetryPolicy { maximum_attempts: 3, ..RetryPolicy::default() });
        let options = RunOptions { retry, ..options };
        start(WorkflowExecutionStarted { options, ..start_attributes() }, [], [], at(10)).0
    }

    fn fail_with(state: &mut RunState, time: u64, failure: Failure) -> Transition {
        let unread_signals = vec![EventId(5)];
        take_turn(state, time, [Command::Close(Outcome::Failed { failure, unread_signals })])
    }

    fn fail(state: &mut RunState, time: u64) -> Transition {
        fail_with(state, time, declined())
    }

    #[track_caller]
    fn next_run(transition: &Transition) -> &NextRun {
        match &transition.effects[..] {
            [Effect::StartNext(next)] => next,
            other => panic!("one run was to follow: {other:?}"),
        }
    }

    #[test]
    fn a_run_that_fails_within_its_policy_is_followed_by_its_next_attempt() {
        let mut state = retried(RunOptions::default());
        let transition = fail(&mut state, 12);
        let next = next_run(&transition);
        let EventAttributes::WorkflowExecutionFailed { failure, retry_state, new_run_id } =
            only_event(&transition)
        else {
            panic!("a failure was expected: {transition:?}");
        };
        assert_eq!((failure, *retry_state), (&declined(), Some(RetryState::InProgress)));
        assert_eq!(*new_run_id, Some(next.run_id));
        assert_eq!(state.status, ExecutionStatus::Failed);
        assert!(next.same_input);
        assert_eq!(next.unread_signals, [EventId(5)]);
        assert_eq!(next.started.continued_from, Some(RUN));
        assert_eq!(next.started.options.delayed_until, Some(at(13)));
        assert_eq!(next.started.options.retry, state.options.retry);
        let expected = Chain {
            first_run_id: Some(RUN),
            attempt: 2,
            continued_failure: Some(declined()),
            ..Chain::default()
        };
        assert_eq!(next.started.chain, expected);
    }

    #[test]
    fn waits_grow_from_attempt_to_attempt_until_the_last() {
        let mut state = retried(RunOptions::default());
        let mut time = 10;
        for (attempt, wait) in [(1, 1), (2, 2)] {
            assert_eq!(state.chain.attempt, attempt);
            let transition = fail(&mut state, time);
            let next = next_run(&transition).clone();
            assert_eq!(next.started.options.delayed_until, Some(at(time + wait)));
            assert_eq!(next.started.chain.first_run_id, Some(RUN));
            state = start(next.started, [], [], at(time)).0;
            time += wait;
            let due = Input::RunTimerDue { run_id: next.run_id };
            input(&mut state, time, due).expect("its time has come");
        }
        let transition = fail(&mut state, time);
        assert_eq!(transition.effects, []);
        assert!(matches!(
            only_event(&transition),
            EventAttributes::WorkflowExecutionFailed {
                retry_state: Some(RetryState::MaximumAttemptsReached),
                new_run_id: None,
                ..
            }
        ));
    }

    #[test]
    fn what_ends_the_attempts_is_recorded() {
        let no_retry = |transition: &Transition| match only_event(transition) {
            EventAttributes::WorkflowExecutionFailed { retry_state, new_run_id: None, .. } => {
                assert_eq!(transition.effects, []);
                *retry_state
            }
            other => panic!("a failure was expected: {other:?}"),
        };
        let failed = fail(&mut begun(), 12);
        assert_eq!(no_retry(&failed), None, "there is no policy");
        let mut state = retried(RunOptions::default());
        let failed = fail_with(&mut state, 12, declined().non_retryable());
        assert_eq!(no_retry(&failed), Some(RetryState::NonRetryableFailure));
        let execution_timeout = Some(seconds(3));
        let mut state = retried(RunOptions { execution_timeout, ..RunOptions::default() });
        let failed = fail(&mut state, 12);
        assert_eq!(no_retry(&failed), Some(RetryState::Timeout), "1 s is left, and needed");
    }

    #[test]
    fn a_failure_may_name_the_wait() {
        let mut failure = declined();
        failure.info.next_retry_delay = Some(seconds(60));
        let mut state = retried(RunOptions::default());
        let transition = fail_with(&mut state, 12, failure);
        assert_eq!(next_run(&transition).started.options.delayed_until, Some(at(72)));
    }

    #[test]
    fn a_run_that_runs_out_of_its_own_time_is_tried_again() {
        let run_timeout = Some(seconds(5));
        let mut state = retried(RunOptions { run_timeout, ..RunOptions::default() });
        let due = Input::RunTimerDue { run_id: RUN };
        let transition = input(&mut state, 15, due).expect("its time has come");
        let next = next_run(&transition);
        let EventAttributes::WorkflowExecutionTimedOut(timed_out) = only_event(&transition) else {
            panic!("a timeout was expected: {transition:?}");
        };
        assert_eq!(timed_out.timeout_type, RunTimeoutType::Run);
        assert_eq!(timed_out.new_run_id, Some(next.run_id));
        assert_eq!(next.started.options.run_timeout, run_timeout);
        let failure = next.started.chain.continued_failure.as_ref().expect("it is kept");
        assert_eq!(failure.info.type_name, "RunTimeout");
    }

    #[test]
    fn continuing_as_new_carries_everything_but_what_it_changes() {
        let execution_timeout = Some(seconds(100));
        let run_timeout = Some(seconds(50));
        let mut state =
            retried(RunOptions { execution_timeout, run_timeout, ..RunOptions::default() });
        state.chain.attempt = 2;
        state.chain.continued_failure = Some(declined());
        let options = ContinuationOptions {
            run_timeout: Some(seconds(7)),
            backoff: seconds(2),
            ..ContinuationOptions::default()
        };
        let outcome = Outcome::ContinueAsNew {
            workflow_type: TypeName::new("other").expect("valid"),
            input: Payload::new("18"),
            options: Box::new(options),
            unread_signals: Vec::new(),
        };
        let transition = take_turn(&mut state, 20, [Command::Close(outcome)]);
        let started = &next_run(&transition).started;
        assert_eq!(started.options.run_timeout, Some(seconds(7)));
        assert_eq!(started.options.delayed_until, Some(at(22)));
        assert_eq!(started.chain.execution_deadline, Some(at(110)));
        assert_eq!((started.chain.attempt, &started.chain.continued_failure), (1, &None));
        assert_eq!(started.input, Payload::new("18"));
    }
}
