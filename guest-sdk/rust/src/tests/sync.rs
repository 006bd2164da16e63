//! Channels, locks and counters.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::script::{fires, number, play, returns};
use crate::sync::{Closed, Mutex, Semaphore, WaitGroup, channel, oneshot, watch};
use crate::{Either, Failure, join_all, race, sleep, spawn, timeout};

const SECOND: Duration = Duration::from_secs(1);

/// Plays a workflow that waits for nothing outside of itself.
fn alone<F: Future>(workflow: F) -> F::Output {
    let (output, log) = play([], workflow);
    assert!(log.is_empty(), "{log:?}");
    output
}

#[test]
fn permits_are_given_out_in_the_order_of_the_requests() {
    let (_, log) = play([returns(1, 0), returns(2, 0), returns(3, 0)], async {
        let semaphore = Semaphore::new(1);
        join_all(["a", "b", "c"].map(async |name| {
            let _permit = semaphore.acquire().await;
            number(name).await
        }))
        .await
    });
    assert_eq!(log, ["1: a()", "next", "2: b()", "next", "3: c()", "next"]);
}

#[test]
fn a_large_request_is_not_overtaken_by_small_ones() {
    let order = alone(async {
        let semaphore = Semaphore::new(2);
        let order = Rc::new(RefCell::new(Vec::new()));
        let first = semaphore.acquire().await;
        let tasks = [2, 1].map(|permits| {
            let (semaphore, order) = (semaphore.clone(), Rc::clone(&order));
            spawn(async move {
                let _permit = semaphore.acquire_many(permits).await;
                order.borrow_mut().push(permits);
            })
        });
        let later = spawn({
            let semaphore = semaphore.clone();
            async move {
                assert!(semaphore.try_acquire().is_none(), "two wait for the free one");
                drop(first);
            }
        });
        later.await;
        join_all(tasks).await;
        assert_eq!(semaphore.available(), 2);
        order.take()
    });
    assert_eq!(order, [2, 1]);
}

#[test]
fn a_request_that_is_given_up_lets_those_behind_it_go_on() {
    let (output, _) = play([fires(1)], async {
        let semaphore = Semaphore::new(1);
        let (large, small) = (semaphore.clone(), semaphore.clone());
        let large = spawn(async move { timeout(SECOND, large.acquire_many(2)).await.is_err() });
        let small = spawn(async move { small.acquire().await.forget() });
        small.await;
        (large.await, semaphore.available())
    });
    assert_eq!(output, (true, 0));
}

#[test]
fn a_permit_that_was_granted_to_a_dropped_request_comes_back() {
    let free = alone(async {
        let semaphore = Semaphore::new(1);
        let held = semaphore.acquire().await;
        let waiting = spawn({
            let semaphore = semaphore.clone();
            async move { semaphore.acquire().await.forget() }
        });
        spawn(async {}).await; // it waits now
        drop(held); // it is granted, and has not gone on
        assert_eq!(semaphore.available(), 0);
        waiting.cancel();
        semaphore.available()
    });
    assert_eq!(free, 1);
}

#[test]
fn a_mutex_is_held_across_waits() {
    let (output, log) = play([returns(1, 5), returns(2, 7)], async {
        let total = Mutex::new(0);
        let add = async |name| {
            let mut total = total.lock().await;
            assert!(format!("{total:?}").parse::<u32>().is_ok());
            *total += number(name).await?;
            Ok::<_, Failure>(())
        };
        crate::try_join!(add("a"), add("b"))?;
        assert!(total.try_lock().is_some());
        Ok::<_, Failure>(*total.lock().await)
    });
    assert_eq!(output, Ok(12));
    assert_eq!(log, ["1: a()", "next", "2: b()", "next"]);
}

#[test]
fn senders_wait_for_room_in_their_order() {
    let received = alone(async {
        let (sender, receiver) = channel::bounded(1);
        for n in 0..4 {
            let sender = sender.clone();
            spawn(async move {
                sender.send(n * 10).await?;
                sender.send(n * 10 + 1).await
            })
            .detach();
        }
        drop(sender);
        let mut received = Vec::new();
        while let Some(value) = receiver.recv().await {
            received.push(value);
        }
        received
    });
    // The first waits for room again before the others come to their first turn.
    assert_eq!(received, [0, 1, 10, 20, 30, 11, 21, 31]);
}

#[test]
fn a_full_channel_refuses_what_cannot_wait() {
    alone(async {
        let (sender, receiver) = channel::bounded(0); // room for one all the same
        assert_eq!(sender.try_send(1), Ok(()));
        assert_eq!(sender.try_send(2), Err(channel::SendError(2)));
        assert_eq!((receiver.len(), receiver.try_recv(), receiver.try_recv()), (1, Some(1), None));
        assert_eq!(sender.send(3).await, Ok(()));
        assert_eq!(receiver.recv().await, Some(3));
        assert!(receiver.is_empty());
    });
}

