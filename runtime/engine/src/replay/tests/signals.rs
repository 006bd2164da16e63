//! Signals: in which order they are taken, and which were not.

use dacapo_model::command::Outcome;

use super::*;

fn received(name: &str) -> Answer<Result<Payload, Failure>> {
    Answer::Ready(Ok(Payload::new(name.to_owned())))
}

fn receive(cursor: &mut Cursor, name: &str) -> Result<Answer<Result<Payload, Failure>>, CallError> {
    cursor.receive_signal(&signal_name(name))
}

/// A cursor of a run that began with so many of the signals that follow.
fn begun_with(
    initial_signals: u64,
    after_start: impl IntoIterator<Item = EventAttributes>,
) -> Cursor {
    let mut cursor = Cursor::new(Budget::from(&Limits::default()));
    let mut events = history(after_start);
    if let EventAttributes::WorkflowExecutionStarted(started) = &mut events[0].attributes {
        started.initial_signals = initial_signals;
    }
    cursor.extend(events);
    assert!(matches!(cursor.start(), Ok(Answer::Ready(_))));
    cursor
}

/// The events of the signals that a run which continues as new would pass on.
fn unread(cursor: &mut Cursor) -> Vec<u64> {
    let (workflow_type, input) = (charge(), Payload::new("18"));
    let outcome = Outcome::ContinueAsNew {
        workflow_type,
        input,
        options: Box::default(),
        unread_signals: vec![EventId(99)],
    };
    cursor.close(outcome).expect("fits");
    match &cursor.take_commands()[..] {
        [Command::Close(Outcome::ContinueAsNew { unread_signals, .. })] => {
            unread_signals.iter().map(|id| id.0).collect()
        }
        other => panic!("one command was expected: {other:?}"),
    }
}

#[test]
fn next_returns_signals_among_all_else_in_the_order_of_history() {
    let mut cursor =
        begun([timer(ONE), signaled("a"), fired(2, ONE), signaled("b"), cancel_requested()]);
    start_timer(&mut cursor).expect("fits");
    assert_eq!(cursor.next(), Ok(signal("a")));
    assert_eq!(cursor.now(), seconds(3));
    assert_eq!(cursor.next(), Ok(firing(ONE)));
    assert_eq!(cursor.next(), Ok(signal("b")));
    assert_eq!(cursor.next(), Ok(cancellation()));
    assert_waits_with_nothing_new(&mut cursor);
}

#[test]
fn signals_that_came_during_another_wait_are_kept() {
    let mut cursor = begun([timer(ONE), signaled("a"), signaled("b"), fired(2, ONE)]);
    start_timer(&mut cursor).expect("fits");
    assert_eq!(cursor.wait_undisturbed(ONE), Ok(Answer::Ready(())));
    assert_eq!(receive(&mut cursor, "b"), Ok(received("b")));
    assert_eq!(cursor.next(), Ok(signal("a")));
    assert_waits_with_nothing_new(&mut cursor);
}

#[test]
fn a_wait_for_a_name_takes_its_signals_in_order_and_keeps_the_others() {
    let mut cursor = begun([signaled("a"), signaled("b"), signaled("a"), signaled("c")]);
    assert_eq!(receive(&mut cursor, "a"), Ok(received("a")));
    assert_eq!(cursor.now(), seconds(2));
    assert_eq!(receive(&mut cursor, "a"), Ok(received("a")));
    assert_eq!(cursor.now(), seconds(4));
    assert_eq!(cursor.next(), Ok(signal("b")));
    assert_eq!(receive(&mut cursor, "b"), Ok(Answer::Blocked));
    assert_eq!(cursor.next(), Ok(signal("c")));
    assert_eq!(receive(&mut cursor, "c"), Ok(Answer::Blocked));
    assert_waits_with_nothing_new(&mut cursor);
}

#[test]
fn a_request_to_cancel_ends_the_wait_for_a_signal_once() {
    let mut cursor = begun([signaled("b"), cancel_requested(), signaled("a")]);
    let Ok(Answer::Ready(Err(failure))) = receive(&mut cursor, "a") else {
        panic!("it is cancelled");
    };
    assert_eq!(failure.info.kind, FailureKind::Cancelled);
    assert_eq!(receive(&mut cursor, "a"), Ok(received("a")));
    assert_eq!(cursor.next(), Ok(signal("b")));
    assert_waits_with_nothing_new(&mut cursor);
}

#[test]
fn a_signal_that_is_there_is_received_also_when_the_run_is_to_cancel() {
    let mut cursor = begun([timer(ONE), signaled("a"), cancel_requested(), fired(2, ONE)]);
    start_timer(&mut cursor).expect("fits");
    assert_eq!(cursor.wait_undisturbed(ONE), Ok(Answer::Ready(())));
    assert_eq!(receive(&mut cursor, "a"), Ok(received("a")));
    assert!(matches!(receive(&mut cursor, "a"), Ok(Answer::Ready(Err(_)))));
}

