//! The three requests of a worker.

use std::time::Duration;

use crate::connection::Connection;
use crate::error::RequestError;
use crate::options::Options;
use crate::wire::{
    Heard, HeartbeatsAnswer, HeartbeatsRequest, PollAnswer, PollRequest, Report, Reported,
    ReportsAnswer, ReportsRequest, Task,
};

/// What an answer may take beyond the time that was asked for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The requests of one worker.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) connection: Connection,
}

impl Api {
    /// Asks for up to `max_tasks` tasks.
    pub(crate) async fn poll(
        &self,
        options: &Options,
        activity_types: &[String],
        max_tasks: usize,
    ) -> Result<Vec<Task>, RequestError> {
        let request = PollRequest {
            identity: &options.identity,
            build_id: options.build_id.as_deref(),
            activity_types,
            max_tasks,
            wait_seconds: options.poll_wait.as_secs_f64(),
            lease_seconds: options.lease.as_secs_f64(),
        };
        let path = ["task-queues", &options.task_queue, "poll"];
        let timeout = options.poll_wait + ANSWER_TIMEOUT;
        let answer: PollAnswer = self.connection.post(&path, &request, timeout).await?;
        Ok(answer.tasks)
    }

    /// Says that tasks are in hand. One result for each, in the same order.
    pub(crate) async fn heartbeats(
        &self,
        request: &HeartbeatsRequest<'_>,
        timeout: Duration,
    ) -> Result<Vec<Heard>, RequestError> {
        let timeout = timeout.min(ANSWER_TIMEOUT);
        let path = ["activities", "heartbeats"];
        let answer: HeartbeatsAnswer = self.connection.post(&path, request, timeout).await?;
        one_for_each(answer.results, request.heartbeats.len())
    }

    /// Says how tasks ended. One result for each, in the same order.
    pub(crate) async fn reports(
        &self,
        reports: Vec<Report<'_>>,
    ) -> Result<Vec<Reported>, RequestError> {
        let count = reports.len();
        let path = ["activities", "reports"];
        let request = ReportsRequest { reports };
        let answer: ReportsAnswer = self.connection.post(&path, &request, ANSWER_TIMEOUT).await?;
        one_for_each(answer.results, count)
    }
}

fn one_for_each<T>(results: Vec<T>, count: usize) -> Result<Vec<T>, RequestError> {
    if results.len() == count {
        return Ok(results);
    }
    Err(RequestError::Answer(format!("{} results for {count} entries", results.len())))
}
