//! One thing after the other.

use std::time::Duration;

use super::script::{asks, fails, fires, number, play, play_to_end, returns, update};
use crate::executor::{End, run_activity};
use crate::run::Delivery;
use crate::{ActivityCall, Elapsed, Failure, continue_as_new, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_workflow_that_waits_for_nothing_never_blocks() {
    let (output, log) = play([], async { 7 });
    assert_eq!(output, 7);
    assert!(log.is_empty(), "{log:?}");
}

#[test]
fn steps_start_one_after_the_other() {
    let (output, log) = play([returns(1, 20), fires(2), returns(3, 22)], async {
        let first = number("first").await?;
        sleep(SECOND).await?;
        Ok::<_, Failure>(first + number("second").await?)
    });
    assert_eq!(output, Ok(42));
    assert_eq!(log, ["1: first()", "next", "2: timer 1s", "next", "3: second()", "next"]);
}

#[test]
fn an_activity_gets_its_argument_as_json_and_fails_as_it_failed() {
    let (output, log) = play([fails(1, "OutOfStock")], async {
        ActivityCall::<u32>::named("reserve", &("lamp", 2)).await
    });
    assert!(output.expect_err("it fails").is_type("OutOfStock"));
    assert_eq!(log[0], r#"1: reserve(["lamp",2])"#);
}

#[test]
fn an_argument_that_cannot_be_sent_starts_nothing() {
    let keys = std::collections::BTreeMap::from([((1, 2), 3)]);
    let (output, log) = play([], async move { ActivityCall::<u32>::named("reserve", &keys).await });
    assert!(output.expect_err("a tuple is no JSON key").is_type("InvalidInput"));
    assert!(log.is_empty(), "{log:?}");
}

#[test]
fn a_result_of_another_type_is_a_failure() {
    let text = Delivery::Completed { operation: 1, outcome: Ok(br#""text""#.to_vec()) };
    let (output, _) = play([text], number("count").into_future());
    let failure = output.expect_err("not a number");
    assert_eq!(failure.info.type_name, "InvalidResult");
    assert!(failure.info.message.contains("activity `count`"), "{}", failure.info.message);
}

#[test]
fn messages_without_a_receiver_do_not_disturb() {
    let (output, log) = play([asks("lost", ""), update("u", "lost", ""), returns(1, 5)], async {
        number("slow").await
    });
    assert_eq!(output, Ok(5));
    assert_eq!(log.iter().filter(|line| *line == "next").count(), 3);
    assert_eq!(log.len(), 6);
}

#[test]
fn a_call_that_is_never_awaited_starts_nothing() {
    let (_, log) = play([], async {
        let _forgotten = (number("unused"), sleep(SECOND));
    });
    assert!(log.is_empty(), "{log:?}");
}

#[test]
fn an_activity_in_time_stops_the_clock() {
    let (output, log) = play([returns(1, 5)], timeout(SECOND, number("quick")));
    assert_eq!(output, Ok(Ok(5)));
    assert_eq!(log, ["1: quick()", "2: timer 1s", "next", "cancel 2"]);
}

#[test]
fn an_activity_out_of_time_is_cancelled() {
    let (output, log) = play([fires(2)], timeout(SECOND, number("slow")));
    assert_eq!(
        output.map_err(|elapsed: Elapsed| elapsed.to_string()),
        Err("not done within 1s".to_owned())
    );
    assert_eq!(log, ["1: slow()", "2: timer 1s", "next", "cancel 1"]);
}

#[test]
fn continuing_as_new_ends_the_run_and_gives_up_what_is_open() {
    let (end, log) = play_to_end([returns(1, 1)], async {
        let round = number("round").await?;
        let (_, ended) = crate::join!(sleep(SECOND), continue_as_new::<()>(&(round + 1)));
        ended
    });
    match end {
        End::Continued(it) => assert_eq!(it.input, b"2"),
        End::Returned(output) => panic!("returned {output:?}"),
    }
    assert_eq!(log, ["1: round()", "next", "2: timer 1s", "cancel 2"]);
}

#[test]
fn an_activity_that_awaits_for_ever_fails_instead() {
    let stuck = run_activity(std::future::pending::<Result<(), Failure>>());
    let failure = stuck.expect_err("nothing wakes it");
    assert_eq!(failure.info.type_name, "NeverWoken");
    assert!(failure.info.non_retryable);
}
