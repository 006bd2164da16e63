//! Parts of a workflow that its own code cancels.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::script::{cancel_request, fails, fires, number, play, returns, signal};
use crate::run::Delivery;
use crate::{
    ActivityOptions, CancellationScope, CancellationType, ChildCall, ChildCancellation, Failure,
    FailureKind, cancelled, join, join_all, shielded, signals, sleep, spawn, wait_until,
    with_timeout,
};

const SECOND: Duration = Duration::from_secs(1);

fn patient() -> ActivityOptions {
    ActivityOptions::new().cancellation(CancellationType::WaitCancellationCompleted)
}

fn ends(operation: u32, failure: Failure) -> Delivery {
    let wrapped = Failure::application("Wrapped", "it ended").caused_by(failure);
    let mut wrapped = wrapped;
    wrapped.info.kind = FailureKind::Activity;
    Delivery::Completed { operation, outcome: Err(wrapped) }
}

#[test]
fn a_scope_cancels_what_runs_in_it_and_nothing_beside_it() {
    let (output, log) = play([signal("stop", "1"), returns(3, 3)], async {
        let scope = CancellationScope::new();
        let inside = scope.run(async { join!(number("a"), sleep(SECOND)) });
        let outside = async {
            let stop = async {
                signals::<u8>("stop").recv().await?;
                scope.cancel("stopped");
                scope.cancel("again");
                Ok::<_, Failure>(())
            };
            join!(number("b"), stop)
        };
        join!(inside, outside)
    });
    let ((a, slept), (b, stopped)) = output;
    assert_eq!(a.expect_err("cancelled").info.message, "stopped");
    assert!(slept.expect_err("cancelled").is_cancelled());
    assert_eq!((b, stopped), (Ok(3), Ok(())));
    let expected = ["1: a()", "2: timer 1s", "3: b()", "next", "cancel 1", "cancel 2", "next"];
    assert_eq!(log, expected);
}

#[test]
fn cancelling_many_scopes_disturbs_only_what_is_in_them() {
    const SCOPES: usize = 200;
    let polls = Rc::new(Cell::new(0));
    let script: Vec<_> = (0..SCOPES).map(|_| signal("stop", "1")).collect();
    let ((), log) = play(script, async {
        let scopes: Vec<_> = (0..SCOPES).map(|_| CancellationScope::new()).collect();
        let outer = CancellationScope::new();
        let work = |scope: &CancellationScope| {
            let polls = Rc::clone(&polls);
            let mut call = Box::pin(number("work").into_future());
            let counted = poll_fn(move |cx| {
                polls.set(polls.get() + 1);
                call.as_mut().poll(cx)
            });
            spawn(outer.run(scope.run(counted)))
        };
        let tasks: Vec<_> = scopes.iter().map(work).collect();
        for scope in &scopes {
            signals::<u8>("stop").recv().await.expect("it comes");
            scope.cancel("one of many");
        }
        for outcome in join_all(tasks).await {
            assert!(outcome.expect_err("cancelled").is_cancelled());
        }
    });
    assert_eq!(log.iter().filter(|line| line.starts_with("cancel")).count(), SCOPES);
    // To start it, and to end it.
    assert_eq!(polls.get(), 2 * SCOPES);
}

#[test]
fn a_future_that_is_polled_in_another_scope_than_before_is_ended_by_that_one() {
    let (output, log) = play([signal("stop", "1")], async {
        let (before, after) = (CancellationScope::new(), CancellationScope::new());
        let mut work = pin!(number("work").into_future());
        let first = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx).is_pending()));
        assert!(before.run(first).await);
        let stop = async {
            signals::<u8>("stop").recv().await.expect("it comes");
            before.cancel("too late");
            after.cancel("in time");
        };
        join!(after.run(work), stop).0
    });
    assert_eq!(output.expect_err("cancelled").info.message, "in time");
    assert_eq!(log, ["1: work()", "next", "cancel 1"]);
}

