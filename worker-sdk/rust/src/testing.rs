//! Runs a function without a server, in tests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cancellation::CancelReason;
use crate::clock::now;
use crate::context::ActivityContext;
use crate::execute::execute;
use crate::failure::Failure;
use crate::held::Held;
use crate::in_hand::InHand;
use crate::info::TaskInfo;
use crate::payload::Payload;
use crate::registry::typed;

/// Runs a function without a server: input and output go through JSON, and a panic becomes
/// a failure, as in a worker.
///
/// ```
/// use dacapo_worker::testing::TestActivity;
/// use dacapo_worker::{ActivityContext, Failure};
///
/// async fn count(context: ActivityContext, to: u32) -> Result<u32, Failure> {
///     let from = context.heartbeat_details::<u32>()?.unwrap_or(0);
///     for number in from..to {
///         context.heartbeat(&(number + 1))?;
///     }
///     Ok(to - from)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let test = TestActivity::new("count").heartbeat_details(&7);
/// assert_eq!(test.run(count, 10).await, Ok(3));
/// assert_eq!(test.last_heartbeat::<u32>(), Some(10));
/// # }
/// ```
#[derive(Debug)]
pub struct TestActivity {
    info: TaskInfo,
    held: Arc<Held>,
    /// What the function said last.
    said: Arc<InHand>,
}

impl TestActivity {
    /// The first attempt of an activity of this type.
    pub fn new(activity_type: impl Into<String>) -> Self {
        const LONG: Duration = Duration::from_secs(86_400);
        let info = TaskInfo {
            namespace: "default".to_owned(),
            task_queue: "test".to_owned(),
            workflow_id: "test".to_owned(),
            run_id: "00000000-0000-7000-8000-000000000000".to_owned(),
            workflow_type: "test".to_owned(),
            operation_id: 1,
            activity_type: activity_type.into(),
            attempt: 1,
            scheduled_at: SystemTime::UNIX_EPOCH,
            started_at: SystemTime::UNIX_EPOCH,
            start_to_close_timeout: LONG,
            schedule_to_close_timeout: None,
            heartbeat_timeout: None,
            last_failure: None,
            heartbeat_details: None,
            trace_context: BTreeMap::new(),
        };
        let held = Held::new("test".to_owned(), info.terms(LONG, Duration::ZERO), now());
        Self { info, held: Arc::new(held), said: Arc::new(InHand::default()) }
    }

    /// A later attempt.
    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.info.attempt = attempt;
        self
    }

    /// With what the attempt before failed.
    #[must_use]
    pub fn last_failure(mut self, failure: Failure) -> Self {
        self.info.last_failure = Some(failure);
        self
    }

    /// What the last heartbeat of an attempt before said.
    ///
    /// # Panics
    /// If it can't be written as JSON.
    #[must_use]
    pub fn heartbeat_details<T: Serialize + ?Sized>(mut self, details: &T) -> Self {
        let details = Payload::json(details);
        self.info.heartbeat_details = Some(details.unwrap_or_else(|error| {
            panic!("the details of the heartbeat can't be written: {error}")
        }));
        self
    }

    /// Changes anything else of what the function is told.
    #[must_use]
    pub fn with_info(mut self, change: impl FnOnce(&mut TaskInfo)) -> Self {
        change(&mut self.info);
        self
    }

    /// Asks the function to end, now or while it runs.
    pub fn cancel(&self, reason: CancelReason) {
        self.held.cancellation().cancel(reason);
    }

    /// Runs the function to its end.
    pub async fn run<I, O, F, Fut, T, R>(&self, function: F, input: T) -> Result<R, Failure>
    where
        I: DeserializeOwned + Send + 'static,
        O: Serialize + Send + 'static,
        F: Fn(ActivityContext, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, Failure>> + Send + 'static,
        T: Serialize,
        R: DeserializeOwned,
    {
        let held = Arc::clone(&self.held);
        let context = ActivityContext::new(self.info.clone(), held, Arc::clone(&self.said));
        let input = Payload::json(&input)?;
        Ok(execute(typed(function), context, input).await?.decode()?)
    }

    /// What the function said last; none if it said nothing that is such a value.
    pub fn last_heartbeat<T: DeserializeOwned>(&self) -> Option<T> {
        let details = self.held.take(now())?;
        let value = details.decode().ok();
        self.held.missed(Some(details));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_function_can_be_cancelled_and_panic() {
        let test = TestActivity::new("wait").attempt(2);
        test.cancel(CancelReason::Requested);
        let waits = async |context: ActivityContext, (): ()| {
            context.cancelled().await;
            assert_eq!(context.info().attempt, 2);
            Err::<(), _>(Failure::cancelled("undone"))
        };
        let wait = move |context, input| async move { waits(context, input).await };
        assert!(
            test.run::<(), (), _, _, _, ()>(wait, ()).await.expect_err("it ends").is_cancelled()
        );

        let panics = |_: ActivityContext, text: String| async move {
            assert!(text.is_empty(), "{text} is too much");
            Ok(())
        };
        let failure = test.run::<_, _, _, _, _, ()>(panics, "this").await.expect_err("it panics");
        assert_eq!(failure.info.type_name, "Panic");
        assert!(failure.info.message.contains("this is too much"), "{failure}");

        let failure = test.run::<_, _, _, _, _, ()>(panics, 3).await.expect_err("no text");
        assert!(failure.is_type("InvalidInput") && failure.info.non_retryable);
    }
}
