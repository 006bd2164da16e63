//! The time of the run's own timer row has come: its start was delayed, or its
//! time is over.

use dacapo_model::event::{EventAttributes, RunTimeoutType, WorkflowExecutionTimedOut};
use dacapo_model::ids::{EventId, RunId};
use dacapo_model::time::Timestamp;

use super::{Refusal, chain};
use crate::state::{RunState, RunTimer};
use crate::transition::{Effect, TimerChange, Transition};

/// Lets a delayed run begin, or ends one whose time is over.
pub(super) fn due(
    state: &mut RunState,
    run_id: RunId,
    now: Timestamp,
) -> Result<Transition, Refusal> {
    let timer = state.run_timer().ok_or(Refusal::Stale)?;
    if now < timer.fire_at() {
        return Err(Refusal::TooEarly(timer.fire_at()));
    }
    let mut transition = Transition::default();
    match timer {
        RunTimer::StartDelay { .. } => begin(&mut transition, state, now),
        RunTimer::Timeout { timeout_type, .. } => {
            time_out(&mut transition, state, run_id, timeout_type, now);
        }
    }
    Ok(transition)
}

/// The guest may run from now on.
pub(super) fn begin(transition: &mut Transition, state: &mut RunState, now: Timestamp) {
    transition.record(state, now, EventAttributes::WorkflowExecutionDelayEnded {});
    transition.timers.push(match state.run_timer() {
        Some(timer) => timer.into(),
        None => TimerChange::Clear { event_id: EventId::FIRST },
    });
}

