//! Numbers for behaviour that replay depends on. A number is recorded in the
//! first event of a history, and never reused once retired.

/// The rules new histories are made under.
///
/// 1. The first. Operations are numbered in the order of the guest's calls; a
///    blocking WASI poll starts one timer for its earliest deadline; inputs that
///    follow `WorkflowTaskFailed` are delivered after the activation that failed
///    has been repeated.
pub const ENGINE_VERSION: u32 = 1;
