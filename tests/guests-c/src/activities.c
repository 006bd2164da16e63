/* The activities of the list. */

#include <assert.h>
#include <stdio.h>

#include "conformance.h"

const char *noop(const char *input, const dacapo_failure **failure) {
  (void)input, (void)failure;
  return NULL;
}

const char *double_number(const char *input, const dacapo_failure **failure) {
  (void)failure;
  return dacapo_format("%lld", 2 * (long long)dacapo_int(input, 0));
}

const char *echo(const char *input, const dacapo_failure **failure) {
  (void)failure;
  return input;
}

const char *flaky(const char *input, const dacapo_failure **failure) {
  uint32_t attempt = dacapo_attempt()->attempt;
  if (attempt < dacapo_int(dacapo_get(input, "succeed_at"), 0))
    return dacapo_fail(failure, "NotYet", "attempt %u", attempt);
  return dacapo_format("%u", attempt);
}

const char *refuse(const char *input, const dacapo_failure **failure) {
  const dacapo_failure *cause;
  dacapo_fail(&cause, "Reason", "as asked");
  return dacapo_fail_with(failure,
                          (dacapo_failure){
                              .type = dacapo_text(dacapo_get(input, "type")),
                              .message = dacapo_text(dacapo_get(input, "message")),
                              .non_retryable = dacapo_bool(dacapo_get(input, "non_retryable"), false),
                              .details = dacapo_get(input, "details"),
                              .cause = cause,
                          });
}

const char *crash(const char *input, const dacapo_failure **failure) {
  (void)input, (void)failure;
  assert(!"a bug in the activity");
  return NULL;
}

const char *count_to(const char *input, const dacapo_failure **failure) {
  int64_t from = dacapo_int(dacapo_heartbeat_details(), 0) + 1;
  int64_t last = dacapo_int(dacapo_get(input, "n"), 0);
  uint32_t attempt = dacapo_attempt()->attempt;
  for (int64_t number = from; number <= last; number++) {
    dacapo_heartbeat(dacapo_format("%lld", (long long)number));
    if (attempt == 1 && number == dacapo_int(dacapo_get(input, "fail_after"), 0))
      return dacapo_fail(failure, "Interrupted", "fails as asked");
  }
  return dacapo_format("{\"attempt\":%u,\"from\":%lld}", attempt, (long long)from);
}

const char *wait_cancel(const char *input, const dacapo_failure **failure) {
  (void)input;
  dacapo_signals();
  while (!dacapo_wait_cancel_requested(DACAPO_SECONDS(600))) continue;
  return dacapo_fail_cancelled(failure, "stopped");
}

/* As wait_cancel, but it has done its work all the same. */
const char *finish_anyway(const char *input, const dacapo_failure **failure) {
  (void)input, (void)failure;
  dacapo_signals();
  while (!dacapo_wait_cancel_requested(DACAPO_SECONDS(600))) continue;
  return "\"done\"";
}

const char *attempt_info(const char *input, const dacapo_failure **failure) {
  (void)input, (void)failure;
  const dacapo_attempt_info *info = dacapo_attempt();
  return dacapo_format(
      "{\"activity_type\":%s,\"operation\":%u,\"attempt\":%u,\"workflow_id\":%s}",
      dacapo_quote(info->activity_type), info->operation, info->attempt,
      dacapo_quote(info->workflow_id));
}

const char *forbidden(const char *input, const dacapo_failure **failure) {
  (void)input, (void)failure;
  dacapo_start_timer(DACAPO_MILLIS(1));
  return NULL;
}
