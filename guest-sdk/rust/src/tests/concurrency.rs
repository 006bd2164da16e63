//! Several things at once.

use std::time::Duration;

use super::script::{fails, fires, number, play, returns};
use crate::{Either, Failure, join_all, race, race_all, sleep, try_join_all};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn join_starts_all_in_the_order_written_and_waits_for_all() {
    let (output, log) = play([returns(2, 20), fires(3), returns(1, 10)], async {
        crate::join!(number("a"), number("b"), sleep(SECOND))
    });
    assert_eq!(output, (Ok(10), Ok(20), Ok(())));
    assert_eq!(log, ["1: a()", "2: b()", "3: timer 1s", "next", "next", "next"]);
}

#[test]
fn try_join_gives_up_the_others_at_the_first_error() {
    let (output, log) = play([fails(2, "Broken")], async {
        crate::try_join!(number("a"), number("b"), number("c"))
    });
    assert!(output.expect_err("b failed").is_type("Broken"));
    // As all locals of a block, the last one is dropped first.
    assert_eq!(log, ["1: a()", "2: b()", "3: c()", "next", "cancel 3", "cancel 1"]);
}

#[test]
fn try_join_returns_the_values_of_all() {
    let (output, _) = play([returns(1, 1), returns(2, 2)], async {
        Ok::<_, Failure>(crate::try_join!(number("a"), number("b"))?)
    });
    assert_eq!(output, Ok((1, 2)));
}

#[test]
fn the_winner_of_a_race_is_what_was_delivered_first() {
    let (output, log) = play([returns(2, 20)], async { race(sleep(SECOND), number("b")).await });
    assert_eq!(output, Either::Right(Ok(20)));
    assert_eq!(log, ["1: timer 1s", "2: b()", "next", "cancel 1"]);
}

#[test]
fn join_all_returns_outputs_in_the_order_of_the_futures() {
    let (output, log) = play([returns(3, 30), returns(1, 10), returns(2, 20)], async {
        join_all(["a", "b", "c"].map(number)).await
    });
    assert_eq!(output, [Ok(10), Ok(20), Ok(30)]);
    assert_eq!(log, ["1: a()", "2: b()", "3: c()", "next", "next", "next"]);
}

#[test]
fn try_join_all_gives_up_the_others_at_the_first_error() {
    let (output, log) = play([returns(3, 30), fails(1, "Broken")], async {
        try_join_all(["a", "b", "c"].map(number)).await
    });
    assert!(output.expect_err("a failed").is_type("Broken"));
    assert_eq!(log, ["1: a()", "2: b()", "3: c()", "next", "next", "cancel 2"]);
}

#[test]
fn race_all_says_who_won() {
    let (output, log) =
        play([returns(2, 20)], async { race_all(["a", "b", "c"].map(number)).await });
    assert_eq!(output, (1, Ok(20)));
    assert_eq!(log, ["1: a()", "2: b()", "3: c()", "next", "cancel 1", "cancel 3"]);
}

#[test]
fn joining_nothing_is_done_at_once() {
    let (output, log) = play([], async { join_all(Vec::<std::future::Ready<u8>>::new()).await });
    assert!(output.is_empty());
    assert!(log.is_empty());
}

#[test]
fn a_future_of_a_group_is_polled_only_when_something_happened_to_it() {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::pin::pin;

    let polls = Cell::new(0_u32);
    let counted = |name| {
        let polls = &polls;
        async move {
            let mut activity = pin!(number(name).into_future());
            poll_fn(|cx| {
                polls.set(polls.get() + 1);
                activity.as_mut().poll(cx)
            })
            .await
        }
    };
    let count = 1_000;
    let deliveries = (1..=count).rev().map(|operation| returns(operation, operation));
    let (outputs, _) =
        play(deliveries, async { try_join_all((0..count).map(|_| counted("step"))).await });
    assert_eq!(outputs, Ok((1..=count).collect()));
    assert_eq!(polls.get(), 2 * count);
}

#[test]
fn groups_and_joins_nest() {
    let deliveries = [returns(4, 4), returns(2, 2), returns(3, 3), returns(1, 1)];
    let (output, _) = play(deliveries, async {
        crate::try_join!(try_join_all(["a", "b"].map(number)), try_join_all(["c", "d"].map(number)))
    });
    assert_eq!(output, Ok((vec![1, 2], vec![3, 4])));
}
