//! Starts a run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dacapo_engine::compat::ENGINE_VERSION;
use dacapo_model::attributes::RunAttributes;
use dacapo_model::code::ErrorCode;
use dacapo_model::event::{Chain, ParentExecution, RunOptions, WorkflowExecutionStarted};
use dacapo_model::execution::{ExecutionStatus, IdConflictPolicy, IdReusePolicy};
use dacapo_model::ids::{
    ModuleName, NamespaceName, RequestId, RunId, RunKey, TypeName, WorkflowHash, WorkflowId,
};
use dacapo_model::module::ModuleDigest;
use dacapo_model::payload::Payload;
use dacapo_model::retry::RetryPolicy;
use dacapo_model::signal::Signal;
use dacapo_model::time::Timestamp;
use dacapo_model::update::{AdmittedUpdate, Update};
use tokio::sync::{oneshot, watch};
use tracing::Span;
use uuid::Uuid;

use super::check_start::{check_options, check_repeatable, check_sizes};
use super::locate::no_answer;
use super::signal::with_request_id;
use super::{RunRef, RunResult, UpdateResult, UpdateWait};
use crate::Runtime;
use crate::catalog::Choice;
use crate::clock::Deadline;
use crate::error::{Result, ServiceError};
use crate::registry::{Claim, OpenRun, Registry};
use crate::run::{self, BeginAnswer, JoinAnswer, Message, NewRun, Origin};
use crate::update_watch::{UpdateWatch, Watched};

/// How often a start is tried again because the run in its way has closed.
const TRIES_MAX: usize = 16;

/// What to start.
#[derive(Debug, Clone, PartialEq)]
pub struct StartRequest {
    /// Where.
    pub namespace: NamespaceName,
    /// What.
    pub workflow_type: TypeName,
    /// The caller's name for it; without one, the run's id is its name.
    pub workflow_id: Option<WorkflowId>,
    /// By which a repeat of this request is recognised.
    pub request_id: Option<RequestId>,
    /// The workflow's argument.
    pub input: Payload,
    /// The module that defines the type, where several do.
    pub module: Option<ModuleName>,
    /// If the latest run of the workflow id is closed.
    pub reuse_policy: IdReusePolicy,
    /// If a run of the workflow id is open. If absent, it depends on what the start brings.
    pub conflict_policy: Option<IdConflictPolicy>,
    /// Environment variables of the workflow.
    pub environment: BTreeMap<String, String>,
    /// Command-line arguments of the workflow.
    pub arguments: Vec<String>,
    /// How the run is to run, and what is said about it.
    pub options: StartOptions,
    /// What to tell the run that this start leads to, in the same step: a new run
    /// begins with it. Without a request id it has that of the start.
    pub signal: Option<Signal>,
    /// What to ask of the run that this start leads to, in the same step: a new run
    /// begins with it.
    pub update: Option<Update>,
}

/// A child to start: all but whether its workflow id is free is decided.
pub(crate) struct ChildStart {
    /// What, where and how. It has a workflow id.
    pub(crate) request: StartRequest,
    /// The code that it is pinned to.
    pub(crate) digest: ModuleDigest,
    /// Its run.
    pub(crate) run_id: RunId,
    /// Who starts it.
    pub(crate) parent: ParentExecution,
}

/// How a run is to run; absent where nothing was asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StartOptions {
    /// How long each run may take.
    pub run_timeout: Option<Duration>,
    /// How long the run and those that follow it may take together.
    pub execution_timeout: Option<Duration>,
    /// How long the workflow waits before it runs.
    pub start_delay: Option<Duration>,
    /// Whether another run follows if this one fails.
    pub retry: Option<RetryPolicy>,
    /// A memo and search attributes.
    pub attributes: RunAttributes,
}

/// The run that a start led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The caller's name for it.
    pub workflow_id: WorkflowId,
    /// The run.
    pub run_id: RunId,
    /// False if it was there already.
    pub started: bool,
}

/// A workflow id that is claimed, but not used yet. Free again if the start goes
/// no further, also when its caller goes away.
pub(super) struct Claimed<'a> {
    registry: &'a Registry,
    run: Option<Arc<OpenRun>>,
}

impl<'a> Claimed<'a> {
    pub(super) fn new(registry: &'a Registry, run: Arc<OpenRun>) -> Self {
        Self { registry, run: Some(run) }
    }

