//! Commits of the store: one transition of each of so many runs, in one
//! transaction. On SQLite, and on the PostgreSQL server of `DATABASE_URL`, whose
//! database must be one that may be filled.

use std::str::FromStr as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use criterion::{BenchmarkId, Criterion, Throughput};
use dacapo_bench::drive::Stage;
use dacapo_model::attributes::RunAttributes;
use dacapo_model::event::{EventAttributes, HistoryEvent};
use dacapo_model::execution::{Execution, ExecutionStatus};
use dacapo_model::ids::{EventId, NamespaceName, RunId, RunKey, WorkflowHash, WorkflowId};
use dacapo_store::Store;
use dacapo_store::commit::{CommitUnit, ExecutionChange, RunTransition};
use dacapo_store::shard::{NodeId, Ownership};
use dacapo_store_postgres::{PostgresOptions, PostgresStore};
use dacapo_store_sqlite::SqliteStore;
use tokio::runtime::Runtime;
use uuid::Uuid;

/// Runs that take a step in one transaction.
const UNITS: [usize; 4] = [1, 16, 64, 256];

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // Connections are given back to their pools as the stores are dropped.
    let _context = runtime.enter();
    let history = runtime
        .block_on(async { Stage::set().await?.record("sequential", r#"{"steps": 2}"#).await })?;
    let mut criterion = Criterion::default().configure_from_args();

    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bench");
    let folder = tempfile::Builder::new().prefix("append-").tempdir_in(target)?;
    let sqlite = runtime.block_on(SqliteStore::open(folder.path().join("dacapo.db")))?;
    measure(&mut criterion, &runtime, "append/sqlite", &sqlite, &history)?;
    if let Ok(url) = std::env::var("DATABASE_URL") {
        let postgres = runtime.block_on(async {
            let store = PostgresStore::connect(&url, PostgresOptions::default()).await?;
            store.migrate().await?;
            anyhow::Ok(store)
        })?;
        measure(&mut criterion, &runtime, "append/postgres", &postgres, &history)?;
    }
    criterion.final_summary();
    Ok(())
}

fn measure(
    criterion: &mut Criterion,
    runtime: &Runtime,
    name: &str,
    store: &dyn Store,
    history: &[HistoryEvent],
) -> Result<()> {
    let ownership = runtime.block_on(store.acquire_all_shards(NodeId(fresh_id())))?;
    let mut group = criterion.benchmark_group(name);
    for units in UNITS {
        let mut runs = runtime.block_on(Runs::begin(store, &ownership, units, history))?;
        group.throughput(Throughput::Elements(units as u64));
        group.bench_function(BenchmarkId::from_parameter(units), |bencher| {
            bencher.iter_custom(|commits| {
                runtime.block_on(async {
                    let mut spent = Duration::ZERO;
                    for _ in 0..commits {
                        let step = runs.step();
                        let begun = now();
                        store.commit(&ownership, &step).await.expect("it is committed");
                        spent += begun.elapsed();
                    }
                    spent
                })
            });
        });
    }
    group.finish();
    Ok(())
}

/// Runs that never end.
struct Runs {
    keys: Vec<RunKey>,
    next: EventId,
    /// An activity has completed, and another one is scheduled.
    step: [EventAttributes; 2],
    time: dacapo_model::time::Timestamp,
}

impl Runs {
    async fn begin(
        store: &dyn Store,
        ownership: &Ownership,
        count: usize,
        history: &[HistoryEvent],
    ) -> Result<Self> {
        let [started, scheduled, completed, next, ..] = history else {
            anyhow::bail!("the history is too short");
        };
        let EventAttributes::WorkflowExecutionStarted(attributes) = &started.attributes else {
            anyhow::bail!("a history begins with a start");
        };
        let namespace = NamespaceName::from_str("default")?;
        let mut keys = Vec::new();
        let mut units = Vec::new();
        for _ in 0..count {
            let run_id = RunId(fresh_id());
            let workflow_id = WorkflowId::new(run_id.to_string())?;
            let key = RunKey { hash: WorkflowHash::of(&namespace, &workflow_id), run_id };
            let execution = Execution {
                key,
                namespace: namespace.clone(),
                workflow_id,
                workflow_type: attributes.workflow_type.clone(),
                module_digest: attributes.module_digest,
                request_id: None,
                status: ExecutionStatus::Running,
                blocked: None,
                started_at: started.time,
                attributes: RunAttributes::default(),
                closed_at: None,
                delayed_until: None,
                parent: None,
                history_size: None,
                task_queue: None,
            };
            let events = vec![started.clone(), scheduled.clone()];
            units.push(unit(key, events, ExecutionChange::Insert(Box::new(execution))));
            keys.push(key);
        }
        store.commit(ownership, &units).await.context("the runs can't begin")?;
        let step = [completed.attributes.clone(), next.attributes.clone()];
        Ok(Self { keys, next: scheduled.id.next(), step, time: started.time })
    }

    /// The next transition of each run.
    fn step(&mut self) -> Vec<CommitUnit> {
        let first = self.next;
        let ids = [first, first.next()];
        self.next = ids[1].next();
        let units = self.keys.iter().map(|key| {
            let events = ids.into_iter().zip(self.step.iter().cloned());
            let events =
                events.map(|(id, attributes)| HistoryEvent { id, time: self.time, attributes });
            unit(*key, events.collect(), ExecutionChange::None)
        });
        units.collect()
    }
}

fn unit(key: RunKey, events: Vec<HistoryEvent>, execution: ExecutionChange) -> CommitUnit {
    let (timers_set, timers_cleared) = (Vec::new(), Vec::new());
    let transition =
        RunTransition { events, execution, timers_set, timers_cleared, ..RunTransition::new(key) };
    CommitUnit { transitions: vec![transition] }
}

#[expect(clippy::disallowed_methods, reason = "a database may hold runs of earlier measurements")]
fn fresh_id() -> Uuid {
    Uuid::now_v7()
}

#[expect(clippy::disallowed_methods, reason = "durations are what is measured")]
fn now() -> Instant {
    Instant::now()
}
