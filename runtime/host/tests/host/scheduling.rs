//! Guests share the machine: a busy one makes way, a forgotten one is gone.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use dacapo_engine::guest::GuestHost as _;
use dacapo_host::{Host, HostConfig, HostError};
use dacapo_model::limits::Limits;

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
    let mut instance = host.launch(Arc::clone(&context)).await.expect("launches");
    // On the only thread there is: it runs only if the guest makes way.
    let ticks = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = Arc::clone(&ticks);
    let ticker = tokio::spawn(async move {
        loop {
            counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let (yields, outcome) =
        count_yields(instance.advance(only_started(&context, "loop", "null"))).await;
    ticker.abort();
    assert_eq!(outcome.expect_err("out of fuel").code, "guest_cpu_limit");
    assert!(yields >= 20, "{yields} yields");
    let ticks = ticks.load(std::sync::atomic::Ordering::Relaxed);
    assert!(ticks >= 20, "{ticks} ticks while the guest was busy");
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
    let first = host.launch(Arc::clone(&context)).await.expect("launches");
    let mut second = std::pin::pin!(host.launch(Arc::clone(&context)));
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