#[test]
fn a_channel_ends_when_its_senders_are_gone_and_its_values_taken() {
    alone(async {
        let (sender, receiver) = channel::unbounded();
        let second = sender.clone();
        assert_eq!(sender.send(1).await, Ok(()));
        assert_eq!(second.try_send(2), Ok(()));
        drop((sender, second));
        assert_eq!(receiver.recv().await, Some(1));
        assert_eq!(receiver.recv().await, Some(2));
        assert_eq!(receiver.recv().await, None);
    });
}

#[test]
fn senders_learn_that_nobody_receives() {
    alone(async {
        let (sender, receiver) = channel::bounded(1);
        sender.try_send(1).expect("there is room");
        let waiting = spawn({
            let sender = sender.clone();
            async move { sender.send(2).await }
        });
        spawn(async {}).await; // it waits now
        drop((receiver.clone(), receiver));
        assert_eq!(waiting.await, Err(channel::SendError(2)));
        assert!(sender.is_closed());
        assert_eq!(sender.try_send(3), Err(channel::SendError(3)));
    });
}

#[test]
fn each_value_goes_to_the_receiver_that_has_waited_longest() {
    let (output, _) = play([fires(1), fires(2)], async {
        let (sender, receiver) = channel::unbounded();
        let workers: Vec<_> = (0..3)
            .map(|n| {
                let receiver = receiver.clone();
                spawn(async move { (n, receiver.recv().await) })
            })
            .collect();
        sleep(SECOND).await?;
        sender.try_send('a').expect("they receive");
        sender.try_send('b').expect("they receive");
        sleep(SECOND).await?;
        drop(sender);
        Ok::<_, Failure>(join_all(workers).await)
    });
    assert_eq!(output, Ok(vec![(0, Some('a')), (1, Some('b')), (2, None)]));
}

#[test]
fn values_that_hold_their_own_channel_can_be_dropped_with_it() {
    alone(async {
        let (sender, receiver) = channel::unbounded::<Box<dyn std::any::Any>>();
        sender.try_send(Box::new(sender.clone())).expect("it receives");
        drop(receiver);
        assert!(sender.is_closed());
    });
}

#[test]
fn a_oneshot_carries_one_value_or_the_news_that_there_is_none() {
    alone(async {
        let (sender, receiver) = oneshot::channel();
        let waiting = spawn(receiver);
        spawn(async {}).await; // it waits now
        assert!(!sender.is_closed());
        assert_eq!(sender.send(7), Ok(()));
        assert_eq!(waiting.await, Ok(7));

        let (sender, receiver) = oneshot::channel::<u32>();
        drop(sender);
        assert_eq!(receiver.await, Err(Closed));

        let (sender, receiver) = oneshot::channel();
        drop(receiver);
        assert!(sender.is_closed());
        assert_eq!(sender.send(7), Err(7));
    });
}

#[test]
fn a_watched_value_is_seen_as_it_is_when_somebody_looks() {
    alone(async {
        let (sender, mut receiver) = watch::channel(1);
        assert_eq!(sender.send(2), 1);
        sender.modify(|value| *value += 1);
        assert_eq!(receiver.changed().await, Ok(()));
        assert_eq!(*receiver.borrow(), 3);

        let mut late = sender.subscribe();
        let follower = spawn(async move { late.wait_for(|value| *value >= 5).await.map(|v| *v) });
        let writer = spawn(async move {
            for value in 4..7 {
                sender.send(value);
                spawn(async {}).await;
            }
        });
        assert_eq!(follower.await, Ok(5));
        writer.await;
        assert_eq!(receiver.changed().await, Ok(()));
        assert_eq!(receiver.changed().await, Err(Closed));
        assert_eq!(*receiver.borrow(), 6);
    });
}

#[test]
fn a_wait_group_waits_for_those_that_join_meanwhile() {
    let (output, log) = play([fires(1), fires(2)], async {
        let (group, done) = (WaitGroup::new(), Rc::new(Cell::new(0)));
        let token = group.add();
        let (inner, counter) = (group.clone(), Rc::clone(&done));
        spawn(async move {
            let _ = sleep(SECOND).await;
            let second = inner.add();
            drop(token);
            let _ = sleep(SECOND).await;
            counter.set(2);
            drop(second);
        })
        .detach();
        group.wait().await;
        WaitGroup::new().wait().await;
        done.get()
    });
    assert_eq!(output, 2);
    assert_eq!(log, ["1: timer 1s", "next", "2: timer 1s", "next"]);
}

#[test]
fn a_wait_that_lost_a_race_leaves_nothing_behind() {
    let (_, log) = play([fires(1)], async {
        let (sender, receiver) = channel::unbounded();
        let lost = race(receiver.recv(), sleep(SECOND)).await;
        assert_eq!(lost, Either::Right(Ok(())));
        sender.try_send(1).expect("it receives");
        assert_eq!(receiver.try_recv(), Some(1));
    });
    assert_eq!(log, ["1: timer 1s", "next"]);
}
