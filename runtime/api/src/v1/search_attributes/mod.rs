//! Search attributes of a namespace.

pub(crate) mod list;
pub(crate) mod register;
pub(crate) mod remove;
