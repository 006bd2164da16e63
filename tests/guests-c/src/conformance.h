/* What the files of the guest share. */

#include <dacapo.h>

dacapo_function noop, double_number, echo, flaky, refuse, crash, count_to, wait_cancel, attempt_info,
    forbidden, finish_anyway;
dacapo_function sequential, fan_out, race, timer, native_sleep, native_timers, clock_and_random,
    condition, deadline;
dacapo_function next_signal, buffered_signals, stages, cart, publishes;
dacapo_function square, parent, parent_of_failure, nudge, leaves, tells, cancels, relay, tries;
dacapo_function fails, sees_failure, sees_crash, retries, retries_not, unknown_activity, bug, hoards,
    spins, huge, calls_forbidden;
dacapo_function cleans_up, scope, asks, parent_cancelled;
dacapo_function heartbeats, versions, side_effects, memo, search_attributes, logs, payloads, nothing,
    about, options, program;
dacapo_function continues_as_new, fails_from_the_stack, dives, deals_with_it, waits_twice,
    passes_no_json, returns_no_json, fails_with_no_json, shows_no_json, wants_too_much, reads_json,
    takes_all;

/* The types of a failure. */
const char *types_of(const dacapo_failure *failure);
uint64_t millis_of(const char *input);
extern const dacapo_retry_policy at_once;
