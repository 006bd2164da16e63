//! Values that replay takes from history.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;
use crate::payload;
use crate::run::{self, Host};

/// Computes a value once and records it: from then on, whenever the run is
/// replayed, the value comes from its history and `compute` is not called.
///
/// Clocks and random numbers need no such help in a workflow, since they repeat
/// by themselves. This is for a value that must stay what it was when the code
/// which computes it is changed, and for one that costs much to compute.
/// `compute` runs in the virtual world of the workflow and must not start or
/// await anything; what needs the real world, such as a secret or the real time,
/// is an activity.
///
/// Fails only if the recorded value is no `T`, since the code has changed.
///
/// # Panics
///
/// If the value can't be written as JSON.
///
/// ```no_run
/// # use dacapo::{Failure, side_effect};
/// # fn rates_of_2026() -> Vec<u32> { vec![19, 7] }
/// #[dacapo::workflow]
/// async fn invoice() -> Result<(), Failure> {
///     let rates: Vec<u32> = side_effect("rates", rates_of_2026)?;
///     // ...
/// #   Ok(())
/// }
/// ```
pub fn side_effect<T>(name: &str, compute: impl FnOnce() -> T) -> Result<T, Failure>
where
    T: Serialize + DeserializeOwned,
{
    value(name, compute, Host::recorded_value)
}

/// Like [`side_effect`] for a value that is asked for again and again, as in a
/// loop: it is computed whenever the run comes to a new place, and recorded if it
/// is not what it was the last time.
///
/// # Panics
///
/// If the value can't be written as JSON.
pub fn mutable_side_effect<T>(name: &str, compute: impl FnOnce() -> T) -> Result<T, Failure>
where
    T: Serialize + DeserializeOwned,
{
    value(name, compute, Host::latest_value)
}

fn value<T>(
    name: &str,
    compute: impl FnOnce() -> T,
    ask: impl for<'a> FnOnce(&'a (dyn Host + 'static), &str) -> Option<Vec<u8>>,
) -> Result<T, Failure>
where
    T: Serialize + DeserializeOwned,
{
    let host = run::with_run(|run| run.host());
    let what = format_args!("value `{name}`");
    let bytes = match ask(&*host, name) {
        Some(bytes) => bytes,
        None => {
            // Nothing is there that a replay could take instead: the run stays
            // blocked here until the code is fixed.
            let bytes = payload::encode_value(&compute(), what).unwrap_or_else(|failure| {
                panic!("{}", failure.info.message);
            });
            host.record_value(name, &bytes);
            bytes
        }
    };
    // What replay will get, also the first time.
    payload::decode_value(&bytes, what)
}
