//! Random programs, made of the steps that every language has: each guest interprets them in its own
//! language, and all of them leave the same history.

use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use dacapo_tests::{event_types, eventually};

use crate::stage::{Played, Stage};

/// The same programs each time.
const SEED: u64 = 54;
const PROGRAMS: usize = 12;
const STEPS_MAX: usize = 5;

/// What a program does next.
#[derive(Debug, Clone)]
enum Step {
    Activity(u64),
    FanOut(Vec<u64>),
    Timer(u64),
    Race(u64),
    Child(Vec<Step>),
    Signal(String),
}

/// Plays all of them, and returns their runs.
pub(crate) async fn play(stage: &Stage<'_>) -> Vec<Played> {
    let mut random = StdRng::seed_from_u64(SEED);
    let programs: Vec<_> = (0..PROGRAMS).map(|_| program(&mut random, true)).collect();
    let runs = programs.iter().enumerate().map(async |(number, steps)| {
        let input = json!({ "input": as_json(steps) });
        let run = stage.start_with("program", &number.to_string(), input).await;
        for step in steps {
            if let Step::Signal(name) = step {
                waits_for(stage, &run, name).await;
                stage.signal(&run, name, name, json!({ "said": name })).await;
            }
        }
        stage.completes(&run, steps.iter().map(result_of).collect()).await;
        let history = stage.history(&run).await;
        let expected: Vec<_> = ["WorkflowExecutionStarted"]
            .into_iter()
            .chain(steps.iter().flat_map(events_of))
            .chain(["WorkflowExecutionCompleted"])
            .collect();
        assert_eq!(event_types(&history), expected, "program {number}: {steps:?}");
        run
    });
    join_all(runs).await
}

/// A signal that comes while something else is waited for is recorded among other events.
async fn waits_for(stage: &Stage<'_>, run: &Played, name: &str) {
    eventually(&format!("the program waits for {name}"), async || {
        let waiting = stage.waiting(run).await;
        let waits = waiting["waits"].as_array()?;
        waits.iter().any(|wait| wait["signal_name"] == name).then_some(())
    })
    .await;
}

fn program(random: &mut StdRng, may_nest: bool) -> Vec<Step> {
    let count = random.random_range(1..=STEPS_MAX);
    (0..count).map(|at| step(random, at, may_nest)).collect()
}

fn step(random: &mut StdRng, at: usize, may_nest: bool) -> Step {
    match random.random_range(0..if may_nest { 6 } else { 4 }) {
        0 => Step::Activity(random.random_range(0..1000)),
        1 => {
            let count = random.random_range(0..5);
            Step::FanOut((0..count).map(|_| random.random_range(0..1000)).collect())
        }
        2 => Step::Timer(random.random_range(1..20)),
        3 => Step::Race(random.random_range(1..50)),
        // Nobody sends a child signals.
        4 => Step::Child(program(random, false)),
        _ => Step::Signal(format!("signal-{at}")),
    }
}

fn as_json(steps: &[Step]) -> Value {
    let steps: Vec<_> = steps
        .iter()
        .map(|step| match step {
            Step::Activity(number) => json!({ "activity": number }),
            Step::FanOut(numbers) => json!({ "fan_out": numbers }),
            Step::Timer(millis) => json!({ "timer": millis }),
            Step::Race(millis) => json!({ "race": millis }),
            Step::Child(steps) => json!({ "child": as_json(steps) }),
            Step::Signal(name) => json!({ "signal": name }),
        })
        .collect();
    json!({ "steps": steps })
}

fn result_of(step: &Step) -> Value {
    match step {
        Step::Activity(number) => json!(2 * number),
        Step::FanOut(numbers) => numbers.iter().map(|number| json!(2 * number)).collect(),
        Step::Timer(_) => Value::Null,
        Step::Race(_) => json!("timer"),
        Step::Child(steps) => steps.iter().map(result_of).collect(),
        Step::Signal(name) => json!({ "said": name }),
    }
}

fn events_of(step: &Step) -> Vec<&'static str> {
    match step {
        Step::Activity(_) => vec!["ActivityTaskScheduled", "ActivityTaskCompleted"],
        Step::FanOut(numbers) => {
            let times = |event_type| std::iter::repeat_n(event_type, numbers.len());
            times("ActivityTaskScheduled").chain(times("ActivityTaskCompleted")).collect()
        }
        Step::Timer(_) => vec!["TimerStarted", "TimerFired"],
        Step::Race(_) => {
            vec!["ActivityTaskScheduled", "TimerStarted", "TimerFired", "ActivityTaskCanceled"]
        }
        Step::Child(_) => vec![
            "StartChildWorkflowExecutionInitiated",
            "ChildWorkflowExecutionStarted",
            "ChildWorkflowExecutionCompleted",
        ],
        Step::Signal(_) => vec!["WorkflowExecutionSignaled"],
    }
}
