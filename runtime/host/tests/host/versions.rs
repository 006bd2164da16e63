//! Code that has changed, with compiled guests: which histories it fits, and what
//! the report says where it does not.

use std::sync::Arc;

use dacapo_engine::decide::Input;
use dacapo_engine::guest::{Replayed, RunContext, Unbounded};
use dacapo_host::Host;
use dacapo_model::event::HistoryEvent;
use dacapo_model::execution::Blocked;
use dacapo_model::ids::SignalName;
use dacapo_model::signal::Signal;

use crate::guests::{Guest, guest};
use crate::history::Run;
use crate::support::{config, host, json, run, text};

struct Orders {
    before: Guest,
    careless: Guest,
    careful: Guest,
}

impl Orders {
    fn new() -> (Host, Self) {
        let before = guest("orders_before");
        let (careless, careful) = (guest("orders_careless"), guest("orders_careful"));
        let host = host(config(), &[&before, &careless, &careful]);
        (host, Self { before, careless, careful })
    }
}

fn item(name: &str) -> Input {
    let input = json(&format!("{name:?}"));
    let name = SignalName::new("item").expect("a valid name");
    Input::Signal(Signal { name, input, request_id: None })
}

/// One round of a run: an item comes, and activities are done about it.
async fn round(run: &mut Run, name: &str, activities: usize) {
    run.input(item(name)).await.expect("goes on");
    for _ in 0..activities {
        run.activity_returns(Ok(json("\"done\""))).await.expect("goes on");
    }
}

fn on(context: &Arc<RunContext>, guest: &Guest) -> Arc<RunContext> {
    Arc::new(RunContext { module_digest: guest.digest, ..RunContext::clone(context) })
}

async fn replay(
    host: &Host,
    run: Arc<RunContext>,
    history: Vec<HistoryEvent>,
) -> Result<Replayed, Blocked> {
    dacapo_engine::guest::replay(host, run, Arc::new(Unbounded), history).await
}

#[tokio::test]
async fn a_change_behind_a_version_fits_what_the_code_before_it_made() {
    let (host, orders) = Orders::new();
    let context = run(orders.before.digest, 1);
    let mut run = Run::start(&host, &context, "orders", "2").await.expect("starts");
    round(&mut run, "a", 1).await;
    let fits = replay(&host, on(&context, &orders.careful), run.history.clone()).await;
    assert_eq!(fits.expect("it fits").commands, 0);

    let problem = replay(&host, on(&context, &orders.careless), run.history.clone()).await;
    let problem = problem.expect_err("the check comes first");
    assert_eq!(problem.code, "nondeterminism");
    let report = problem.nondeterminism.expect("a report");
    assert_eq!(report.event_id, 3);
    assert!(report.recorded.starts_with("ActivityTaskScheduled of `charge`"), "{report:?}");
    assert!(report.attempted.starts_with("started activity `check`"), "{report:?}");
    assert_eq!(report.pinned_module, Some(orders.before.digest));
    assert_eq!(report.replayed_module, Some(orders.careless.digest));
    let frames = problem.backtrace.expect("a backtrace");
    assert!(frames.contains("orders_careless::orders"), "{frames}");
    assert!(!frames.contains("_ZN") && !frames.contains("_R"), "names for people: {frames}");
}

#[tokio::test]
async fn a_loop_follows_a_change_in_its_next_round_and_is_replayed_so() {
    let (host, orders) = Orders::new();
    let context = run(orders.careful.digest, 1);
    let mut run = Run::start(&host, &context, "orders", "3").await.expect("starts");
    for name in ["a", "b", "c"] {
        round(&mut run, name, 2).await;
    }
    let markers = run.event_types().iter().filter(|it| **it == "MarkerRecorded").count();
    assert_eq!(markers, 1, "one event for each change, not for each round");
    assert_eq!(text(run.result()).matches("done").count(), 6);
    for events in 1..=run.history.len() {
        let fits = replay(&host, Arc::clone(&context), run.history[..events].to_vec()).await;
        assert!(fits.is_ok(), "of {events} events: {fits:?}");
    }
}

#[tokio::test]
async fn values_are_taken_from_history_and_those_that_may_change_when_they_have() {
    let (host, orders) = Orders::new();
    let context = run(orders.careful.digest, 1);
    let mut run = Run::start(&host, &context, "values", "4").await.expect("starts");
    for name in ["a", "b", "c", "d"] {
        round(&mut run, name, 0).await;
    }
    assert_eq!(text(run.result()), "[0,0,100,0,200,1,300,1]");
    let markers = run.event_types().iter().filter(|it| **it == "MarkerRecorded").count();
    assert_eq!(markers, 4 + 2);
    let whole = replay(&host, Arc::clone(&context), run.history.clone()).await;
    assert_eq!(whole.expect("it fits").commands, 0);
}

#[tokio::test]
async fn a_value_that_is_asked_for_and_not_recorded_stops_the_guest() {
    let (host, orders) = Orders::new();
    let context = run(orders.careful.digest, 1);
    let blocked = Run::start(&host, &context, "forgetful", "null").await.err().expect("stopped");
    assert_eq!(blocked.code, "guest_trap");
    assert!(blocked.message.contains("`odd` was asked for"), "{}", blocked.message);
}

#[tokio::test]
async fn a_version_that_the_code_does_not_know_blocks_the_run() {
    let (host, orders) = Orders::new();
    let context = run(orders.careful.digest, 1);
    // The second call raises the version, as it may; a replay up to there does not.
    let mut started = Run::start(&host, &context, "outdated", "null").await.expect("starts");
    assert_eq!(text(started.result()), "4");
    let marker = started.history.remove(2);
    started.history.truncate(2);
    assert_eq!(marker.attributes.type_name(), "MarkerRecorded");
    let mut history = started.history;
    let closing =
        dacapo_model::event::EventAttributes::WorkflowExecutionCompleted { result: json("1") };
    history.push(dacapo_model::event::HistoryEvent { attributes: closing, ..marker });
    let problem = replay(&host, context, history).await.expect_err("too old");
    assert_eq!(problem.code, "nondeterminism");
    assert!(
        problem.message.contains("version 1 of change `check` is no longer supported"),
        "{}",
        problem.message
    );
    assert_eq!(problem.nondeterminism.expect("a report").event_id, 3);
}
