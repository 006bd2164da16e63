//! `dacapo:workflow/children`.

use dacapo_model::event::{ChildCancellationType, ChildOptions, ModuleRef, ParentClosePolicy};
use dacapo_model::execution::IdReusePolicy;
use dacapo_model::ids::{InvalidId, ModuleName, TypeName, WorkflowId};
use wasmtime::StoreContextMut;
use wasmtime::component::LinkerInstance;

use super::convert::checked_payload;
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
    let input = checked_payload("the child's input", input, &state.limits)?;
    let options = child_options(options).map_err(misuse)?;
    let mut cursor = state.conversation.cursor();
    let (started, closed) = cursor.start_child(workflow_type, input, options)?;
    Ok(guest::Child { started: started.0, closed: closed.0 })
}

fn misuse(error: InvalidId) -> Stop {
    Stop::Misuse(format!("`start-child`: {error}"))
}

fn child_options(options: guest::ChildOptions) -> Result<ChildOptions, InvalidId> {
    let module = options.module.map(|module| {
        Ok(ModuleRef { name: ModuleName::new(module.name)?, version: module.version })
    });
    Ok(ChildOptions {
        workflow_id: options.workflow_id.map(WorkflowId::new).transpose()?,
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
    })
}
