//! Servers that die, and what a replay shows.

use std::time::Duration;

use dacapo_testing::{TestEnv, TestError};
use serde_json::{Value, json};

use crate::{DAY, env, steps};

#[tokio::test]
async fn a_run_survives_restarts_and_has_the_history_of_one_without() {
    let mut histories = Vec::new();
    for restarts in [false, true] {
        let env = env().await;
        env.activity("noop", |()| Ok(()));
        let input = json!({"millis": vec![DAY.as_millis(); 5]});
        let run = env.start("timers", &input).await.expect("started");
        for _ in 0..4 {
            env.advance(DAY).await.expect("time goes on");
            if restarts {
                env.restart().await.expect("restarted");
            }
        }
        let _: Value = run.result().await.expect("completed");
        assert_eq!(env.elapsed(), 5 * DAY);
        let history = run.history().await.expect("a history");
        let times: Vec<_> = history.events().iter().map(|event| event.time).collect();
        histories.push((history.event_types(), times));
    }
    assert_eq!(histories[0], histories[1]);
}

#[tokio::test]
async fn an_attempt_that_was_under_way_is_made_again_or_known_to_be_lost() {
    let env = env().await;
    env.activity_hangs("echo");
    let again = env.start("call", &json!({"activity": "echo"})).await.expect("started");
    let input = json!({"activity": "echo", "options": {"maximum_attempts": 1}});
    let once = env.start("call", &input).await.expect("started");
    env.restart().await.expect("restarted");
    assert_eq!(env.elapsed(), Duration::ZERO);
    assert_eq!(env.calls("echo").attempts(), 3);
    let lost = once.result::<Value>().await.expect_err("nobody knows");
    assert!(lost.is_failure("ActivityLost"), "{lost}");

    env.activity("echo", |input: Value| Ok(input));
    env.restart().await.expect("restarted");
    again.result::<Value>().await.expect("completed");
    assert_eq!(env.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn updates_and_open_activities_survive_a_restart() {
    let env = env().await;
    env.activity_completes_later("noop");
    let cart = env.start("cart", &json!({})).await.expect("started");
    let adding = cart.start_update("add_slowly", &"rug").await.expect("accepted");
    env.restart().await.expect("restarted");
    let token = env.calls("noop").tokens().remove(0);
    env.activity_by_token(&token).expect("a token").complete(&()).await.expect("still open");
    assert_eq!(adding.result::<usize>().await.expect("done"), 1);
    assert_eq!(cart.query::<Vec<String>>("items", &()).await.expect("answered"), ["rug"]);
}

#[tokio::test]
async fn who_waits_for_a_run_waits_on_after_a_restart() {
    let env = env().await;
    let run = env.start("await_signals", &json!({"count": 1})).await.expect("started");
    let others = async {
        env.restart().await?;
        run.signal("word", &7).await
    };
    let (words, others) = tokio::join!(run.result::<Vec<u32>>(), others);
    others.expect("recorded");
    assert_eq!(words.expect("completed"), [7]);
}

/// What the careless workflow does after it was asked twice.
async fn rounds(env: &TestEnv) -> u32 {
    let run = env.start("careless", &()).await.expect("started");
    for _ in 0..2 {
        let _: u32 = run.query("ask", &()).await.expect("answered");
    }
    run.signal("go", &()).await.expect("recorded");
    run.result().await.expect("completed")
}

#[tokio::test]
async fn what_a_replay_would_undo_is_undone_at_once_where_every_step_is_replayed() {
    assert_eq!(rounds(&env().await).await, 2, "a server that lives on hides the mistake");
    let strict = steps().replay_every_step().start().await.expect("an environment");
    assert_eq!(rounds(&strict).await, 0);
}

#[tokio::test]
async fn a_workflow_that_can_not_be_replayed_is_blocked_by_a_restart() {
    let env = env().await;
    env.activity_completes_later("noop");
    let run = env.start("careless", &()).await.expect("started");
    assert_eq!(run.query::<u32>("ask", &()).await.expect("answered"), 1);
    run.signal("go", &()).await.expect("recorded");
    env.restart().await.expect("restarted");
    let pending = run.describe().await.expect("described").pending_activities;
    run.activity(pending[0].operation_id.0).complete(&()).await.expect("it is open");
    let blocked = run.result::<Value>().await.expect_err("it does not fit its history");
    assert!(matches!(blocked, TestError::Blocked(_)), "{blocked}");
    assert!(blocked.to_string().contains("nondeterminism"), "{blocked}");
}

#[tokio::test]
async fn workflows_do_the_same_where_every_step_is_replayed() {
    for (workflow, input) in [
        ("sequential", json!({"steps": 20})),
        ("fan_out", json!({"steps": 50})),
        ("race", json!({"millis": [900, 30]})),
        ("continue_n", json!({"remaining": 3})),
        ("sum_of_squares", json!(5)),
    ] {
        let mut outcomes = Vec::new();
        for env in [steps(), steps().replay_every_step()] {
            let env = env.start().await.expect("an environment");
            env.activity("noop", |()| Ok(()));
            env.activity("double", |n: u64| Ok(n * 2));
            let run = env.start(workflow, &input).await.expect("started");
            let result: Value = run.result().await.expect("completed");
            outcomes.push((result, run.history().await.expect("a history").event_types()));
        }
        assert_eq!(outcomes[0], outcomes[1], "{workflow}");
    }
}
