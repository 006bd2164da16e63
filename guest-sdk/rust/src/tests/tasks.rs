//! Parts of a workflow that go on by themselves.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::script::{cancel_request, fails, fires, number, play, play_to_end, returns, signal};
use crate::executor::End;
use crate::{
    ErrGroup, Failure, continue_as_new, for_each_concurrent, map_concurrent, shielded, signals,
    sleep, spawn, timeout, try_for_each_concurrent, try_map_concurrent, wait_until,
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_task_starts_once_its_parent_waits_and_goes_on_beside_it() {
    let (output, log) = play([returns(2, 2), returns(1, 1), returns(3, 3)], async {
        let task = spawn(async { Ok::<_, Failure>(number("b").await? + number("c").await?) });
        let a = number("a").await?;
        Ok::<_, Failure>((a, task.await?))
    });
    assert_eq!(output, Ok((1, 5)));
    assert_eq!(log, ["1: a()", "2: b()", "next", "3: c()", "next", "next"]);
}

#[test]
fn tasks_take_their_turns_in_the_order_in_which_they_were_spawned() {
    let (output, log) = play([], async {
        let order = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..3)
            .map(|n| {
                let order = Rc::clone(&order);
                spawn(async move { order.borrow_mut().push(n) })
            })
            .collect();
        for task in tasks {
            task.await;
        }
        order.take()
    });
    assert_eq!(output, [0, 1, 2]);
    assert!(log.is_empty());
}

#[test]
fn dropping_the_handle_cancels_a_task_and_detaching_it_does_not() {
    let (_, log) = play([returns(1, 0)], async {
        let dropped = spawn(number("dropped"));
        spawn(number("detached")).detach();
        number("step").await?;
        dropped.cancel();
        drop(spawn(number("never_polled")));
        Ok::<_, Failure>(())
    });
    // What is detached ends with the run.
    assert_eq!(log, ["1: step()", "2: dropped()", "3: detached()", "next", "cancel 2", "cancel 3"]);
}

#[test]
fn a_task_may_drop_its_own_handle() {
    let (_, log) = play([returns(1, 0)], async {
        let own = Rc::new(RefCell::new(None));
        let handle = Rc::clone(&own);
        *own.borrow_mut() = Some(spawn(async move {
            drop(handle.take());
            let _ = number("given_up").await;
        }));
        number("step").await
    });
    // It goes on to its next wait, and ends there.
    assert_eq!(log, ["1: step()", "2: given_up()", "cancel 2", "next"]);
}

#[test]
fn a_request_to_cancel_ends_what_tasks_wait_for_unless_they_began_in_a_shield() {
    let (output, log) = play([cancel_request(), returns(2, 7)], async {
        let open = spawn(number("open"));
        let mut protected = None;
        shielded(async { protected = Some(spawn(number("protected"))) }).await;
        (open.await, protected.expect("it was spawned").await)
    });
    assert!(output.0.expect_err("cancelled").is_cancelled());
    assert_eq!(output.1, Ok(7));
    assert_eq!(log, ["1: open()", "2: protected()", "next", "cancel 1", "next"]);
}

#[test]
fn a_task_may_continue_the_run_as_new() {
    let (end, log) = play_to_end([signal("a", "1")], async {
        spawn(async {
            let round = signals::<u32>("a").recv().await?;
            continue_as_new::<()>(&(round + 1)).await
        })
        .detach();
        sleep(SECOND).await
    });
    assert!(matches!(end, End::Continued(it) if it.input == b"2"));
    assert_eq!(log, ["1: timer 1s", "next", "cancel 1"]);
}

#[test]
fn a_condition_is_looked_at_after_all_that_happens() {
    let (output, log) = play([signal("vote", "1"), signal("vote", "1"), signal("x", "0")], async {
        let votes = Rc::new(Cell::new(0));
        let counted = Rc::clone(&votes);
        let counter = spawn(async move {
            while let Ok(vote) = signals::<u32>("vote").recv().await {
                counted.set(counted.get() + vote);
            }
        });
        wait_until(|| votes.get() == 2).await?;
        counter.cancel();
        signals::<u32>("x").recv().await
    });
    assert_eq!(output, Ok(0));
    assert_eq!(log, ["next"; 3]);
}

