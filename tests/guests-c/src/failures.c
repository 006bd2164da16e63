/* 27 to 42: failures, bugs and cancellation. */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"

const char *fails(const char *input, const dacapo_failure **failure) {
  (void)input;
  const dacapo_failure *cause;
  dacapo_fail(&cause, "Inner", "the reason");
  return dacapo_fail_with(failure, (dacapo_failure){.type = "Refused",
                                                    .message = "it is refused",
                                                    .details = "{\"code\":7}",
                                                    .non_retryable = true,
                                                    .cause = cause});
}

/* What an activity fails with. */
static const dacapo_failure *failure_of(dacapo_operation operation) {
  const dacapo_failure *failure = NULL;
  const char *result = dacapo_wait(operation, &failure);
  if (result != NULL) dacapo_bug("it should have failed, and returned %s", result);
  return failure;
}

const char *sees_failure(const char *input, const dacapo_failure **failure) {
  (void)input, (void)failure;
  const char *refusal =
      "{\"type\":\"Declined\",\"message\":\"no funds\",\"non_retryable\":true,\"details\":[1,2]}";
  const dacapo_failure *failed = failure_of(dacapo_start_activity("refuse", refusal, NULL));
  return dacapo_format("{\"types\":%s,\"message\":%s,\"details\":%s}", types_of(failed),
                       dacapo_quote(failed->cause->message), failed->cause->details);
}

const char *sees_crash(const char *input, const dacapo_failure **failure) {
  (void)input, (void)failure;
  dacapo_retry_policy twice = {.initial_interval = DACAPO_MILLIS(1), .maximum_attempts = 2};
  dacapo_activity_options options = {.retry = &twice};
  const dacapo_failure *failed = failure_of(dacapo_start_activity("crash", NULL, &options));
  return dacapo_format("%zu", dacapo_count(types_of(failed)));
}

const char *retries(const char *input, const dacapo_failure **failure) {
  (void)input;
  dacapo_activity_options options = {.retry = &at_once};
  return dacapo_activity("flaky", "{\"succeed_at\":3}", &options, failure);
}

const char *retries_not(const char *input, const dacapo_failure **failure) {
  (void)input, (void)failure;
  static const char *const listed[] = {"Listed", NULL};
  dacapo_retry_policy policy = {.initial_interval = DACAPO_MILLIS(1), .non_retryable_types = listed};
  dacapo_activity_options options = {.retry = &policy};
  const char *refusal = "{\"type\":\"Listed\",\"message\":\"m\",\"non_retryable\":false}";
  return types_of(failure_of(dacapo_start_activity("refuse", refusal, &options)));
}

const char *unknown_activity(const char *input, const dacapo_failure **failure) {
  (void)input, (void)failure;
  return types_of(failure_of(dacapo_start_activity("nobody_defines_this", "null", NULL)));
}

const char *bug(const char *input, const dacapo_failure **failure) {
  (void)input;
  if (dacapo_activity("noop", NULL, NULL, failure) == NULL) return NULL;
  dacapo_bug("%s", "a bug in the workflow");
}

const char *hoards(const char *input, const dacapo_failure **failure) {
  (void)input;
  if (dacapo_activity("noop", NULL, NULL, failure) == NULL) return NULL;
  for (unsigned char filled = 1;; filled++) memset(dacapo_alloc(1 << 20), filled, 1 << 20);
}

const char *spins(const char *input, const dacapo_failure **failure) {
  (void)input;
  if (dacapo_activity("noop", NULL, NULL, failure) == NULL) return NULL;
  for (volatile unsigned round = 0;; round++) continue;
}

const char *huge(const char *input, const dacapo_failure **failure) {
  (void)input, (void)failure;
  size_t length = 3 << 20;
  char *text = dacapo_alloc(length + 3);
  memset(text, 'x', length + 2);
  text[0] = text[length + 1] = '"';
  return text;
}

const char *calls_forbidden(const char *input, const dacapo_failure **failure) {
  (void)input, (void)failure;
  dacapo_retry_policy once = {.maximum_attempts = 1};
  dacapo_activity_options options = {.retry = &once};
  failure_of(dacapo_start_activity("forbidden", NULL, &options));
  return "\"failed\"";
}

/* Cancellation. */

const char *cleans_up(const char *input, const dacapo_failure **failure) {
  (void)input;
  if (dacapo_sleep(DACAPO_DAYS(1), failure)) return "null";
  if (dacapo_is_cancelled(*failure)) {
    const dacapo_failure *other;
    dacapo_shield_begin();
    dacapo_activity("noop", NULL, NULL, &other);
    dacapo_shield_end();
  }
  return NULL;
}

const char *scope(const char *input, const dacapo_failure **failure) {
  (void)input;
  dacapo_operation part[] = {dacapo_start_activity("wait_cancel", NULL, NULL),
                             dacapo_start_timer(DACAPO_DAYS(1))};
  if (dacapo_next_signal("stop", failure) == NULL) return NULL;
  for (int index = 0; index < 2; index++) dacapo_cancel(part[index]);
  const char *first = dacapo_is_cancelled(failure_of(part[0])) ? "true" : "false";
  const char *second = dacapo_is_cancelled(failure_of(part[1])) ? "true" : "false";
  if (dacapo_activity("noop", NULL, NULL, failure) == NULL) return NULL;
  return dacapo_format("[%s,%s]", first, second);
}

const char *asks(const char *input, const dacapo_failure **failure) {
  (void)input;
  dacapo_activity_options options = {.cancellation = DACAPO_WAIT_CANCELLED};
  dacapo_operation patient = dacapo_start_activity("wait_cancel", NULL, &options);
  if (dacapo_next_signal("stop", failure) == NULL) return NULL;
  dacapo_cancel(patient);
  const dacapo_failure *failed = failure_of(patient), *last = failed;
  while (last->cause != NULL) last = last->cause;
  return dacapo_format("{\"cancelled\":%s,\"types\":%s,\"message\":%s}",
                       dacapo_is_cancelled(failed) ? "true" : "false", types_of(failed),
                       dacapo_quote(last->message));
}

const char *parent_cancelled(const char *input, const dacapo_failure **failure) {
  (void)input;
  return dacapo_run_child("signal", NULL, NULL, failure);
}
