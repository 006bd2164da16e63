//! How much one activation may ask for.

use dacapo_model::command::Outcome;

use super::*;

fn begun_within(budget: Budget, after_start: Vec<EventAttributes>) -> Cursor {
    let mut cursor = Cursor::new(budget);
    cursor.extend(history(after_start));
    assert!(matches!(cursor.start(), Ok(Answer::Ready(_))));
    cursor
}

#[test]
fn commands_are_counted_between_two_waits() {
    let budget = Budget { commands_max: 2, command_bytes_max: 100 };
    let mut cursor = begun_within(budget, Vec::new());
    start_timer(&mut cursor).expect("the first");
    start_timer(&mut cursor).expect("the second");
    let error = start_timer(&mut cursor).expect_err("the third");
    assert_eq!(error, CallError::TooManyCommands { max: 2 });
    assert_eq!(error.to_string(), "more than 2 operations were asked for between two waits");

    let mut cursor = begun_within(budget, Vec::new());
    for _ in 0..5 {
        start_timer(&mut cursor).expect("one at a time");
        assert_eq!(cursor.take_commands().len(), 1);
    }
}

#[test]
fn whatever_is_as_long_as_the_guest_likes_is_counted() {
    let mut many_types = options();
    many_types.retry.non_retryable_types = vec!["x".repeat(60), "y".repeat(41)];
    let mut detailed = declined();
    detailed.info.details = Some(Payload::new("x".repeat(101)));
    let long = || Payload::new("x".repeat(101));
    type Call = Box<dyn Fn(&mut Cursor) -> Result<(), CallError>>;
    let calls: [Call; 6] = [
        Box::new(move |c| c.start_activity(charge(), long(), options()).map(drop)),
        Box::new(move |c| {
            c.start_activity(charge(), Payload::default(), many_types.clone()).map(drop)
        }),
        Box::new(move |c| c.close(Outcome::Completed(long()))),
        Box::new(move |c| {
            c.close(Outcome::Failed { failure: detailed.clone(), unread_signals: Vec::new() })
        }),
        Box::new(move |c| c.close(Outcome::Cancelled("x".repeat(101)))),
        Box::new(move |c| {
            c.close(Outcome::ContinueAsNew {
                workflow_type: charge(),
                input: long(),
                options: Box::default(),
                unread_signals: Vec::new(),
            })
        }),
    ];
    for call in calls {
        let mut cursor =
            begun_within(Budget { commands_max: 9, command_bytes_max: 100 }, Vec::new());
        let error = call(&mut cursor).expect_err("101 bytes are too many");
        assert_eq!(error, CallError::TooManyCommandBytes { max: 100 });
        assert!(!cursor.is_closed());
    }
}

#[test]
fn bytes_are_counted_between_two_waits() {
    let mut cursor = begun_within(Budget { commands_max: 9, command_bytes_max: 100 }, Vec::new());
    let input = || Payload::new("x".repeat(100));
    for _ in 0..5 {
        cursor.start_activity(charge(), input(), options()).expect("100 bytes are allowed");
        assert_eq!(cursor.take_commands().len(), 1);
    }
}

#[test]
fn a_replay_costs_nothing() {
    let budget = Budget { commands_max: 1, command_bytes_max: 0 };
    let mut cursor = begun_within(budget, vec![scheduled(ONE), timer(TWO), timer(THREE)]);
    start_charge(&mut cursor).expect("history has it");
    start_timer(&mut cursor).expect("history has it");
    start_timer(&mut cursor).expect("history has it");
    start_timer(&mut cursor).expect("the only new one");
}

#[test]
fn the_limit_of_pending_operations_leaves_room_to_cancel_each_and_to_close() {
    let limits = Limits { pending_operations_max: 10, ..Limits::default() };
    assert_eq!(Budget::from(&limits).commands_max, 21);
}
