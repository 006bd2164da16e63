//! The agent against a real model server and a real shop, both of which sometimes
//! fail, and people who sometimes do not answer.

use std::time::Duration;

use agent_world::{Service, Trouble, World};
use dacapo_testing::{TestEnv, TestError, TestRun};
use serde_json::{Value, json};

const DAY: Duration = Duration::from_secs(86_400);

/// An environment whose activities reach this world.
async fn env(world: &World) -> Result<TestEnv, TestError> {
    TestEnv::builder()
        .crate_folder(env!("CARGO_MANIFEST_DIR"))
        .allow_host("127.0.0.1")
        .activity_variable("MODEL_URL", format!("{}/v1", world.url()))
        .activity_variable("SHOP_URL", world.url())
        .start()
        .await
}

async fn world() -> World {
    World::open("127.0.0.1:0").await.expect("a free port")
}

async fn ask<'env>(env: &'env TestEnv, request: &str) -> Result<TestRun<'env>, TestError> {
    env.start("agent", &json!({ "request": request })).await
}

async fn waiting(run: &TestRun<'_>) -> Result<Value, TestError> {
    run.query("waiting", &()).await
}

async fn decide(run: &TestRun<'_>, question: &str, approved: bool) -> Result<Value, TestError> {
    run.update("decide", &json!({ "question": question, "by": "grace", "approved": approved }))
        .await
}

fn trouble(service: Service, status: u16, retry_after_seconds: Option<u64>) -> Trouble {
    Trouble { service, status, retry_after_seconds }
}

fn text(answer: &Value) -> &str {
    answer["text"].as_str().expect("an answer has a text")
}

#[tokio::test]
async fn a_question_is_answered_with_what_the_tool_found() -> Result<(), TestError> {
    let world = world().await;
    let env = env(&world).await?;
    let run = ask(&env, "Where is order 19?").await?;
    let answer: Value = run.result().await?;
    assert_eq!(answer, json!({ "text": "Order 19: a chair for 129.00, on its way.", "steps": 2 }));
    assert_eq!(env.calls("find_order").inputs::<Value>(), [json!({ "order_id": "19" })]);
    env.replay(&run.history().await?).await
}

#[tokio::test]
async fn a_small_refund_needs_nobody() -> Result<(), TestError> {
    let world = world().await;
    let env = env(&world).await?;
    let answer: Value = ask(&env, "I want a refund for order 18.").await?.result().await?;
    assert_eq!(text(&answer), "Order 18 is refunded: 15.00 are on their way back.");
    assert_eq!(world.refunds(), [("18".to_owned(), 1500)]);
    assert_eq!(env.elapsed(), Duration::ZERO);
    Ok(())
}

#[tokio::test]
async fn a_large_refund_waits_for_a_person_who_approves_it() -> Result<(), TestError> {
    let world = world().await;
    let env = env(&world).await?;
    let run = ask(&env, "I want a refund for order 17.").await?;
    env.advance(DAY / 2).await?;
    assert_eq!(world.refunds(), [], "nobody has approved it");
    let question = waiting(&run).await?;
    assert_eq!(
        question,
        json!({
            "id": "2.1",
            "what": "refund_order",
            "details": "{\"cents\":4900,\"order_id\":\"17\"}",
        })
    );

    assert_eq!(decide(&run, "2.1", true).await?, question, "what was decided about");
    let answer: Value = run.result().await?;
    assert_eq!(text(&answer), "Order 17 is refunded: 49.00 are on their way back.");
    assert_eq!(world.refunds(), [("17".to_owned(), 4900)]);
    assert_eq!(env.elapsed(), DAY / 2);
    assert_eq!(waiting(&run).await?, Value::Null, "nothing is open any more");
    env.replay(&run.history().await?).await
}

#[tokio::test]
async fn a_refusal_is_told_to_the_model() -> Result<(), TestError> {
    let world = world().await;
    let env = env(&world).await?;
    let run = ask(&env, "I want a refund for order 17.").await?;
    env.settle().await?;
    decide(&run, "2.1", false).await?;
    let answer: Value = run.result().await?;
    assert_eq!(text(&answer), "Order 17 is not refunded: error: grace has refused");
    assert_eq!(world.refunds(), []);
    Ok(())
}

#[tokio::test]
async fn silence_is_a_refusal_after_a_day() -> Result<(), TestError> {
    let world = world().await;
    let env = env(&world).await?;
    let run = ask(&env, "I want a refund for order 17.").await?;
    let answer: Value = run.result().await?;
    assert_eq!(text(&answer), "Order 17 is not refunded: error: nobody has decided in time");
    assert_eq!(env.elapsed(), DAY);
    assert_eq!(world.refunds(), []);
    Ok(())
}

#[tokio::test]
async fn only_the_open_question_can_be_decided_about() -> Result<(), TestError> {
    let world = world().await;
    let env = env(&world).await?;
    let run = ask(&env, "I want a refund for order 17.").await?;
    env.settle().await?;
    let error = decide(&run, "1.1", true).await.expect_err("another question");
    assert!(error.to_string().contains("the open question is `2.1`"), "{error}");
    decide(&run, "2.1", false).await?;
    run.result::<Value>().await?;
    assert_eq!(world.refunds(), []);
    Ok(())
}

