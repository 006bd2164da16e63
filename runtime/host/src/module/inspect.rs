//! Whether a component is a module, and everything that is made of it once.

use std::sync::Arc;

use dacapo_engine::guest::{ModuleRejected, Room};
use dacapo_model::code::ErrorCode;
use dacapo_model::limits::Limits;
use dacapo_model::module::ModuleDefinitions;
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre, Linker};

use super::{Linked, Module, Unusable, definitions};
use crate::bindings::exports::dacapo::workflow::{activity, after_end, workflow};
use crate::linker::{ActivityWorld, WorkflowWorld, link};
use crate::trap::rejected;

const DEFINITIONS: &str = "dacapo:workflow/definitions@0.1.0";
const WORKFLOW: &str = "dacapo:workflow/workflow@0.1.0";
const AFTER_END: &str = "dacapo:workflow/after-end@0.1.0";
const ACTIVITY: &str = "dacapo:workflow/activity@0.1.0";

/// Bytes of a page of WebAssembly's memory.
const WASM_PAGE_BYTES: u64 = 64 * 1024;

/// Checks a component and makes it ready to run.
pub(super) async fn check(
    engine: &Engine,
    component: Component,
    limits: &Arc<Limits>,
    room: Arc<dyn Room>,
) -> Result<Module, Unusable> {
    let exported = Exported::of(engine, &component)?;
    if component.resources_required().is_none() {
        return Err(rejected(
            ErrorCode::ModuleInvalid,
            "the component imports modules, which nothing here can provide",
        )
        .into());
    }
    let alone = link(&WorkflowWorld::Inspected, Linker::new(engine), &component)?;
    let definitions = definitions::ask(engine, &alone, &exported, limits, room).await?;
    exported.check_all_that_is_defined(&definitions)?;
    let mut after_end = None;
    let workflow = if exported.workflow {
        let pre = link(&WorkflowWorld::Running, Linker::new(engine), &component)?;
        let exports =
            workflow::GuestIndices::new(&pre).map_err(|error| wrong_type(WORKFLOW, &error))?;
        if exported.after_end {
            let exports = after_end::GuestIndices::new(&pre)
                .map_err(|error| wrong_type(AFTER_END, &error))?;
            after_end = Some(exports);
        }
        Some(Linked { pre, exports })
    } else {
        None
    };
    let activity = if exported.activity {
        let pre = link(&ActivityWorld, ActivityWorld::linker(engine)?, &component)?;
        let exports =
            activity::GuestIndices::new(&pre).map_err(|error| wrong_type(ACTIVITY, &error))?;
        Some(Linked { pre, exports })
    } else {
        None
    };
    let code = component.image_range();
    let code_bytes = code.end.addr().saturating_sub(code.start.addr());
    let memory_bytes_at_first = memory_bytes_at_first(&component);
    let limits = Arc::new(limits.of_module(code_bytes));
    Ok(Module {
        code_bytes,
        memory_bytes_at_first,
        limits,
        definitions,
        workflow,
        after_end,
        activity,
    })
}

/// What the memories of an instance have together before its code runs, at most.
fn memory_bytes_at_first(component: &Component) -> usize {
    // It is known of every component that has its modules in it.
    let Some(needed) = component.resources_required() else { return 0 };
    let pages = needed.max_initial_memory_size.unwrap_or(0);
    let pages = pages.saturating_mul(u64::from(needed.num_memories));
    usize::try_from(pages.saturating_mul(WASM_PAGE_BYTES)).unwrap_or(usize::MAX)
}

/// Which interfaces a component exports, by name.
pub(super) struct Exported {
    workflow: bool,
    after_end: bool,
    activity: bool,
}

/// Whether a component exports what a module must.
pub(super) fn check_exports(exports: impl Fn(&str) -> bool) -> Result<(), ModuleRejected> {
    if !exports(DEFINITIONS) {
        return Err(missing(DEFINITIONS));
    }
    if !exports(WORKFLOW) && !exports(ACTIVITY) {
        return Err(missing(&format!("{WORKFLOW} or {ACTIVITY}")));
    }
    Ok(())
}

impl Exported {
    fn of(engine: &Engine, component: &Component) -> Result<Self, ModuleRejected> {
        let component_type = component.component_type();
        let exports = |name: &str| component_type.get_export(engine, name).is_some();
        check_exports(exports)?;
        Ok(Self {
            workflow: exports(WORKFLOW),
            after_end: exports(AFTER_END),
            activity: exports(ACTIVITY),
        })
    }

    /// What is defined and can't be called would fail each run of it.
    fn check_all_that_is_defined(
        &self,
        definitions: &ModuleDefinitions,
    ) -> Result<(), ModuleRejected> {
        for (defined, is_exported, export) in [
            (&definitions.workflows, self.workflow, WORKFLOW),
            (&definitions.activities, self.activity, ACTIVITY),
        ] {
            if let (Some(first), false) = (defined.first(), is_exported) {
                let what = format!("{export}, and defines `{first}`, which needs it");
                let mut rejected = missing(&what);
                rejected.details.insert("export".to_owned(), export.to_owned());
                return Err(rejected);
            }
        }
        Ok(())
    }

    /// Checks the types of what is exported, for which an instance is needed.
    pub(super) fn check_types<T>(
        &self,
        pre: &InstancePre<T>,
        mut store: impl wasmtime::AsContextMut,
        instance: &wasmtime::component::Instance,
    ) -> Result<(), ModuleRejected> {
        if self.workflow {
            workflow::GuestIndices::new(pre)
                .and_then(|indices| indices.load(&mut store, instance))
                .map_err(|error| wrong_type(WORKFLOW, &error))?;
        }
        if self.after_end {
            after_end::GuestIndices::new(pre)
                .and_then(|indices| indices.load(&mut store, instance))
                .map_err(|error| wrong_type(AFTER_END, &error))?;
        }
        if self.activity {
            activity::GuestIndices::new(pre)
                .and_then(|indices| indices.load(&mut store, instance))
                .map_err(|error| wrong_type(ACTIVITY, &error))?;
        }
        Ok(())
    }
}

fn missing(what: &str) -> ModuleRejected {
    let mut rejected = rejected(
        ErrorCode::ModuleWrongWorld,
        format!(
            "the component does not export {what}: build it for a world of the package \
             dacapo:workflow@0.1.0; in Rust, is `dacapo::module!` missing?"
        ),
    );
    rejected.details.insert("export".to_owned(), what.to_owned());
    rejected
}

pub(super) fn wrong_type(export: &str, error: &wasmtime::Error) -> ModuleRejected {
    let mut rejected = rejected(
        ErrorCode::ModuleWrongWorld,
        format!("the component exports {export} with other functions or types: {error:#}"),
    );
    rejected.details.insert("export".to_owned(), export.to_owned());
    rejected
}

/// For [`definitions`], which loads that export.
pub(super) const fn definitions_export() -> &'static str {
    DEFINITIONS
}
