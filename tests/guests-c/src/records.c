/* 43 to 52: what is recorded beside steps. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"

const char *heartbeats(const char *input, const dacapo_failure **failure) {
  (void)input;
  dacapo_activity_options options = {.heartbeat = DACAPO_SECONDS(10), .retry = &at_once};
  return dacapo_activity("count_to", "{\"n\":3,\"fail_after\":2}", &options, failure);
}

const char *versions(const char *input, const dacapo_failure **failure) {
  (void)input;
  uint32_t first = dacapo_version("conformance", 0, 1);
  if (!dacapo_sleep(DACAPO_MILLIS(1), failure)) return NULL;
  return dacapo_format("[%u,%u]", first, dacapo_version("conformance", 0, 1));
}

static const char *given(void *value) { return value; }

const char *side_effects(const char *input, const dacapo_failure **failure) {
  (void)input;
  const char *dice = dacapo_side_effect("dice", given, "7");
  if (!dacapo_sleep(DACAPO_MILLIS(1), failure)) return NULL;
  const char *pair = dacapo_side_effect("pair", given, "[1,\"a\"]");
  return dacapo_format("[%s,%s]", dice, pair);
}

const char *memo(const char *input, const dacapo_failure **failure) {
  (void)input;
  dacapo_upsert_memo(&(dacapo_memo_entry){"step", "{\"at\":\"packing\"}"}, 1);
  dacapo_upsert_memo(&(dacapo_memo_entry){"gone", "1"}, 1);
  if (!dacapo_sleep(DACAPO_MILLIS(1), failure)) return NULL;
  dacapo_upsert_memo(&(dacapo_memo_entry){"gone", NULL}, 1);
  const char *gone = dacapo_get(dacapo_memo(), "gone");
  return dacapo_format("[%s,%s]", dacapo_get(dacapo_memo(), "step"), gone == NULL ? "null" : gone);
}

static int by_text(const void *one, const void *other) {
  return strcmp(*(const char *const *)one, *(const char *const *)other);
}

const char *search_attributes(const char *input, const dacapo_failure **failure) {
  (void)input, (void)failure;
  static const char *const labels[] = {"a", "b"};
  dacapo_search_attribute attributes[] = {
      {.name = "big", .kind = DACAPO_INTEGER, .integer = 9007199254740993},
      {.name = "customer", .kind = DACAPO_KEYWORD, .text = "c-17"},
      {.name = "due", .kind = DACAPO_DATETIME, .datetime = DACAPO_SECONDS(1893553445)},
      {.name = "labels", .kind = DACAPO_KEYWORD_LIST, .list = labels, .list_length = 2},
      {.name = "paid", .kind = DACAPO_BOOLEAN, .boolean = true},
      {.name = "share", .kind = DACAPO_DOUBLE, .number = 0.5},
      {.name = "title", .kind = DACAPO_FULL_TEXT, .text = "a new life"},
  };
  dacapo_upsert_search_attributes(attributes, sizeof attributes / sizeof *attributes);
  size_t count;
  const dacapo_search_attribute *all = dacapo_search_attributes(&count);
  const char **names = dacapo_alloc(count * sizeof *names);
  for (size_t index = 0; index < count; index++) names[index] = dacapo_quote(all[index].name);
  qsort(names, count, sizeof *names, by_text);
  const char *list = "";
  for (size_t index = 0; index < count; index++)
    list = dacapo_format("%s%s%s", list, index == 0 ? "" : ",", names[index]);
  return dacapo_format("[%s]", list);
}

const char *logs(const char *input, const dacapo_failure **failure) {
  (void)input;
  puts("conformance before");
  fflush(stdout);
  if (!dacapo_sleep(DACAPO_MILLIS(30), failure)) return NULL;
  puts("conformance after");
  fflush(stdout);
  return dacapo_activity("noop", NULL, NULL, failure);
}

const char *payloads(const char *input, const dacapo_failure **failure) {
  return dacapo_activity("echo", input, NULL, failure);
}

const char *nothing(const char *input, const dacapo_failure **failure) {
  (void)input;
  return dacapo_activity("noop", NULL, NULL, failure);
}

const char *about(const char *input, const dacapo_failure **failure) {
  (void)input;
  const char *activity = dacapo_activity("attempt_info", NULL, NULL, failure);
  if (activity == NULL) return NULL;
  const dacapo_run_info *info = dacapo_info();
  return dacapo_format(
      "{\"workflow_type\":%s,\"workflow_id\":%s,\"attempt\":%u,\"activity\":%s}",
      dacapo_quote(info->workflow_type), dacapo_quote(info->workflow_id), info->attempt, activity);
}

const char *options(const char *input, const dacapo_failure **failure) {
  static const char *const types[] = {"A", "B", NULL};
  dacapo_retry_policy retry = {
      .initial_interval = DACAPO_MILLIS(10),
      .backoff_coefficient = 1.5,
      .maximum_interval = DACAPO_SECONDS(1),
      .maximum_attempts = 4,
      .non_retryable_types = types,
  };
  dacapo_activity_options options = {
      .task_queue = dacapo_text(dacapo_get(input, "queue")),
      .start_to_close = DACAPO_SECONDS(5),
      .schedule_to_close = DACAPO_SECONDS(60),
      .schedule_to_start = DACAPO_SECONDS(50),
      .heartbeat = DACAPO_SECONDS(4),
      .priority = 1,
      .fairness_key = "tenant-7",
      .fairness_weight = 2.5,
      .retry = &retry,
  };
  return dacapo_activity("step", "1", &options, failure);
}