#[test]
fn code_that_waits_where_history_has_a_command_is_reported() {
    let mut cursor = begun([timer(ONE)]);
    let report = receive(&mut cursor, "a").expect_err("it does not fit").to_string();
    assert!(report.ends_with("but the code waited for signal `a`"), "{report}");
}

#[test]
fn code_that_acts_before_a_signal_which_it_waited_for_is_reported() {
    let mut cursor = begun([signaled("a"), timer(ONE)]);
    let error = start_timer(&mut cursor).expect_err("it does not fit");
    assert!(error.to_string().starts_with(
        "event 2: history has WorkflowExecutionSignaled of `a` with input a, but the code \
         started a timer"
    ));
}

#[test]
fn what_came_while_the_run_was_blocked_is_delivered_after_the_repeated_activation() {
    let mut cursor = begun([task_failed(), signaled("a"), timer(ONE), signaled("b")]);
    start_timer(&mut cursor).expect("overtakes the signal");
    assert_eq!(cursor.next(), Ok(signal("a")));
    assert_eq!(cursor.next(), Ok(signal("b")));
    assert_waits_with_nothing_new(&mut cursor);
}

#[test]
fn what_the_guest_asks_for_before_it_waits_stands_behind_the_signals_it_began_with() {
    let mut first_run = begun_with(2, [signaled("a"), signaled("b")]);
    start_timer(&mut first_run).expect("a first run");
    assert_eq!(first_run.next(), Ok(signal("a")));
    assert_eq!(start_charge(&mut first_run), Ok(TWO));
    assert_eq!(first_run.next(), Ok(signal("b")));
    assert_eq!(first_run.next(), Ok(Answer::Blocked));
    assert_eq!(first_run.take_commands().len(), 2);

    let recorded = [signaled("a"), signaled("b"), timer(ONE), scheduled(TWO), signaled("c")];
    let mut replay = begun_with(2, recorded);
    start_timer(&mut replay).expect("fits");
    assert_eq!(replay.next(), Ok(signal("a")));
    start_charge(&mut replay).expect("fits");
    assert_eq!(replay.next(), Ok(signal("b")));
    assert_eq!(replay.next(), Ok(signal("c")));
    assert_waits_with_nothing_new(&mut replay);
}

#[test]
fn only_the_signals_it_began_with_stand_before_what_the_guest_asks_for_first() {
    let mut cursor = begun_with(1, [signaled("a"), signaled("b"), timer(ONE)]);
    start_timer(&mut cursor).expect_err("it had waited");
}

#[test]
fn a_run_that_continues_as_new_passes_on_what_it_did_not_take() {
    let mut cursor = begun([
        timer(ONE),
        signaled("a"),
        signaled("b"),
        signaled("a"),
        signaled("c"),
        fired(2, ONE),
        signaled("d"),
    ]);
    start_timer(&mut cursor).expect("fits");
    assert_eq!(receive(&mut cursor, "b"), Ok(received("b")));
    assert_eq!(cursor.next(), Ok(signal("a")));
    assert_eq!(cursor.wait_undisturbed(ONE), Ok(Answer::Ready(())));
    assert_eq!(receive(&mut cursor, "d"), Ok(received("d")));
    assert_eq!(unread(&mut cursor), [5, 6]);
}

#[test]
fn what_was_taken_and_given_back_is_passed_on_in_its_place() {
    let mut cursor = begun([signaled("a"), signaled("b"), signaled("c"), signaled("a")]);
    assert_eq!(receive(&mut cursor, "b"), Ok(received("b")));
    for name in ["a", "c", "a"] {
        assert_eq!(cursor.next(), Ok(signal(name)));
    }
    cursor.return_signal(4).expect("it was the fourth taken");
    cursor.return_signal(1).expect("it was the first taken");
    cursor.return_signal(1).expect("no effect the second time");
    for number in [0, 5, u32::MAX] {
        assert_eq!(cursor.return_signal(number), Err(CallError::UnknownSignal { number }));
    }
    assert_waits_with_nothing_new(&mut cursor);
    assert_eq!(unread(&mut cursor), [3, 5]);
}

#[test]
fn what_was_overtaken_is_passed_on_too() {
    let mut blocked = begun([task_failed(), signaled("a"), cancel_requested(), signaled("b")]);
    assert_eq!(unread(&mut blocked), [3, 5]);
    let mut fresh = begun_with(2, [signaled("a"), signaled("b")]);
    assert_eq!(unread(&mut fresh), [2, 3]);
}
