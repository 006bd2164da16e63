//! Guests share the machine: a busy one makes way, a forgotten one is gone.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use async_trait::async_trait;
use dacapo_engine::guest::{GuestHost as _, GuestInstance, Room, RunContext, Unbounded};
use dacapo_host::{Host, HostConfig, HostError};
use dacapo_model::limits::Limits;
use tokio::sync::watch;

use crate::guests::guest;
use crate::history::{Run, only_started};
use crate::support::{Modules, TestLink, config, host, run, task};

/// Polls a future and answers how often it made way before it ended.
async fn count_yields<F: Future>(future: F) -> (usize, F::Output) {
    let mut future = std::pin::pin!(future);
    let mut yields = 0;
    let output = poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(output),
        Poll::Pending => {
            yields += 1;
            Poll::Pending
        }
    })
    .await;
    (yields, output)
}

/// Room for so many bytes, until it is opened.
struct Narrow {
    bytes: watch::Sender<usize>,
    asked: AtomicUsize,
}

#[async_trait]
impl Room for Narrow {
    async fn hold(&self, bytes: usize) {
        self.asked.fetch_max(bytes, Ordering::Relaxed);
        let mut room = self.bytes.subscribe();
        room.wait_for(|room| bytes <= *room).await.expect("the sender stays");
    }
}

async fn launch(
    host: &Host,
    context: &Arc<RunContext>,
    room: Arc<dyn Room>,
) -> Box<dyn GuestInstance> {
    host.launch(Arc::clone(context), room).await.expect("launches")
}

#[tokio::test]
async fn an_instance_waits_for_room_in_the_middle_of_its_code_while_others_go_on() {
    let guest = guest("hostile");
    let host = host(config(), &[&guest]);
    let context = run(guest.digest, 1);
    let grow = || only_started(&context, "grow", "null");
    let room = Arc::new(Narrow { bytes: watch::Sender::new(20 * MIB), asked: AtomicUsize::new(0) });
    {
        let mut dropped = launch(&host, &context, room.clone()).await;
        let mut busy = std::pin::pin!(dropped.advance(grow()));
        until_it_asks(&room, busy.as_mut()).await;
    }
    room.asked.store(0, Ordering::Relaxed);
    let mut instance = launch(&host, &context, room.clone()).await;
    let mut busy = std::pin::pin!(instance.advance(grow()));
    until_it_asks(&room, busy.as_mut()).await;
    let asked = room.asked.load(Ordering::Relaxed);
    assert!(asked < 25 * MIB, "it goes on with {asked} bytes");

    let mut other = launch(&host, &context, Arc::new(Unbounded)).await;
    assert!(other.advance(grow()).await.is_ok());

    room.bytes.send_replace(100 * MIB);
    let commands = busy.await.expect("it goes on");
    assert_eq!(commands.len(), 1, "{commands:?}");
    let asked = room.asked.load(Ordering::Relaxed);
    assert!((64 * MIB..80 * MIB).contains(&asked), "{asked} bytes");
}

