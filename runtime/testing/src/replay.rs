//! Plays a history against the code of today.

use std::sync::Arc;

use dacapo_engine::guest::replay;
use dacapo_model::event::EventAttributes;

use crate::env::TestEnv;
use crate::error::TestError;
use crate::history::History;

impl TestEnv {
    /// Plays `history` against the module of this environment, which defines its
    /// workflow. Fails where the code no longer does what is recorded: a run with
    /// that history could not go on with it. Records nothing.
    pub async fn replay(&self, history: &History) -> Result<(), TestError> {
        let Some(EventAttributes::WorkflowExecutionStarted(started)) =
            history.events.first().map(|event| &event.attributes)
        else {
            return Err(TestError::Setup("the history does not begin with a start".to_owned()));
        };
        let mut context = history.context.clone();
        context.module_digest = self.module_of(started.workflow_type.as_str())?;
        let replayed = replay(self.host(), Arc::new(context), history.events.clone()).await;
        replayed.map(|_| ()).map_err(|blocked| TestError::Replay(Box::new(blocked)))
    }
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
