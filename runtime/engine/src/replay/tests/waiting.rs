//! What the three ways to wait return, and in which order.

use super::*;

#[test]
fn next_returns_what_happened_in_the_order_of_history() {
    let mut cursor =
        begun([scheduled(ONE), timer(TWO), fired(3, TWO), cancel_requested(), completed(2, ONE)]);
    start_charge(&mut cursor).expect("fits");
    start_timer(&mut cursor).expect("fits");
    assert_eq!(cursor.next(), Ok(firing(TWO)));
    assert_eq!(cursor.next(), Ok(cancellation()));
    assert_eq!(cursor.next(), Ok(completion(ONE)));
    assert_waits_with_nothing_new(&mut cursor);
}

#[test]
fn what_wait_passes_over_is_kept_for_next() {
    let mut cursor = begun([
        scheduled(ONE),
        timer(TWO),
        timer(THREE),
        fired(3, TWO),
        fired(4, THREE),
        completed(2, ONE),
    ]);
    start_charge(&mut cursor).expect("fits");
    start_timer(&mut cursor).expect("fits");
    start_timer(&mut cursor).expect("fits");
    assert_eq!(cursor.wait(ONE), Ok(Answer::Ready(Ok(Payload::new("true")))));
    assert_eq!(cursor.next(), Ok(firing(TWO)));
    assert_eq!(cursor.wait(THREE), Ok(Answer::Ready(Ok(Payload::default()))));
    assert_waits_with_nothing_new(&mut cursor);
}

#[test]
fn a_guest_that_waits_goes_on_when_the_input_comes() {
    let mut cursor = begun([]);
    start_charge(&mut cursor).expect("a first run");
    assert_eq!(cursor.wait(ONE), Ok(Answer::Blocked));
    assert_eq!(cursor.take_commands().len(), 1);
    cursor.extend([at(3, cancel_requested())]);
    assert!(cursor.is_replaying());
    cursor.wait(ONE).expect("fits");
    assert!(cursor.is_cancel_requested());
}

#[test]
fn a_failed_activity_is_a_failure_with_its_reason_as_the_cause() {
    let mut cursor = begun([scheduled(ONE), failed(2, ONE)]);
    start_charge(&mut cursor).expect("fits");
    let Ok(Answer::Ready(Err(failure))) = cursor.wait(ONE) else {
        panic!("the activity failed");
    };
    assert_eq!(failure.info.kind, FailureKind::Activity);
    assert_eq!(failure.info.message, "the activity failed in attempt 3: no money");
    assert_eq!(failure.causes, [declined().info]);
}

#[test]
fn a_timed_out_activity_names_the_timeout_and_the_failure_before() {
    let mut cursor = begun([scheduled(ONE), timed_out(2, ONE)]);
    start_charge(&mut cursor).expect("fits");
    let Ok(Answer::Ready(Err(failure))) = cursor.wait(ONE) else {
        panic!("the activity timed out");
    };
    let chain: Vec<_> = std::iter::once(&failure.info)
        .chain(&failure.causes)
        .map(|info| (info.kind, info.type_name.as_str()))
        .collect();
    assert_eq!(
        chain,
        [
            (FailureKind::Activity, "ActivityFailure"),
            (FailureKind::Timeout, "ScheduleToClose"),
            (FailureKind::Application, "Declined"),
        ]
    );
}

#[test]
fn an_outcome_can_be_taken_once() {
    let taken = Err(CallError::UnknownOperation(ONE));
    let mut cursor = begun([timer(ONE), fired(2, ONE)]);
    start_timer(&mut cursor).expect("fits");
    assert_eq!(cursor.next(), Ok(firing(ONE)));
    assert_eq!(cursor.wait(ONE), taken);
    assert_eq!(cursor.wait_undisturbed(ONE), Err(CallError::UnknownOperation(ONE)));
}

#[test]
fn an_operation_that_was_never_started_is_unknown_to_every_call() {
    for operation in [OperationId(0), TWO, OperationId(u32::MAX)] {
        let mut cursor = begun([]);
        start_timer(&mut cursor).expect("a first run");
        assert_eq!(cursor.wait(operation), Err(CallError::UnknownOperation(operation)));
        assert_eq!(cursor.cancel(operation), Err(CallError::UnknownOperation(operation)));
        assert_eq!(cursor.wait_undisturbed(operation), Err(CallError::UnknownOperation(operation)));
    }
}
