//! Asks a run what it knows.

use dacapo_model::ids::QueryName;
use dacapo_model::query::Query;
use dacapo_service::error::ServiceError;
use dacapo_service::operations::{QueryOutcome, RejectIf};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::env::{payload, read};
use crate::error::TestError;
use crate::run::TestRun;

impl TestRun<'_> {
    /// Asks the workflow, once nothing is left to do before time goes on; of runs
    /// that continue one another, the latest. Time stands still meanwhile, and
    /// nothing is recorded.
    ///
    /// ```no_run
    /// # async fn ask(run: &dacapo_testing::TestRun<'_>) -> Result<(), dacapo_testing::TestError> {
    /// let items: Vec<String> = run.query("items", &()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn query<T: DeserializeOwned>(
        &self,
        name: &str,
        input: &impl Serialize,
    ) -> Result<T, TestError> {
        self.env.settle().await?;
        let query = Query {
            name: QueryName::new(name).map_err(ServiceError::from)?,
            input: payload(input)?,
        };
        let run = self.latest().await?;
        match self.env.tenant().query_run(&run, query, RejectIf::None).await?.outcome {
            QueryOutcome::Answered(answer) => read(&format!("the answer to `{name}`"), &answer),
            QueryOutcome::Rejected(status) => Err(TestError::Ended(status.as_str())),
        }
    }

    /// The value that the workflow has published under this name, also after its
    /// end; none if it has not. Its code does not run for it.
    pub async fn published<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, TestError> {
        let described = self.describe().await?;
        if described.published.iter().any(|published| published.as_str() == name) {
            return self.query(name, &()).await.map(Some);
        }
        Ok(None)
    }
}
