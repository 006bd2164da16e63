//! Compiled guests know where they stand among the runs that follow each other, and
//! say things about themselves, through the SDK.

use std::sync::Arc;
use std::time::Duration;

use dacapo_engine::guest::RunContext;
use dacapo_engine::transition::Effect;
use dacapo_host::Host;
use dacapo_model::attributes::SearchAttribute;
use dacapo_model::event::{EventAttributes, RunOptions, WorkflowExecutionStarted};
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::RunId;
use dacapo_model::payload::Payload;
use serde_json::{Value, json};

use crate::guests::guest;
use crate::history::{Run, replay, started};
use crate::support::{config, host, run};

fn steps() -> (Host, Arc<RunContext>) {
    let guest = guest("steps");
    let host = host(config(), &[&guest]);
    (host, run(guest.digest, 1))
}

fn result(run: &Run) -> Value {
    serde_json::from_slice(run.result().as_bytes()).expect("the result is JSON")
}

#[tokio::test]
async fn a_run_continues_as_it_says_and_knows_where_it_stands() {
    let (host, context) = steps();
    let mut first = started(&context, "chapters", r#"{"remaining": 1}"#);
    first.options =
        RunOptions { execution_timeout: Some(Duration::from_secs(7_200)), ..RunOptions::default() };
    first.options.attributes.memo.insert("draft".to_owned(), true.into());
    let mut run = Run::start_with(&host, &context, first).await.expect("starts");
    let upserted = [
        "WorkflowPropertiesModified",
        "WorkflowPropertiesModified",
        "UpsertWorkflowSearchAttributes",
    ];
    assert_eq!(run.event_types()[1..4], upserted);
    run.activity_returns(Ok(Payload::new("null"))).await.expect("goes on");
    assert_eq!(replay(&host, &context, run.history.clone()).await, Ok(0));
    let [Effect::StartNext(next)] = &run.effects[..] else {
        panic!("a run was to follow: {:?}", run.effects);
    };
    let options = &next.started.options;
    assert_eq!(options.run_timeout, Some(Duration::from_secs(3_600)));
    let memo = [("chapter".to_owned(), 1.into()), ("note".to_owned(), "continued".into())];
    assert_eq!(options.attributes.memo, memo.into());
    let searched: Vec<_> = options.attributes.search_attributes.iter().collect();
    assert_eq!(searched.len(), 2, "{searched:?}");
    let labels = SearchAttribute::KeywordList(vec!["a".to_owned(), "b".to_owned()]);
    assert_eq!(options.attributes.search_attributes["labels"], labels);

    let context = Arc::new(RunContext { run_id: next.run_id, ..(*context).clone() });
    let mut run = Run::start_with(&host, &context, next.started.clone()).await.expect("it follows");
    run.activity_returns(Ok(Payload::new("null"))).await.expect("goes on");
    let told = result(&run);
    let first_run = run.state.chain.first_run_id.expect("there was one").to_string();
    assert_eq!(
        told,
        json!({
            "run_id": context.run_id.to_string(),
            "attempt": 1,
            "first_run_id": first_run,
            "continued_from_run_id": first_run,
            "run_timeout": 3_600,
            "execution_timeout": 7_200,
            "execution_deadline": 1_700_007_200,
            "continued_failure": null,
            "history_length": 6,
            "history_has_bytes": true,
            "suggested": false,
            "note": "continued",
            "chapter": 0,
            "search_attributes": ["chapter", "labels"],
        })
    );
    assert_eq!(replay(&host, &context, run.history).await, Ok(0));
}

#[tokio::test]
async fn an_attempt_knows_what_the_one_before_failed_with() {
    let (host, context) = steps();
    let base = started(&context, "tries", "2");
    let run = Run::start_with(&host, &context, base.clone()).await.expect("starts");
    let last = run.history.last().map(|event| &event.attributes);
    assert!(matches!(last, Some(EventAttributes::WorkflowExecutionFailed { .. })), "{last:?}");

    let before = RunId(uuid::Uuid::from_u128(7));
    let mut second = WorkflowExecutionStarted { continued_from: Some(before), ..base };
    second.chain.attempt = 2;
    second.chain.first_run_id = Some(before);
    second.chain.continued_failure = Some(Failure::new(FailureKind::Application, "NotYet", "x"));
    let run = Run::start_with(&host, &context, second).await.expect("starts");
    let told = result(&run);
    assert_eq!((&told["attempt"], &told["continued_failure"]), (&json!(2), &json!("NotYet")));
    assert_eq!(told["continued_from_run_id"], before.to_string());
    assert_eq!(replay(&host, &context, run.history).await, Ok(0));
}
