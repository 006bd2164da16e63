/* What the module is made of. */

#include "conformance.h"

const dacapo_definition dacapo_activities[] = {
    {"noop", noop},
    {"double", double_number},
    {"echo", echo},
    {"flaky", flaky},
    {"refuse", refuse},
    {"crash", crash},
    {"count_to", count_to},
    {"wait_cancel", wait_cancel},
    {"attempt_info", attempt_info},
    {"forbidden", forbidden},
    {"finish_anyway", finish_anyway},
    {NULL, NULL},
};

const dacapo_definition dacapo_workflows[] = {
    {"sequential", sequential},
    {"fan_out", fan_out},
    {"race", race},
    {"timer", timer},
    {"native_sleep", native_sleep},
    {"native_timers", native_timers},
    {"clock_and_random", clock_and_random},
    {"condition", condition},
    {"deadline", deadline},
    {"signal", next_signal},
    {"buffered_signals", buffered_signals},
    {"stages", stages},
    {"cart", cart},
    {"publishes", publishes},
    {"square", square},
    {"parent", parent},
    {"parent_of_failure", parent_of_failure},
    {"nudge", nudge},
    {"leaves", leaves},
    {"tells", tells},
    {"cancels", cancels},
    {"relay", relay},
    {"tries", tries},
    {"fails", fails},
    {"sees_failure", sees_failure},
    {"sees_crash", sees_crash},
    {"retries", retries},
    {"retries_not", retries_not},
    {"unknown_activity", unknown_activity},
    {"bug", bug},
    {"hoards", hoards},
    {"spins", spins},
    {"huge", huge},
    {"calls_forbidden", calls_forbidden},
    {"cleans_up", cleans_up},
    {"scope", scope},
    {"asks", asks},
    {"parent_cancelled", parent_cancelled},
    {"heartbeats", heartbeats},
    {"versions", versions},
    {"side_effects", side_effects},
    {"memo", memo},
    {"search_attributes", search_attributes},
    {"logs", logs},
    {"payloads", payloads},
    {"nothing", nothing},
    {"about", about},
    {"options", options},
    {"program", program},
    {"continues_as_new", continues_as_new},
    {"fails_from_the_stack", fails_from_the_stack},
    {"dives", dives},
    {"deals_with_it", deals_with_it},
    {"waits_twice", waits_twice},
    {"passes_no_json", passes_no_json},
    {"returns_no_json", returns_no_json},
    {"fails_with_no_json", fails_with_no_json},
    {"shows_no_json", shows_no_json},
    {"wants_too_much", wants_too_much},
    {"reads_json", reads_json},
    {"takes_all", takes_all},
    {NULL, NULL},
};

const dacapo_retry_policy at_once = {.initial_interval = DACAPO_MILLIS(1)};

uint64_t millis_of(const char *input) {
  return DACAPO_MILLIS(dacapo_int(dacapo_get(input, "millis"), 0));
}

const char *types_of(const dacapo_failure *failure) {
  const char *types = "";
  for (const char *comma = ""; failure != NULL; failure = failure->cause, comma = ",")
    types = dacapo_format("%s%s%s", types, comma, dacapo_quote(failure->type));
  return dacapo_format("[%s]", types);
}
