//! Changing a workflow's code while runs of it are open.

use crate::run;

/// The version of a change that the code is to follow from here on, from `min`
/// to `max`; 0 is the code before the change.
///
/// Runs that come here for the first time follow `max`; those that were here
/// before the change go on as they began. A loop follows the change in the first
/// round that is new.
///
/// ```no_run
/// # use dacapo::{Failure, version};
/// # #[dacapo::activity]
/// # fn charge(cents: u64) -> Result<(), Failure> { Ok(()) }
/// # #[dacapo::activity]
/// # fn check_fraud(cents: u64) -> Result<(), Failure> { Ok(()) }
/// #[dacapo::workflow]
/// async fn order(cents: u64) -> Result<(), Failure> {
///     if version("check-fraud-first", 0, 1) == 1 {
///         check_fraud(cents).await?;
///     }
///     charge(cents).await
/// }
/// ```
///
/// Once no open run is older than the change, `version("check-fraud-first", 1, 1)`
/// says so, and the old branch can go; the call itself stays for as long as there
/// are open runs that recorded it.
///
/// A run that follows a version outside of the range is blocked. Traps if `min`
/// is above `max`.
pub fn version(change_id: &str, min: u32, max: u32) -> u32 {
    run::with_run(|run| run.host()).version(change_id, min, max)
}

/// Whether the code is to follow a change from here on: short for
/// [`version`]`(change_id, 0, 1) == 1`.
pub fn patched(change_id: &str) -> bool {
    version(change_id, 0, 1) == 1
}
