/* 19 to 26: other runs. */

#include <string.h>

#include "conformance.h"

const char *square(const char *input, const dacapo_failure **failure) {
  (void)failure;
  long long number = (long long)dacapo_int(input, 0);
  return dacapo_format("%lld", number * number);
}

const char *parent(const char *input, const dacapo_failure **failure) {
  return dacapo_run_child("square", dacapo_get(input, "number"), NULL, failure);
}

const char *parent_of_failure(const char *input, const dacapo_failure **failure) {
  (void)input;
  const dacapo_failure *failed;
  if (dacapo_run_child("fails", NULL, NULL, &failed) != NULL)
    return dacapo_fail(failure, "Unexpected", "it should have failed");
  return types_of(failed);
}

const char *nudge(const char *input, const dacapo_failure **failure) {
  const dacapo_child *child = dacapo_start_child("signal", NULL, NULL, failure);
  if (child == NULL) return NULL;
  const char *text = dacapo_get(input, "text");
  if (!dacapo_signal_external(child->workflow_id, NULL, "go", text, failure)) return NULL;
  return dacapo_wait(child->closed, failure);
}

const char *leaves(const char *input, const dacapo_failure **failure) {
  const char *policy = dacapo_text(dacapo_get(input, "policy"));
  dacapo_child_options options = {.workflow_id = dacapo_text(dacapo_get(input, "workflow_id"))};
  if (strcmp(policy, "abandon") == 0) options.parent_close_policy = DACAPO_CLOSE_ABANDON;
  if (strcmp(policy, "request_cancel") == 0)
    options.parent_close_policy = DACAPO_CLOSE_REQUEST_CANCEL;
  const dacapo_child *child = dacapo_start_child("signal", NULL, &options, failure);
  if (child == NULL) return NULL;
  return dacapo_format("{\"workflow_id\":%s}", dacapo_quote(child->workflow_id));
}

const char *tells(const char *input, const dacapo_failure **failure) {
  const char *to = dacapo_text(dacapo_get(input, "to"));
  if (!dacapo_signal_external(to, NULL, "go", "5", failure)) return NULL;
  const dacapo_failure *failed = NULL;
  dacapo_signal_external("nobody-has-this-id", NULL, "go", "5", &failed);
  return dacapo_format("[null,%s]", types_of(failed));
}

const char *cancels(const char *input, const dacapo_failure **failure) {
  const char *to = dacapo_text(dacapo_get(input, "to"));
  return dacapo_cancel_external(to, NULL, "enough", failure) ? "null" : NULL;
}

const char *relay(const char *input, const dacapo_failure **failure) {
  const char *taken = dacapo_get(input, "taken");
  size_t count = dacapo_count(taken);
  if (count == 0 && dacapo_next_signal("begin", failure) == NULL) return NULL;
  const char *word = dacapo_next_signal("word", failure);
  if (word == NULL || dacapo_activity("noop", NULL, NULL, failure) == NULL) return NULL;
  /* Without the bracket at its end. */
  taken = dacapo_format("%.*s%s%s]", (int)strlen(taken) - 1, taken, count == 0 ? "" : ",", word);
  const char *wanted = dacapo_get(input, "count");
  if ((int64_t)count + 1 == dacapo_int(wanted, 0)) return taken;
  const char *next = dacapo_format("{\"count\":%s,\"taken\":%s}", wanted, taken);
  return dacapo_continue_as_new(next, NULL, failure);
}

const char *tries(const char *input, const dacapo_failure **failure) {
  (void)input;
  uint32_t attempt = dacapo_info()->attempt;
  if (attempt == 1) return dacapo_fail(failure, "NotYet", "attempt 1");
  return dacapo_format("{\"attempt\":%u,\"before\":%s}", attempt,
                       dacapo_quote(dacapo_continued_failure()->type));
}
