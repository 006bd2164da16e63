//! From the functions of a module to the component that the runtime loads.

use std::pin::Pin;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::attempt;
use crate::bindings::dacapo::workflow::types as wit_types;
use crate::bindings::exports::dacapo::workflow::{
    activity, after_end, definitions, workflow as wit,
};
use crate::executor::{self, End};
use crate::failure::{Failure, FailureInfo, FailureKind};
use crate::host::ImportedHost;
use crate::payload;
use crate::queries;
use crate::run;

/// Exports a module: the component's workflows and activities by name.
///
/// Exactly once in a crate of type `cdylib`. Either list may be missing. A run that calls an
/// activity which was left out is blocked, and goes on once it is moved to a version of the
/// module that lists it (`dacapo run move`).
///
/// ```
/// # use dacapo::Failure;
/// #[dacapo::activity]
/// fn greeting(name: String) -> Result<String, Failure> {
///     Ok(format!("Hello, {name}!"))
/// }
///
/// #[dacapo::workflow]
/// async fn hello(name: String) -> Result<String, Failure> {
///     greeting(name).await
/// }
///
/// dacapo::module! { workflows: [hello], activities: [greeting] }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! module {
    (workflows: [$($workflow:ty),* $(,)?] $(, activities: [$($activity:ty),* $(,)?])? $(,)?) => {
        $crate::__module! { [$($workflow,)*] [$($($activity,)*)?] }
    };
    (activities: [$($activity:ty),* $(,)?] $(,)?) => {
        $crate::__module! { [] [$($activity,)*] }
    };
}

/// What `module!` expands to, with both lists present.
#[doc(hidden)]
#[macro_export]
macro_rules! __module {
    ([$($workflow:ty,)*] [$($activity:ty,)*]) => {
        const _: () = {
            #[derive(Clone, Copy)]
            struct Module;

            const WORKFLOWS: &[&str] =
                &[$(<$workflow as $crate::__private::Workflow>::NAME),*];
            const ACTIVITIES: &[&str] =
                &[$(<$activity as $crate::__private::Activity>::NAME),*];

            impl $crate::__private::definitions::Guest for Module {
                fn definitions() -> $crate::__private::definitions::ModuleDefinitions {
                    $crate::__private::list_definitions(WORKFLOWS, ACTIVITIES)
                }
            }

            impl $crate::__private::workflow::Guest for Module {
                fn run(
                    workflow_type: ::std::string::String,
                    input: ::std::vec::Vec<u8>,
                ) -> $crate::__private::workflow::Outcome {
                    $(if workflow_type == <$workflow as $crate::__private::Workflow>::NAME {
                        return $crate::__private::run_workflow::<$workflow>(ACTIVITIES, &input);
                    })*
                    let _ = input;
                    $crate::__private::unknown_workflow(&workflow_type)
                }
            }

            impl $crate::__private::after_end::Guest for Module {
                fn answer_query(
                    name: ::std::string::String,
                    input: ::std::vec::Vec<u8>,
                ) -> ::std::result::Result<::std::vec::Vec<u8>, $crate::__private::WitFailure> {
                    $crate::__private::answer_after_end(&name, &input)
                }
            }

            impl $crate::__private::activity::Guest for Module {
                fn execute(
                    activity_type: ::std::string::String,
                    input: ::std::vec::Vec<u8>,
                ) -> ::std::result::Result<::std::vec::Vec<u8>, $crate::__private::WitFailure> {
                    $(if activity_type == <$activity as $crate::__private::Activity>::NAME {
                        return $crate::__private::run_activity::<$activity>(&input);
                    })*
                    let _ = input;
                    $crate::__private::unknown_activity(&activity_type)
                }
            }

            // Exported names hold a colon, which native linkers refuse in a shared library.
            #[cfg(target_family = "wasm")]
            $crate::__private::bindings::export_module!(
                Module with_types_in $crate::__private::bindings
            );
            #[cfg(not(target_family = "wasm"))]
            $crate::__private::exported_in_components_only(Module);
        };
    };
}

/// Stands for the exports where there are none: a module that is compiled for this
/// machine, by a plain `cargo build` or for its tests, is checked like a component.
pub const fn exported_in_components_only<M>(_module: M)
where
    M: definitions::Guest + wit::Guest + activity::Guest + after_end::Guest + Copy,
{
}

/// A workflow; `#[dacapo::workflow]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a workflow",
    label = "not a workflow",
    note = "mark the function with `#[dacapo::workflow]` and import it, if it is defined elsewhere"
)]
pub trait Workflow {
    /// The type name.
    const NAME: &'static str;