#[test]
fn nothing_new_starts_in_a_scope_that_was_cancelled() {
    let (output, log) = play([], async {
        let scope = CancellationScope::new();
        scope.cancel("never");
        assert!(scope.is_cancelled());
        let child = ChildCall::<u8>::named("child", &1);
        scope.run(async { (number("a").await.is_err(), child.await.is_err()) }).await
    });
    assert_eq!(output, (true, true));
    assert!(log.is_empty());
}

#[test]
fn scopes_are_cancelled_with_what_is_around_them_and_not_with_what_is_inside() {
    let run = |script: Vec<Delivery>, cancel_outer: bool| {
        play(script, async move {
            let (outer, inner) = (CancellationScope::new(), CancellationScope::new());
            let nested = inner.run(number("inner"));
            let both = outer.run(async { join!(number("outer"), nested) });
            let stop = async {
                signals::<u8>("stop").recv().await?;
                if cancel_outer {
                    outer.cancel("outer")
                } else {
                    inner.cancel("inner")
                }
                Ok::<_, Failure>(())
            };
            join!(both, stop).0
        })
    };
    let ((outer, inner), log) = run(vec![signal("stop", "1")], true);
    assert!(outer.is_err() && inner.is_err());
    assert_eq!(log[2..], ["next", "cancel 1", "cancel 2"]);

    let ((outer, inner), log) = run(vec![signal("stop", "1"), returns(1, 1)], false);
    assert_eq!(outer, Ok(1));
    assert_eq!(inner.expect_err("cancelled").info.message, "inner");
    assert_eq!(log[2..], ["next", "cancel 2", "next"]);

    let ((outer, inner), _) = run(vec![cancel_request()], true);
    assert!(outer.is_err() && inner.is_err(), "the run is around all of them");
}

#[test]
fn a_shield_protects_from_the_scopes_around_it_and_not_from_those_inside() {
    let (output, log) = play([returns(1, 1)], async {
        let (outer, inner) = (CancellationScope::new(), CancellationScope::new());
        outer.cancel("outer");
        inner.cancel("inner");
        outer
            .run(shielded(async { (number("clean_up").await, inner.run(number("b")).await) }))
            .await
    });
    assert_eq!(output.0, Ok(1));
    assert_eq!(output.1.expect_err("cancelled").info.message, "inner");
    assert_eq!(log, ["1: clean_up()", "next"]);
}

#[test]
fn tasks_belong_to_the_scope_in_which_they_were_spawned() {
    let (output, log) = play([signal("stop", "1"), returns(2, 2), returns(3, 3)], async {
        let scope = CancellationScope::new();
        let tasks = scope
            .run(async {
                let task = spawn(number("task"));
                let mut protected = None;
                shielded(async { protected = Some(spawn(number("shielded"))) }).await;
                (task, protected.expect("it was spawned"))
            })
            .await;
        let beside = spawn(number("beside"));
        signals::<u8>("stop").recv().await?;
        scope.cancel("stopped");
        Ok::<_, Failure>((tasks.0.await.is_err(), tasks.1.await, beside.await))
    });
    assert_eq!(output, Ok((true, Ok(2), Ok(3))));
    assert!(log.contains(&"cancel 1".to_owned()));
    assert_eq!(log.iter().filter(|line| line.starts_with("cancel")).count(), 1);
}

#[test]
fn waits_for_signals_and_conditions_end_with_their_scope() {
    let (output, log) = play([fires(1)], async {
        let scope = CancellationScope::new();
        let inside = scope.run(async {
            join!(signals::<u8>("none").recv(), wait_until(|| false), async { cancelled().await })
        });
        let stop = async {
            sleep(SECOND).await?;
            scope.cancel("stopped");
            Ok::<_, Failure>(())
        };
        join!(inside, stop).0
    });
    assert!(output.0.expect_err("cancelled").is_cancelled());
    assert!(output.1.expect_err("cancelled").is_cancelled());
    assert_eq!(output.2.info.message, "stopped");
    assert_eq!(log, ["1: timer 1s", "next"]);
}

