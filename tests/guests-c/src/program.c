/* 54: programs that are data. */

#include "conformance.h"

static const char *doubles(const char *numbers, const dacapo_failure **failure) {
  size_t count = dacapo_count(numbers);
  dacapo_operation *started = dacapo_alloc_array(count, sizeof *started);
  for (size_t index = 0; index < count; index++)
    started[index] = dacapo_start_activity("double", dacapo_at(numbers, index), NULL);
  const char *list = "";
  for (size_t index = 0; index < count; index++) {
    const char *result = dacapo_wait(started[index], failure);
    if (result == NULL) return NULL;
    list = dacapo_format("%s%s%s", list, index == 0 ? "" : ",", result);
  }
  return dacapo_format("[%s]", list);
}

static const char *result_of(const char *step, const dacapo_failure **failure) {
  const char *of;
  if ((of = dacapo_get(step, "activity")) != NULL)
    return dacapo_activity("double", of, NULL, failure);
  if ((of = dacapo_get(step, "fan_out")) != NULL) return doubles(of, failure);
  if ((of = dacapo_get(step, "timer")) != NULL)
    return dacapo_sleep(DACAPO_MILLIS(dacapo_int(of, 0)), failure) ? "null" : NULL;
  if ((of = dacapo_get(step, "race")) != NULL)
    return race(dacapo_format("{\"millis\":%s}", of), failure);
  if ((of = dacapo_get(step, "child")) != NULL)
    return dacapo_run_child("program", of, NULL, failure);
  return dacapo_next_signal(dacapo_text(dacapo_get(step, "signal")), failure);
}

const char *program(const char *input, const dacapo_failure **failure) {
  const char *steps = dacapo_get(input, "steps"), *results = "";
  for (size_t index = 0; index < dacapo_count(steps); index++) {
    const char *result = result_of(dacapo_at(steps, index), failure);
    if (result == NULL) return NULL;
    results = dacapo_format("%s%s%s", results, index == 0 ? "" : ",", result);
  }
  return dacapo_format("[%s]", results);
}
