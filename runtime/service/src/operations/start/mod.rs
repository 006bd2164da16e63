//! Starts a run: what clients ask for. A child starts by [`child`].

mod begin;
mod child;
mod join;
mod new_run;

use std::sync::Arc;
use std::time::Duration;

use dacapo_model::builtin::BuiltinWorkflow;
use dacapo_model::ids::{RunId, WorkflowId};
use dacapo_model::module::ModuleDigest;
use dacapo_model::update::Update;
use tokio::sync::watch;
use uuid::Uuid;

pub(crate) use self::child::ChildStart;
use super::check_start::{check_options, check_own_id, check_repeatable};
use super::signal::with_request_id;
use super::{RunRef, RunResult, UpdateResult, UpdateWait};
use crate::builtin;
use crate::catalog::Choice;
use crate::clock::Deadline;
use crate::delivery::{Claim, LOOKS_MAX, find_run, no_answer};
use crate::error::Result;
use crate::run::{NewRun, OpenRun};
use crate::tenancy::Tenant;
use crate::types::{StartRequest, Started};
use crate::update_watch::{UpdateWatch, Watched};

/// A run that a start led to, and the run itself if this start made it.
pub(super) struct StartedRun {
    pub(super) started: Started,
    run: Option<Arc<OpenRun>>,
    /// How far the update comes that went with the start.
    update: Option<watch::Receiver<Watched>>,
}

impl StartedRun {
    fn found(started: Started) -> Self {
        Self { started, run: None, update: None }
    }
}

impl Tenant {
    /// Starts a run, or finds the one that is there, as the policies say. When
    /// it returns, the start is committed. With `unavailable` it may be: the same
    /// request id makes a repeat safe.
    pub async fn start_run(&self, request: StartRequest) -> Result<Started> {
        self.start_watched(request).await.map(|it| it.started)
    }

    /// Starts a run and waits for it to close. The result is none if it could not be
    /// read.
    pub async fn start_run_and_wait(
        &self,
        request: StartRequest,
        wait: Duration,
    ) -> Result<(Started, Option<RunResult>)> {
        let started = self.start_watched(request).await?;
        Ok(self.wait_for_started(started, wait).await)
    }

    /// Waits for the run that a start led to. A run that it started itself is watched from
    /// its first moment, so that no table is read for its result. The result is none if it
    /// could not be read.
    pub(super) async fn wait_for_started(
        &self,
        started: StartedRun,
        wait: Duration,
    ) -> (Started, Option<RunResult>) {
        let StartedRun { started, run, .. } = started;
        let result = match run {
            Some(run) => {
                let deadline = Deadline::after(wait);
                let workflow_id = started.workflow_id.clone();
                let chain = RunRef { workflow_id, run_id: None };
                match self.open_result(&run, wait).await {
                    Ok(result) => self.follow_chain(&chain, result, deadline).await.ok(),
                    Err(_) => None,
                }
            }
            None => {
                let (workflow_id, run_id) = (started.workflow_id.clone(), Some(started.run_id));
                let run = RunRef { workflow_id, run_id };
                // There is a run, whatever becomes of the wait: an error would
                // hide that.
                let result = self.run_result(&run, wait).await;
                result.inspect_err(|error| tracing::debug!(%error, "the wait ended")).ok()
            }
        };
        (started, result)
    }

    /// Starts a run with an update, or finds the one that is there and sends it the
    /// update; then waits for the update.
    pub async fn start_run_with_update(
        &self,
        request: StartRequest,
        update: Update,
        wait: UpdateWait,
    ) -> Result<(Started, UpdateResult)> {
        let update_id = update.id.clone();
        let found = self.start_watched(StartRequest { update: Some(update), ..request }).await?;
        let StartedRun { started, update: Some(watched), .. } = found else {
            return Err(no_answer());
        };
        let workflow_id = started.workflow_id.clone();
        let run = RunRef { workflow_id, run_id: None };
        let result = self.follow_started(&run, &started, watched, update_id, wait).await?;
        Ok((started, result))
    }

