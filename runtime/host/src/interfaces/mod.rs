//! Our own interfaces (`wit/`), one file each.

mod activities;
mod activity_context;
mod attributes;
mod children;
mod convert;
mod diagnostics;
mod external;
mod module_activities;
mod operations;
mod queries;
mod run_context;
mod side_effects;
mod task_queues;
mod updates;
mod versions;

use wasmtime::component::LinkerInstance;

pub(crate) use self::attributes::attribute_changes;
pub(crate) use self::convert::{checked_outcome, duration, failure_from_guest};
use crate::activity::state::ActivityState;
use crate::workflow::state::WorkflowState;

/// Defines a function for a workflow. False if calling it is refused.
pub(crate) fn define_for_workflow(
    instance: &mut LinkerInstance<'_, WorkflowState>,
    interface: &str,
    function: &str,
) -> wasmtime::Result<bool> {
    match interface {
        "operations" => operations::define(instance, function),
        "activities" => activities::define(instance, function),
        "task-queues" => task_queues::define(instance, function),
        "module-activities" => module_activities::define(instance, function),
        "diagnostics" => diagnostics::define(instance, function),
        "queries" => queries::define(instance, function),
        "updates" => updates::define(instance, function),
        "children" => children::define(instance, function),
        "external" => external::define(instance, function),
        "attributes" => attributes::define(instance, function),
        "run-context" => run_context::define(instance, function),
        "side-effects" => side_effects::define(instance, function),
        "versions" => versions::define(instance, function),
        _ => Ok(false),
    }
}

/// Defines a function for an activity. False if calling it is refused.
pub(crate) fn define_for_activity(
    instance: &mut LinkerInstance<'_, ActivityState>,
    interface: &str,
    function: &str,
) -> wasmtime::Result<bool> {
    match interface {
        "activity-context" => activity_context::define(instance, function),
        _ => Ok(false),
    }
}
