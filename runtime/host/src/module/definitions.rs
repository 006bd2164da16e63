//! Asking a component what it defines, in an instance that may do nothing else:
//! no clock runs, no operation can be started, waiting is an error.

use std::collections::BTreeSet;
use std::sync::Arc;

use dacapo_engine::guest::{ModuleRejected, Room, RunContext};
use dacapo_model::code::ErrorCode;
use dacapo_model::ids::{NamespaceName, RunId, TypeName, WorkflowId};
use dacapo_model::limits::{Limits, MODULE_TYPES_MAX};
use dacapo_model::module::{ModuleDefinitions, ModuleDigest};
use uuid::Uuid;
use wasmtime::Engine;
use wasmtime::component::InstancePre;

use super::inspect::{Exported, definitions_export, wrong_type};
use crate::bindings::exports::dacapo::workflow::definitions as exports;
use crate::trap::{Fault, rejected};
use crate::workflow::conversation::Conversation;
use crate::workflow::state::{WorkflowState, new_store};

/// Instructions for it. Listing names takes thousands; starting CPython takes
/// some hundred millions.
const FUEL: u64 = 2_000_000_000;

/// What is said of a module that waits.
const WAITS: &str = "the module waits for something in `definitions`, where nothing comes";

/// Calls `definitions` once and checks the answer.
pub(super) async fn ask(
    engine: &Engine,
    pre: &InstancePre<WorkflowState>,
    exported: &Exported,
    limits: &Arc<Limits>,
    room: Arc<dyn Room>,
) -> Result<ModuleDefinitions, ModuleRejected> {
    let limits = Arc::new(Limits { activation_fuel: FUEL, ..(**limits).clone() });
    let conversation = Arc::new(Conversation::without_history(&limits, WAITS));
    let state = WorkflowState::new(Arc::clone(&conversation), nobody()?, limits, room);
    let answer = call(engine, pre, exported, state);
    match conversation.run_until_wait(std::pin::pin!(answer)).await {
        Some(answer) => check(answer?),
        // A guest that waits is stopped there.
        None => Err(invalid(WAITS)),
    }
}

async fn call(
    engine: &Engine,
    pre: &InstancePre<WorkflowState>,
    exported: &Exported,
    state: WorkflowState,
) -> Result<exports::ModuleDefinitions, ModuleRejected> {
    let mut store = new_store(engine, state).map_err(|error| invalid(format!("{error:#}")))?;
    let stopped = |store: &wasmtime::Store<WorkflowState>, error: wasmtime::Error| {
        let log = &store.data().log;
        let fault = Fault::new(&error, &store.data().memory.limiter, log);
        let message = fault.with_last_words(log).message;
        invalid(format!("asking the module for its definitions failed: {message}"))
    };
    let instance = match pre.instantiate_async(&mut store).await {
        Ok(instance) => instance,
        Err(error) => return Err(stopped(&store, error)),
    };
    exported.check_types(pre, &mut store, &instance)?;
    let guest = exports::GuestIndices::new(pre)
        .and_then(|indices| indices.load(&mut store, &instance))
        .map_err(|error| wrong_type(definitions_export(), &error))?;
    guest.call_definitions(&mut store).await.map_err(|error| stopped(&store, error))
}

/// The run that is none, which an inspection happens for.
fn nobody() -> Result<Arc<RunContext>, ModuleRejected> {
    let internal =
        |error: dacapo_model::ids::InvalidId| rejected(ErrorCode::Internal, error.to_string());
    Ok(Arc::new(RunContext {
        namespace: NamespaceName::new("inspection").map_err(internal)?,
        workflow_id: WorkflowId::new("inspection").map_err(internal)?,
        run_id: RunId(Uuid::nil()),
        module_digest: ModuleDigest([0; 32]),
        trace: None,
    }))
}

fn check(answer: exports::ModuleDefinitions) -> Result<ModuleDefinitions, ModuleRejected> {
    let definitions = ModuleDefinitions {
        workflows: names("workflow", answer.workflows)?,
        activities: names("activity", answer.activities)?,
    };
    if definitions.workflows.is_empty() && definitions.activities.is_empty() {
        return Err(invalid("the module defines no workflow and no activity"));
    }
    Ok(definitions)
}

fn names(kind: &str, names: Vec<String>) -> Result<Vec<TypeName>, ModuleRejected> {
    if names.len() > MODULE_TYPES_MAX {
        return Err(invalid(format!(
            "the module defines {} {kind} types; at most {MODULE_TYPES_MAX} are allowed",
            names.len()
        )));
    }
    let mut seen = BTreeSet::new();
    let mut checked = Vec::with_capacity(names.len());
    for name in names {
        let name = TypeName::new(&name)
            .map_err(|error| invalid(format!("the {kind} type {name:?}: {error}")))?;
        if !seen.insert(name.clone()) {
            return Err(invalid(format!("the module defines the {kind} type `{name}` twice")));
        }
        checked.push(name);
    }
    Ok(checked)
}

fn invalid(message: impl Into<String>) -> ModuleRejected {
    rejected(ErrorCode::ModuleInvalid, message)
}