    pub(super) fn keep(mut self) -> Arc<OpenRun> {
        self.run.take().expect("it is kept once")
    }
}

impl Drop for Claimed<'_> {
    fn drop(&mut self) {
        if let Some(run) = self.run.take() {
            self.registry.remove(&run);
            run.close();
        }
    }
}

/// A run that a start led to, and the run itself if this start made it.
pub(super) struct Led {
    started: Started,
    run: Option<Arc<OpenRun>>,
    /// News of the update that went with the start.
    update: Option<watch::Receiver<Watched>>,
}

impl Led {
    fn to(started: Started) -> Self {
        Self { started, run: None, update: None }
    }
}

impl Runtime {
    /// Starts a run, or finds the one that is there, as the policies say. When
    /// it returns, the start is committed. With `unavailable` it may be: the same
    /// request id makes a repeat safe.
    pub async fn start_run(&self, request: StartRequest) -> Result<Started> {
        self.start_watched(request).await.map(|led| led.started)
    }

    /// Starts a run and waits for it to close. A run that it started itself is
    /// watched from its first moment, so that no table is read for its result.
    /// The result is none if it could not be read.
    pub async fn start_run_and_wait(
        &self,
        request: StartRequest,
        wait: Duration,
    ) -> Result<(Started, Option<RunResult>)> {
        let namespace = request.namespace.clone();
        let Led { started, run, .. } = self.start_watched(request).await?;
        let result = match run {
            Some(run) => {
                let deadline = Deadline::after(wait);
                let workflow_id = started.workflow_id.clone();
                let chain = RunRef { namespace, workflow_id, run_id: None };
                match self.open_result(&run, wait).await {
                    Ok(result) => self.follow_chain(&chain, result, deadline).await.ok(),
                    Err(_) => None,
                }
            }
            None => {
                let (workflow_id, run_id) = (started.workflow_id.clone(), Some(started.run_id));
                let run = RunRef { namespace, workflow_id, run_id };
                // There is a run, whatever becomes of the wait: an error would
                // hide that.
                let result = self.run_result(&run, wait).await;
                result.inspect_err(|error| tracing::debug!(%error, "the wait ended")).ok()
            }
        };
        Ok((started, result))
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
        let namespace = request.namespace.clone();
        let led = self.start_watched(StartRequest { update: Some(update), ..request }).await?;
        let Led { started, update: Some(watched), .. } = led else {
            return Err(no_answer());
        };
        let workflow_id = started.workflow_id.clone();
        let run = RunRef { namespace, workflow_id, run_id: None };
        let result = self.follow_started(&run, &started, watched, update_id, wait).await?;
        Ok((started, result))
    }

