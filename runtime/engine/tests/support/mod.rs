//! A world for the pure engine to live in: programs that play the guest, scripts
//! that play everything outside, and a simulation that plays the service.

pub(crate) mod checks;
mod commit;
pub(crate) mod guest;
pub(crate) mod mutation;
pub(crate) mod outbox;
pub(crate) mod program;
mod relations;
pub(crate) mod script;
pub(crate) mod simulation;
pub(crate) mod stored;
pub(crate) mod tasks;

/// A broken law, in words. Not a panic, so that shrinking stays quiet.
pub(crate) type Checked<T = ()> = Result<T, String>;

/// Returns from the enclosing function with a broken law unless it holds.
macro_rules! ensure {
    ($holds:expr, $($words:tt)+) => {
        if !$holds {
            return Err(format!($($words)+));
        }
    };
}
pub(crate) use ensure;
