//! Taking signals, and passing on what was not taken.

use std::time::Duration;

use super::script::{asks, cancel_request, fires, number, play, play_to_end, returns, signal};
use crate::executor::End;
use crate::waits::QUERY;
use crate::{Either, Failure, continue_as_new, join_all, race, shielded, signals, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn signals_are_taken_in_the_order_of_their_delivery_by_name() {
    let script = [signal("b", "1"), signal("a", "2"), signal("b", "3"), signal("a", "4")];
    let (output, log) = play(script, async {
        let (a, b) = (signals::<u32>("a"), signals::<u32>("b"));
        Ok::<_, Failure>([a.recv().await?, a.recv().await?, b.recv().await?, b.recv().await?])
    });
    assert_eq!(output, Ok([2, 4, 1, 3]));
    assert_eq!(log, ["next"; 4]);
}

#[test]
fn a_signal_that_came_before_anybody_waited_is_kept() {
    let (output, log) = play([signal("a", "7"), returns(1, 1)], async {
        let step = number("step").await?;
        Ok::<_, Failure>(step + signals::<u32>("a").recv().await?)
    });
    assert_eq!(output, Ok(8));
    assert_eq!(log, ["1: step()", "next", "next"]);
}

#[test]
fn a_wait_for_a_signal_can_be_raced_and_given_up() {
    let (output, log) = play([fires(1), signal("a", "7"), fires(3)], async {
        let a = signals::<u32>("a");
        let first = race(a.recv(), sleep(SECOND)).await;
        assert_eq!(first, Either::Right(Ok(())));
        let second = timeout(SECOND, a.recv()).await;
        assert_eq!(second, Ok(Ok(7)));
        timeout(SECOND, a.recv()).await.is_err()
    });
    assert!(output);
    let expected =
        ["1: timer 1s", "next", "2: timer 1s", "next", "cancel 2", "3: timer 1s", "next"];
    assert_eq!(log, expected);
}

#[test]
fn each_signal_is_taken_once_by_whoever_waits() {
    let (output, _) = play([signal("a", "1"), signal("a", "2"), signal("a", "3")], async {
        let a = signals::<u32>("a");
        join_all((0..3).map(|_| a.recv())).await
    });
    assert_eq!(output, [Ok(1), Ok(2), Ok(3)]);
}

#[test]
fn a_signal_of_another_type_is_set_aside_and_the_next_is_taken() {
    let script = [signal("a", "\"text\""), signal("a", ""), asks(QUERY, ""), signal("a", "2")];
    let (output, log) = play(script, async { signals::<u32>("a").recv().await });
    assert_eq!(output, Ok(2));
    let report = log.iter().find(|line| line.starts_with("answer")).expect("it was asked");
    assert!(report.contains(r#""invalid_signals":[{"name":"a","count":2,"problem":""#), "{report}");
    assert!(report.contains("the input of signal `a` is not a valid `u32`"), "{report}");
    assert!(report.contains(r#""untaken_signals":[]"#), "{report}");
}

#[test]
fn a_workflow_may_look_at_what_it_can_not_decode_and_skip_it() {
    let (output, _) = play([signal("a", "\"text\""), signal("a", "2")], async {
        let a = signals::<u32>("a");
        let (first, second) = (a.recv_raw().await?, a.recv_raw().await?);
        assert_eq!(second.bytes(), b"2");
        Ok::<_, Failure>((first.decode(), second.decode()))
    });
    let (first, second) = output.expect("nobody cancels");
    let invalid = first.expect_err("not a number");
    assert_eq!((invalid.name(), invalid.bytes()), ("a", &b"\"text\""[..]));
    assert_eq!(second, Ok(2));
    let failure = Failure::from(invalid);
    assert_eq!(failure.info.type_name, "InvalidSignal");
    assert!(failure.info.non_retryable);
    assert!(failure.info.message.contains("signal `a`"), "{}", failure.info.message);
}

#[test]
fn what_was_set_aside_does_not_follow_the_run_into_the_next() {
    let script = [signal("a", "\"text\""), signal("a", "2"), signal("b", "3"), returns(1, 0)];
    let (end, log) = play_to_end(script, async {
        let taken = signals::<u32>("a").recv().await?;
        number("step").await?;
        continue_as_new::<()>(&taken).await
    });
    assert!(matches!(end, End::Continued(it) if it.input == b"2"));
    assert_eq!(log.last().map(String::as_str), Some("return 3"));
}

#[test]
fn a_request_to_cancel_ends_the_wait_but_not_what_is_there_or_shielded() {
    let script = [cancel_request(), signal("a", "1")];
    let (output, _) = play(script, async {
        let a = signals::<u32>("a");
        let cancelled = a.recv().await;
        let shielded = shielded(a.recv()).await;
        (cancelled, shielded)
    });
    assert!(output.0.expect_err("cancelled").is_cancelled());
    assert_eq!(output.1, Ok(1));

    let script = [signal("a", "1"), cancel_request(), returns(1, 0)];
    let (output, _) = play(script, async {
        let _ = shielded(number("step")).await;
        let a = signals::<u32>("a");
        (a.recv().await, a.recv().await)
    });
    assert_eq!(output.0, Ok(1));
    assert!(output.1.expect_err("cancelled").is_cancelled());
}

#[test]
fn a_run_that_continues_as_new_gives_back_what_nobody_took() {
    let script =
        [signal("a", "1"), signal("b", "2"), signal("a", "3"), signal("c", "4"), returns(1, 0)];
    let (end, log) = play_to_end(script, async {
        number("step").await?;
        let taken = signals::<u32>("a").recv().await?;
        continue_as_new::<()>(&taken).await
    });
    assert!(matches!(end, End::Continued(it) if it.input == b"1"));
    assert_eq!(log[log.len() - 3..], ["return 3", "return 2", "return 4"]);
}

#[test]
fn a_run_that_ends_otherwise_gives_nothing_back() {
    let (_, log) = play([signal("a", "1"), returns(1, 0)], number("step").into_future());
    assert_eq!(log, ["1: step()", "next", "next"]);
}
