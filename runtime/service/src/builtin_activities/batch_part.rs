//! One part of a batch: an activity that the runtime itself makes. It may be made again from
//! where its last heartbeat was stored: each run knows the request, and does nothing twice.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use dacapo_engine::guest::{ActivityTask, AttemptLink};
use dacapo_model::code::ErrorCode;
use dacapo_model::event::EventAttributes;
use dacapo_model::execution::Execution;
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::{EventId, RunId, RunKey, WorkflowHash};
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use futures::future::{BoxFuture, join_all};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::batch_apply::{Applied, apply};
use crate::builtin::batch::{PartInput, PartOutcome, spec};
use crate::clock::wait_until;
use crate::error::{Result, ServiceError};
use crate::operations::Place;
use crate::runtime::Shared;
use crate::tenancy::Tenant;
use crate::types::{BatchFailure, BatchProgress, BatchSpec};

/// A part ends after so many runs: what it did is an event then.
const RUNS_MAX: u64 = 1_000;

/// Or after so long.
const TIME_MAX: Duration = Duration::from_secs(10 * 60);

/// Runs that are read at once.
const PAGE: u32 = 100;

/// Runs with which it is done at the same time.
const AT_ONCE: usize = 20;

pub(super) fn run_part(
    shared: Arc<Shared>,
    task: ActivityTask,
    link: Arc<dyn AttemptLink>,
) -> BoxFuture<'static, std::result::Result<Payload, Failure>> {
    Box::pin(async move {
        let part = Part::read(&shared, &task).await.map_err(failure)?;
        let outcome = part.run(&*link).await.map_err(failure)?;
        Ok(Payload::new(serde_json::to_vec(&outcome).expect("plain data")))
    })
}

/// With a retryable code the part is tried again, for as long as it takes. So is a filter
/// that was too slow: the database may have been busy.
fn failure(error: ServiceError) -> Failure {
    let retryable = error.code.is_retryable() || error.code == ErrorCode::FilterTooSlow;
    let failure = Failure::new(FailureKind::Application, error.code.as_str(), error.message);
    if retryable { failure } else { failure.non_retryable() }
}

struct Part {
    shared: Arc<Shared>,
    tenant: Tenant,
    spec: BatchSpec,
    /// When the batch was started: what came later is not in it.
    started_at: Timestamp,
    /// The run of the batch.
    run_id: RunId,
    /// How far it has come, in an attempt before.
    outcome: PartOutcome,
}

impl Part {
    async fn read(shared: &Arc<Shared>, task: &ActivityTask) -> Result<Self> {
        let run = &task.run;
        let hash = WorkflowHash::of(&run.namespace, &run.workflow_id);
        let key = RunKey { hash, run_id: run.run_id };
        let tenant = Tenant::of_run(shared, key, &run.namespace)?;
        let first = shared.store.load_history(key, EventId::FIRST, 1).await?;
        let (started_at, started) = match first.first().map(|event| (event.time, &event.attributes))
        {
            Some((time, EventAttributes::WorkflowExecutionStarted(started))) => (time, started),
            _ => return Err(unreadable("its history does not begin with its start")),
        };
        let outcome = match &task.heartbeat_details {
            Some(details) => parse(details)?,
            None => {
                let PartInput { after } = parse(&task.input)?;
                PartOutcome { after, ..PartOutcome::default() }
            }
        };
        Ok(Self {
            shared: shared.clone(),
            tenant,
            spec: spec(started).map_err(unreadable)?,
            started_at,
            run_id: run.run_id,
            outcome,
        })
    }

    async fn run(mut self, link: &dyn AttemptLink) -> Result<PartOutcome> {
        let clock = self.shared.clock.clone();
        let began = clock.instant();
        let mut pace = Pace::new(self.spec.runs_per_second, began);
        if self.outcome.after.is_none() && self.outcome.progress.matched.is_none() {
            self.outcome.progress.matched = self.tenant.count_matching(&self.spec.filter).await?;
            self.say(link);
        }
        loop {
            let after = self.outcome.after.as_deref().map(Place::parse).transpose()?;
            let matching = self.tenant.matching(&self.spec.filter, self.started_at, after, PAGE);
            let page = matching.await?;
            if page.is_empty() {
                self.outcome.is_last = true;
                return Ok(self.outcome);
            }
            for group in page.chunks(pace.at_once()) {
                let begins_at = pace.take(clock.instant(), group.len());
                tokio::select! {
                    biased;
                    () = link.cancel_requested() => return Ok(self.outcome),
                    () = wait_until(&*clock, Some(begins_at)) => {}
                }
                self.apply_to(group).await?;
                self.say(link);
                let is_long = clock.instant().duration_since(began) >= TIME_MAX;
                if is_long || self.outcome.progress.count() >= RUNS_MAX {
                    return Ok(self.outcome);
                }
            }
        }
    }

    /// Says how far it has come, for people and for the next attempt.
    fn say(&self, link: &dyn AttemptLink) {
        let details = serde_json::to_vec(&self.outcome).expect("plain data");
        link.heartbeat(Some(Payload::new(details)));
    }

    /// All of them, or none that counts: what is not known of one is asked again with all.
    async fn apply_to(&mut self, group: &[Execution]) -> Result<()> {
        let applying = group.iter().map(|it| apply(&self.tenant, &self.spec, self.run_id, it));
        let applied = join_all(applying).await.into_iter().collect::<Result<Vec<_>>>()?;
        let mut progress = BatchProgress::default();
        for (execution, applied) in group.iter().zip(applied) {
            match applied {
                Applied::Done => progress.done += 1,
                Applied::Skipped => progress.skipped += 1,
                Applied::Refused(error) => {
                    progress.failed += 1;
                    progress.failures.push(BatchFailure::new(execution, &error));
                }
            }
        }
        self.outcome.progress.add(progress);
        self.outcome.after = group.last().map(|last| Place::of(last).to_string());
        Ok(())
    }
}

/// How fast it may go.
struct Pace {
    interval: f64,
    next_at: Instant,
}

impl Pace {
    fn new(runs_per_second: f64, now: Instant) -> Self {
        Self { interval: 1.0 / runs_per_second, next_at: now }
    }

    /// With how many runs at a time: no more than may be begun in a second.
    fn at_once(&self) -> usize {
        (1..=AT_ONCE).rev().find(|&count| self.time(count) <= Duration::from_secs(1)).unwrap_or(1)
    }

    /// When so many may be begun.
    fn take(&mut self, now: Instant, count: usize) -> Instant {
        let begins_at = self.next_at.max(now);
        self.next_at = begins_at + self.time(count);
        begins_at
    }

    fn time(&self, count: usize) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "at most a few")]
        Duration::from_secs_f64(self.interval * count as f64)
    }
}

fn parse<T: DeserializeOwned>(payload: &Payload) -> Result<T> {
    serde_json::from_slice(payload.as_bytes()).map_err(unreadable)
}

fn unreadable(problem: impl Display) -> ServiceError {
    ServiceError::new(ErrorCode::Internal, format!("the batch can't be read: {problem}"))
}
