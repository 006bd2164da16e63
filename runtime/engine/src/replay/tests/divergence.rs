//! Code that does not fit its history: each call, and what the report says.

use dacapo_model::command::Outcome;

use super::*;

fn complete(cursor: &mut Cursor, result: &'static str) -> Result<(), CallError> {
    cursor.close(Outcome::Completed(Payload::new(result)))
}

#[test]
fn another_activity_type() {
    let mut cursor = begun([scheduled(ONE)]);
    let refund = TypeName::new("refund").expect("a valid name");
    assert_report(
        cursor.start_activity(refund, Payload::new("17"), options()),
        "event 2: history has ActivityTaskScheduled of `charge` as operation 1 with input 17, \
         but the code started activity `refund` as operation 1 with input 17",
    );
}

#[test]
fn another_input() {
    let mut cursor = begun([scheduled(ONE)]);
    assert_report(
        cursor.start_activity(charge(), Payload::new("18"), options()),
        "event 2: history has ActivityTaskScheduled of `charge` as operation 1 with input 17, \
         but the code started activity `charge` as operation 1 with input 18",
    );
}

#[test]
fn another_input_that_looks_the_same() {
    let mut history = scheduled(ONE);
    history.set_payload(Payload::new(vec![0xFF, 1, 2, 3]));
    let mut cursor = begun([history]);
    assert_report(
        cursor.start_activity(charge(), Payload::new(vec![0xFF, 1, 9, 3]), options()),
        "event 2: history has ActivityTaskScheduled of `charge` as operation 1 with input of \
         4 bytes, but the code started activity `charge` as operation 1 with input of 4 bytes \
         that differs from byte 2 on",
    );
}

#[test]
fn a_long_input_is_cut_at_a_character() {
    let mut history = scheduled(ONE);
    history.set_payload(Payload::new(format!("{}ü", "x".repeat(79)) + "yy"));
    let mut cursor = begun([history]);
    assert_report(
        start_charge(&mut cursor),
        &format!(
            "event 2: history has ActivityTaskScheduled of `charge` as operation 1 with input \
             {}… (83 bytes), but the code started activity `charge` as operation 1 with input 17",
            "x".repeat(79)
        ),
    );
}

#[test]
fn other_options() {
    let mut cursor = begun([scheduled(ONE)]);
    let mut options = options();
    options.start_to_close_timeout = Duration::from_secs(5);
    options.retry.maximum_attempts = 3;
    assert_report(
        cursor.start_activity(charge(), Payload::new("17"), options),
        "event 2: history has ActivityTaskScheduled of `charge` as operation 1 with input 17, \
         start-to-close timeout 60s, maximum attempts 0, \
         but the code started activity `charge` as operation 1 with input 17, \
         start-to-close timeout 5s, maximum attempts 3",
    );
}

#[test]
fn another_time() {
    let mut cursor = begun([timer(ONE)]);
    assert_report(
        cursor.start_timer(seconds(101)),
        "event 2: history has TimerStarted for 1970-01-01T00:01:40.000000Z as operation 1, \
         but the code started a timer for 1970-01-01T00:01:41.000000Z as operation 1",
    );
}

#[test]
fn another_number() {
    let mut cursor = begun([timer(TWO)]);
    assert_report(
        start_timer(&mut cursor),
        "event 2: history has TimerStarted for 1970-01-01T00:01:40.000000Z as operation 2, \
         but the code started a timer for 1970-01-01T00:01:40.000000Z as operation 1",
    );
}

#[test]
fn another_kind_of_operation() {
    let mut cursor = begun([scheduled(ONE)]);
    assert_report(
        start_timer(&mut cursor),
        "event 2: history has ActivityTaskScheduled of `charge` as operation 1 with input 17, \
         but the code started a timer for 1970-01-01T00:01:40.000000Z as operation 1",
    );
}

#[test]
fn another_operation_given_up() {
    let mut cursor = begun([timer(ONE), timer(TWO), timer_canceled(2, ONE)]);
    start_timer(&mut cursor).expect("fits");
    start_timer(&mut cursor).expect("fits");
    assert_report(
        cursor.cancel(TWO),
        "event 4: history has TimerCanceled of operation 1, \
         but the code cancelled operation 2",
    );
}

#[test]
fn a_call_where_history_has_an_input() {
    let mut cursor = begun([scheduled(ONE), completed(2, ONE)]);
    start_charge(&mut cursor).expect("fits");
    assert_report(
        start_timer(&mut cursor),
        "event 3: history has ActivityTaskCompleted of operation 1, \
         but the code started a timer for 1970-01-01T00:01:40.000000Z as operation 2",
    );
}

