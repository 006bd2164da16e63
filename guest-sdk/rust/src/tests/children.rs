//! Children and other runs.

use std::time::Duration;

use super::script::{cancel_request, play};
use crate::run::Delivery;
use crate::{
    ChildCall, ChildCancellation, Either, Failure, RetryPolicy, external, join_all, race, sleep,
};
const SECOND: Duration = Duration::from_secs(1);

fn child(name: &'static str) -> ChildCall<u32> {
    ChildCall::named(name, &7)
}

fn completes(operation: u32, json: &str) -> Delivery {
    Delivery::Completed { operation, outcome: Ok(json.as_bytes().to_vec()) }
}

fn starts(operation: u32) -> Delivery {
    completes(operation, r#"{"run_id":"r","workflow_id":"w"}"#)
}

fn cancelled(operation: u32) -> Delivery {
    let outcome = Err(Failure::application("ChildWorkflowFailure", "it was cancelled"));
    Delivery::Completed { operation, outcome }
}

#[test]
fn children_are_started_together_and_awaited_in_any_order() {
    let script = [starts(3), completes(4, "2"), starts(1), completes(2, "1")];
    let (output, log) = play(script, join_all([child("a"), child("b")]));
    assert_eq!(output, [Ok(1), Ok(2)]);
    assert_eq!(log, ["1: child a(7)", "3: child b(7)", "next", "next", "next", "next"]);
}

#[test]
fn a_handle_is_there_once_the_child_has_started_and_has_its_end_later() {
    let script = [starts(1), completes(3, ""), completes(2, "5")];
    let (output, log) = play(script, async {
        let child = child("a").start().await?;
        assert_eq!((child.workflow_id(), child.run_id()), ("w", "r"));
        child.signal("go", &1).await?;
        child.result().await
    });
    assert_eq!(output, Ok(5));
    assert_eq!(log, ["1: child a(7)", "next", "3: signal go(1) to w", "next", "next"]);
}

#[test]
fn an_end_that_comes_before_anybody_waits_for_it_is_kept() {
    let script = [starts(1), completes(2, "5"), completes(3, "")];
    let (output, _) = play(script, async {
        let child = child("a").start().await?;
        sleep(SECOND).await?;
        child.result().await
    });
    assert_eq!(output, Ok(5));
}

#[test]
fn dropping_the_wait_for_a_child_gives_it_up_and_dropping_a_handle_does_not() {
    let (output, log) = play([completes(3, ""), starts(4), completes(6, "")], async {
        let first = race(child("a"), sleep(SECOND)).await;
        assert_eq!(first, Either::Right(Ok(())));
        let handle = child("b").start().await?;
        let first = race(handle.result(), sleep(SECOND)).await;
        assert_eq!(first, Either::Right(Ok(())));
        drop(handle);
        Ok::<_, Failure>(())
    });
    assert_eq!(output, Ok(()));
    let cancels: Vec<_> = log.iter().filter(|line| line.starts_with("cancel")).collect();
    assert_eq!(cancels, ["cancel 2"]);
}

#[test]
fn a_request_to_cancel_is_passed_on_and_the_end_of_a_patient_wait_is_the_childs() {
    let (output, log) = play([starts(1), cancel_request(), cancelled(2)], child("a").into_future());
    assert_eq!(
        output.map_err(|failure| failure.info.type_name),
        Err("ChildWorkflowFailure".to_owned())
    );
    assert_eq!(log, ["1: child a(7)", "next", "next", "cancel 2", "next"]);
}

#[test]
fn a_request_to_cancel_ends_an_impatient_wait_at_once() {
    for kind in [ChildCancellation::Try, ChildCancellation::Abandon] {
        let call = child("a").cancellation(kind);
        let (output, log) = play([cancel_request()], call.into_future());
        assert!(output.expect_err("cancelled").is_cancelled());
        assert_eq!(log, ["1: child a(7)", "next", "cancel 2"]);
    }
}

#[test]
fn what_a_child_is_asked_to_be_is_sent_and_nothing_else() {
    let options = child("a").options_to_wit();
    assert_eq!((options.run_timeout, options.execution_timeout), (None, None));
    assert!(options.retry.is_none() && options.memo.is_empty());
    assert_eq!((options.start_delay, options.search_attributes.len()), (0, 0));

    let options = child("a")
        .run_timeout(SECOND)
        .execution_timeout(2 * SECOND)
        .start_delay(3 * SECOND)
        .retry(RetryPolicy::never())
        .memo("note", &[1])
        .search_attribute("vip", true)
        .options_to_wit();
    assert_eq!(
        (options.run_timeout, options.execution_timeout, options.start_delay),
        (Some(1_000_000_000), Some(2_000_000_000), 3_000_000_000)
    );
    assert_eq!(options.retry.map(|policy| policy.maximum_attempts), Some(1));
    assert_eq!(options.memo[0].value.as_deref(), Some("[1]"));
    assert_eq!(options.search_attributes[0].name, "vip");
}

#[test]
fn another_run_is_told_something_and_says_when_it_has_heard() {
    let failed = Err(Failure::application("RunNotFound", "no"));
    let script = [completes(1, ""), Delivery::Completed { operation: 2, outcome: failed }];
    let (output, log) = play(script, async {
        external("other").signal("go", &"x").await?;
        external("other").cancel("enough").await
    });
    assert_eq!(output.expect_err("there is none").info.type_name, "RunNotFound");
    let expected =
        ["1: signal go(\"x\") to other", "next", "2: ask other to cancel: enough", "next"];
    assert_eq!(log, expected);
}
