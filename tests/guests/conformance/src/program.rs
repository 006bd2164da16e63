//! Programs that are data.

use std::time::Duration;

use dacapo::{Either, Failure, signals, sleep, try_join_all};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::activities::{double, wait_cancel};

#[derive(Serialize, Deserialize)]
pub(crate) struct Program {
    steps: Vec<Step>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    Activity(u64),
    FanOut(Vec<u64>),
    Timer(u64),
    Race(u64),
    Child(Program),
    Signal(String),
}

#[dacapo::workflow]
pub(crate) async fn program(input: Program) -> Result<Vec<Value>, Failure> {
    let mut results = Vec::new();
    for each in input.steps {
        results.push(step(each).await?);
    }
    Ok(results)
}

async fn step(step: Step) -> Result<Value, Failure> {
    match step {
        Step::Activity(number) => Ok(json!(double(number).await?)),
        Step::FanOut(numbers) => Ok(json!(try_join_all(numbers.into_iter().map(double)).await?)),
        Step::Timer(millis) => {
            sleep(Duration::from_millis(millis)).await?;
            Ok(Value::Null)
        }
        Step::Race(millis) => {
            let first = dacapo::race(wait_cancel(), sleep(Duration::from_millis(millis))).await;
            Ok(json!(if matches!(first, Either::Left(_)) { "activity" } else { "timer" }))
        }
        Step::Child(steps) => Ok(json!(program(steps).await?)),
        Step::Signal(name) => signals(name).recv().await,
    }
}
