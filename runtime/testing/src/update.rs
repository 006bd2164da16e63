//! Asks a run to do something, and waits for the answer.

use std::pin::pin;
use std::time::Duration;

use dacapo_model::ids::{UpdateId, UpdateName};
use dacapo_model::update::Update;
use dacapo_service::error::ServiceError;
use dacapo_service::operations::{
    RunRef, UpdateProgress, UpdateResult, UpdateWait, WaitFor, made_up_update_id,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::env::{payload, read};
use crate::error::TestError;
use crate::run::TestRun;

/// An update that a workflow has taken on. Made by [`TestRun::start_update`].
#[derive(Clone)]
#[must_use = "what became of it is told by `result`"]
pub struct TestUpdate<'env> {
    run: TestRun<'env>,
    /// The run that has taken it on.
    taken_by: RunRef,
    id: UpdateId,
    name: UpdateName,
}

impl<'env> TestRun<'env> {
    /// Sends an update and waits for its outcome. Time skips ahead meanwhile, as
    /// it does for [`Self::result`], if the workflow takes its time.
    ///
    /// An update that the workflow does not take on is a
    /// [`TestError::Rejected`]; one that it fails is a
    /// [`TestError::UpdateFailed`].
    ///
    /// ```no_run
    /// # async fn ask(run: &dacapo_testing::TestRun<'_>) -> Result<(), dacapo_testing::TestError> {
    /// let items: usize = run.update("add", &"lamp").await?;
    /// let rejected = run.update::<usize>("add", &"").await.expect_err("it has no name");
    /// assert!(rejected.is_failure("NoItem"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn update<T: DeserializeOwned>(
        &self,
        name: &str,
        input: &impl Serialize,
    ) -> Result<T, TestError> {
        let update = new_update(None, name, input)?;
        self.outcome_of(update).await
    }

    /// Like [`Self::update`], with an id of the test's choice: a repeat of it is
    /// the same update, and has the same outcome.
    pub async fn update_with_id<T: DeserializeOwned>(
        &self,
        id: &str,
        name: &str,
        input: &impl Serialize,
    ) -> Result<T, TestError> {
        let update = new_update(Some(id), name, input)?;
        self.outcome_of(update).await
    }

    /// Sends an update and waits until the workflow has taken it on. Time skips
    /// ahead meanwhile only if the workflow does not decide about it at once.
    pub async fn start_update(
        &self,
        name: &str,
        input: &impl Serialize,
    ) -> Result<TestUpdate<'env>, TestError> {
        self.accepted(new_update(None, name, input)?).await
    }

    /// Like [`Self::start_update`], with an id of the test's choice.
    pub async fn start_update_with_id(
        &self,
        id: &str,
        name: &str,
        input: &impl Serialize,
    ) -> Result<TestUpdate<'env>, TestError> {
        self.accepted(new_update(Some(id), name, input)?).await
    }

    async fn outcome_of<T: DeserializeOwned>(&self, update: Update) -> Result<T, TestError> {
        let (_, progress) = self.send_update(&update, WaitFor::Completed).await?;
        outcome(&update.name, progress)
    }

    async fn accepted(&self, update: Update) -> Result<TestUpdate<'env>, TestError> {
        let (taken_by, progress) = self.send_update(&update, WaitFor::Accepted).await?;
        TestUpdate::taken(self.clone(), taken_by, &update, progress)
    }

    async fn send_update(
        &self,
        update: &Update,
        wait_for: WaitFor,
    ) -> Result<(RunRef, UpdateProgress), TestError> {
        let wait = until(wait_for);
        loop {
            let (tenant, named) = (self.env.tenant(), self.named());
            let sent = pin!(tenant.update_run(&named, update.clone(), wait));
            let UpdateResult { run_id, progress, .. } = self.wait_for(sent).await??;
            // A server that stops answers before. A repeat is the same update.
            if wait.is_over(&progress) {
                return Ok((self.run(run_id), progress));
            }
        }
    }
}

impl<'env> TestUpdate<'env> {
    /// Fails if the workflow has not taken it on.
    pub(crate) fn taken(
        run: TestRun<'env>,
        taken_by: RunRef,
        update: &Update,
        progress: UpdateProgress,
    ) -> Result<Self, TestError> {
        let (id, name) = (update.id.clone(), update.name.clone());
        match progress {
            UpdateProgress::Rejected(failure) => {
                Err(TestError::Rejected { update: name.to_string(), failure: Box::new(failure) })
            }
            UpdateProgress::Admitted | UpdateProgress::Accepted | UpdateProgress::Completed(_) => {
                Ok(Self { run, taken_by, id, name })
            }
        }
    }

    /// The id by which the run knows it.
    pub fn id(&self) -> &str {
        self.id.as_str()
    }

    /// Waits for the outcome. Time skips ahead meanwhile, as it does for
    /// [`TestRun::result`].
    pub async fn result<T: DeserializeOwned>(&self) -> Result<T, TestError> {
        let wait = until(WaitFor::Completed);
        loop {
            let tenant = self.run.env.tenant();
            let asked = pin!(tenant.describe_update(&self.taken_by, self.id.clone(), wait));
            let progress = self.run.wait_for(asked).await??.progress;
            if wait.is_over(&progress) {
                return outcome(&self.name, progress);
            }
        }
    }
}

pub(crate) fn new_update(
    id: Option<&str>,
    name: &str,
    input: &impl Serialize,
) -> Result<Update, TestError> {
    Ok(Update {
        id: id
            .map_or_else(|| Ok(made_up_update_id()), UpdateId::new)
            .map_err(ServiceError::from)?,
        name: UpdateName::new(name).map_err(ServiceError::from)?,
        input: payload(input)?,
    })
}

/// For as long as it takes: who waits notices when nothing will come.
pub(crate) fn until(wait_for: WaitFor) -> UpdateWait {
    UpdateWait { wait_for, wait: Duration::MAX }
}

fn outcome<T: DeserializeOwned>(
    name: &UpdateName,
    progress: UpdateProgress,
) -> Result<T, TestError> {
    let update = name.to_string();
    match progress {
        UpdateProgress::Completed(Ok(answer)) => {
            read(&format!("the outcome of update `{update}`"), &answer)
        }
        UpdateProgress::Completed(Err(failure)) => {
            Err(TestError::UpdateFailed { update, failure: Box::new(failure) })
        }
        UpdateProgress::Rejected(failure) => {
            Err(TestError::Rejected { update, failure: Box::new(failure) })
        }
        UpdateProgress::Admitted | UpdateProgress::Accepted => {
            Err(TestError::Stuck(format!("update `{update}` has no outcome")))
        }
    }
}
