//! The log of what was changed, and by whom.

pub(crate) mod list;
