//! Attempts that workers make. What a lease says is not known here: whoever has read the
//! row of a task says so.

use dacapo_model::event::TimeoutType;
use dacapo_model::failure::Failure;
use dacapo_model::ids::EventId;
use dacapo_model::time::Timestamp;
use dacapo_model::timer::NEVER;

use super::activity::{stopped, timed_out};
use super::activity_outside::{not_in_time, not_running};
use super::{ActivityTarget, LeaseTimes, Refusal};
use crate::state::{PendingActivity, RunState};
use crate::transition::{TaskChange, Transition};

/// The attempt that somebody means. By the name of the activity it is the current one,
/// whether or not a worker has it.
pub(super) fn find(activity: &PendingActivity, target: &ActivityTarget) -> Result<u32, Refusal> {
    match target {
        ActivityTarget::Operation(_) => Ok(activity.attempt),
        ActivityTarget::Lease { attempt, .. } if *attempt == activity.attempt => Ok(*attempt),
        ActivityTarget::Lease { .. } => Err(Refusal::LeaseLost),
        ActivityTarget::Token { .. } => Err(Refusal::NoSuchActivity),
    }
}

/// Lets the next attempt wait for a worker, unless the activity is paused.
pub(super) fn requeue(
    state: &mut RunState,
    scheduled_event_id: EventId,
    attempt: u32,
    retry_at: Timestamp,
    last_failure: Failure,
) -> Transition {
    let mut transition = Transition::default();
    let Some(activity) = state.activities.get(&scheduled_event_id) else {
        return transition;
    };
    let details = activity.heartbeat_details.clone();
    let visible_at = if activity.paused { NEVER } else { retry_at };
    let failure = Some(last_failure.clone());
    state.note_task(scheduled_event_id, attempt, visible_at, failure, details);
    transition.change_task(TaskChange::Requeue {
        scheduled_event_id,
        attempt,
        visible_at,
        last_failure,
    });
    transition
}

/// The time of a task is over: no worker has taken it, or the one that has it is silent
/// or has no more time.
pub(super) fn expired(
    state: &mut RunState,
    event_id: EventId,
    attempt: u32,
    leased: Option<LeaseTimes>,
    now: Timestamp,
) -> Result<Transition, Refusal> {
    let activity = state
        .activities
        .get(&event_id)
        .filter(|activity| activity.is_queued() && activity.attempt == attempt)
        .ok_or(Refusal::Stale)?;
    if leased.is_none() && activity.cancel.is_some() {
        return stopped(state, event_id, attempt, not_running(), now);
    }
    let limits = limits(activity, leased);
    let over = limits.iter().find(|(_, at)| at.is_some_and(|at| at <= now));
    match over.map(|(limit, _)| *limit) {
        Some(Limit::Cancel) => stopped(state, event_id, attempt, not_in_time(), now),
        Some(Limit::Timeout(timeout_type)) => {
            timed_out(state, event_id, attempt, timeout_type, now)
        }
        None => {
            let next = limits.into_iter().filter_map(|(_, at)| at).min();
            Err(Refusal::TooEarly(next.unwrap_or(NEVER)))
        }
    }
}

#[derive(Clone, Copy)]
enum Limit {
    Cancel,
    Timeout(TimeoutType),
}

