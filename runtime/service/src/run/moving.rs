//! The run goes on with other code.

use std::sync::Arc;

use dacapo_engine::decide::Input;
use dacapo_engine::guest::RunContext;
use dacapo_engine::transition::Transition;
use dacapo_model::code::ErrorCode;
use dacapo_model::command::Command;
use dacapo_model::execution::{Blocked, ExecutionStatus};
use dacapo_model::ids::RunId;
use dacapo_model::module::ModuleDigest;

use super::MoveAnswer;
use super::actor::{Actor, Stop};
use super::rejected::not_storable;
use super::replay_time::{REPLAY_TIME_MAX, replay_took_too_long};
use crate::catalog::Choice;
use crate::committer::CommitFailure;
use crate::error::{Result, ServiceError};

impl Actor {
    /// Replays all of the run with other code and, if that fits, records it and
    /// keeps the instance. Nothing else happens to the run meanwhile, so what was
    /// replayed is what there is. If it does not fit, the run stays where it was.
    pub(super) async fn move_to(
        &mut self,
        module_digest: ModuleDigest,
    ) -> std::result::Result<Result<MoveAnswer>, Stop> {
        if self.closing.is_some() {
            return Ok(Ok(MoveAnswer::Closed));
        }
        if self.state.module_digest == module_digest {
            return Ok(Ok(MoveAnswer::Moved));
        }
        self.drop_guest();
        let other = RunContext { module_digest, ..RunContext::clone(&self.context) };
        let before = std::mem::replace(&mut self.context, Arc::new(other));
        let replayed = match self.state.delayed_until {
            // It has done nothing yet, and must not begin now.
            Some(_) => Some(Ok(Vec::new())),
            None => {
                let replay = tokio::time::timeout(REPLAY_TIME_MAX, self.replay());
                replay.await.unwrap_or_else(|_| Some(Err(replay_took_too_long())))
            }
        };
        let commands = match replayed {
            Some(Ok(commands)) => commands,
            None => {
                self.context = before;
                return Ok(Err(not_moved()));
            }
            Some(Err(blocked)) => {
                self.context = before;
                self.drop_guest();
                return Ok(Ok(MoveAnswer::Refused(Box::new(
                    self.diverged(blocked, module_digest),
                ))));
            }
        };
        // Only now: a replay may take long, and deletions wait for who has chosen.
        let _chosen = match self.keep_code(module_digest) {
            Ok(chosen) => chosen,
            Err(gone) => {
                self.context = before;
                self.drop_guest();
                return Ok(Err(gone));
            }
        };
        let transition = self.pin(module_digest, commands);
        match self.commit(transition, None).await {
            Ok(()) => Ok(Ok(MoveAnswer::Moved)),
            Err(CommitFailure::Fenced) => Err(Stop::Gone),
            Err(failure) => {
                // The store says whether it was committed after all.
                self.reload().await?;
                if self.state.module_digest == module_digest {
                    return Ok(Ok(MoveAnswer::Moved));
                }
                Ok(Err(match failure {
                    CommitFailure::Rejected(reason) => not_storable(&reason),
                    _ => not_known(),
                }))
            }
        }
    }

    /// None if the history can't be read now.
    async fn replay(&mut self) -> Option<std::result::Result<Vec<Command>, Blocked>> {
        let room = self.room().await;
        let history = self.history_with(&Transition::default()).await.ok()?;
        Some(self.launch_in(room, history).await)
    }

    /// Keeps the code from being deleted, if it is still there.
    fn keep_code(&self, module_digest: ModuleDigest) -> Result<Choice> {
        let catalog = &self.shared.catalog;
        let chosen = catalog.try_choose()?;
        catalog.by_digest(&self.run.namespace, module_digest)?;
        Ok(chosen)
    }

    /// The move, and what the guest asked for past the end of history.
    fn pin(&mut self, module_digest: ModuleDigest, commands: Vec<Command>) -> Transition {
        let now = self.shared.clock.now();
        let run_id: RunId = self.run.key.run_id;
        let mut inputs = vec![Input::Move { module_digest }];
        if !commands.is_empty() {
            inputs.push(Input::GuestTurn { run_id, commands });
        }
        let mut transition = Transition::default();
        for input in inputs {
            let decided = self.decide(input, now);
            // The run is open and elsewhere, and nobody else decides.
            transition.extend(decided.expect("an open run can be moved"));
        }
        if self.state.status != ExecutionStatus::Running {
            self.drop_guest();
        }
        transition
    }

    fn diverged(&self, blocked: Blocked, module_digest: ModuleDigest) -> Blocked {
        blocked.between(Some(self.state.module_digest), module_digest)
    }
}

fn not_moved() -> ServiceError {
    ServiceError::new(
        ErrorCode::Unavailable,
        "the database did not answer, and the run was not moved; send the request again",
    )
}

fn not_known() -> ServiceError {
    ServiceError::new(
        ErrorCode::Unavailable,
        "the database did not say whether it has recorded the move; send the request again",
    )
}
