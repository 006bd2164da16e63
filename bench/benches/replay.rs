//! Replay: the cursor alone, with plain code as the guest, and the host with the
//! real one.

use std::time::Duration;

use anyhow::Result;
use criterion::{BatchSize, Criterion, Throughput};
use dacapo_bench::drive::Stage;
use dacapo_engine::replay::{Answer, Budget, Cursor};
use dacapo_model::command::Outcome;
use dacapo_model::event::{EventAttributes, HistoryEvent};
use dacapo_model::limits::Limits;
use tokio::runtime::Runtime;

/// Of the recorded run.
const STEPS: u32 = 1_000;

/// Of one run that is played live. A longer one would pass the limit of events.
const LIVE_STEPS: u64 = 10_000;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stage = runtime.block_on(Stage::set())?;
    let input = format!(r#"{{"steps": {STEPS}}}"#);
    let history = runtime.block_on(stage.record("sequential", &input))?;
    let mut criterion = Criterion::default().configure_from_args();
    cursor_alone(&mut criterion, &history);
    guest(&mut criterion, &runtime, &stage, &history);
    first_activation(&mut criterion, &runtime, &stage);
    live_step(&mut criterion, &runtime, &stage);
    criterion.final_summary();
    Ok(())
}

fn cursor_alone(criterion: &mut Criterion, history: &[HistoryEvent]) {
    let mut group = criterion.benchmark_group("replay");
    group.throughput(Throughput::Elements(history.len() as u64));
    group.bench_function("cursor with plain code", |bencher| {
        bencher.iter_batched(|| history.to_vec(), play, BatchSize::LargeInput);
    });
    group.finish();
}

/// What the workflow `sequential` does, as plain code.
fn play(history: Vec<HistoryEvent>) -> Cursor {
    let scheduled = history[1].attributes.clone();
    let ended = history.last().map(|event| event.attributes.clone());
    let EventAttributes::ActivityTaskScheduled { activity_type, input, options, .. } = scheduled
    else {
        panic!("the second event schedules an activity");
    };
    let Some(EventAttributes::WorkflowExecutionCompleted { result }) = ended else {
        panic!("the last event closes the run");
    };
    let mut cursor = Cursor::new(Budget::from(&Limits::default()));
    cursor.extend(history);
    assert!(matches!(cursor.start(), Ok(Answer::Ready(_))), "the history begins with a start");
    for _ in 0..STEPS {
        let operation = cursor
            .start_activity(activity_type.clone(), input.clone(), options.clone())
            .expect("it is recorded");
        let outcome = cursor.wait(operation).expect("it is recorded");
        assert!(matches!(outcome, Answer::Ready(Ok(_))), "the activity has returned");
    }
    cursor.close(Outcome::Completed(result)).expect("it is recorded");
    assert!(cursor.take_commands().is_empty(), "nothing is new");
    cursor
}

fn guest(criterion: &mut Criterion, runtime: &Runtime, stage: &Stage, history: &[HistoryEvent]) {
    let mut group = criterion.benchmark_group("replay");
    group.throughput(Throughput::Elements(history.len() as u64));
    group.bench_function("guest", |bencher| {
        bencher.iter_batched(
            || history.to_vec(),
            |history| runtime.block_on(stage.replay(history)).expect("it fits"),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn first_activation(criterion: &mut Criterion, runtime: &Runtime, stage: &Stage) {
    criterion.bench_function("host/first activation", |bencher| {
        bencher.iter(|| {
            runtime.block_on(stage.start("sequential", r#"{"steps": 1}"#)).expect("it starts")
        });
    });
}

/// An activity returns, and the workflow asks for the next one, in an instance
/// that is there already.
fn live_step(criterion: &mut Criterion, runtime: &Runtime, stage: &Stage) {
    let input = format!(r#"{{"steps": {LIVE_STEPS}}}"#);
    criterion.bench_function("host/live step", |bencher| {
        bencher.iter_custom(|steps| {
            runtime.block_on(async {
                let (mut left, mut spent) = (steps, Duration::ZERO);
                while left > 0 {
                    let mut play = stage.start("sequential", &input).await.expect("it starts");
                    let steps = left.min(LIVE_STEPS);
                    let begun = now();
                    for _ in 0..steps {
                        assert!(play.activity_returns().await.expect("it goes on"));
                    }
                    spent += begun.elapsed();
                    left -= steps;
                }
                spent
            })
        });
    });
}

#[expect(clippy::disallowed_methods, reason = "durations are what is measured")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}
