//! The attribute macros of the `dacapo` crate, which re-exports them. They are
//! documented here and of no use without that crate.

mod activity;
mod attribute;
mod signature;
mod workflow;

use proc_macro::TokenStream;
use syn::{ItemFn, parse_macro_input};

use crate::attribute::Attribute;

/// Marks an `async fn` as a workflow.
///
/// It takes no argument or one that implements `serde::Deserialize`, and
/// returns `T` or `Result<T, E>` where `T: serde::Serialize` and
/// `E: Into<dacapo::Failure>`. A result that may fail has to be written as
/// `Result<..>` (or `some::Result<..>`): the macro knows it by that name.
///
/// The type name is the name of the function, or what
/// `#[dacapo::workflow(name = "...")]` says. The function itself stays what it
/// is and can be awaited by other workflows of the crate.
#[proc_macro_attribute]
pub fn workflow(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let attribute = parse_macro_input!(attribute as Attribute);
    let function = parse_macro_input!(item as ItemFn);
    workflow::expand(&attribute, function).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Marks a `fn` or an `async fn` as an activity.
///
/// It takes no argument or one that implements `serde::Serialize` and
/// `serde::Deserialize`, and returns `T` or `Result<T, E>` where `T` implements
/// both too and `E: Into<dacapo::Failure>`. A result that may fail has to be
/// written as `Result<..>` (or `some::Result<..>`).
///
/// Calling `reserve(item)` afterwards makes a `dacapo::ActivityCall` for use in
/// a workflow, whose options can be set before it is awaited. The function
/// itself moves to `reserve::run`, for tests and for other activities.
///
/// The type name is the name of the function, or what
/// `#[dacapo::activity(name = "...")]` says.
#[proc_macro_attribute]
pub fn activity(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let attribute = parse_macro_input!(attribute as Attribute);
    let function = parse_macro_input!(item as ItemFn);
    activity::expand(&attribute, function).unwrap_or_else(syn::Error::into_compile_error).into()
}