    /// The whole workflow, from encoded input to encoded result.
    fn start(input: &[u8]) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, Failure>>>>;
}

/// An activity; `#[dacapo::activity]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an activity",
    label = "not an activity",
    note = "mark the function with `#[dacapo::activity]` and import it, if it is defined elsewhere"
)]
pub trait Activity {
    /// The type name.
    const NAME: &'static str;

    /// The whole activity, from encoded input to encoded result.
    fn execute(input: &[u8]) -> Result<Vec<u8>, Failure>;
}

/// A return type written as `Result`, whatever `Result` is an alias of.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the result of a workflow or an activity",
    note = "return `T` or `Result<T, E>`"
)]
pub trait Fallible {
    /// The value of a success.
    type Value;

    /// The same with the failure that the runtime understands.
    fn into_outcome(self) -> Result<Self::Value, Failure>;
}

impl<T, E: Into<Failure>> Fallible for Result<T, E> {
    type Value = T;

    fn into_outcome(self) -> Result<T, Failure> {
        self.map_err(Into::into)
    }
}

/// Decodes the argument of a workflow.
pub fn workflow_input<T: DeserializeOwned>(name: &str, input: &[u8]) -> Result<T, Failure> {
    payload::decode_input(input, format_args!("workflow `{name}`"))
}

/// Encodes the result of a workflow.
pub fn workflow_result<T: Serialize>(name: &str, value: &T) -> Result<Vec<u8>, Failure> {
    payload::encode_result(value, format_args!("workflow `{name}`"))
}

/// Decodes the argument of an activity.
pub fn activity_input<T: DeserializeOwned>(name: &str, input: &[u8]) -> Result<T, Failure> {
    payload::decode_input(input, format_args!("activity `{name}`"))
}

/// Encodes the result of an activity.
pub fn activity_result<T: Serialize>(name: &str, value: &T) -> Result<Vec<u8>, Failure> {
    payload::encode_result(value, format_args!("activity `{name}`"))
}

/// Answers `definitions`.
pub fn list_definitions(workflows: &[&str], activities: &[&str]) -> definitions::ModuleDefinitions {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    definitions::ModuleDefinitions { workflows: owned(workflows), activities: owned(activities) }
}

/// Answers `run`, in a module with these activities.
pub fn run_workflow<W: Workflow>(
    activities: &'static [&'static str],
    input: &[u8],
) -> wit::Outcome {
    run::install(Rc::new(ImportedHost));
    run::with_run(|run| run.defines(activities));
    match executor::run_workflow(W::start(input)) {
        End::Returned(Ok(result)) => wit::Outcome::Completed(result),
        End::Returned(Err(failure)) => match cancellation(&failure) {
            Some(message) => wit::Outcome::Cancelled(message),
            None => wit::Outcome::Failed(failure.into_wit()),
        },
        End::Continued(continuation) => wit::Outcome::ContinueAsNew(continuation.into_wit(W::NAME)),
    }
}

/// Answers `answer-query`.
pub fn answer_after_end(name: &str, input: &[u8]) -> Result<Vec<u8>, wit_types::Failure> {
    queries::answer_after_end(name, input).map_err(Failure::into_wit)
}

/// What a run that ends with this failure has to say about its cancellation, if
/// that is what it ends with: its own, or that of an activity or a child that it
/// was asked to cancel with.
fn cancellation(failure: &Failure) -> Option<String> {
    let is_cancelled = |info: &FailureInfo| info.kind == FailureKind::Cancelled;
    let is_passed_on = || failure.is_cancelled() && run::with_run(|run| run.is_asked_to_cancel());
    if !is_cancelled(&failure.info) && !is_passed_on() {
        return None;
    }
    failure.chain().find(|info| is_cancelled(info)).map(|info| info.message.clone())
}

/// Answers `execute`.
pub fn run_activity<A: Activity>(input: &[u8]) -> Result<Vec<u8>, wit_types::Failure> {
    attempt::enter();
    A::execute(input).map_err(Failure::into_wit)
}

/// Answers `run` for a type that the module does not define.
pub fn unknown_workflow(workflow_type: &str) -> wit::Outcome {
    let message = format!("this module defines no workflow `{workflow_type}`");
    let failure = Failure::application("UnknownWorkflowType", message).non_retryable();
    wit::Outcome::Failed(failure.into_wit())
}

/// Answers `execute` for a type that the module does not define.
pub fn unknown_activity(activity_type: &str) -> Result<Vec<u8>, wit_types::Failure> {
    let message = format!("this module defines no activity `{activity_type}`");
    Err(Failure::application("UnknownActivityType", message).non_retryable().into_wit())
}
