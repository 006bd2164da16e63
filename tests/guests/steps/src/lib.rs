//! Workflows of all shapes, written with the SDK, for the tests of the
//! runtime. Inputs and results are JSON; each workflow says which.

mod activities;
mod attempts;
mod cancellation;
mod chain;
mod children;
mod effects;
mod heartbeats;
mod kit;
mod messages;
mod queues;
mod scopes;
mod signals;
mod timing;
mod workflows;

use activities::{
    attempt_info, authorized, big_result, double, echo_activity, env, fail, fetch, flaky_step,
    noop, post, spin, wait,
};
use cancellation::{cancellable, ignores_cancellation};
use signals::{await_signals, receive_signal, relay_signals};
use timing::{alarms, deadline, race, timeout_activity, timers};
use workflows::{
    call, continue_n, echo, fails, fan_out, flaky, info, sequential, unknown_activity,
};

dacapo::module! {
    workflows: [
        sequential, fan_out, flaky, call, unknown_activity, echo, fails, continue_n, info,
        timers, alarms, race, timeout_activity, deadline,
        cancellable, ignores_cancellation,
        chain::chapters, chain::tries,
        scopes::booking, scopes::limited, scopes::passes_on, scopes::scoped,
        effects::effects,
        kit::concurrency_kit,
        children::descend, children::family, children::linger, children::nudge, children::square,
        children::sum_of_squares, children::tell,
        await_signals, relay_signals, receive_signal,
        messages::careless, messages::cart,
        attempts::tried_again, attempts::long_history,
        queues::remote_fan_out, queues::remote_sequential,
    ],
    activities: [
        noop, echo_activity, double, fail, post, spin, wait, big_result, env, fetch, flaky_step,
        attempt_info, authorized,
        heartbeats::copy_items, heartbeats::listen, heartbeats::fall_silent, heartbeats::make_way,
        heartbeats::later, heartbeats::talk, heartbeats::say_much, heartbeats::fail_deeply,
    ],
}