fn time_out(
    transition: &mut Transition,
    state: &mut RunState,
    run_id: RunId,
    timeout_type: RunTimeoutType,
    now: Timestamp,
) {
    let (retry_state, next) = match timeout_type {
        // Which signals the guest has acted on is not known without it: they end
        // with the run.
        RunTimeoutType::Run => {
            chain::next_attempt(state, run_id, &timeout_type.failure(), Vec::new(), now)
        }
        RunTimeoutType::Execution => (None, None),
    };
    let attributes = EventAttributes::WorkflowExecutionTimedOut(WorkflowExecutionTimedOut {
        timeout_type,
        retry_state,
        new_run_id: next.as_ref().map(|next| next.run_id),
    });
    transition.close(state, now, attributes);
    transition.effects.extend(next.map(|next| Effect::StartNext(Box::new(next))));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dacapo_model::event::{RunOptions, WorkflowExecutionStarted};
    use dacapo_model::execution::ExecutionStatus;
    use dacapo_model::ids::SignalName;
    use dacapo_model::payload::Payload;
    use dacapo_model::signal::Signal;

    use super::*;
    use crate::decide::fixtures::*;
    use crate::decide::{Input, start};

    fn seconds(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    fn started(options: RunOptions) -> WorkflowExecutionStarted {
        WorkflowExecutionStarted { options, ..start_attributes() }
    }

    /// Starts at second 10.
    fn with(options: RunOptions) -> (RunState, Transition) {
        start(started(options), [], [], at(10))
    }

    fn delayed() -> RunOptions {
        let delayed_until = Some(at(30));
        RunOptions { delayed_until, run_timeout: seconds(5), ..RunOptions::default() }
    }

    fn is_due() -> Input {
        Input::RunTimerDue { run_id: RUN }
    }

    fn times_out(seconds: u64, timeout_type: RunTimeoutType) -> TimerChange {
        RunTimer::Timeout { fire_at: at(seconds), timeout_type }.into()
    }

    fn signal() -> Signal {
        let name = SignalName::new("go").expect("a valid name");
        Signal { name, input: Payload::default(), request_id: None }
    }

    fn clear_own() -> TimerChange {
        TimerChange::Clear { event_id: EventId::FIRST }
    }

    #[test]
    fn the_earlier_of_both_timeouts_is_the_one_that_is_kept() {
        for (run, execution, kept) in [
            (seconds(5), None, times_out(15, RunTimeoutType::Run)),
            (None, seconds(6), times_out(16, RunTimeoutType::Execution)),
            (seconds(5), seconds(6), times_out(15, RunTimeoutType::Run)),
            (seconds(7), seconds(6), times_out(16, RunTimeoutType::Execution)),
        ] {
            let (mut state, transition) = with(RunOptions {
                run_timeout: run,
                execution_timeout: execution,
                ..RunOptions::default()
            });
            assert_eq!(transition.timers, [kept]);
            assert!(matches!(input(&mut state, 14, is_due()), Err(Refusal::TooEarly(_))));
            let transition = input(&mut state, 16, is_due()).expect("its time has come");
            assert_eq!(event_types(&transition), ["WorkflowExecutionTimedOut"]);
            assert_eq!(transition.timers, [clear_own()]);
            let change = status(&transition);
            let expected = (ExecutionStatus::TimedOut, Some(at(16)));
            assert_eq!((change.status, change.closed_at), expected);
        }
    }

    #[test]
    fn a_run_without_timeouts_has_no_row() {
        let (mut state, transition) = with(RunOptions::default());
        assert_eq!(transition.timers, []);
        assert_eq!(input(&mut state, 1_000, is_due()), Err(Refusal::Stale));
    }

    #[test]
    fn a_blocked_run_times_out_as_well() {
        let (mut state, _) = with(RunOptions { run_timeout: seconds(5), ..RunOptions::default() });
        input(&mut state, 11, Input::GuestFault { blocked: trap() }).expect("the run is open");
        let transition = input(&mut state, 15, is_due()).expect("its time has come");
        assert_eq!(status(&transition).status, ExecutionStatus::TimedOut);
    }

    #[test]
    fn a_run_that_closes_has_no_row_any_more() {
        let (mut state, _) = with(RunOptions { run_timeout: seconds(5), ..RunOptions::default() });
        let terminate = Input::Terminate { reason: String::new() };
        let transition = input(&mut state, 11, terminate).expect("the run is open");
        assert_eq!(transition.timers, [clear_own()]);
    }

    #[test]
    fn a_delayed_run_begins_at_its_time_and_its_timeouts_run_from_there() {
        let (mut state, transition) = with(delayed());
        let until = RunTimer::StartDelay { fire_at: at(30) }.into();
        assert_eq!(transition.timers, [until]);
        assert!(!state.guest_may_run());
        assert_eq!(input(&mut state, 29, is_due()), Err(Refusal::TooEarly(at(30))));
        let transition = input(&mut state, 31, is_due()).expect("its time has come");
        assert_eq!(event_types(&transition), ["WorkflowExecutionDelayEnded"]);
        assert_eq!(transition.timers, [times_out(36, RunTimeoutType::Run)]);
        assert!(state.guest_may_run());
    }

    #[test]
    fn a_delay_that_is_over_before_the_start_is_none() {
        let past = RunOptions { delayed_until: Some(at(10)), ..RunOptions::default() };
        let (state, transition) = with(past);
        assert_eq!(transition.timers, []);
        assert!(state.guest_may_run());
    }

    #[test]
    fn a_signal_begins_a_delayed_run_and_so_does_a_request_to_cancel() {
        for (happens, event) in [
            (Input::Signal(signal()), "WorkflowExecutionSignaled"),
            (
                Input::RequestCancel { reason: String::new(), request_id: None },
                "WorkflowExecutionCancelRequested",
            ),
        ] {
            let (mut state, _) = with(delayed());
            let transition = input(&mut state, 12, happens).expect("the run is open");
            assert_eq!(event_types(&transition), [event, "WorkflowExecutionDelayEnded"]);
            assert_eq!(transition.timers, [times_out(17, RunTimeoutType::Run)]);
            assert!(state.guest_may_run());
        }
        let (state, _) = start(started(delayed()), [signal()], [], at(10));
        assert!(state.guest_may_run(), "a start with a signal is not delayed");
    }

    #[test]
    fn a_signal_does_not_cut_the_wait_before_another_attempt_short() {
        let mut started = started(delayed());
        started.chain.first_run_id = Some(RUN);
        let (mut state, _) = start(started, [signal()], [], at(10));
        let transition = input(&mut state, 12, Input::Signal(signal())).expect("it is open");
        assert_eq!(event_types(&transition), ["WorkflowExecutionSignaled"]);
        assert!(!state.guest_may_run());
        let cancel = Input::RequestCancel { reason: String::new(), request_id: None };
        input(&mut state, 12, cancel).expect("it is open");
        assert!(state.guest_may_run());
    }

    #[test]
    fn a_delayed_run_can_be_terminated() {
        let (mut state, _) = with(delayed());
        let terminate = Input::Terminate { reason: String::new() };
        let transition = input(&mut state, 11, terminate).expect("the run is open");
        assert_eq!(transition.timers, [clear_own()]);
        assert_eq!(input(&mut state, 40, is_due()), Err(Refusal::Closed));
    }

    #[test]
    fn a_chain_may_run_out_of_time_while_its_next_run_waits() {
        let mut started = started(RunOptions { delayed_until: Some(at(30)), ..delayed() });
        started.chain.execution_deadline = Some(at(20));
        let (mut state, _) = start(started, [], [], at(10));
        let transition = input(&mut state, 20, is_due()).expect("its time has come");
        assert_eq!(status(&transition).status, ExecutionStatus::TimedOut);
    }
}
