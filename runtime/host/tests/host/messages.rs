//! Queries, published values and updates of compiled guests.

use std::sync::Arc;

use dacapo_engine::decide::Input;
use dacapo_engine::guest::{Asked, GuestHost as _, Offered, RunContext, Unbounded};
use dacapo_engine::replay::Waiting;
use dacapo_engine::transition::Effect;
use dacapo_host::Host;
use dacapo_model::command::Command;
use dacapo_model::ids::QueryName;
use dacapo_model::query::Query;

use crate::guests::guest;
use crate::history::Run;
use crate::support::{config, host, json, run, text};

fn steps() -> (Host, Arc<RunContext>) {
    let guest = guest("steps");
    let mut config = config();
    config.limits.query_fuel = 50_000_000;
    let host = host(config, &[&guest]);
    (host, run(guest.digest, 1))
}

async fn cart(host: &Host, context: &Arc<RunContext>) -> Run {
    Run::start(host, context, "cart", "{}").await.expect("starts")
}

fn answer(asked: Asked) -> String {
    match asked {
        Asked::Answered(Ok(value)) => text(&value).to_owned(),
        other => panic!("not answered: {other:?}"),
    }
}

/// What a new instance asks for after this history: it must be nothing but values
/// that it publishes.
async fn replayed(host: &Host, context: &Arc<RunContext>, run: &Run) -> Vec<Command> {
    let mut instance =
        host.launch(Arc::clone(context), Arc::new(Unbounded)).await.expect("launches");
    let commands = instance.advance(run.history.clone()).await.expect("fits");
    assert!(commands.iter().all(|it| matches!(it, Command::Publish { .. })), "{commands:?}");
    commands
}

