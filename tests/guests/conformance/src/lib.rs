//! The behaviours of `guest-sdk/conformance.md`, in its order.

mod activities;
mod beside;
mod cancellation;
mod failures;
mod messages;
mod others;
mod program;
mod steps;

use std::time::Duration;

use dacapo::{ActivityOptions, Failure, RetryPolicy};

use activities::{
    attempt_info, count_to, crash, double, echo, flaky, forbidden, noop, post, refuse, wait_cancel,
};

/// The policy that the list calls so.
fn at_once() -> RetryPolicy {
    RetryPolicy::new().initial_interval(Duration::from_millis(1))
}

fn retried(policy: RetryPolicy) -> ActivityOptions {
    ActivityOptions::new().retry(policy)
}

/// The types of a failure.
fn types(failure: &Failure) -> Vec<String> {
    failure.chain().map(|info| info.type_name.clone()).collect()
}

fn failure_of<T>(outcome: Result<T, Failure>) -> Result<Failure, Failure> {
    match outcome {
        Ok(_) => Err(Failure::application("NotFailed", "it should have failed")),
        Err(failure) => Ok(failure),
    }
}

dacapo::module! {
    workflows: [
        steps::sequential, steps::fan_out, steps::race, steps::timer, steps::native_sleep,
        steps::native_timers, steps::clock_and_random, steps::condition, steps::deadline,
        messages::signal, messages::buffered_signals, messages::stages, messages::cart,
        messages::publishes,
        others::square, others::parent, others::parent_of_failure, others::nudge, others::leaves,
        others::tells, others::cancels, others::relay, others::tries,
        failures::fails, failures::sees_failure, failures::sees_crash, failures::retries,
        failures::retries_not, failures::unknown_activity, failures::bug, failures::hoards,
        failures::spins, failures::huge, failures::calls_forbidden,
        cancellation::cleans_up, cancellation::scope, cancellation::asks,
        cancellation::parent_cancelled,
        beside::heartbeats, beside::versions, beside::side_effects, beside::memo,
        beside::search_attributes, beside::logs, beside::payloads, beside::nothing, beside::about,
        beside::options, beside::posts, program::program,
    ],
    activities: [
        noop, double, echo, flaky, refuse, crash, count_to, wait_cancel, attempt_info, post,
        forbidden,
    ],
}