#[tokio::test]
async fn a_busy_model_is_asked_again_when_it_wants_to_be() -> Result<(), TestError> {
    let world = world().await;
    world.expect(trouble(Service::Model, 429, Some(90)));
    world.expect(trouble(Service::Model, 503, None));
    let env = env(&world).await?;
    let answer: Value = ask(&env, "Where is order 19?").await?.result().await?;
    assert_eq!(answer["steps"], 2, "attempts are no steps");
    assert_eq!(env.calls("chat").attempts(), 4);
    // 90 s as it was told, then 2 s by the policy.
    assert_eq!(env.elapsed(), Duration::from_secs(92));
    Ok(())
}

#[tokio::test]
async fn a_request_that_the_model_refuses_is_not_sent_again() -> Result<(), TestError> {
    let world = world().await;
    world.expect(trouble(Service::Model, 400, Some(1)));
    let env = env(&world).await?;
    let run = ask(&env, "Where is order 19?").await?;
    let error = run.result::<Value>().await.expect_err("it fails");
    assert!(error.is_failure("HttpError"), "{error}");
    assert_eq!(env.calls("chat").attempts(), 1);
    Ok(())
}

#[tokio::test]
async fn a_model_that_stays_away_is_given_up_after_an_hour() -> Result<(), TestError> {
    let world = world().await;
    for _request in 0..100 {
        world.expect(trouble(Service::Model, 503, None));
    }
    let env = env(&world).await?;
    let run = ask(&env, "Where is order 19?").await?;
    let error = run.result::<Value>().await.expect_err("it fails");
    assert!(error.to_string().contains("503"), "{error}");
    let hour = Duration::from_secs(3_600);
    assert!(
        (hour - Duration::from_secs(60)..=hour).contains(&env.elapsed()),
        "{:?}",
        env.elapsed()
    );
    Ok(())
}

#[tokio::test]
async fn a_tool_that_fails_is_told_to_the_model() -> Result<(), TestError> {
    let world = world().await;
    let env = env(&world).await?;
    let answer: Value = ask(&env, "Where is order 20?").await?.result().await?;
    assert_eq!(
        text(&answer),
        "I can't find order 20: error: NotFound: there is no such order",
        "the shop has said no"
    );
    assert_eq!(env.calls("find_order").attempts(), 1);

    for _request in 0..4 {
        world.expect(trouble(Service::Shop, 500, None));
    }
    let answer: Value = ask(&env, "Where is order 19?").await?.result().await?;
    assert_eq!(text(&answer), "I can't find order 19: error: HttpError: HTTP status 500");
    assert_eq!(env.calls("find_order").attempts(), 1 + 4);
    Ok(())
}

#[tokio::test]
async fn a_refund_is_tried_until_the_shop_answers() -> Result<(), TestError> {
    let world = world().await;
    let env = env(&world).await?;
    let run = ask(&env, "I want a refund for order 17.").await?;
    env.settle().await?;
    for _request in 0..20 {
        world.expect(trouble(Service::Shop, 503, None));
    }
    decide(&run, "2.1", true).await?;
    let answer: Value = run.result().await?;
    assert_eq!(text(&answer), "Order 17 is refunded: 49.00 are on their way back.");
    assert_eq!(env.calls("refund_order").attempts(), 21);
    assert_eq!(world.refunds(), [("17".to_owned(), 4900)]);
    Ok(())
}

#[tokio::test]
async fn a_budget_that_is_used_up_is_a_question_and_then_a_failure() -> Result<(), TestError> {
    let world = world().await;
    let env = env(&world).await?;
    let run = env.start("agent", &json!({ "request": "Watch order 19", "budget": 3 })).await?;
    env.settle().await?;
    assert_eq!(waiting(&run).await?["what"], "more_steps");
    let error = run.result::<Value>().await.expect_err("it fails");
    assert!(error.is_failure("OutOfSteps"), "{error}");
    assert_eq!(env.calls("chat").count(), 3);
    assert_eq!(env.elapsed(), DAY);
    Ok(())
}

#[tokio::test]
async fn who_grants_more_steps_starts_a_run_with_the_conversation_so_far() -> Result<(), TestError>
{
    let world = world().await;
    let env = env(&world).await?;
    let run = env.start("agent", &json!({ "request": "Watch order 19", "budget": 3 })).await?;
    for steps in [3, 6] {
        env.settle().await?;
        decide(&run, &format!("{steps}.0"), true).await?;
    }
    env.settle().await?;
    assert_eq!(waiting(&run).await?["id"], "9.0", "steps are counted over all runs");
    let error = decide(&run, "6.0", true).await.expect_err("an answer that comes again");
    assert!(error.to_string().contains("the open question is `9.0`"), "{error}");
    let history = run.history().await?;
    assert!(history.events().len() < 30, "the last run has a history of its own");
    let chats = env.calls("chat").inputs::<Vec<Value>>();
    assert_eq!(chats[8].len(), 2 + 8 * 2, "the model still knows all eight steps before");
    run.cancel().await?;
    run.end().await?;
    env.replay(&history).await
}

#[tokio::test]
async fn a_request_has_a_limit() -> Result<(), TestError> {
    let world = world().await;
    let env = env(&world).await?;
    let run = ask(&env, &"x".repeat((16 << 10) + 1)).await?;
    let error = run.result::<Value>().await.expect_err("it fails");
    assert!(error.is_failure("RequestTooLong"), "{error}");
    Ok(())
}
