//! Keys by which clients say who they are.

pub(crate) mod create;
pub(crate) mod list;
pub(crate) mod revoke;