#[tokio::test]
async fn updates_are_accepted_answered_and_replayed() {
    let (host, context) = steps();
    let mut run = cart(&host, &context).await;
    assert!(matches!(run.offer("a", "add", "\"lamp\"").await, Offered::Accepted(_)));
    let [_, Effect::UpdateCompleted { outcome: Ok(count), .. }] = &run.effects[..] else {
        panic!("not answered: {:?}", run.effects);
    };
    assert_eq!(text(count), "1");
    assert!(matches!(run.offer("b", "add_slowly", "\"desk\"").await, Offered::Accepted(_)));
    assert!(matches!(run.offer("c", "check_out", "null").await, Offered::Accepted(_)));
    run.activity_returns(Ok(json("null"))).await.expect("goes on");
    assert_eq!(text(run.result()), r#"["lamp","desk"]"#);
    let (accepted, completed) =
        ("WorkflowExecutionUpdateAccepted", "WorkflowExecutionUpdateCompleted");
    let expected = [
        "WorkflowExecutionStarted",
        accepted,
        completed,
        accepted,
        "ActivityTaskScheduled",
        accepted,
        completed,
        "ActivityTaskCompleted",
        completed,
        "WorkflowExecutionCompleted",
    ];
    assert_eq!(run.event_types(), expected);
    assert_eq!(replayed(&host, &context, &run).await, []);
}

#[tokio::test]
async fn what_is_rejected_or_asked_leaves_no_trace() {
    let (host, context) = steps();
    let mut run = cart(&host, &context).await;
    assert!(matches!(run.offer("a", "add", "\"lamp\"").await, Offered::Accepted(_)));
    for _ in 0..3 {
        assert_eq!(answer(run.query("items", "null").await), r#"["lamp"]"#);
        assert_eq!(answer(run.query("count_from", "10").await), "11");
        for (name, input) in [("add", "\"\""), ("add", "7"), ("lost", "null")] {
            assert!(matches!(run.offer("r", name, input).await, Offered::Rejected(_)), "{name}");
        }
    }
    let Asked::Answered(Err(failure)) = run.query("lost", "null").await else {
        panic!("it is not known");
    };
    assert!(failure.info.message.contains("`items`"), "{}", failure.info.message);
    assert!(matches!(run.offer("b", "add", "\"desk\"").await, Offered::Accepted(_)));
    assert_eq!(run.history.len(), 5);
    assert_eq!(replayed(&host, &context, &run).await, []);
}

#[tokio::test]
async fn a_query_that_traps_spins_or_acts_stops_the_instance_and_not_the_run() {
    let (host, context) = steps();
    for (name, code, words) in [
        ("trap", "guest_trap", "too hard"),
        ("spin", "guest_cpu_limit", "too long"),
        ("act", "guest_trap", "while it answered a query"),
    ] {
        let mut run = cart(&host, &context).await;
        let Asked::Broken(blocked) = run.query(name, "null").await else {
            panic!("{name} was answered");
        };
        assert_eq!(blocked.code, code, "{name}: {}", blocked.message);
        assert!(blocked.message.contains(words), "{name}: {}", blocked.message);
        replayed(&host, &context, &run).await;
    }
    let mut run = cart(&host, &context).await;
    let Offered::Broken(blocked) = run.offer("t", "trap", "null").await else {
        panic!("it was decided about");
    };
    assert!(blocked.message.contains("too hard"), "{}", blocked.message);
    replayed(&host, &context, &run).await;
}

#[tokio::test]
async fn a_guest_that_waits_elsewhere_is_not_asked_and_tells_where() {
    let (host, context) = steps();
    let mut run =
        Run::start(&host, &context, "cart", r#"{"pause_millis": 1000}"#).await.expect("starts");
    assert!(matches!(run.query("items", "null").await, Asked::Elsewhere(Waiting::Sleep(_))));
    assert_eq!(run.offer("a", "add", "\"lamp\"").await, Offered::Elsewhere);
    let trace = host
        .trace(Arc::clone(&context), Arc::new(Unbounded), run.history.clone())
        .await
        .expect("fits");
    assert!(matches!(trace.waiting, Some(Waiting::Sleep(_))), "{trace:?}");
    run.timer_fires().await.expect("goes on");
    assert_eq!(answer(run.query("items", "null").await), "[]");
    let trace = host
        .trace(Arc::clone(&context), Arc::new(Unbounded), run.history.clone())
        .await
        .expect("fits");
    assert_eq!(trace.waiting, Some(Waiting::Next));
    let backtrace = trace.backtrace.expect("the guest has names");
    assert!(backtrace.contains("run_workflow"), "{backtrace}");
}

async fn ask_closed(host: &Host, context: &Arc<RunContext>, run: &Run, name: &str) -> Asked {
    let query = Query { name: QueryName::new(name).expect("valid"), input: json("null") };
    host.query_closed(Arc::clone(context), Arc::new(Unbounded), run.history.clone(), query).await
}

#[tokio::test]
async fn a_run_that_has_returned_answers_from_what_it_has_left_in_memory() {
    let (host, context) = steps();
    let mut run = cart(&host, &context).await;
    assert!(matches!(run.offer("a", "add", "\"lamp\"").await, Offered::Accepted(_)));
    assert!(matches!(run.offer("c", "check_out", "null").await, Offered::Accepted(_)));
    assert_eq!(text(run.result()), r#"["lamp"]"#);
    assert_eq!(answer(ask_closed(&host, &context, &run, "items").await), r#"["lamp"]"#);
    let Asked::Answered(Err(failure)) = ask_closed(&host, &context, &run, "lost").await else {
        panic!("it is not known");
    };
    assert!(failure.info.message.contains("`items`"), "{}", failure.info.message);
    for (name, code, words) in [
        ("trap", "guest_trap", "too hard"),
        ("spin", "guest_cpu_limit", "too long"),
        ("act", "guest_trap", "while it answered a query"),
    ] {
        let Asked::Broken(blocked) = ask_closed(&host, &context, &run, name).await else {
            panic!("{name} was answered");
        };
        assert_eq!(blocked.code, code, "{name}: {}", blocked.message);
        assert!(blocked.message.contains(words), "{name}: {}", blocked.message);
    }
    // Code that does not fit the history says nothing about it.
    run.history.remove(2);
    let asked = ask_closed(&host, &context, &run, "items").await;
    assert!(matches!(asked, Asked::Broken(_)), "{asked:?}");
}

#[tokio::test]
async fn a_run_that_was_closed_from_outside_is_asked_where_it_waits() {
    let (host, context) = steps();
    let mut run = cart(&host, &context).await;
    assert!(matches!(run.offer("a", "add", "\"lamp\"").await, Offered::Accepted(_)));
    let terminate = Input::Terminate { reason: String::new() };
    run.input(terminate).await.expect("it is open");
    assert_eq!(answer(ask_closed(&host, &context, &run, "items").await), r#"["lamp"]"#);
}

#[tokio::test]
async fn a_module_without_answers_after_the_end_says_so() {
    let guest = guest("std_only");
    let host = host(config(), &[&guest]);
    let context = run(guest.digest, 1);
    let mut run = Run::start(&host, &context, "std_only", "1").await.expect("starts");
    run.timer_fires().await.expect("goes on");
    assert_eq!(ask_closed(&host, &context, &run, "items").await, Asked::Ended);
}