    async fn start_watched(&self, mut request: StartRequest) -> Result<Led> {
        let shared = &self.shared;
        check_repeatable(&request)?;
        shared.admit_write()?;
        check_sizes(&request, shared.config.limits.payload_bytes_max)?;
        check_options(&mut request.options)?;
        if let Some(mut signal) = request.signal.take() {
            self.check_signal(&signal)?;
            signal.request_id = signal.request_id.or_else(|| request.request_id.clone());
            request.signal = Some(with_request_id(signal));
        }
        if let Some(update) = &request.update {
            self.check_update(update)?;
        }
        shared.catalog.check_namespace(&request.namespace)?;
        let chosen = shared.catalog.choose().await?;
        let StartRequest { namespace, workflow_type, module, .. } = &request;
        let digest = match shared.catalog.resolve(namespace, workflow_type, module.as_ref()) {
            Ok(digest) => digest,
            Err(_) => {
                // Its module may have been deleted since.
                if let Some(led) = self.repeated_start(&request).await? {
                    return Ok(led);
                }
                // Another node may have uploaded it.
                self.confirm_catalog().await?;
                shared.catalog.resolve(namespace, workflow_type, module.as_ref())?
            }
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "a run's id is made here, once, and recorded"
        )]
        let run_id = RunId(Uuid::now_v7());
        let workflow_id = match &request.workflow_id {
            Some(workflow_id) => workflow_id.clone(),
            None => WorkflowId::new(run_id.to_string())?,
        };
        for _ in 0..TRIES_MAX {
            let new = new_run(&request, digest, &workflow_id, run_id, self.shared.clock.now());
            if let Some(watched) = self.try_start(&request, &workflow_id, new, &chosen).await? {
                return Ok(watched);
            }
        }
        Err(no_answer())
    }

    /// Starts a child. Says that it has started also if that was done before, as
    /// long as it is open.
    pub(crate) async fn start_child(&self, child: ChildStart) -> Result<()> {
        let shared = &self.shared;
        shared.admit_write()?;
        let ChildStart { request, digest, run_id, parent } = child;
        let chosen = shared.catalog.choose().await?;
        shared.catalog.look_up(|it| it.by_digest(&request.namespace, digest)).await?;
        check_sizes(&request, shared.config.limits.payload_bytes_max)?;
        let Some(workflow_id) = request.workflow_id.clone() else {
            return Err(no_answer());
        };
        for _ in 0..TRIES_MAX {
            let mut new = new_run(&request, digest, &workflow_id, run_id, self.shared.clock.now());
            new.started.parent = Some(Box::new(parent.clone()));
            if shared.registry.by_run(run_id).is_some()
                || self.try_start(&request, &workflow_id, new, &chosen).await?.is_some()
            {
                return Ok(());
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
    ) -> Result<Option<Led>> {
        let shared = &self.shared;
        let run_id = new.key.run_id;
        let mut new = new;
        new.started.options.continue_as_new_after = shared.config.limits.continue_as_new_after();
        match shared.registry.claim(new.key, &new.namespace, workflow_id) {
            Claim::Free(run, mailbox) => {
                let claimed = Claimed::new(&shared.registry, run);
                // Not before the claim: the same request might just be starting
                // its run, and from here on it can't.
                if let Some(started) = self.started_before(request, workflow_id).await? {
                    drop(claimed);
                    return self.tell_again(request, started).await.map(Some);
                }
                self.check_reuse(request, workflow_id).await?;
                shared.health.admit_start()?;
                shared.admit_open_run(new.started.parent.is_some())?;
                let run = claimed.keep();
                // Before anything can happen to it.
                let update = request.update.as_ref();
                let update = update.map(|update| run.updates.watch(run_id, &update.id));
                let (waiter, begun) = oneshot::channel();
                run::spawn(
                    shared,
                    run.clone(),
                    mailbox,
                    Origin::New {
                        begun: Box::new(new.begin(shared.clock.now())),
                        waiter,
                        cause: Span::current(),
                        chosen: chosen.clone(),
                    },
                );
                match shared.health.answer(begun).await.ok_or_else(no_answer)?? {
                    BeginAnswer::Started => {
                        let workflow_id = workflow_id.clone();
                        let started = Started { workflow_id, run_id, started: true };
                        Ok(Some(Led { started, run: Some(run), update }))
                    }
                    BeginAnswer::Conflict(other) => Err(already_started(workflow_id, other)),
                }
            }
            Claim::Taken(run) => {
                if let Some(started) = self.started_before(request, workflow_id).await? {
                    return self.tell_again(request, started).await.map(Some);
                }
                // A run that replaces this one takes those who watch along.
                let update = request.update.as_ref();
                let update = update.map(|it| run.updates.watch(run.key.run_id, &it.id));
                match self.join(request, run, new, chosen).await? {
                    Some(found) if !found.started => {
                        match self.signal_found(request, found).await? {
                            Some(found) => self.tell_found(request, found).await,
                            None => Ok(None),
                        }
                    }
                    Some(started) => Ok(Some(Led { started, run: None, update })),
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
    ) -> Result<Option<Led>> {
        let Some(update) = &request.update else {
            return Ok(Some(Led::to(found)));
        };
        let run = RunRef {
            namespace: request.namespace.clone(),
            workflow_id: found.workflow_id.clone(),
            run_id: Some(found.run_id),
        };
        let watched = match self.shared.registry.by_run(found.run_id) {
            Some(open) => open.updates.watch(found.run_id, &update.id),
            // Closed: what became of the update is in its history.
            None => UpdateWatch::default().watch(found.run_id, &update.id),
        };
        let told = self.update_found(&run, update).await?;
        Ok(told.map(|()| Led { started: found, run: None, update: Some(watched) }))
    }

    async fn join(
        &self,
        request: &StartRequest,
        run: Arc<OpenRun>,
        new: NewRun,
        chosen: &Choice,
    ) -> Result<Option<Started>> {
        self.shared.health.admit()?;
        let workflow_id = new.workflow_id.clone();
        let (answer, answered) = oneshot::channel();
        let message = Message::Join {
            request_id: request.request_id.clone(),
            policy: request.conflict_policy(),
            replacement: Box::new(new),
            chosen: chosen.clone(),
            answer,
        };
        if run::deliver(&self.shared, &run, message).await.is_err() {
            return Ok(None);
        }
        let answer = self.shared.health.answer(answered).await;
        if let Some(Ok(
            JoinAnswer::Existing(_) | JoinAnswer::Repeated(_) | JoinAnswer::Refused(_),
        )) = answer
        {
            // Nothing was committed, which would have shown whose the run is.
            self.shared.confirm.held(run.key.hash).await?;
        }
        match answer {
            Some(Ok(JoinAnswer::Existing(run_id))) => {
                Ok(Some(Started { workflow_id, run_id, started: false }))
            }
            Some(Ok(JoinAnswer::Repeated(run_id))) => {
                let key = RunKey { hash: run.key.hash, run_id };
                self.check_repeated_start(request, &workflow_id, key).await?;
                Ok(Some(Started { workflow_id, run_id, started: false }))
            }
            Some(Ok(JoinAnswer::Replaced(run_id))) => {
                Ok(Some(Started { workflow_id, run_id, started: true }))
            }
            Some(Ok(JoinAnswer::Refused(run_id))) => Err(already_started(&workflow_id, run_id)),
            Some(Ok(JoinAnswer::Rejected(reason))) => Err(run::not_storable(&reason)),
            // It closed, or never started: try again.
            Some(Ok(JoinAnswer::Closed)) | None => Ok(None),
            Some(Err(error)) => Err(error),
        }
    }

    /// Whether the latest closed run allows another one. The default does not
    /// need to know.
    async fn check_reuse(&self, request: &StartRequest, workflow_id: &WorkflowId) -> Result<()> {
        if request.reuse_policy == IdReusePolicy::AllowDuplicate {
            return Ok(());
        }
        let store = &self.shared.store;
        let latest = store.find_execution(&request.namespace, workflow_id, None).await?;
        let Some(latest) = latest else {
            return Ok(());
        };
        let allowed = request.reuse_policy == IdReusePolicy::AllowDuplicateFailedOnly
            && latest.status != ExecutionStatus::Completed;
        if allowed { Ok(()) } else { Err(already_started(workflow_id, latest.key.run_id)) }
    }
}

pub(super) fn new_run(
    request: &StartRequest,
    module_digest: ModuleDigest,
    workflow_id: &WorkflowId,
    run_id: RunId,
    now: Timestamp,
) -> NewRun {
    NewRun {
        key: RunKey { hash: WorkflowHash::of(&request.namespace, workflow_id), run_id },
        namespace: request.namespace.clone(),
        workflow_id: workflow_id.clone(),
        started: WorkflowExecutionStarted {
            workflow_type: request.workflow_type.clone(),
            module_digest,
            input: request.input.clone(),
            engine_version: ENGINE_VERSION,
            request_id: request.request_id.clone(),
            environment: request.environment.clone(),
            arguments: request.arguments.clone(),
            continued_from: None,
            initial_signals: 0,
            parent: None,
            options: RunOptions {
                run_timeout: request.options.run_timeout,
                execution_timeout: request.options.execution_timeout,
                retry: request.options.retry.clone(),
                attributes: request.options.attributes.clone(),
                ..RunOptions::default()
            },
            chain: Chain::default(),
        },
        start_delay: request.options.start_delay,
        signals: request.signal.iter().cloned().collect(),
        updates: request
            .update
            .iter()
            .map(|update| AdmittedUpdate { update: update.clone(), admitted_at: now })
            .collect(),
    }
}

fn already_started(workflow_id: &WorkflowId, run_id: RunId) -> ServiceError {
    ServiceError::new(
        ErrorCode::WorkflowAlreadyStarted,
        format!("workflow id `{workflow_id}` has run {run_id}, and the policies forbid another"),
    )
    .with("workflow_id", workflow_id)
    .with("run_id", run_id)
}
