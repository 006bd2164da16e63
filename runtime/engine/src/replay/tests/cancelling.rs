//! Cancelling: of one operation by the guest, and of the run from outside.

use super::*;

#[test]
fn next_delivers_a_request_to_cancel_once() {
    let mut cursor = begun([timer(ONE), cancel_requested()]);
    start_timer(&mut cursor).expect("fits");
    assert!(!cursor.is_cancel_requested(), "it is not reached yet");
    assert_eq!(cursor.next(), Ok(cancellation()));
    assert!(cursor.is_cancel_requested());
    assert_waits_with_nothing_new(&mut cursor);
}

#[test]
fn wait_gives_its_operation_up_when_the_run_is_asked_to_cancel() {
    let cancelled = || {
        Answer::Ready(Err(Failure::new(
            FailureKind::Cancelled,
            "Cancelled",
            "the run was asked to cancel",
        )))
    };
    let mut first_run = begun([timer(ONE), cancel_requested()]);
    start_timer(&mut first_run).expect("fits");
    assert_eq!(first_run.wait(ONE), Ok(cancelled()));
    assert_eq!(first_run.take_commands(), [Command::CancelOperation { operation_id: ONE }]);

    let mut replay = begun([timer(ONE), cancel_requested(), timer_canceled(2, ONE)]);
    start_timer(&mut replay).expect("fits");
    assert_eq!(replay.wait(ONE), Ok(cancelled()));
    assert_eq!(replay.wait(ONE), Err(CallError::UnknownOperation(ONE)));
    assert_waits_with_nothing_new(&mut replay);
}

#[test]
fn wait_is_disturbed_by_the_request_once() {
    let mut cursor = begun([
        timer(ONE),
        cancel_requested(),
        timer_canceled(2, ONE),
        scheduled(TWO),
        completed(5, TWO),
    ]);
    start_timer(&mut cursor).expect("fits");
    assert!(matches!(cursor.wait(ONE), Ok(Answer::Ready(Err(_)))));
    start_charge(&mut cursor).expect("cleaning up fits");
    assert_eq!(cursor.wait(TWO), Ok(Answer::Ready(Ok(Payload::new("true")))));
    assert_waits_with_nothing_new(&mut cursor);
}

#[test]
fn wait_returns_an_outcome_that_came_before_the_request() {
    let mut cursor = begun([timer(ONE), fired(2, ONE), cancel_requested()]);
    start_timer(&mut cursor).expect("fits");
    assert_eq!(cursor.wait(ONE), Ok(Answer::Ready(Ok(Payload::default()))));
    assert!(!cursor.is_cancel_requested());
    assert_eq!(cursor.next(), Ok(cancellation()));
}

#[test]
fn a_sleep_is_not_disturbed_and_the_request_is_delivered_after_it() {
    let mut cursor =
        begun([timer(ONE), scheduled(TWO), completed(3, TWO), cancel_requested(), fired(2, ONE)]);
    start_timer(&mut cursor).expect("fits");
    start_charge(&mut cursor).expect("fits");
    assert_eq!(cursor.wait_undisturbed(ONE), Ok(Answer::Ready(())));
    assert!(cursor.is_cancel_requested());
    assert_eq!(cursor.next(), Ok(completion(TWO)), "it happened before the request");
    assert_eq!(cursor.next(), Ok(cancellation()));
    assert_waits_with_nothing_new(&mut cursor);
}

#[test]
fn a_request_that_came_during_a_sleep_disturbs_the_next_wait() {
    let mut cursor =
        begun([timer(ONE), cancel_requested(), fired(2, ONE), timer(TWO), timer_canceled(5, TWO)]);
    start_timer(&mut cursor).expect("fits");
    assert_eq!(cursor.wait_undisturbed(ONE), Ok(Answer::Ready(())));
    start_timer(&mut cursor).expect("fits");
    assert!(matches!(cursor.wait(TWO), Ok(Answer::Ready(Err(_)))));
    assert_waits_with_nothing_new(&mut cursor);
}

#[test]
fn nothing_is_delivered_for_an_operation_that_was_given_up() {
    let mut cursor = begun([timer(ONE), timer(TWO), fired(2, ONE), fired(3, TWO)]);
    start_timer(&mut cursor).expect("fits");
    start_timer(&mut cursor).expect("fits");
    assert_eq!(cursor.wait(TWO), Ok(Answer::Ready(Ok(Payload::default()))));
    cursor.cancel(ONE).expect("its outcome is there, and not taken");
    cursor.cancel(ONE).expect("no effect the second time");
    cursor.cancel(TWO).expect("no effect once its outcome was taken");
    assert_waits_with_nothing_new(&mut cursor);
}
