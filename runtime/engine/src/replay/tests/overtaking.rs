//! Inputs that were recorded while the run was blocked: what the guest asks for in
//! the activation that failed, and is tried again, comes before them.

use dacapo_model::command::Outcome;

use super::*;

#[test]
fn the_repeated_activation_overtakes_what_came_meanwhile() {
    let mut retried = begun([timer(ONE), task_failed(), cancel_requested(), fired(2, ONE)]);
    start_timer(&mut retried).expect("fits");
    assert_eq!(start_charge(&mut retried), Ok(TWO));
    assert_eq!(retried.now(), seconds(1), "nothing has been delivered yet");
    assert_eq!(retried.next(), Ok(cancellation()));
    assert_eq!(start_timer(&mut retried), Ok(THREE));
    assert_eq!(retried.next(), Ok(firing(ONE)));
    assert_eq!(retried.next(), Ok(Answer::Blocked));
    assert_eq!(retried.take_commands().len(), 2);

    let mut replay = begun([
        timer(ONE),
        task_failed(),
        cancel_requested(),
        fired(2, ONE),
        scheduled(TWO),
        timer(THREE),
    ]);
    start_timer(&mut replay).expect("fits");
    start_charge(&mut replay).expect("fits");
    assert_eq!(replay.next(), Ok(cancellation()));
    start_timer(&mut replay).expect("fits");
    assert_eq!(replay.next(), Ok(firing(ONE)));
    assert_waits_with_nothing_new(&mut replay);
}

#[test]
fn the_answer_to_one_such_input_overtakes_the_others() {
    let mut retried = begun([timer(ONE), task_failed(), cancel_requested(), fired(2, ONE)]);
    start_timer(&mut retried).expect("fits");
    assert_eq!(retried.next(), Ok(cancellation()));
    assert_eq!(start_charge(&mut retried), Ok(TWO));
    assert_eq!(retried.next(), Ok(firing(ONE)));
    assert_eq!(retried.take_commands().len(), 1);

    let mut replay =
        begun([timer(ONE), task_failed(), cancel_requested(), fired(2, ONE), scheduled(TWO)]);
    start_timer(&mut replay).expect("fits");
    assert_eq!(replay.next(), Ok(cancellation()));
    start_charge(&mut replay).expect("fits");
    assert_eq!(replay.next(), Ok(firing(ONE)));
    assert_waits_with_nothing_new(&mut replay);
}

#[test]
fn several_failures_in_a_row_are_one() {
    let mut cursor = begun([
        task_failed(),
        cancel_requested(),
        task_failed(),
        task_failed(),
        timer(ONE),
        fired(6, ONE),
    ]);
    start_timer(&mut cursor).expect("fits");
    assert_eq!(cursor.next(), Ok(cancellation()));
    assert_eq!(cursor.next(), Ok(firing(ONE)));
    assert_waits_with_nothing_new(&mut cursor);
}

#[test]
fn cancelling_what_has_ended_meanwhile_is_not_recorded() {
    // The first call of the repeated activation: nothing was overtaken before it.
    for later in [None, Some(timer(TWO))] {
        let after_start =
            [timer(ONE), task_failed(), fired(2, ONE)].into_iter().chain(later.clone());
        let mut cursor = begun(after_start);
        start_timer(&mut cursor).expect("fits");
        cursor.cancel(ONE).expect("the run knows its outcome; the guest does not");
        assert_eq!(cursor.take_commands(), []);
        if later.is_some() {
            start_timer(&mut cursor).expect("fits");
        }
        assert_waits_with_nothing_new(&mut cursor);
        assert_eq!(cursor.now(), seconds(4), "the input was delivered, though not to the guest");
    }
}

#[test]
fn giving_up_a_wait_for_what_has_ended_meanwhile_is_not_recorded() {
    let mut cursor = begun([timer(ONE), task_failed(), cancel_requested(), fired(2, ONE)]);
    start_timer(&mut cursor).expect("fits");
    assert!(matches!(cursor.wait(ONE), Ok(Answer::Ready(Err(_)))));
    assert_waits_with_nothing_new(&mut cursor);
}

#[test]
fn waiting_for_what_has_ended_meanwhile_returns_it() {
    let mut cursor = begun([timer(ONE), timer(TWO), task_failed(), fired(2, ONE), fired(3, TWO)]);
    start_timer(&mut cursor).expect("fits");
    start_timer(&mut cursor).expect("fits");
    start_charge(&mut cursor).expect("overtakes both");
    assert_eq!(cursor.wait_undisturbed(TWO), Ok(Answer::Ready(())));
    assert_eq!(cursor.wait(ONE), Ok(Answer::Ready(Ok(Payload::default()))));
}

#[test]
fn a_run_may_end_without_having_seen_what_came_meanwhile() {
    for recorded in [None, Some(run_completed())] {
        let is_recorded = recorded.is_some();
        let after_start = [timer(ONE), task_failed(), fired(2, ONE)].into_iter().chain(recorded);
        let mut cursor = begun(after_start);
        start_timer(&mut cursor).expect("fits");
        cursor.close(Outcome::Completed(Payload::new("true"))).expect("fits");
        assert_eq!(cursor.take_commands().is_empty(), is_recorded);
    }
}

#[test]
fn once_a_command_was_recorded_nothing_is_overtaken_any_more() {
    let mut cursor = begun([task_failed(), timer(ONE), cancel_requested(), timer(TWO)]);
    start_timer(&mut cursor).expect("fits");
    assert_report(
        start_timer(&mut cursor),
        "event 4: history has WorkflowExecutionCancelRequested, \
         but the code started a timer for 1970-01-01T00:01:40.000000Z as operation 2",
    );
}