#[test]
fn a_wait_where_history_has_a_command() {
    let expected = |waited_for| {
        format!(
            "event 3: history has TimerStarted for 1970-01-01T00:01:40.000000Z as operation 2, \
             but the code waited for {waited_for}"
        )
    };
    let diverging = || {
        let mut cursor = begun([timer(ONE), timer(TWO)]);
        start_timer(&mut cursor).expect("fits");
        cursor
    };
    assert_report(diverging().next(), &expected("whatever happens next"));
    assert_report(diverging().wait(ONE), &expected("operation 1"));
    assert_report(diverging().wait_undisturbed(ONE), &expected("a sleep"));
}

#[test]
fn an_end_where_history_goes_on() {
    let mut cursor = begun([scheduled(ONE), completed(2, ONE)]);
    start_charge(&mut cursor).expect("fits");
    assert_report(
        complete(&mut cursor, "true"),
        "event 3: history has ActivityTaskCompleted of operation 1, \
         but the code completed the run with result true",
    );
}

#[test]
fn more_history_after_the_end() {
    let mut cursor = begun([run_completed(), cancel_requested()]);
    assert_report(
        complete(&mut cursor, "true"),
        "event 3: history has WorkflowExecutionCancelRequested, but the code ended the run",
    );
}

#[test]
fn another_end() {
    let new_run_id = dacapo_model::ids::RunId(uuid::Uuid::nil());
    let order = || TypeName::new("order").expect("a valid name");
    let ends = [
        (
            EventAttributes::WorkflowExecutionCompleted { result: Payload::new("1") },
            Outcome::Completed(Payload::new("2")),
            "WorkflowExecutionCompleted with result 1, \
             but the code completed the run with result 2",
        ),
        (
            EventAttributes::WorkflowExecutionFailed {
                failure: declined(),
                retry_state: None,
                new_run_id: None,
            },
            failed(Failure::new(FailureKind::Application, "Odd", "why?")),
            "WorkflowExecutionFailed: Declined: no money, \
             but the code failed the run: Odd: why?",
        ),
        (
            EventAttributes::WorkflowExecutionCanceled { details: "undone".to_owned() },
            Outcome::Cancelled("half done".to_owned()),
            "WorkflowExecutionCanceled: undone, \
             but the code ended the run as cancelled: half done",
        ),
        (
            EventAttributes::WorkflowExecutionContinuedAsNew {
                new_run_id,
                workflow_type: order(),
                input: Payload::new("1"),
                options: Box::default(),
            },
            Outcome::ContinueAsNew {
                workflow_type: order(),
                input: Payload::new("2"),
                options: Box::default(),
                unread_signals: Vec::new(),
            },
            "WorkflowExecutionContinuedAsNew as `order` with input 1, \
             but the code continued as new `order` with input 2",
        ),
    ];
    for (recorded, outcome, expected) in ends {
        let mut cursor = begun([recorded]);
        assert_report(cursor.close(outcome), &format!("event 2: history has {expected}"));
    }
}

#[test]
fn the_same_end_fits() {
    let new_run_id = dacapo_model::ids::RunId(uuid::Uuid::nil());
    let workflow_type = TypeName::new("order").expect("a valid name");
    let input = Payload::new("1");
    let ends = [
        (run_completed(), Outcome::Completed(Payload::new("true"))),
        (
            EventAttributes::WorkflowExecutionFailed {
                failure: declined(),
                retry_state: None,
                new_run_id: None,
            },
            failed(declined()),
        ),
        (
            EventAttributes::WorkflowExecutionCanceled { details: "undone".to_owned() },
            Outcome::Cancelled("undone".to_owned()),
        ),
        (
            EventAttributes::WorkflowExecutionContinuedAsNew {
                new_run_id,
                workflow_type: workflow_type.clone(),
                input: input.clone(),
                options: Box::default(),
            },
            Outcome::ContinueAsNew {
                workflow_type,
                input,
                options: Box::default(),
                unread_signals: Vec::new(),
            },
        ),
    ];
    for (recorded, outcome) in ends {
        let mut cursor = begun([recorded]);
        cursor.close(outcome).expect("fits");
        assert!(cursor.is_closed());
        assert_eq!(cursor.take_commands(), []);
    }
}

fn failed(failure: Failure) -> Outcome {
    Outcome::Failed { failure, unread_signals: Vec::new() }
}