#[test]
fn conditions_that_depend_on_each_other_settle_in_one_step() {
    let (output, log) = play([returns(1, 0)], async {
        let stage = Rc::new(Cell::new(0));
        // In the order that takes the most looks.
        let tasks: Vec<_> = (1..5)
            .rev()
            .map(|n| {
                let stage = Rc::clone(&stage);
                spawn(async move {
                    wait_until(|| stage.get() == n).await?;
                    stage.set(n + 1);
                    Ok::<_, Failure>(())
                })
            })
            .collect();
        number("step").await?;
        stage.set(1);
        for task in tasks {
            task.await?;
        }
        Ok::<_, Failure>(stage.get())
    });
    assert_eq!(output, Ok(5));
    assert_eq!(log, ["1: step()", "next"]);
}

#[test]
fn a_condition_can_be_given_a_limit_and_ends_with_a_request_to_cancel() {
    let (output, log) = play([fires(1), cancel_request()], async {
        let late = timeout(SECOND, wait_until(|| false)).await.is_err();
        (late, wait_until(|| false).await)
    });
    assert!(output.0);
    assert!(output.1.expect_err("cancelled").is_cancelled());
    assert_eq!(log, ["1: timer 1s", "next", "next"]);
}

#[test]
fn a_group_returns_the_values_of_its_tasks_in_their_order() {
    let (output, log) = play([returns(2, 2), returns(3, 3), returns(1, 1)], async {
        let group = ErrGroup::new();
        for name in ["a", "b", "c"] {
            group.spawn(number(name));
        }
        group.wait().await
    });
    assert_eq!(output, Ok(vec![1, 2, 3]));
    assert_eq!(log, ["1: a()", "2: b()", "3: c()", "next", "next", "next"]);
}

#[test]
fn the_first_error_of_a_group_cancels_the_others_also_before_anybody_waits() {
    let (output, log) = play([fails(3, "Broken"), returns(1, 1)], async {
        let group = ErrGroup::new();
        for name in ["a", "b", "c"] {
            group.spawn(number(name));
        }
        number("step").await?;
        group.spawn(number("too_late"));
        group.wait().await
    });
    assert!(output.expect_err("b failed").is_type("Broken"));
    let started = ["1: step()", "2: a()", "3: b()", "4: c()"];
    assert_eq!(log[..4], started);
    assert_eq!(log[4..], ["next", "cancel 2", "cancel 4", "next"]);
}

#[test]
fn a_group_with_a_limit_starts_its_tasks_in_turn() {
    let (output, log) = play([returns(2, 2), returns(1, 1), returns(3, 3)], async {
        let group = ErrGroup::with_limit(2);
        for name in ["a", "b", "c"] {
            group.spawn(number(name));
        }
        group.wait().await
    });
    assert_eq!(output, Ok(vec![1, 2, 3]));
    assert_eq!(log, ["1: a()", "2: b()", "next", "3: c()", "next", "next"]);
}

#[test]
fn dropping_a_group_cancels_its_tasks() {
    let (_, log) = play([returns(1, 0)], async {
        let group = ErrGroup::new();
        group.spawn(number("a"));
        let step = number("step").await;
        drop(group);
        step
    });
    assert_eq!(log, ["1: step()", "2: a()", "next", "cancel 2"]);
}

#[test]
fn items_are_worked_on_a_few_at_a_time_and_keep_their_order() {
    let (output, log) = play([returns(2, 20), returns(1, 10), returns(3, 30)], async {
        map_concurrent(2, ["a", "b", "c"], number).await
    });
    assert_eq!(output, [Ok(10), Ok(20), Ok(30)]);
    assert_eq!(log, ["1: a()", "2: b()", "next", "3: c()", "next", "next"]);
}

#[test]
fn the_first_error_ends_the_work_on_items() {
    let (output, log) =
        play([fails(2, "Broken")], async { try_map_concurrent(2, ["a", "b", "c"], number).await });
    assert!(output.expect_err("b failed").is_type("Broken"));
    assert_eq!(log, ["1: a()", "2: b()", "next", "cancel 1"]);

    let (output, _) = play([fails(1, "Broken")], async {
        try_for_each_concurrent(1, 0..u64::MAX, async |_| number("a").await.map(|_| ())).await
    });
    assert!(output.is_err());
}

#[test]
fn any_number_of_items_takes_as_much_room_as_those_under_way() {
    let count = 10_000;
    let (output, _) = play((1..=count).map(|operation| returns(operation, 1)), async {
        let (sum, open, most) = (Cell::new(0), Cell::new(0_u32), Cell::new(0));
        for_each_concurrent(0, 0..count, async |_| {
            open.set(open.get() + 1);
            most.set(most.get().max(open.get()));
            sum.set(sum.get() + number("a").await.unwrap_or(0));
            open.set(open.get() - 1);
        })
        .await;
        (sum.get(), most.get())
    });
    assert_eq!(output, (count, 1));
}
