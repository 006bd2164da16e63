//! Asks a run what it knows.

use std::sync::Arc;

use dacapo_engine::replay::has_begun;
use dacapo_model::execution::{Execution, ExecutionStatus};
use dacapo_model::ids::RunId;
use dacapo_model::payload::Payload;
use dacapo_model::query::Query;

use super::RunRef;
use super::locate::Located;
use crate::error::{Result, ServiceError};
use crate::run::{
    Message, REPLAY_TIME_MAX, answer, context_of, make_room, not_served, took_too_long,
};
use crate::tenancy::Tenant;

/// When a query is to be refused because of where the run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RejectIf {
    /// Never.
    #[default]
    None,
    /// If the run is closed.
    NotOpen,
    /// If the run is closed and has not completed.
    NotCompletedCleanly,
}

impl RejectIf {
    fn applies_to(self, status: ExecutionStatus) -> bool {
        match self {
            Self::None => false,
            Self::NotOpen => !status.is_open(),
            Self::NotCompletedCleanly => !status.is_open() && status != ExecutionStatus::Completed,
        }
    }
}

/// What a run was asked, and by which run it was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryResult {
    /// The run.
    pub run_id: RunId,
    /// The answer.
    pub outcome: QueryOutcome,
}

/// The answer to a query.
#[derive(Debug, Clone, PartialEq)]
pub enum QueryOutcome {
    /// What the run says.
    Answered(Payload),
    /// It was not asked, since it stands there.
    Rejected(ExecutionStatus),
}

impl Tenant {
    /// Asks a run, after everything that was acknowledged before. Nothing of it is
    /// recorded.
    pub async fn query_run(
        &self,
        run: &RunRef,
        query: Query,
        reject_if: RejectIf,
    ) -> Result<QueryResult> {
        self.shared.admit()?;
        self.check_payload("the query's input", &query.input)?;
        self.confirmed(run, self.query_located(run, query, reject_if)).await
    }

    async fn query_located(
        &self,
        run: &RunRef,
        query: Query,
        reject_if: RejectIf,
    ) -> Result<QueryResult> {
        let message = |answer| Message::Query { query: query.clone(), answer };
        match self.ask(run, message).await? {
            Located::Open((open, answer)) => {
                let outcome = QueryOutcome::Answered(answer?);
                Ok(QueryResult { run_id: open.key.run_id, outcome })
            }
            Located::Closed(execution) => {
                let run_id = execution.key.run_id;
                if reject_if.applies_to(execution.status) {
                    let outcome = QueryOutcome::Rejected(execution.status);
                    return Ok(QueryResult { run_id, outcome });
                }
                let published = self.shared.store.query_result(execution.key, &query.name);
                let value = match published.await? {
                    Some(value) => value,
                    None => self.query_closed(&execution, query).await?,
                };
                Ok(QueryResult { run_id, outcome: QueryOutcome::Answered(value) })
            }
        }
    }

    /// Asks the code of a run that is closed. Its whole history is replayed for it.
    async fn query_closed(&self, execution: &Execution, query: Query) -> Result<Payload> {
        let shared = &self.shared;
        let name = query.name.clone();
        let asking = async {
            // Few at a time: it takes the processor from runs that are open.
            let _turn =
                shared.capacity.replays.acquire().await.map_err(|_| ServiceError::stopping())?;
            let room = make_room(shared).await;
            let stored = shared.loader.load(execution.key).await?;
            let stored = stored.ok_or_else(|| not_served(&name, "the run is gone"))?;
            if !has_begun(&stored.history) {
                return Err(not_served(&name, "the run was closed before its code began"));
            }
            let run = Arc::new(context_of(&stored.execution));
            let asked = shared.host.query_closed(run, room, stored.whole()?, query).await;
            answer(&name, asked, "the run is closed, and its module has no answers after the end")
        };
        let asked = tokio::time::timeout(REPLAY_TIME_MAX, asking).await;
        asked.unwrap_or_else(|_elapsed| Err(took_too_long(&name, REPLAY_TIME_MAX)))
    }
}
