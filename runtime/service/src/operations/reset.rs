//! Starts a run over from a point of its history.

use std::sync::Arc;

use dacapo_engine::decide::{Reapply, Reset, ResetPoint};
use dacapo_model::code::ErrorCode;
use dacapo_model::event::HistoryEvent;
use dacapo_model::ids::{RequestId, RunId, RunKey};
use dacapo_model::module::ModuleDigest;
use tokio::sync::oneshot;
use tracing::Span;
use uuid::Uuid;

use super::locate::{Located, check_reason};
use super::move_run::undefined;
use super::repeat::check_repeated_reset;
use super::{MoveTarget, RunRef};
use crate::builtin;
use crate::catalog::Choice;
use crate::delivery::{Claim, LOOKS_MAX, deliver, no_answer};
use crate::error::{Result, ServiceError};
use crate::run::{self, ActorSource, BeginAnswer, Message, ResetAnswer};
use crate::tenancy::Tenant;

/// How to start over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResetRequest {
    /// Where the history is cut.
    pub point: ResetPoint,
    /// What of the rest happens to the new run as well.
    pub reapply: Reapply,
    /// Code that the new run goes on with; none means that of the kept part.
    pub module: Option<MoveTarget>,
    /// Why, for people.
    pub reason: String,
    /// By which a repeat of this request is recognised.
    pub request_id: Option<RequestId>,
}

impl Tenant {
    /// Starts a new run that begins with a part of the run's history, and
    /// terminates the open run of the workflow id, if there is one, in the same
    /// commit. A repeat with the same request id is answered with the run that
    /// the first one started.
    pub async fn reset_run(&self, run: &RunRef, request: ResetRequest) -> Result<RunId> {
        self.shared.admit_write()?;
        check_reason(&request.reason)?;
        let run_id = self.new_run_id(run, request.request_id.as_ref());
        let chosen = self.shared.catalog.choose().await?;
        let mut read = None;
        for _ in 0..LOOKS_MAX {
            let located = self.locate(run).await?;
            let base = match &located {
                Located::Open(open) => open.key,
                Located::Closed(execution) => execution.key,
            };
            let key = RunKey { hash: base.hash, run_id };
            if !self.shared.store.find_runs(&[key]).await?.is_empty() {
                // The commit may have been done after the run was last read.
                if let Located::Open(open) = located
                    && open.key != key
                {
                    let _ = deliver(&self.shared, &open, Message::Reread).await;
                }
                return check_repeated_reset(&self.shared, run, &request, key)
                    .await
                    .map(|()| run_id);
            }
            if let (Located::Closed(execution), None) = (&located, &request.module)
                && builtin::find(execution.module_digest).is_none()
            {
                // It may have been deleted since the run closed.
                let catalog = &self.shared.catalog;
                let digest = execution.module_digest;
                catalog.look_up(|it| it.by_digest(&self.namespace, digest)).await?;
            }
            let reset = Reset {
                base_run_id: base.run_id,
                run_id,
                point: request.point,
                reapply: request.reapply,
                module_digest: self.other_code(run, base, request.module.as_ref()).await?,
                admitted: Vec::new(),
                reason: request.reason.clone(),
            };
            if self.try_reset(run, base, key, &reset, &chosen, &mut read).await? {
                // Another one with the same id may have been there first.
                return check_repeated_reset(&self.shared, run, &request, key)
                    .await
                    .map(|()| run_id);
            }
        }
        Err(no_answer())
    }