/// What ends an attempt, and when. If several are over, the first of them does.
fn limits(
    activity: &PendingActivity,
    leased: Option<LeaseTimes>,
) -> [(Limit, Option<Timestamp>); 4] {
    use TimeoutType::{Heartbeat, ScheduleToClose, ScheduleToStart, StartToClose};
    let start_to_close = activity.options.start_to_close_timeout;
    [
        (Limit::Cancel, activity.cancel_until()),
        (Limit::Timeout(ScheduleToClose), activity.close_by()),
        match leased {
            Some(lease) => {
                (Limit::Timeout(StartToClose), Some(lease.started_at.after(start_to_close)))
            }
            None => (Limit::Timeout(ScheduleToStart), activity.start_by()),
        },
        // Also without a heartbeat timeout, a worker prolongs its lease.
        (Limit::Timeout(Heartbeat), leased.map(|lease| lease.expires_at)),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dacapo_model::command::{Command, Outcome};
    use dacapo_model::event::{ActivityOptions, EventAttributes, OpenAttempt};
    use dacapo_model::failure::FailureKind;
    use dacapo_model::ids::OperationId;
    use dacapo_model::payload::Payload;

    use super::*;
    use crate::decide::fixtures::*;
    use crate::decide::{ActivityControl, Input, PAUSED, Report};
    use crate::transition::Effect;

    fn waits(options: ActivityOptions) -> RunState {
        with_activity(queued(options))
    }

    fn with_timeouts(
        to_close: Option<u64>,
        to_start: Option<u64>,
        heartbeat: Option<u64>,
    ) -> ActivityOptions {
        ActivityOptions {
            schedule_to_close_timeout: to_close.map(Duration::from_secs),
            schedule_to_start_timeout: to_start.map(Duration::from_secs),
            heartbeat_timeout: heartbeat.map(Duration::from_secs),
            ..options()
        }
    }

    fn by_lease(attempt: u32) -> ActivityTarget {
        ActivityTarget::Lease { scheduled_event_id: EVENT, attempt }
    }

    fn by_name() -> ActivityTarget {
        ActivityTarget::Operation(OperationId(1))
    }

    fn reports(activity: ActivityTarget, report: Report) -> Input {
        Input::ActivityReported { activity, report }
    }

    fn done() -> Report {
        Report::Completed(Payload::new("true"))
    }

    fn cancelled() -> Failure {
        Failure::new(FailureKind::Cancelled, "Cancelled", "half done")
    }

    fn expires(attempt: u32, leased: Option<(u64, u64)>) -> Input {
        let leased = leased.map(|(started_at, expires_at)| LeaseTimes {
            started_at: at(started_at),
            expires_at: at(expires_at),
        });
        Input::TaskExpired { scheduled_event_id: EVENT, attempt, leased }
    }

    fn control(control: ActivityControl) -> Input {
        Input::ControlActivity { operation_id: OperationId(1), control, reason: String::new() }
    }

    fn scheduled() -> TaskChange {
        TaskChange::Schedule { scheduled_event_id: EVENT }
    }

    fn removed() -> TaskChange {
        TaskChange::Remove { scheduled_event_id: EVENT }
    }

    fn requeued(attempt: u32, visible_at: Timestamp) -> TaskChange {
        TaskChange::Requeue {
            scheduled_event_id: EVENT,
            attempt,
            visible_at,
            last_failure: declined(),
        }
    }

    fn told(cancel_until: Option<u64>, paused: bool, visible_at: Timestamp) -> TaskChange {
        let cancel_until = cancel_until.map(at);
        TaskChange::Tell { scheduled_event_id: EVENT, cancel_until, paused, visible_at }
    }

    /// Asserts that nothing but tasks changes: no timer row and no effect is for workers.
    #[track_caller]
    fn assert_only_tasks(transition: &Transition, tasks: &[TaskChange]) {
        assert_eq!(transition.tasks, tasks);
        assert_eq!((&transition.timers[..], &transition.effects[..]), (&[][..], &[][..]));
        assert!(!transition.is_empty(), "it is committed");
    }

    #[test]
    fn an_activity_of_a_task_queue_is_a_task_and_no_work_for_the_owner_of_its_run() {
        for options in [options(), attempts(1)] {
            let mut state = begun();
            let transition = take_turn(&mut state, 11, [schedule(1, queued(options))]);
            assert_eq!(event_types(&transition), ["ActivityTaskScheduled"], "its lease says more");
            assert_only_tasks(&transition, &[scheduled()]);
            assert_eq!(state.activities[&EVENT].visible_at(), Some(at(11)));
            assert!(!state.has_duties());
        }
    }

    #[test]
    fn a_task_can_be_taken_at_once_after_the_clock_went_back() {
        let mut state = begun();
        input(&mut state, 100, Input::RequestCancel { reason: String::new(), request_id: None })
            .expect("it is open");
        take_turn(&mut state, 50, [schedule(1, queued(options()))]);
        assert_eq!(state.activities[&EventId(3)].visible_at(), Some(at(50)));
    }

    #[test]
    fn a_report_closes_the_activity_once_whether_or_not_a_worker_has_it() {
        for target in [by_lease(1), by_name()] {
            let mut state = waits(options());
            let transition = input(&mut state, 13, reports(target.clone(), done())).expect("waits");
            assert_eq!(event_types(&transition), ["ActivityTaskCompleted"]);
            assert_only_tasks(&transition, &[removed()]);
            let again = input(&mut state, 13, reports(target, done()));
            assert_eq!(again, Err(Refusal::NoSuchActivity));
        }
    }

    #[test]
    fn only_the_lease_of_the_current_attempt_is_listened_to() {
        let mut state = waits(options());
        let failed = reports(by_lease(1), Report::Failed(declined()));
        let transition = input(&mut state, 13, failed).expect("it has it");
        assert_eq!(transition.events, [], "attempts before the last are not history");
        assert_only_tasks(&transition, &[requeued(2, at(14))]);
        let late = input(&mut state, 13, reports(by_lease(1), done()));
        assert_eq!(late, Err(Refusal::LeaseLost));
        assert_eq!(input(&mut state, 99, expires(1, Some((10, 11)))), Err(Refusal::Stale));
        let unknown = ActivityTarget::Lease { scheduled_event_id: EventId(7), attempt: 1 };
        let refused = input(&mut state, 13, reports(unknown, done()));
        assert_eq!(refused, Err(Refusal::NoSuchActivity));
        // The clock of whoever handed it out may be ahead.
        input(&mut state, 13, reports(by_lease(2), done())).expect("it has it");
    }

    #[test]
    fn a_lease_is_no_claim_on_what_runs_here_or_is_open() {
        let mut state = with_activity(options());
        let refused = input(&mut state, 11, reports(by_lease(1), done()));
        assert_eq!(refused, Err(Refusal::NoSuchActivity));
        assert_eq!(input(&mut state, 99, expires(1, None)), Err(Refusal::Stale));
        let token = ActivityTarget::Token { scheduled_event_id: EVENT, digest: String::new() };
        let refused = input(&mut waits(options()), 11, reports(token, done()));
        assert_eq!(refused, Err(Refusal::NoSuchActivity));
    }

    #[test]
    fn failures_are_tried_again_as_the_policy_says() {
        let mut state = waits(attempts(3));
        for (attempt, seconds) in [(1, 1), (2, 2)] {
            let failed = reports(by_lease(attempt), Report::Failed(declined()));
            let transition = input(&mut state, 20, failed).expect("it has it");
            assert_only_tasks(&transition, &[requeued(attempt + 1, at(20 + seconds))]);
        }
        let failed = reports(by_name(), Report::Failed(declined()));
        let transition = input(&mut state, 20, failed).expect("it waits");
        assert_eq!(event_types(&transition), ["ActivityTaskFailed"]);
        assert_only_tasks(&transition, &[removed()]);

        let mut state = waits(options());
        let mut at_once = declined();
        at_once.info.next_retry_delay = Some(Duration::ZERO);
        let failed = reports(by_lease(1), Report::Failed(at_once));
        let transition = input(&mut state, 20, failed).expect("it has it");
        let [TaskChange::Requeue { attempt: 2, visible_at, .. }] = transition.tasks[..] else {
            panic!("attempt 2 was to wait: {transition:?}");
        };
        assert_eq!(visible_at, at(20));
    }

    #[test]
    fn the_nearest_limit_ends_an_attempt_and_only_when_it_is_over() {
        let final_one = Some("ActivityTaskTimedOut");
        let leased = Some((12, 42));
        for (options, leased, ends_at, event, what) in [
            (with_timeouts(None, None, None), None, None, None, ""),
            (with_timeouts(None, Some(5), None), None, Some(15), final_one, "ScheduleToStart"),
            (with_timeouts(Some(4), Some(5), None), None, Some(14), final_one, "ScheduleToClose"),
            (with_timeouts(None, Some(5), None), leased, Some(42), None, "Heartbeat"),
            (with_timeouts(None, None, Some(30)), leased, Some(42), None, "Heartbeat"),
            (with_timeouts(None, None, None), Some((12, 99)), Some(72), None, "StartToClose"),
            (with_timeouts(Some(8), None, None), leased, Some(18), final_one, "ScheduleToClose"),
        ] {
            let mut state = waits(options);
            let Some(ends_at) = ends_at else {
                let refused = input(&mut state, 1_000_000, expires(1, leased));
                assert_eq!(refused, Err(Refusal::TooEarly(NEVER)));
                continue;
            };
            let early = input(&mut state, ends_at - 1, expires(1, leased));
            assert_eq!(early, Err(Refusal::TooEarly(at(ends_at))), "{what}");
            let transition = input(&mut state, ends_at, expires(1, leased)).expect("it is over");
            assert_eq!(event_types(&transition), Vec::from_iter(event), "{what}");
            match (&transition.tasks[..], transition.events.first().map(|it| &it.attributes)) {
                ([TaskChange::Requeue { attempt: 2, visible_at, last_failure, .. }], None) => {
                    assert_eq!(
                        (*visible_at, last_failure.info.type_name.as_str()),
                        (at(ends_at + 1), what)
                    );
                }
                (
                    [TaskChange::Remove { .. }],
                    Some(EventAttributes::ActivityTaskTimedOut { timeout_type, .. }),
                ) => assert_eq!(timeout_type.type_name(), what),
                other => panic!("{what}: {other:?}"),
            }
            assert_eq!((transition.timers, transition.effects), (vec![], vec![]));
        }
    }

    #[test]
    fn silence_is_named_as_what_it_was() {
        for (heartbeat, message) in [
            (Some(30), "attempt 1 was silent for longer than its heartbeat timeout"),
            (None, "the worker of attempt 1 was silent until its lease was over"),
        ] {
            let mut state = waits(with_timeouts(None, None, heartbeat));
            input(&mut state, 42, expires(1, Some((12, 42)))).expect("it is over");
            let failure = state.activities[&EVENT].last_failure.as_ref().expect("it is kept");
            assert_eq!(failure.info.message, message);
        }
    }

    #[test]
    fn an_only_attempt_whose_lease_is_over_may_have_had_its_effect_and_is_not_repeated() {
        let mut state = waits(attempts(1));
        let transition = input(&mut state, 42, expires(1, Some((12, 42)))).expect("it is over");
        assert!(matches!(
            only_event(&transition),
            EventAttributes::ActivityTaskTimedOut { timeout_type: TimeoutType::Heartbeat, .. }
        ));
        assert_only_tasks(&transition, &[removed()]);
    }

    #[test]
    fn the_wait_for_a_worker_counts_from_when_it_could_have_taken_the_attempt() {
        let mut state = waits(with_timeouts(None, Some(5), None));
        let mut later = declined();
        later.info.next_retry_delay = Some(Duration::from_secs(100));
        input(&mut state, 20, reports(by_lease(1), Report::Failed(later))).expect("it has it");
        assert_eq!(state.activities[&EVENT].expires_at(), Some(at(125)));
        assert_eq!(input(&mut state, 124, expires(2, None)), Err(Refusal::TooEarly(at(125))));
        input(&mut state, 124, control(ActivityControl::Pause)).expect("it is pending");
        let held = input(&mut state, 999, expires(2, None));
        assert_eq!(held, Err(Refusal::TooEarly(NEVER)), "what is held is not waited for");
    }

    fn asked(options: ActivityOptions) -> RunState {
        let mut state = waits(options);
        let transition = take_turn(&mut state, 20, [ask_to_cancel(1, 5)]);
        assert_eq!(event_types(&transition), ["ActivityTaskCancelRequested"]);
        assert_only_tasks(&transition, &[told(Some(25), false, at(10))]);
        assert_eq!(state.activities[&EVENT].duty(), None);
        state
    }

    #[test]
    fn a_worker_that_was_asked_to_cancel_has_its_grace_period() {
        let unasked = reports(by_lease(1), Report::Canceled(cancelled()));
        let refused = input(&mut waits(options()), 13, unasked.clone());
        assert_eq!(refused, Err(Refusal::CancelNotRequested));
        let lease = Some((12, 60));
        for (seconds, ends, event) in [
            (21, unasked, "ActivityTaskCanceled"),
            (21, reports(by_lease(1), Report::Failed(cancelled())), "ActivityTaskCanceled"),
            (21, reports(by_lease(1), Report::Failed(declined())), "ActivityTaskFailed"),
            (21, reports(by_lease(1), done()), "ActivityTaskCompleted"),
            (25, expires(1, lease), "ActivityTaskCanceled"),
            (22, expires(1, Some((12, 22))), "ActivityTaskTimedOut"),
        ] {
            let mut state = asked(options());
            let early = input(&mut state, 20, expires(1, lease));
            assert_eq!(early, Err(Refusal::TooEarly(at(25))));
            let transition = input(&mut state, seconds, ends).expect("it is pending");
            assert_eq!(event_types(&transition), [event], "and is not tried again");
            assert_only_tasks(&transition, &[removed()]);
        }
    }

    #[test]
    fn a_task_that_waits_ends_as_soon_as_it_is_known_that_nobody_has_it() {
        let stops = Input::ActivityStopped {
            scheduled_event_id: EVENT,
            attempt: 1,
            failure: not_running(),
        };
        for nobody_has_it in [stops, expires(1, None)] {
            let transition = input(&mut asked(options()), 20, nobody_has_it).expect("it waits");
            let EventAttributes::ActivityTaskCanceled { failure: Some(failure), .. } =
                only_event(&transition)
            else {
                panic!("it was to be cancelled: {transition:?}");
            };
            assert_eq!(*failure, not_running());
            assert_only_tasks(&transition, &[removed()]);
        }
    }

    #[test]
    fn giving_a_task_up_removes_it() {
        let mut state = waits(options());
        let transition = take_turn(&mut state, 11, [give_up(1)]);
        assert_eq!(event_types(&transition), ["ActivityTaskCanceled"]);
        assert_only_tasks(&transition, &[removed()]);
        let late = input(&mut state, 12, reports(by_lease(1), done()));
        assert_eq!(late, Err(Refusal::NoSuchActivity));

        // One that was asked for just before leaves nothing to schedule.
        let commands = [schedule(2, queued(options())), give_up(2)];
        let transition = take_turn(&mut state, 12, commands);
        assert_only_tasks(&transition, &[TaskChange::Remove { scheduled_event_id: EventId(4) }]);
    }

    #[test]
    fn each_end_of_the_run_removes_its_tasks() {
        let complete = Command::Close(Outcome::Completed(Payload::default()));
        let complete = Input::GuestTurn { run_id: RUN, commands: vec![complete] };
        for end in [complete, Input::Terminate { reason: String::new() }] {
            let mut state = waits(options());
            take_turn(&mut state, 10, [schedule(2, options())]);
            let transition = input(&mut state, 12, end).expect("it is open");
            assert_eq!(transition.tasks, [removed()]);
            let stop = Effect::StopActivity { scheduled_event_id: EventId(3) };
            assert_eq!(transition.effects, [stop], "only what runs here is stopped");
        }
    }

    #[test]
    fn a_paused_task_is_held_and_can_be_taken_once_it_is_not() {
        let mut state = waits(options());
        let transition = input(&mut state, 11, control(ActivityControl::Pause)).expect("pending");
        assert_eq!(event_types(&transition), ["ActivityTaskPaused"]);
        assert_only_tasks(&transition, &[told(None, true, NEVER)]);
        let makes_way = Failure::new(FailureKind::Application, PAUSED, "paused");
        let made_way = reports(by_lease(1), Report::Failed(makes_way));
        let transition = input(&mut state, 12, made_way).expect("it had it");
        let [TaskChange::Requeue { attempt: 2, visible_at: NEVER, .. }] = transition.tasks[..]
        else {
            panic!("attempt 2 was to be held: {transition:?}");
        };
        let transition = input(&mut state, 50, control(ActivityControl::Unpause)).expect("paused");
        assert_eq!(event_types(&transition), ["ActivityTaskUnpaused"]);
        assert_only_tasks(&transition, &[told(None, false, at(50))]);
    }

    #[test]
    fn a_reset_task_starts_over_and_the_lease_before_is_lost() {
        for forget_heartbeat in [false, true] {
            let mut state = waits(attempts(2));
            let failed = reports(by_lease(1), Report::Failed(declined()));
            input(&mut state, 11, failed).expect("it has it");
            let details = Some(Payload::new("7"));
            assert!(state.note_task(EVENT, 2, at(12), Some(declined()), details.clone()));
            let reset = control(ActivityControl::Reset { forget_heartbeat });
            let transition = input(&mut state, 20, reset).expect("it is pending");
            assert_eq!(event_types(&transition), ["ActivityTaskReset"]);
            assert_only_tasks(&transition, &[scheduled()]);
            let activity = &state.activities[&EVENT];
            assert_eq!((activity.attempt, activity.attempt_number()), (3, 1));
            assert_eq!((activity.visible_at(), &activity.last_failure), (Some(at(20)), &None));
            assert_eq!(activity.heartbeat_details, details.filter(|_| !forget_heartbeat));
            let late = input(&mut state, 21, reports(by_lease(2), done()));
            assert_eq!(late, Err(Refusal::LeaseLost));
            let failed = reports(by_lease(3), Report::Failed(declined()));
            let transition = input(&mut state, 21, failed).expect("it has it");
            assert_only_tasks(&transition, &[requeued(4, at(22))]);
        }
    }

    #[test]
    fn what_a_row_says_is_taken_into_account() {
        let mut state = waits(options());
        let known = state.note_task(EVENT, 4, at(30), Some(declined()), Some(Payload::new("7")));
        assert!(known);
        let activity = &state.activities[&EVENT];
        assert_eq!((activity.attempt, activity.visible_at()), (4, Some(at(30))));
        assert_eq!(activity.last_failure, Some(declined()));
        assert!(!state.note_task(EventId(9), 4, at(30), None, None), "there is no such activity");
        assert!(state.note_task(EVENT, 4, NEVER, None, None));
        assert_eq!(state.activities[&EVENT].visible_at(), Some(at(10)), "it is not paused");
        input(&mut state, 11, control(ActivityControl::Pause)).expect("it is pending");
        assert!(state.note_task(EVENT, 4, at(30), None, None));
        assert_eq!(state.activities[&EVENT].visible_at(), Some(NEVER), "it is paused");
        let reset = control(ActivityControl::Reset { forget_heartbeat: false });
        input(&mut state, 12, reset).expect("it is pending");
        assert_eq!(state.activities[&EVENT].visible_at(), Some(NEVER), "it still is");
        let mut here = with_activity(options());
        assert!(!here.note_task(EVENT, 4, at(30), None, None), "it has no task queue");
    }

    #[test]
    fn what_is_for_attempts_in_the_server_does_not_touch_a_task() {
        let mut state = waits(options());
        let open = OpenAttempt { number: 1, started_at: at(10), token_digest: String::new() };
        for foreign in [
            Input::ActivityMovedOutside { scheduled_event_id: EVENT, open },
            Input::ActivityHeartbeat {
                scheduled_event_id: EVENT,
                attempt: 1,
                details: Some(Payload::new("7")),
                heard_at: at(11),
            },
            row_is_due(),
        ] {
            assert_eq!(input(&mut state, 11, foreign), Err(Refusal::Stale));
        }
    }
}
