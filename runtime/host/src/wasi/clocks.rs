//! Clocks that show the run's logical time: that of the last delivered event.

use std::time::Duration;

use dacapo_model::limits::TIMER_MAX;
use dacapo_model::time::Timestamp;
use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower};

use super::poll::Pollable;
use crate::workflow::state::WorkflowState;

/// Events are recorded with this resolution.
const RESOLUTION: Duration = Duration::from_micros(1);

/// `wasi:clocks/wall-clock.datetime`.
#[derive(Debug, Clone, Copy, ComponentType, Lift, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

impl From<Duration> for Datetime {
    fn from(since_epoch: Duration) -> Self {
        Self { seconds: since_epoch.as_secs(), nanoseconds: since_epoch.subsec_nanos() }
    }
}

pub(super) fn define_wall(
    instance: &mut LinkerInstance<'_, WorkflowState>,
    function: &str,
) -> wasmtime::Result<bool> {
    match function {
        "now" => instance.func_wrap(function, |store, (): ()| {
            let now = store.data().conversation.cursor().now();
            Ok((Datetime::from(Duration::from_nanos(now.as_nanos())),))
        })?,
        "resolution" => {
            instance.func_wrap(function, |_, (): ()| Ok((Datetime::from(RESOLUTION),)))?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Its instants are nanoseconds since a day before the run started.
pub(super) fn define_monotonic(
    instance: &mut LinkerInstance<'_, WorkflowState>,
    function: &str,
) -> wasmtime::Result<bool> {
    match function {
        "now" => instance.func_wrap(function, |store, (): ()| {
            Ok((nanos(store.data().conversation.cursor().monotonic()),))
        })?,
        "resolution" => instance.func_wrap(function, |_, (): ()| Ok((nanos(RESOLUTION),)))?,
        "subscribe-instant" => instance.func_wrap(function, |mut store, (when,): (u64,)| {
            let deadline = {
                let cursor = store.data().conversation.cursor();
                let latest = cursor.now().after(TIMER_MAX);
                cursor.at_monotonic(Duration::from_nanos(when)).min(latest)
            };
            Ok((store.data_mut().table.push(Pollable::At(deadline))?,))
        })?,
        "subscribe-duration" => instance.func_wrap(function, |mut store, (length,): (u64,)| {
            let length = Duration::from_nanos(length).min(TIMER_MAX);
            let deadline: Timestamp = store.data().conversation.cursor().now().after(length);
            Ok((store.data_mut().table.push(Pollable::At(deadline))?,))
        })?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
