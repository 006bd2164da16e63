//! Who may grow, and who waits for it.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt as _;
use parking_lot::Mutex;
use uuid::Uuid;

use super::*;

const MIB: usize = 1024 * 1024;

fn run(number: u128) -> RunId {
    RunId(Uuid::from_u128(number))
}

fn nobody(_: RunId) {
    unreachable!("nobody is idle");
}

fn enter(residency: &Arc<Residency>) -> Place {
    residency.try_acquire().expect("there is room")
}

/// All that instances hold together.
fn held(residency: &Residency) -> usize {
    let state = residency.state.lock();
    state.bytes + state.growing.beyond.map_or(0, |(_, beyond)| beyond)
}

/// Whether it has grown by now, without anything else.
fn at_once<F: Future<Output = ()>>(growth: Pin<&mut F>) -> bool {
    growth.now_or_never().is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn instances_that_grow_while_they_are_busy_hold_no_more_than_there_is_room_for() {
    const MAX: usize = 128 * MIB;
    const EACH: usize = 64 * MIB;
    let residency = Residency::new(100, MAX);
    let most = Arc::new(AtomicUsize::new(0));
    let runs: Vec<_> = (0..50)
        .map(|_| {
            let (residency, most) = (residency.clone(), most.clone());
            tokio::spawn(async move {
                let place = residency.acquire(nobody).await;
                for bytes in (2 * MIB..=EACH).step_by(MIB) {
                    place.hold(bytes, nobody).await;
                    most.fetch_max(held(&residency), Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for run in runs {
        run.await.expect("it ends");
    }
    let most = most.load(Ordering::Relaxed);
    assert!(most <= MAX + EACH, "{most}");
    assert_eq!(held(&residency), 0);
    assert!(residency.state.lock().growing.is_empty());
}

#[tokio::test]
async fn one_at_a_time_goes_beyond_what_there_is_room_for() {
    let residency = Residency::new(100, 4 * MIB);
    let (one, other, third) = (enter(&residency), enter(&residency), enter(&residency));
    assert!(at_once(pin!(one.hold(2 * MIB, nobody))));
    assert!(at_once(pin!(one.hold(50 * MIB, nobody))), "it has waited longest");
    assert!(at_once(pin!(one.hold(60 * MIB, nobody))), "it goes on");
    let mut waits = pin!(other.hold(3 * MIB, nobody));
    let mut waits_too = pin!(third.hold(2 * MIB, nobody));
    assert!(!at_once(waits.as_mut()) && !at_once(waits_too.as_mut()));
    // It leaves, as any that waits while somebody wants to grow.
    one.set_bytes(60 * MIB);
    assert!(residency.mark_idle(run(1), 60 * MIB, nobody));
    drop(one);
    assert!(at_once(waits.as_mut()) && at_once(waits_too.as_mut()));
    assert!(held(&residency) <= 5 * MIB, "{}", held(&residency));
}

#[tokio::test]
async fn the_small_do_not_wait_for_the_large() {
    let residency = Residency::new(100, 8 * MIB);
    let beyond = enter(&residency);
    let (large, small) = (enter(&residency), enter(&residency));
    let full = enter(&residency);
    assert!(at_once(pin!(full.hold(5 * MIB, nobody))));
    assert!(at_once(pin!(beyond.hold(100 * MIB, nobody))));
    let mut large_grows = pin!(large.hold(6 * MIB, nobody));
    assert!(!at_once(large_grows.as_mut()));
    let mut small_grows = pin!(small.hold(2 * MIB, nobody));
    assert!(!at_once(small_grows.as_mut()));
    let mut enters = pin!(residency.acquire(nobody));
    assert!(enters.as_mut().now_or_never().is_none());
    drop(full);
    // One of the five is for who enters.
    let entered = enters.as_mut().now_or_never().expect("there is room");
    assert!(at_once(small_grows.as_mut()));
    assert!(!at_once(large_grows.as_mut()));
    drop((entered, beyond));
    assert!(at_once(large_grows.as_mut()), "it is its turn");
}

#[tokio::test]
async fn those_that_are_idle_leave_for_one_that_grows() {
    let residency = Residency::new(100, 8 * MIB);
    let idle: Vec<Place> = (0..3).map(|_| enter(&residency)).collect();
    for (number, place) in (0..).zip(&idle) {
        place.set_bytes(2 * MIB);
        assert!(!residency.mark_idle(run(number), 2 * MIB, nobody));
    }
    let busy = enter(&residency);
    let (places, evicted) = (Mutex::new(idle), Mutex::new(Vec::new()));
    let leave = |run_id| {
        evicted.lock().push(run_id);
        drop(places.lock().remove(0));
    };
    assert!(at_once(pin!(busy.hold(5 * MIB, leave))));
    assert_eq!(*evicted.lock(), [run(0), run(1)], "as many as it takes");
    assert_eq!(held(&residency), 7 * MIB);
}

#[tokio::test]
async fn one_that_goes_while_it_waits_is_forgotten() {
    let residency = Residency::new(100, 2 * MIB);
    let beyond = enter(&residency);
    let gone = enter(&residency);
    assert!(at_once(pin!(beyond.hold(10 * MIB, nobody))));
    {
        let mut waits = pin!(gone.hold(10 * MIB, nobody));
        assert!(!at_once(waits.as_mut()));
    }
    assert!(residency.state.lock().growing.is_empty());
    drop(gone);
    drop(beyond);
    assert_eq!(held(&residency), 0);
    assert!(residency.state.lock().growing.beyond.is_none());
}
