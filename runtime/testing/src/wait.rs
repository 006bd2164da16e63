//! How a test waits for a run: time goes on while nothing is left to do.

use std::fmt::Write as _;
use std::pin::Pin;
use std::time::Duration;

use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::EventId;
use dacapo_service::operations::Closing;
use futures::FutureExt as _;

use crate::error::TestError;
use crate::run::TestRun;

/// How long a run that nothing will happen to is given, of the machine's time,
/// for another task of the test to do something about it.
const PATIENCE: Duration = Duration::from_secs(1);

impl TestRun<'_> {
    /// Waits for the run to close, and for those that continue it.
    pub(crate) async fn closing(&self) -> Result<Closing, TestError> {
        loop {
            self.env.settle().await?;
            let run = self.latest().await?;
            let latest = self.env.steady().await.run_result(&run, Duration::ZERO).await?;
            if let Some(closing) = latest.closing {
                return Ok(closing);
            }
            self.go_on().await?;
        }
    }

    /// Waits for something that the run is to bring about.
    pub(crate) async fn wait_for<F: Future>(
        &self,
        mut done: Pin<&mut F>,
    ) -> Result<F::Output, TestError> {
        loop {
            tokio::select! {
                biased;
                done = &mut done => return Ok(done),
                settled = self.env.settle() => settled?,
            }
            if let Some(done) = (&mut done).now_or_never() {
                return Ok(done);
            }
            // It may have asked for something more just now.
            if self.env.is_busy() {
                continue;
            }
            tokio::select! {
                biased;
                done = &mut done => return Ok(done),
                went_on = self.go_on() => went_on?,
            }
        }
    }

    /// Nothing is left to do: lets time go on to what happens next by itself. If
    /// nothing will, another task of the test may do something.
    async fn go_on(&self) -> Result<(), TestError> {
        let env = self.env;
        let latest = self.latest().await?;
        let described = env.steady().await.describe_run(&latest).await?;
        if described.execution.status == ExecutionStatus::Blocked
            && let Some(blocked) = described.execution.blocked
        {
            return Err(TestError::Blocked(Box::new(blocked)));
        }
        if env.is_held() {
            return Err(self.stuck("Time is held: use `advance`, or drop the hold").await?);
        }
        match env.next_event().await? {
            Some(next) => env.clock.move_to(next),
            None => self.wait_for_others(EventId(described.history_length).next()).await?,
        }
        Ok(())
    }

    async fn wait_for_others(&self, from: EventId) -> Result<(), TestError> {
        let run = self.latest().await?;
        let mut follower = self.env.steady().await.follow_history(&run, from).await?;
        match tokio::time::timeout(PATIENCE, follower.next()).await {
            Ok(_news) => Ok(()),
            Err(_elapsed) => {
                Err(self.stuck("Nothing will happen any more: does it wait for a signal?").await?)
            }
        }
    }

    async fn stuck(&self, why: &str) -> Result<TestError, TestError> {
        let run = self.latest().await?;
        let described = self.env.steady().await.describe_run(&run).await?;
        let mut message = format!(
            "run `{}` of workflow `{}` has not ended. {why}",
            self.workflow_id, described.execution.workflow_type
        );
        for timer in &described.pending_timers {
            let left = timer.fire_at.since(self.env.now());
            let _ = write!(message, "\n  waits for a timer, {left:?} from now");
        }
        for activity in &described.pending_activities {
            let (name, attempt) = (&activity.activity_type, activity.attempt);
            let _ = write!(message, "\n  waits for activity `{name}`, attempt {attempt}");
            if activity.is_open {
                let _ = write!(message, ", to be completed from outside");
            }
            if let Some(route) = &activity.task_queue {
                let _ = write!(message, ", from a worker of task queue `{}`", route.queue);
            }
            if let Some(failure) = &activity.last_failure {
                let info = &failure.info;
                let _ = write!(message, "; before: {}: {}", info.type_name, info.message);
            }
        }
        for update in &described.pending_updates {
            let stage = if update.accepted { "accepted" } else { "not taken yet" };
            let _ = write!(message, "\n  has update `{}`, {stage}", update.update_id);
        }
        Ok(TestError::Stuck(message))
    }
}
