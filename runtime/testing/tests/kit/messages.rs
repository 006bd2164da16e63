//! Queries, updates, published values, and messages that come with a start.

use std::time::Duration;

use dacapo_testing::{ExecutionStatus, IdConflictPolicy, TestError};
use serde_json::{Value, json};

use crate::env;

const NOTHING: Value = Value::Null;

#[tokio::test]
async fn a_workflow_is_asked_and_told() {
    let env = env().await;
    let cart = env.start("cart", &json!({})).await.expect("started");
    assert_eq!(cart.update::<usize>("add", &"lamp").await.expect("done"), 1);
    assert_eq!(cart.update::<usize>("add_slowly", &"rug").await.expect("done"), 2);
    let items: Vec<String> = cart.query("items", &NOTHING).await.expect("answered");
    assert_eq!(items, ["lamp", "rug"]);
    assert_eq!(cart.query::<usize>("count_from", &40).await.expect("answered"), 42);
    assert_eq!(cart.published::<usize>("count").await.expect("described"), Some(2));
    assert_eq!(cart.published::<usize>("weight").await.expect("described"), None);

    cart.update::<Value>("check_out", &NOTHING).await.expect("done");
    assert_eq!(cart.result::<Vec<String>>().await.expect("completed"), ["lamp", "rug"]);
    assert_eq!(cart.published::<usize>("count").await.expect("after the end, too"), Some(2));
    let items: Vec<String> = cart.query("items", &NOTHING).await.expect("likewise");
    assert_eq!(items, ["lamp", "rug"]);
    assert_eq!(env.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn what_the_workflow_refuses_or_fails_is_told_apart() {
    let env = env().await;
    let cart = env.start("cart", &json!({})).await.expect("started");
    let rejected = cart.update::<usize>("add", &"").await.expect_err("it has no name");
    assert!(matches!(rejected, TestError::Rejected { .. }), "{rejected}");
    assert!(rejected.is_failure("NoItem"), "{rejected}");
    assert!(rejected.to_string().contains("rejected update `add`: NoItem"), "{rejected}");
    let rejected = cart.start_update("add", &"").await.err().expect("likewise");
    assert!(matches!(rejected, TestError::Rejected { .. }), "{rejected}");
    assert_eq!(cart.history().await.expect("a history").count("WorkflowExecutionStarted"), 1);

    env.activity("noop", |()| -> Result<(), _> {
        Err(dacapo_testing::failure("Broken", "it broke").non_retryable())
    });
    let failed = cart.update::<usize>("add_slowly", &"rug").await.expect_err("its activity fails");
    assert!(matches!(failed, TestError::UpdateFailed { .. }), "{failed}");
    assert!(failed.is_failure("Broken"), "{failed}");
    let wrong = cart.update::<String>("add", &"rug").await.expect_err("a number");
    assert!(matches!(wrong, TestError::Value(_)), "{wrong}");
}

#[tokio::test]
async fn an_update_is_accepted_first_and_has_its_outcome_later() {
    let env = env().await;
    env.activity_hangs("noop");
    let cart = env.start("cart", &json!({})).await.expect("started");
    let adding = cart.start_update_with_id("add-1", "add_slowly", &"rug").await.expect("accepted");
    assert_eq!(adding.id(), "add-1");
    assert_eq!(cart.query::<usize>("count_from", &0).await.expect("answered"), 0);
    assert_eq!(env.elapsed(), Duration::ZERO);

    env.activity("noop", |()| Ok(()));
    assert_eq!(adding.result::<usize>().await.expect("tried again"), 1);
    assert_eq!(env.elapsed(), Duration::from_secs(61), "the timeout of the first attempt");
    let repeated = cart.update_with_id::<usize>("add-1", "add_slowly", &"rug").await;
    assert_eq!(repeated.expect("the same update"), 1);
    assert_eq!(env.calls("noop").count(), 1);
}

#[tokio::test]
async fn an_update_waits_for_a_workflow_that_does_not_listen_yet() {
    let env = env().await;
    let cart = env.start("cart", &json!({"pause_millis": 60_000})).await.expect("started");
    let unserved = cart.query::<Value>("items", &NOTHING).await.expect_err("it sleeps");
    assert!(unserved.to_string().contains("items"), "{unserved}");
    assert_eq!(cart.update::<usize>("add", &"lamp").await.expect("a minute later"), 1);
    assert_eq!(env.elapsed(), Duration::from_secs(60));
}

#[tokio::test]
async fn an_update_that_a_run_never_takes_is_told_with_what_it_waits_for() {
    let env = env().await;
    let hold = env.hold_time();
    let cart = env.start("cart", &json!({"pause_millis": 60_000})).await.expect("started");
    let stuck = cart.update::<usize>("add", &"lamp").await.expect_err("time is held");
    assert!(stuck.to_string().contains("Time is held"), "{stuck}");
    assert!(stuck.to_string().contains("not taken yet"), "{stuck}");
    drop(hold);
}

#[tokio::test]
async fn a_signal_starts_a_run_or_reaches_the_one_that_is_there() {
    let env = env().await;
    let input = json!({"count": 2});
    let first = env.signal_with_start("await_signals", "box", &input, "word", &"a").await;
    let first = first.expect("started");
    let second = env.signal_with_start("await_signals", "box", &input, "word", &"b").await;
    assert_eq!(second.expect("found").run_id(), first.run_id());
    assert_eq!(first.result::<Vec<String>>().await.expect("completed"), ["a", "b"]);
}

#[tokio::test]
async fn an_update_starts_a_run_or_reaches_the_one_that_is_there() {
    let env = env().await;
    let input = json!({"pause_millis": 60_000});
    let (cart, added) =
        env.update_with_start("cart", "cart-1", &input, "add", &"lamp").await.expect("started");
    assert_eq!(added.result::<usize>().await.expect("done"), 1);
    assert_eq!(env.elapsed(), Duration::from_secs(60), "it was not taken before");
    let (same, added) =
        env.update_with_start("cart", "cart-1", &input, "add", &"rug").await.expect("found");
    assert_eq!(same.run_id(), cart.run_id());
    assert_eq!(added.result::<usize>().await.expect("done"), 2);

    let unnamed = env.start_with("cart", &json!({})).update("add", &"").await.err();
    let unnamed = unnamed.expect("the workflow does not take it on");
    assert!(unnamed.is_failure("NoItem"), "{unnamed}");
}

#[tokio::test]
async fn what_is_wrong_with_a_start_is_told_when_it_is_awaited() {
    let env = env().await;
    let wrong = env.start_with("cart", &json!({})).workflow_id("").await.err().expect("refused");
    assert!(matches!(wrong, TestError::Refused(_)), "{wrong}");

    let cart = env.start_with_id("cart", "cart-1", &json!({})).await.expect("started");
    let again = env.start_with_id("cart", "cart-1", &json!({})).await.err().expect("refused");
    assert!(again.to_string().contains("cart-1"), "{again}");
    let replaced = env
        .start_with("cart", &json!({}))
        .workflow_id("cart-1")
        .conflict_policy(IdConflictPolicy::TerminateExisting)
        .await
        .expect("started");
    assert_ne!(replaced.run_id(), cart.run_id());
    assert_eq!(cart.end().await.expect("ended"), ExecutionStatus::Terminated);
}

#[tokio::test]
async fn a_child_is_found_by_its_workflow_id() {
    let env = env().await;
    let input = json!({"workflow": "linger", "workflow_id": "child"});
    let parent = env.start("family", &input).await.expect("started");
    let child = env.find_run("child").await.expect("it has started");
    child.signal("go", &"home").await.expect("recorded");
    assert_eq!(parent.result::<String>().await.expect("completed"), "home");
    assert_eq!(child.result::<String>().await.expect("completed"), "home");
    let unknown = env.find_run("nobody").await.err().expect("there is none");
    assert!(unknown.to_string().contains("nobody"), "{unknown}");
}