/// Lets it go on until it waits for more than there is room for.
async fn until_it_asks<F: Future>(room: &Narrow, mut busy: Pin<&mut F>) {
    poll_fn(|context| {
        assert!(busy.as_mut().poll(context).is_pending(), "there is no room for all of it");
        let waits = room.asked.load(Ordering::Relaxed) > *room.bytes.borrow();
        if waits { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

const MIB: usize = 1024 * 1024;

fn little_fuel() -> HostConfig {
    let limits =
        Limits { activation_fuel: 200_000_000, activity_fuel: 200_000_000, ..Limits::default() };
    HostConfig { limits, ..config() }
}

#[tokio::test(flavor = "current_thread")]
async fn a_busy_workflow_lets_other_tasks_run() {
    let guest = guest("hostile");
    let host = host(little_fuel(), &[&guest]);
    let context = run(guest.digest, 1);
    let mut instance =
        host.launch(Arc::clone(&context), Arc::new(Unbounded)).await.expect("launches");
    // On the only thread there is: it runs only if the guest makes way.
    let ticks = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&ticks);
    let ticker = tokio::spawn(async move {
        loop {
            counter.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let (yields, outcome) =
        count_yields(instance.advance(only_started(&context, "loop", "null"))).await;
    ticker.abort();
    assert_eq!(outcome.expect_err("out of fuel").code, "guest_cpu_limit");
    assert!(yields >= 20, "{yields} yields");
    let ticks = ticks.load(Ordering::Relaxed);
    assert!(ticks >= 20, "{ticks} ticks while the guest was busy");
}

#[tokio::test(flavor = "current_thread")]
async fn a_workflow_that_keeps_the_host_busy_lets_other_tasks_run() {
    let guest = guest("hostile");
    let host = host(little_fuel(), &[&guest]);
    let context = run(guest.digest, 1);
    let mut instance = launch(&host, &context, Arc::new(Unbounded)).await;
    let busy = instance.advance(only_started(&context, "call_without_end", "null"));
    let (yields, outcome) = count_yields(busy).await;
    assert_eq!(outcome.expect_err("out of fuel").code, "guest_cpu_limit");
    // Of its own fuel it has hardly used any.
    assert!((100..1_000).contains(&yields), "{yields} yields");
}

#[tokio::test(flavor = "current_thread")]
async fn a_busy_activity_lets_other_tasks_run_and_stops_when_dropped() {
    let guest = guest("hostile");
    let host = host(config(), &[&guest]);
    let mut yields = 0;
    {
        let mut attempt = std::pin::pin!(
            host.run_activity(task(guest.digest, "loop", "null"), Arc::new(TestLink::default()))
        );
        poll_fn(|context| {
            assert!(attempt.as_mut().poll(context).is_pending(), "it loops without end");
            yields += 1;
            if yields > 50 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
    // It was dropped in the middle; the host goes on.
    let result = host
        .run_activity(task(guest.digest, "read_file", "null"), Arc::new(TestLink::default()))
        .await;
    assert!(result.is_ok(), "{result:?}");
}

#[tokio::test]
async fn an_instance_that_waits_can_be_dropped_and_its_place_is_free_again() {
    let guest = guest("steps");
    let host = host(HostConfig { instances_max: 1, ..config() }, &[&guest]);
    let context = run(guest.digest, 1);
    for _ in 0..20 {
        let waiting = Run::start(&host, &context, "cancellable", "null").await.expect("starts");
        assert_eq!(waiting.state.timers.len(), 1);
    }
}

/// Its linear memory, and more: room in memory is counted by it.
#[tokio::test]
async fn an_instance_that_waits_says_how_much_it_holds() {
    let guest = guest("steps");
    let host = host(config(), &[&guest]);
    let context = run(guest.digest, 1);
    let waiting = Run::start(&host, &context, "cancellable", "null").await.expect("starts");
    let bytes = waiting.bytes();
    let most = 2 * config().limits.instance_memory_bytes_max;
    assert!((128 * 1024..most).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn no_more_instances_live_than_allowed_and_activities_have_their_own_share() {
    let guest = guest("steps");
    let host = host(HostConfig { instances_max: 1, ..config() }, &[&guest]);
    let context = run(guest.digest, 1);
    let first = host.launch(Arc::clone(&context), Arc::new(Unbounded)).await.expect("launches");
    let mut second = std::pin::pin!(host.launch(Arc::clone(&context), Arc::new(Unbounded)));
    let waits = poll_fn(|context| Poll::Ready(second.as_mut().poll(context).is_pending())).await;
    assert!(waits, "the second instance has no place yet");
    let result =
        host.run_activity(task(guest.digest, "noop", "null"), Arc::new(TestLink::default())).await;
    assert!(result.is_ok(), "{result:?}");
    drop(first);
    assert!(second.await.is_ok());
}

#[test]
fn more_instances_than_the_machine_can_hold_are_refused_at_start() {
    let config = HostConfig { instances_max: 100_000_000, ..config() };
    let error = Host::new(config, Modules::of(&[])).err().expect("refused");
    assert!(matches!(error, HostError::Setting { setting: "instances_max", .. }), "{error}");
}
