//! What happens after somebody asked the run to cancel.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::script::{cancel_request, fires, number, play, returns};
use crate::{ActivityOptions, CancellationType, FailureKind, join_all, shielded, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_request_ends_what_is_awaited() {
    let (output, log) = play([cancel_request()], async { sleep(SECOND).await });
    let failure = output.expect_err("cancelled");
    assert_eq!(failure.info.kind, FailureKind::Cancelled);
    assert_eq!(failure.info.message, "changed my mind");
    assert_eq!(log, ["1: timer 1s", "next", "cancel 1"]);
}

#[test]
fn a_request_ends_everything_that_is_awaited_at_once() {
    let (output, log) = play([returns(2, 2), cancel_request()], async {
        join_all(["a", "b", "c"].map(number)).await
    });
    let cancelled: Vec<_> = output.iter().map(|outcome| outcome.is_err()).collect();
    assert_eq!(cancelled, [true, false, true]);
    assert_eq!(log[3..], ["next", "next", "cancel 1", "cancel 3"]);
}

#[test]
fn nothing_new_starts_after_a_request() {
    let (output, log) = play([cancel_request()], async {
        let first = sleep(SECOND).await;
        (first.is_err(), number("late").await, sleep(SECOND).await)
    });
    assert!(output.0);
    assert!(output.1.expect_err("cancelled").is_cancelled());
    assert!(output.2.expect_err("cancelled").is_cancelled());
    assert_eq!(log, ["1: timer 1s", "next", "cancel 1"]);
}

#[test]
fn clean_up_runs_in_a_shield() {
    let (output, log) = play([cancel_request(), returns(2, 1)], async {
        let outcome = sleep(SECOND).await;
        shielded(number("clean_up")).await?;
        outcome
    });
    assert!(output.expect_err("cancelled").is_cancelled());
    assert_eq!(log, ["1: timer 1s", "next", "cancel 1", "2: clean_up()", "next"]);
}

#[test]
fn a_shield_protects_what_runs_in_it_and_nothing_beside_it() {
    let (output, log) = play([cancel_request(), returns(1, 1)], async {
        crate::join!(shielded(number("protected")), number("open"))
    });
    assert_eq!(output.0, Ok(1));
    assert!(output.1.expect_err("cancelled").is_cancelled());
    assert_eq!(log, ["1: protected()", "2: open()", "next", "cancel 2", "next"]);
}

#[test]
fn a_time_limit_holds_in_a_shield() {
    let (output, log) = play([cancel_request(), fires(2)], async {
        timeout(SECOND, shielded(number("slow"))).await
    });
    assert!(output.is_err());
    assert_eq!(log, ["1: slow()", "2: timer 1s", "next", "next", "cancel 1"]);
}

#[test]
fn an_outcome_that_arrived_before_the_request_counts() {
    let (output, log) = play([returns(1, 5), cancel_request()], async {
        let mut first = pin!(number("first").into_future());
        poll_fn(|cx| {
            assert!(first.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        (sleep(SECOND).await, first.await)
    });
    assert!(output.0.expect_err("cancelled").is_cancelled());
    assert_eq!(output.1, Ok(5));
    assert_eq!(log, ["1: first()", "2: timer 1s", "next", "next", "cancel 2"]);
}

fn with(cancellation: CancellationType) -> ActivityOptions {
    ActivityOptions::new().cancellation(cancellation)
}

#[test]
fn an_activity_whose_end_is_waited_for_is_asked_once() {
    let options = with(CancellationType::WaitCancellationCompleted).cancellation_grace(SECOND);
    let (output, log) = play([cancel_request(), returns(2, 8), returns(1, 7)], async {
        join_all([number("a").options(options), number("b")]).await
    });
    let output: Vec<_> = output.into_iter().map(Result::ok).collect();
    assert_eq!(output, [Some(7), None], "the one ends as it says, the other at once");
    assert_eq!(
        log[2..],
        ["next", "request cancel 1 Some(1s)", "cancel 2", "next", "next"],
        "what is delivered of the other is not waited for"
    );
}

#[test]
fn an_abandoned_activity_goes_on() {
    let (output, log) = play([cancel_request()], async {
        number("a").options(with(CancellationType::Abandon)).await
    });
    assert!(output.expect_err("the wait ends").is_cancelled());
    assert_eq!(log[1..], ["next"], "nothing is cancelled");
}