    async fn start_watched(&self, mut request: StartRequest) -> Result<StartedRun> {
        let shared = &self.shared;
        shared.admit_write()?;
        check_repeatable(&request)?;
        request.workflow_id.as_ref().map_or(Ok(()), check_own_id)?;
        self.check_sizes(&request)?;
        check_options(&mut request.options)?;
        if let Err(unfit) = self.fit_search_attributes(&mut request.options).await {
            // What it names may have been removed since it was sent for the first time.
            return self.repeated_start(&request).await?.ok_or(unfit);
        }
        if let Some(mut signal) = request.signal.take() {
            self.check_signal(&signal)?;
            signal.request_id = signal.request_id.or_else(|| request.request_id.clone());
            request.signal = Some(with_request_id(signal));
        }
        if let Some(update) = &request.update {
            self.check_update(update)?;
        }
        let chosen = shared.catalog.choose().await?;
        let (namespace, StartRequest { workflow_type, module, .. }) = (&self.namespace, &request);
        let digest = match shared.catalog.resolve(namespace, workflow_type, module.as_ref()) {
            Ok(digest) => digest,
            Err(_) => {
                // Its module may have been deleted since.
                if let Some(found) = self.repeated_start(&request).await? {
                    return Ok(found);
                }
                // Another node may have uploaded it.
                self.confirm_catalog().await?;
                shared.catalog.resolve(namespace, workflow_type, module.as_ref())?
            }
        };
        self.start_pinned(&request, digest, &chosen).await
    }

    /// Starts a run of a built-in workflow, whose name the request has made a workflow id.
    pub(super) async fn start_builtin(
        &self,
        workflow: BuiltinWorkflow,
        mut request: StartRequest,
    ) -> Result<StartedRun> {
        self.shared.admit_write()?;
        self.check_sizes(&request)?;
        check_options(&mut request.options)?;
        if let Err(unfit) = self.fit_search_attributes(&mut request.options).await {
            return self.repeated_start(&request).await?.ok_or(unfit);
        }
        let chosen = self.shared.catalog.choose().await?;
        self.start_pinned(&request, builtin::newest(workflow), &chosen).await
    }

    /// Starts a run of code that was chosen.
    async fn start_pinned(
        &self,
        request: &StartRequest,
        digest: ModuleDigest,
        chosen: &Choice,
    ) -> Result<StartedRun> {
        #[expect(
            clippy::disallowed_methods,
            reason = "a run's id is made here, once, and recorded"
        )]
        let run_id = RunId(Uuid::now_v7());
        let workflow_id = match &request.workflow_id {
            Some(workflow_id) => workflow_id.clone(),
            None => WorkflowId::new(run_id.to_string())?,
        };
        for _ in 0..LOOKS_MAX {
            let new = self.new_run(request, digest, &workflow_id, run_id, self.shared.clock.now());
            if let Some(watched) = self.try_start(request, &workflow_id, new, chosen).await? {
                return Ok(watched);
            }
        }
        Err(no_answer())
    }

    /// None if the run in the way has closed meanwhile.
    async fn try_start(
        &self,
        request: &StartRequest,
        workflow_id: &WorkflowId,
        new: NewRun,
        chosen: &Choice,
    ) -> Result<Option<StartedRun>> {
        let shared = &self.shared;
        // Before it is known whether the same request has started a run: it might just be
        // doing so, and once the id is claimed, it can't.
        let claim = shared.directory.claim(new.key, &new.namespace, workflow_id);
        if let Some(started) = self.started_before(request, workflow_id).await? {
            drop(claim);
            return self.tell_again(request, started).await.map(Some);
        }
        match claim {
            Claim::Free(claimed, mailbox) => {
                self.begin(request, claimed, mailbox, new, chosen).await.map(Some)
            }
            Claim::Taken(run) => {
                // A run that replaces this one takes those who watch along.
                let update = request.update.as_ref();
                let update = update.map(|it| run.updates.watch(run.key.run_id, &it.id));
                match self.join(request, &run, new, chosen).await? {
                    Some(found) if !found.started => {
                        match self.signal_found(request, found).await? {
                            Some(found) => self.tell_found(request, found).await,
                            None => Ok(None),
                        }
                    }
                    Some(started) => Ok(Some(StartedRun { started, run: None, update })),
                    None => Ok(None),
                }
            }
        }
    }

    /// Sends the update to a run that was there already. None if it has closed
    /// meanwhile.
    pub(super) async fn tell_found(
        &self,
        request: &StartRequest,
        found: Started,
    ) -> Result<Option<StartedRun>> {
        let Some(update) = &request.update else {
            return Ok(Some(StartedRun::found(found)));
        };
        let run = RunRef { workflow_id: found.workflow_id.clone(), run_id: Some(found.run_id) };
        let watched = match find_run(&self.shared, found.run_id) {
            Some(open) => open.updates.watch(found.run_id, &update.id),
            // Closed: what became of the update is in its history.
            None => UpdateWatch::default().watch(found.run_id, &update.id),
        };
        let told = self.update_found(&run, update).await?;
        Ok(told.map(|()| StartedRun { started: found, run: None, update: Some(watched) }))
    }
}
