//! Who enters, who leaves.

use futures::FutureExt as _;
use uuid::Uuid;

use super::*;

const ANY: usize = usize::MAX;

#[test]
fn those_who_enter_at_the_same_time_are_no_reason_to_leave() {
    let residency = Residency::new(ANY, ANY);
    assert!(!residency.mark_idle(run(0), 0, |_| unreachable!("there is room")));
    std::thread::scope(|threads| {
        for number in 1..=4 {
            let residency = &residency;
            threads.spawn(move || {
                for _ in 0..20_000 {
                    let place = enter(residency).now_or_never().expect("there is room");
                    let id = run(number);
                    assert!(!residency.mark_idle(id, 0, |_| unreachable!("there is room")));
                    residency.mark_busy(id);
                    drop(place);
                }
            });
        }
    });
}

fn run(number: u128) -> RunId {
    RunId(Uuid::from_u128(number))
}

async fn enter(residency: &Arc<Residency>) -> Place {
    residency.acquire(|_| unreachable!("there is room")).await
}

#[tokio::test]
async fn without_room_no_run_that_waits_keeps_its_instance() {
    let residency = Residency::new(0, ANY);
    let only = enter(&residency).await;
    assert!(residency.mark_idle(run(1), 0, |_| unreachable!("it is alone")));
    drop(only);
    let _next = enter(&residency).await;
    assert!(residency.mark_idle(run(2), 0, |_| unreachable!("it is alone")), "later, too");
}

#[tokio::test]
async fn the_run_that_was_idle_longest_gives_its_place_up() {
    let residency = Residency::new(2, ANY);
    let first = enter(&residency).await;
    let second = enter(&residency).await;
    for number in [1, 2, 1] {
        assert!(!residency.mark_idle(run(number), 0, |_| unreachable!("there is room")));
    }

    let (held, evicted) = (Mutex::new(Some(second)), Mutex::new(Vec::new()));
    let _third = residency
        .acquire(|run_id| {
            evicted.lock().push(run_id);
            held.lock().take();
        })
        .await;
    assert_eq!(*evicted.lock(), [run(2)]);
    drop(first);
}

#[tokio::test]
async fn a_run_that_falls_idle_while_somebody_waits_leaves_at_once() {
    let residency = Residency::new(1, ANY);
    let busy = enter(&residency).await;
    let mut waiting = pin!(residency.acquire(|_| unreachable!("nobody is idle")));
    assert!(waiting.as_mut().now_or_never().is_none());
    assert!(residency.mark_idle(run(1), 0, |_| unreachable!("nobody is idle")));
    drop(busy);
    assert!(waiting.now_or_never().is_some(), "it has the place");
    assert_eq!(residency.state.lock().waiting, 0);
}

#[tokio::test]
async fn instances_that_hold_more_than_there_is_room_for_leave_the_oldest_first() {
    let residency = Residency::new(100, 10 * NEW_BYTES);
    let mut places = Vec::new();
    for number in 1..=3 {
        let place = enter(&residency).await;
        place.set_bytes(3 * NEW_BYTES);
        places.push(place);
        assert!(!residency.mark_idle(run(number), 3 * NEW_BYTES, |_| unreachable!("fits")));
    }
    // One more grows to twice that: two of the others have to leave.
    let large = enter(&residency).await;
    large.set_bytes(6 * NEW_BYTES);
    let left = Mutex::new(Vec::new());
    assert!(!residency.mark_idle(run(4), 6 * NEW_BYTES, |other| left.lock().push(other)));
    assert_eq!(*left.lock(), [run(1), run(2)]);
    places.drain(..2);
    assert!(!residency.mark_idle(run(4), 6 * NEW_BYTES, |_| unreachable!("it fits now")));
    // What is larger than all the room leaves itself, with the rest.
    large.set_bytes(20 * NEW_BYTES);
    assert!(residency.mark_idle(run(4), 20 * NEW_BYTES, |other| left.lock().push(other)));
    assert_eq!(left.lock().last(), Some(&run(3)));
}

#[tokio::test]
async fn nobody_enters_while_those_who_are_busy_hold_too_much() {
    let residency = Residency::new(100, 2 * NEW_BYTES);
    let large = enter(&residency).await;
    large.set_bytes(50 * NEW_BYTES);
    let mut waiting = pin!(residency.acquire(|_| unreachable!("nobody is idle")));
    assert!(waiting.as_mut().now_or_never().is_none());
    large.set_bytes(NEW_BYTES);
    assert!(waiting.now_or_never().is_some(), "it has become small");
    drop(large);
    // One alone may be as large as it likes.
    assert_eq!(residency.state.lock().held.len(), 0);
    let alone = enter(&residency).await;
    alone.set_bytes(50 * NEW_BYTES);
}
