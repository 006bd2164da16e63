//! Completes activities from outside, as whoever has their token would.

use dacapo_engine::guest::AttemptSignals;
use dacapo_model::ids::OperationId;
use dacapo_model::task_token::TaskToken;
use dacapo_service::operations::{ActivityRef, Report};
use serde::Serialize;

use crate::activities::{ActivityFailure, cancelled};
use crate::env::{TestEnv, payload};
use crate::error::TestError;
use crate::run::TestRun;

/// An activity whose attempt was left open for somebody else to complete, by
/// [`TestEnv::activity_completes_later`] or by the activity itself. Each of its
/// methods fails with `activity_not_found` once the attempt is over.
pub struct OpenActivity<'env> {
    env: &'env TestEnv,
    activity: ActivityRef,
}

impl TestEnv {
    /// An attempt by the token that it was given: see
    /// [`Calls::tokens`](crate::Calls::tokens).
    ///
    /// ```no_run
    /// # async fn sign(env: &dacapo_testing::TestEnv) -> Result<(), dacapo_testing::TestError> {
    /// env.activity_completes_later("sign");
    /// let run = env.start("contract", &()).await?;
    /// env.settle().await?;
    /// let token = &env.calls("sign").tokens()[0];
    /// env.activity_by_token(token)?.complete(&"ada").await?;
    /// assert_eq!(run.result::<String>().await?, "signed by ada");
    /// # Ok(())
    /// # }
    /// ```
    pub fn activity_by_token(&self, token: &str) -> Result<OpenActivity<'_>, TestError> {
        let token: TaskToken = token
            .parse()
            .map_err(|error| TestError::Value(format!("`{token}` can't be used: {error}")))?;
        let activity = ActivityRef::Token(token);
        Ok(OpenActivity { env: self, activity })
    }
}

impl<'env> TestRun<'env> {
    /// An activity by the id of its operation: the workflow's name for it, which
    /// [`Self::describe`] shows among the pending activities.
    pub fn activity(&self, operation_id: u32) -> OpenActivity<'env> {
        let operation_id = OperationId(operation_id);
        let activity = ActivityRef::Operation { run: self.named(), operation_id };
        OpenActivity { env: self.env, activity }
    }
}

impl OpenActivity<'_> {
    /// Ends the attempt with a result.
    pub async fn complete(&self, result: &impl Serialize) -> Result<(), TestError> {
        self.report(Report::Completed(payload(result)?)).await
    }

    /// Ends the attempt with a failure, which is retried as its policy says.
    pub async fn fail(&self, failure: ActivityFailure) -> Result<(), TestError> {
        self.report(Report::Failed(*failure.0)).await
    }

    /// Ends the attempt as cancelled. Only once the workflow has asked for it.
    pub async fn cancel(&self) -> Result<(), TestError> {
        self.report(Report::Canceled(*cancelled("it was asked to cancel").0)).await
    }

    /// Says that the attempt is alive, and what the next one is to be told.
    /// Returns what this one is to know: whether it was asked to cancel.
    pub async fn heartbeat(&self, details: &impl Serialize) -> Result<AttemptSignals, TestError> {
        self.env.settle().await?;
        let details = Some(payload(details)?);
        Ok(self.env.tenant().heartbeat_activity(&self.activity, details).await?)
    }

    async fn report(&self, report: Report) -> Result<(), TestError> {
        // Whether it is open is known once the attempt has come to an end here.
        self.env.settle().await?;
        self.env.tenant().report_activity(&self.activity, report).await?;
        Ok(())
    }
}
