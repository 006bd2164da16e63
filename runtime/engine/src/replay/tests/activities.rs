//! Asking an activity to cancel, and waiting for its end.

use dacapo_model::event::ActivityTaskCancelRequested;

use super::*;

const GRACE: Duration = Duration::from_secs(5);

fn asked(scheduled_event_id: u64, operation_id: OperationId) -> EventAttributes {
    EventAttributes::ActivityTaskCancelRequested(ActivityTaskCancelRequested {
        scheduled_event_id: EventId(scheduled_event_id),
        operation_id,
        grace: GRACE,
    })
}

fn ended_as_cancelled(scheduled_event_id: u64, operation_id: OperationId) -> EventAttributes {
    EventAttributes::ActivityTaskCanceled {
        scheduled_event_id: EventId(scheduled_event_id),
        operation_id,
        failure: Some(Failure::new(FailureKind::Cancelled, "Cancelled", "half done")),
    }
}

#[test]
fn an_activity_is_asked_once_and_waited_for() {
    let mut cursor = begun([]);
    start_charge(&mut cursor).expect("fits");
    for _ in 0..2 {
        cursor.request_cancel_activity(ONE, GRACE).expect("fits");
    }
    let asked = Command::RequestCancelActivity { operation_id: ONE, grace: GRACE };
    assert_eq!(cursor.take_commands()[1..], [asked]);
    assert_eq!(cursor.wait(ONE), Ok(Answer::Blocked), "it is still open");
    cursor.extend([at(4, ended_as_cancelled(2, ONE))]);
    let Ok(Answer::Ready(Err(failure))) = cursor.wait(ONE) else {
        panic!("the end of the activity was expected");
    };
    assert_eq!(failure.info.kind, FailureKind::Activity);
    assert_eq!(failure.causes[0].kind, FailureKind::Cancelled);
    assert_eq!(failure.causes[0].message, "half done");
}

#[test]
fn a_replay_matches_the_request_and_the_end_it_led_to() {
    let mut cursor = begun([scheduled(ONE), asked(2, ONE), ended_as_cancelled(2, ONE)]);
    start_charge(&mut cursor).expect("fits");
    cursor.request_cancel_activity(ONE, GRACE).expect("fits");
    assert!(matches!(cursor.wait(ONE), Ok(Answer::Ready(Err(_)))));
    cursor.request_cancel_activity(ONE, GRACE).expect("it is over: no effect");
    assert_waits_with_nothing_new(&mut cursor);
}

#[test]
fn another_grace_period_is_another_command() {
    let mut cursor = begun([scheduled(ONE), asked(2, ONE)]);
    start_charge(&mut cursor).expect("fits");
    let other = cursor.request_cancel_activity(ONE, GRACE * 2);
    assert!(matches!(other, Err(CallError::Nondeterminism(_))), "{other:?}");
}

#[test]
fn only_an_activity_can_be_asked() {
    let mut cursor = begun([]);
    start_timer(&mut cursor).expect("fits");
    let refused = cursor.request_cancel_activity(ONE, GRACE);
    assert_eq!(refused, Err(CallError::NotAnActivity(ONE)));
    let unknown = cursor.request_cancel_activity(TWO, GRACE);
    assert_eq!(unknown, Err(CallError::UnknownOperation(TWO)));
}
