//! Plays histories against the code of today.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dacapo_engine::guest::{Unbounded, replay};
use dacapo_model::code::ErrorCode;
use dacapo_model::event::EventAttributes;
use dacapo_model::execution::Blocked;

use crate::env::TestEnv;
use crate::error::{Misfit, TestError};
use crate::history::History;

impl TestEnv {
    /// Plays `history` against the module of this environment, which defines its
    /// workflow. Fails where the code no longer does what is recorded: a run with
    /// that history could not go on with it. Records nothing.
    pub async fn replay(&self, history: &History) -> Result<(), TestError> {
        self.try_replay(history).await.map_err(TestError::Replay)
    }

    /// Like [`Self::replay`], with a history from a file, which
    /// `dacapo run history --export` has written.
    pub async fn replay_file(&self, file: impl AsRef<Path>) -> Result<(), TestError> {
        self.replay_files(vec![file.as_ref().to_owned()]).await.map(drop)
    }

    /// Like [`Self::replay_file`], with all files of a folder that are named
    /// `*.json`. Returns how many they are; a folder without any is a mistake. All
    /// that do not fit are told.
    ///
    /// ```no_run
    /// # use dacapo_testing::{TestEnv, TestError};
    /// #[tokio::test]
    /// async fn the_code_fits_what_open_runs_have_recorded() -> Result<(), TestError> {
    ///     let env = TestEnv::of_crate(env!("CARGO_MANIFEST_DIR")).await?;
    ///     env.replay_folder("tests/histories").await.map(drop)
    /// }
    /// # fn main() {}
    /// ```
    pub async fn replay_folder(&self, folder: impl AsRef<Path>) -> Result<usize, TestError> {
        let folder = folder.as_ref();
        let unusable =
            |problem: String| TestError::Setup(format!("{}: {problem}", folder.display()));
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(|error| unusable(error.to_string()))? {
            let file = entry.map_err(|error| unusable(error.to_string()))?.path();
            if file.extension().is_some_and(|extension| extension == "json") {
                files.push(file);
            }
        }
        if files.is_empty() {
            return Err(unusable(
                "there is no history in it: no file is named `*.json`".to_owned(),
            ));
        }
        files.sort();
        self.replay_files(files).await
    }

    async fn replay_files(&self, files: Vec<PathBuf>) -> Result<usize, TestError> {
        let tried = files.len();
        let mut misfits = Vec::new();
        for file in files {
            if let Err(report) = self.try_replay(&History::read(&file)?).await {
                misfits.push(Misfit { file, report });
            }
        }
        if misfits.is_empty() { Ok(tried) } else { Err(TestError::ReplayFiles { tried, misfits }) }
    }

    async fn try_replay(&self, history: &History) -> Result<(), Box<Blocked>> {
        let Some(EventAttributes::WorkflowExecutionStarted(started)) =
            history.events.first().map(|event| &event.attributes)
        else {
            let problem = "the history does not begin with a start".to_owned();
            return Err(report(ErrorCode::InvalidRequest, problem));
        };
        let mut context = history.context.clone();
        context.module_digest = self
            .module_of(started.workflow_type.as_str())
            .map_err(|error| report(ErrorCode::WorkflowTypeNotFound, error.to_string()))?;
        let (context, room) = (Arc::new(context), Arc::new(Unbounded));
        let replayed = replay(self.host(), context, room, history.events.clone()).await;
        replayed.map(drop).map_err(Box::new)
    }
}

fn report(code: ErrorCode, message: String) -> Box<Blocked> {
    let code = code.as_str().to_owned();
    Box::new(Blocked { code, message, backtrace: None, nondeterminism: None })
}

#[cfg(test)]
mod tests {
    use dacapo_model::ids::TypeName;

    use super::*;

    #[tokio::test]
    async fn code_that_does_something_else_than_its_history_is_found() {
        let steps = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/guests/steps");
        let env = TestEnv::of_crate(steps).await.expect("an environment");
        let input = serde_json::json!({"steps": 1});
        let run = env.start("sequential", &input).await.expect("started");
        let _: u64 = run.result().await.expect("completed");
        let mut history = run.history().await.expect("a history");
        env.replay(&history).await.expect("it fits");

        let EventAttributes::ActivityTaskScheduled { activity_type, .. } =
            &mut history.events[1].attributes
        else {
            panic!("not the event that schedules: {history:?}");
        };
        *activity_type = TypeName::new("another").expect("valid");
        let error = env.replay(&history).await.expect_err("it does not fit");
        assert!(matches!(error, TestError::Replay(_)), "{error}");
        assert!(error.to_string().contains("event 2"), "{error}");
    }
}
