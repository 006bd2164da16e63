//! Activities of built-in workflows: the runtime makes them itself. Each asks for operations
//! as a client does, in the name of its run.

mod batch_apply;
mod batch_part;

use std::sync::Arc;

use dacapo_engine::guest::{ActivityTask, AttemptLink};
use dacapo_model::builtin::BuiltinWorkflow;
use dacapo_model::failure::Failure;
use dacapo_model::payload::Payload;
use futures::future::BoxFuture;

use crate::builtin;
use crate::runtime::Shared;

/// Makes one attempt of an activity: that of a built-in workflow here, any other in the
/// host.
pub(crate) fn run_activity(
    shared: &Arc<Shared>,
    task: ActivityTask,
    link: Arc<dyn AttemptLink>,
) -> BoxFuture<'_, Result<Payload, Failure>> {
    match builtin::find(task.module_digest).map(|version| version.workflow) {
        Some(BuiltinWorkflow::Batch) => batch_part::run_part(shared.clone(), task, link),
        // The others have none that the runtime makes.
        Some(BuiltinWorkflow::Activity | BuiltinWorkflow::Schedule) | None => {
            shared.host.run_activity(task, link)
        }
    }
}