#[test]
fn a_limit_that_is_not_reached_changes_nothing() {
    let (output, log) = play([returns(1, 7)], with_timeout(SECOND, number("a")));
    assert_eq!(output, Ok(7));
    assert_eq!(log, ["1: a()", "2: timer 1s", "next", "cancel 2"]);
    let (output, _) = play([fails(1, "Broken")], with_timeout(SECOND, number("a")));
    assert!(output.expect_err("as it did").is_type("Broken"));
}

#[test]
fn a_limit_gives_up_what_does_not_want_to_be_waited_for() {
    let (output, log) = play([fires(3)], async {
        with_timeout(SECOND, async { join!(number("a"), sleep(9 * SECOND)).0 }).await
    });
    let failure = output.expect_err("too late");
    assert_eq!(failure.info.type_name, "Elapsed");
    assert!(!failure.is_cancelled(), "the run was not");
    assert_eq!(log[3..], ["next", "cancel 1", "cancel 2"]);
}

#[test]
fn a_limit_waits_for_the_end_of_what_wants_that() {
    // The activity and the child are asked, and end in their own time.
    let child = || ChildCall::<u32>::named("child", &1);
    let ended = Failure::cancelled("cleaned up");
    let script = [fires(4), ends(1, ended.clone()), ends(3, ended)];
    let (output, log) = play(script, async {
        let both = async {
            let (a, b) = join!(number("a").options(patient()), child());
            a.and(b)
        };
        with_timeout(SECOND, both).await
    });
    let failure = output.expect_err("too late");
    assert_eq!(failure.info.type_name, "Elapsed");
    assert_eq!(failure.causes.last().map(|cause| &*cause.message), Some("cleaned up"));
    assert_eq!(log[3..], ["next", "request cancel 1 None", "cancel 3", "next", "next"]);

    let (output, _) = play([fires(2), returns(1, 7)], async {
        with_timeout(SECOND, number("a").options(patient())).await
    });
    assert_eq!(output, Ok(7), "it succeeded after all");

    let (output, _) = play([fires(2), fails(1, "Broken")], async {
        with_timeout(SECOND, number("a").options(patient())).await
    });
    assert!(!output.expect_err("it failed").is_type("Elapsed"));

    let (output, log) = play([fires(3)], async {
        with_timeout(SECOND, child().cancellation(ChildCancellation::Try)).await
    });
    assert!(output.expect_err("too late").is_type("Elapsed"));
    assert_eq!(log[2..], ["next", "cancel 2"]);
}

#[test]
fn clean_up_after_a_limit_runs_to_its_end() {
    let (output, log) = play([fires(2), returns(3, 1)], async {
        with_timeout(SECOND, async {
            let slow = number("slow").await;
            shielded(number("clean_up")).await?;
            slow
        })
        .await
    });
    assert!(output.expect_err("too late").is_type("Elapsed"));
    assert_eq!(log[2..], ["next", "cancel 1", "3: clean_up()", "next"]);
}

#[test]
fn a_run_that_was_asked_to_cancel_stays_cancelled_also_if_a_limit_passes() {
    let slow = || number("slow").options(patient());
    let ended = || ends(1, Failure::cancelled("cleaned up"));
    let script = [cancel_request(), fires(2), ended()];
    let (output, log) = play(script, with_timeout(SECOND, slow()));
    assert!(output.expect_err("cancelled").is_cancelled());
    assert_eq!(log[2..], ["next", "request cancel 1 None", "next", "next"], "asked once");

    let script = [fires(2), cancel_request(), ended()];
    let (output, _) = play(script, join_all([with_timeout(SECOND, slow())]));
    let failure = output.into_iter().next().expect("one").expect_err("cancelled");
    assert!(failure.is_cancelled());
}
