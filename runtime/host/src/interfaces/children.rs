//! `dacapo:workflow/children`.

use dacapo_model::attributes::RunAttributes;
use dacapo_model::event::{ChildCancellationType, ChildOptions, ModuleRef, ParentClosePolicy};
use dacapo_model::execution::IdReusePolicy;
use dacapo_model::ids::{InvalidId, ModuleName, TypeName, WorkflowId};
use wasmtime::StoreContextMut;
use wasmtime::component::LinkerInstance;

use super::attributes::attribute_changes;
use super::convert::{checked_payload, duration, retry_policy};
use crate::bindings::dacapo::workflow::children as guest;
use crate::trap::Stop;
use crate::workflow::state::WorkflowState;

type Store<'a> = StoreContextMut<'a, WorkflowState>;

pub(super) fn define(
    instance: &mut LinkerInstance<'_, WorkflowState>,
    function: &str,
) -> wasmtime::Result<bool> {
    match function {
        "start-child" => instance.func_wrap(
            function,
            |store: Store<'_>, arguments: (String, Vec<u8>, guest::ChildOptions)| {
                Ok((start_child(&store, arguments)?,))
            },
        )?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn start_child(
    store: &Store<'_>,
    (workflow_type, input, options): (String, Vec<u8>, guest::ChildOptions),
) -> Result<guest::Child, Stop> {
    let state = store.data();
    let workflow_type = TypeName::new(&workflow_type).map_err(misuse)?;
    let input = checked_payload("the child's input", input, state)?;
    let options = child_options(options)?;
    let mut cursor = state.conversation.cursor();
    let (started, closed) = cursor.start_child(workflow_type, input, options)?;
    Ok(guest::Child { started: started.0, closed: closed.0 })
}

fn misuse(error: InvalidId) -> Stop {
    Stop::Misuse(format!("`start-child`: {error}"))
}

fn child_options(options: guest::ChildOptions) -> Result<ChildOptions, Stop> {
    let invalid =
        |field: &str, problem: &str| Stop::Misuse(format!("`start-child`: `{field}` {problem}"));
    let timeout = |field: &str, nanos: Option<u64>| match nanos {
        Some(0) => Err(invalid(field, "must be more than 0")),
        other => Ok(other.map(duration)),
    };
    let run_timeout = timeout("run-timeout", options.run_timeout)?;
    let execution_timeout = timeout("execution-timeout", options.execution_timeout)?;
    let retry = options.retry.map(|policy| retry_policy(policy, invalid)).transpose()?;
    let mut attributes = RunAttributes::default();
    attributes.apply(&attribute_changes(options.memo, options.search_attributes)?);
    let module = options.module.map(|module| {
        let name = ModuleName::new(module.name).map_err(misuse)?;
        Ok::<_, Stop>(ModuleRef { name, version: module.version })
    });
    Ok(ChildOptions {
        workflow_id: options.workflow_id.map(WorkflowId::new).transpose().map_err(misuse)?,
        reuse_policy: match options.id_reuse_policy {
            guest::IdReusePolicy::AllowDuplicate => IdReusePolicy::AllowDuplicate,
            guest::IdReusePolicy::AllowDuplicateFailedOnly => {
                IdReusePolicy::AllowDuplicateFailedOnly
            }
            guest::IdReusePolicy::RejectDuplicate => IdReusePolicy::RejectDuplicate,
        },
        parent_close_policy: match options.parent_close_policy {
            guest::ParentClosePolicy::Terminate => ParentClosePolicy::Terminate,
            guest::ParentClosePolicy::Abandon => ParentClosePolicy::Abandon,
            guest::ParentClosePolicy::RequestCancel => ParentClosePolicy::RequestCancel,
        },
        cancellation_type: match options.cancellation_type {
            guest::ChildCancellationType::WaitCancellationCompleted => {
                ChildCancellationType::WaitCancellationCompleted
            }
            guest::ChildCancellationType::WaitCancellationRequested => {
                ChildCancellationType::WaitCancellationRequested
            }
            guest::ChildCancellationType::TryCancel => ChildCancellationType::TryCancel,
            guest::ChildCancellationType::Abandon => ChildCancellationType::Abandon,
        },
        module: module.transpose()?,
        run_timeout,
        execution_timeout,
        start_delay: duration(options.start_delay),
        retry,
        attributes,
    })
}