    /// Follows from the request, so that a repeat is recognised: also one that names no
    /// run, and would mean the new one by now.
    fn new_run_id(&self, run: &RunRef, request_id: Option<&RequestId>) -> RunId {
        let Some(request_id) = request_id else {
            #[expect(
                clippy::disallowed_methods,
                reason = "a run's id is made here, once, and recorded"
            )]
            return RunId(Uuid::now_v7());
        };
        // Names have no control characters.
        let name = format!("reset\n{}\n{}\n{request_id}", self.namespace, run.workflow_id);
        RunId(Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()))
    }

    /// The code that the new run is to go on with, if not with the old.
    async fn other_code(
        &self,
        run: &RunRef,
        base: RunKey,
        target: Option<&MoveTarget>,
    ) -> Result<Option<ModuleDigest>> {
        let Some(target) = target else {
            return Ok(None);
        };
        let base = RunRef { run_id: Some(base.run_id), ..run.clone() };
        let execution = self.describe_run(&base).await?.execution;
        let module = self.target(&execution, target).await?;
        match module.definitions.workflows.contains(&execution.workflow_type) {
            true => Ok(Some(module.digest)),
            false => Err(undefined(&execution, &module)),
        }
    }

    /// False if the run in the way has closed meanwhile, or is the one that is meant.
    async fn try_reset(
        &self,
        run: &RunRef,
        base: RunKey,
        key: RunKey,
        reset: &Reset,
        chosen: &Choice,
        read: &mut Option<(RunKey, Arc<Vec<HistoryEvent>>)>,
    ) -> Result<bool> {
        let shared = &self.shared;
        let (namespace, workflow_id) = (&self.namespace, &run.workflow_id);
        match shared.directory.claim(key, namespace, workflow_id) {
            Claim::Free(claimed, mailbox) => {
                // It is closed, so this is all of it.
                let history = self.history_of(base, read).await?;
                let now = shared.clock.now();
                let begun = run::copy(namespace, workflow_id, &history, reset.clone(), now)?;
                self.admit_start(&claimed, false).await?;
                let (waiter, committed) = oneshot::channel();
                let (begun, cause, chosen) = (Box::new(begun), Span::current(), chosen.clone());
                let origin = ActorSource::New { begun, waiter, cause, chosen };
                run::spawn(shared, claimed.keep(), mailbox, origin);
                match shared.hold.health.answer(committed).await.ok_or_else(no_answer)?? {
                    BeginAnswer::Started => Ok(true),
                    BeginAnswer::Conflict(_) => Ok(false),
                }
            }
            // What was sent to it since must not be lost.
            Claim::Taken(open) if open.key != base && run.run_id.is_none() => Ok(false),
            Claim::Taken(open) => {
                let base = match open.key == base {
                    true => None,
                    false => Some(self.history_of(base, read).await?),
                };
                self.admit_replacement()?;
                let (answer, answered) = oneshot::channel();
                let (reset, chosen) = (Box::new(reset.clone()), chosen.clone());
                let message = Message::Reset { reset, base, chosen, answer };
                if deliver(shared, &open, message).await.is_err() {
                    return Ok(false);
                }
                match shared.hold.health.answer(answered).await {
                    Some(answer) => Ok(matches!(answer?, ResetAnswer::Done)),
                    // It has closed, or nobody is to wait any more.
                    None => shared.hold.health.admit().map(|()| false),
                }
            }
        }
    }

    async fn history_of(
        &self,
        key: RunKey,
        read: &mut Option<(RunKey, Arc<Vec<HistoryEvent>>)>,
    ) -> Result<Arc<Vec<HistoryEvent>>> {
        if let Some((_, history)) = read.as_ref().filter(|(of, _)| *of == key) {
            return Ok(history.clone());
        }
        let stored = self.shared.loader.load(key).await?.ok_or_else(history_gone)?;
        let is_whole = stored.fault.is_none();
        let events = stored.until_damaged()?;
        // It is of a run that has closed; what has no end was deleted meanwhile.
        let has_end = events.last().is_some_and(|last| last.attributes.is_closing());
        if events.is_empty() || (is_whole && !has_end) {
            return Err(history_gone());
        }
        let history = Arc::new(events);
        *read = Some((key, history.clone()));
        Ok(history)
    }
}

fn history_gone() -> ServiceError {
    ServiceError::new(ErrorCode::RunNotFound, "the history of the run is not there any more")
}
