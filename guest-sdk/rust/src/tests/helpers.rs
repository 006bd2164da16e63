//! What is built on tasks and timers: retries, sagas, `select!`.

use std::cell::Cell;
use std::time::Duration;

use super::script::{cancel_request, fails, fires, number, play, returns, signal};
use crate::run::Delivery;
use crate::{Failure, RetryPolicy, retry, saga, select, signals, sleep};

const SECOND: Duration = Duration::from_secs(1);

fn fails_for_good(operation: u32) -> Delivery {
    let failure = Failure::application("Refused", "no").non_retryable();
    let outcome = Err(Failure::application("ActivityFailed", "failed").caused_by(failure));
    Delivery::Completed { operation, outcome }
}

#[test]
fn work_is_tried_again_after_growing_waits() {
    let script = [
        fails(1, "Broken"),
        fires(2),
        fails(3, "Broken"),
        fires(4),
        fails(5, "Broken"),
        fires(6),
        returns(7, 7),
    ];
    let (output, log) = play(script, async {
        let policy = RetryPolicy::new().maximum_interval(3 * SECOND);
        retry(policy, async || number("step").await).await
    });
    assert_eq!(output, Ok(7));
    let waits: Vec<_> = log.iter().filter(|line| line.contains("timer")).collect();
    assert_eq!(waits, ["2: timer 1s", "4: timer 2s", "6: timer 3s"]);
}

#[test]
fn work_is_given_up_after_the_attempts_of_the_policy() {
    let tries = Cell::new(0);
    let (output, log) = play([fires(1)], async {
        retry(RetryPolicy::new().maximum_attempts(2), async || {
            tries.set(tries.get() + 1);
            Err::<(), _>(Failure::application("Broken", "x"))
        })
        .await
    });
    assert!(output.expect_err("given up").is_type("Broken"));
    assert_eq!((tries.get(), log), (2, vec!["1: timer 1s".to_owned(), "next".to_owned()]));
}

#[test]
fn some_failures_are_not_tried_again() {
    let (output, _) = play([fails_for_good(1)], async {
        retry(RetryPolicy::new(), async || number("step").await).await
    });
    assert!(output.expect_err("refused").is_type("Refused"));

    let (output, _) = play([fails(1, "Broken")], async {
        let policy = RetryPolicy::new().non_retryable_types(["Broken"]);
        retry(policy, async || number("step").await).await
    });
    assert!(output.expect_err("of that type").is_type("Broken"));

    let (output, log) = play([cancel_request()], async {
        retry(RetryPolicy::new(), async || number("step").await).await
    });
    assert!(output.expect_err("cancelled").is_cancelled());
    assert_eq!(log, ["1: step()", "next", "cancel 1"]);
}

#[test]
fn a_failure_says_when_to_try_again() {
    let (output, log) = play([fires(1)], async {
        let mut first = true;
        retry(RetryPolicy::new(), async || {
            if std::mem::take(&mut first) {
                return Err(Failure::application("Busy", "x").retry_after(90 * SECOND));
            }
            Ok(1)
        })
        .await
    });
    assert_eq!(output, Ok(1));
    assert_eq!(log, ["1: timer 90s", "next"]);
}

#[test]
fn a_saga_that_succeeds_undoes_nothing() {
    let (output, log) = play([returns(1, 1)], async {
        saga(async |saga| {
            saga.compensate_with(number("undo"));
            number("do").await
        })
        .await
    });
    assert_eq!(output, Ok(1));
    assert_eq!(log, ["1: do()", "next"]);
}

#[test]
fn a_saga_that_fails_undoes_the_last_step_first() {
    let script = [returns(1, 1), returns(2, 2), fails(3, "Broken"), returns(4, 0), returns(5, 0)];
    let (output, log) = play(script, async {
        saga(async |saga| {
            number("a").await?;
            saga.compensate_with(number("undo_a"));
            number("b").await?;
            saga.compensate_with(number("undo_b"));
            number("c").await
        })
        .await
    });
    let failure = output.expect_err("c failed");
    assert!(failure.not_undone.is_empty());
    assert!(Failure::from(failure).is_type("Broken"));
    assert_eq!(log[6..], ["4: undo_b()", "next", "5: undo_a()", "next"]);
}

#[test]
fn compensations_run_while_the_run_is_cancelled_and_all_of_them_do() {
    let script = [returns(1, 1), cancel_request(), fails(3, "Stuck"), returns(4, 0)];
    let (output, log) = play(script, async {
        saga(async |saga| {
            saga.compensate_with(number("undo_a"));
            number("a").await?;
            saga.compensate_with(number("undo_b"));
            sleep(SECOND).await
        })
        .await
    });
    assert_eq!(log[3..], ["next", "cancel 2", "3: undo_b()", "next", "4: undo_a()", "next"]);
    let saga = output.expect_err("cancelled");
    assert!(saga.failure.is_cancelled());
    assert_eq!(saga.not_undone.len(), 1);
    assert!(saga.to_string().contains("; not undone: Stuck"), "{saga}");

    let failure = Failure::from(saga);
    assert_eq!(failure.info.type_name, "CompensationFailed");
    assert!(failure.info.non_retryable && !failure.is_cancelled());
    assert!(failure.chain().any(|info| info.type_name == "Cancelled"));
    let details: Vec<serde_json::Value> =
        failure.details().expect("JSON").expect("they are listed");
    assert_eq!(details[0]["type"], "Stuck");
}

#[test]
fn select_goes_on_with_the_first_and_its_arms_belong_to_the_function() {
    async fn decide() -> Result<&'static str, Failure> {
        loop {
            let word = select! {
                slept = sleep(SECOND) => { slept?; "late" },
                name = signals::<String>("name").recv() => {
                    if name? == "again" { continue }
                    "named"
                },
                _ = number("step") => return Ok("done"),
            };
            return Ok(word);
        }
    }
    let (output, log) = play([signal("name", "\"again\""), returns(4, 1)], decide());
    assert_eq!(output, Ok("done"));
    assert_eq!(
        log,
        [
            "1: timer 1s",
            "2: step()",
            "next",
            "cancel 2",
            "cancel 1",
            "3: timer 1s",
            "4: step()",
            "next",
            "cancel 3"
        ]
    );
    assert_eq!(play([fires(1)], decide()).0, Ok("late"));
    assert_eq!(play([signal("name", "\"x\"")], decide()).0, Ok("named"));
}
