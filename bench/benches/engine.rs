//! The pure core: what deciding one step costs, and reading a history back.

use anyhow::Result;
use criterion::{Criterion, Throughput};
use dacapo_bench::drive::{Stage, returned};
use dacapo_engine::decide::{self, Input};
use dacapo_engine::state::RunState;
use dacapo_model::command::Command;
use dacapo_model::event::{EventAttributes, HistoryEvent};
use dacapo_model::ids::{OperationId, RunId};
use dacapo_model::limits::Limits;
use uuid::Uuid;

/// 499 steps, the start and the end.
const STEPS: u32 = 499;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let history = runtime.block_on(async {
        let stage = Stage::set().await?;
        stage.record("sequential", &format!(r#"{{"steps": {STEPS}}}"#)).await
    })?;
    let mut criterion = Criterion::default().configure_from_args();
    one_step(&mut criterion, &history);
    whole_history(&mut criterion, &history);
    criterion.final_summary();
    Ok(())
}

/// An activity returns, and the workflow asks for the next one.
fn one_step(criterion: &mut Criterion, history: &[HistoryEvent]) {
    let mut state = RunState::from_history(&history[..2]).expect("legal").expect("not empty");
    let EventAttributes::ActivityTaskScheduled { activity_type, input, options, .. } =
        &history[1].attributes
    else {
        panic!("the second event schedules an activity");
    };
    let limits = Limits { history_events_max: u64::MAX, ..Limits::default() };
    let mut operation_id = OperationId(1);
    criterion.bench_function("engine/decide and apply one step", |bencher| {
        bencher.iter(|| {
            let pending = state.activities.keys().next().copied().expect("an activity is pending");
            let completed = returned(&mut state, pending).expect("it is pending");
            operation_id.0 += 1;
            let command = Command::ScheduleActivity {
                operation_id,
                activity_type: activity_type.clone(),
                input: input.clone(),
                options: options.clone(),
            };
            let turn = Input::GuestTurn { run_id: RunId(Uuid::nil()), commands: vec![command] };
            let now = state.last_event_at;
            let scheduled = decide::decide(&mut state, turn, now, &limits).expect("it is open");
            (completed, scheduled)
        });
    });
}

fn whole_history(criterion: &mut Criterion, history: &[HistoryEvent]) {
    let mut group = criterion.benchmark_group("engine");
    group.throughput(Throughput::Elements(history.len() as u64));
    group.bench_function("state from a history", |bencher| {
        bencher.iter(|| RunState::from_history(history).expect("legal"));
    });
    group.finish();
}
