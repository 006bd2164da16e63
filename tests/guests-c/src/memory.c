/* What no other language can get wrong: memory of functions that have returned, a stack that is full,
 * sizes that wrap, and values that are no JSON. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"

/* Writes over the memory of the function that has just returned. */
__attribute__((noinline)) static void scribble(void) {
  volatile char over[8192];
  for (size_t index = 0; index < sizeof over; index++) over[index] = '#';
}

__attribute__((noinline)) static const char *go_on(const dacapo_failure **failure) {
  char input[64], type[64], name[16], value[16], attribute[16], text[16];
  snprintf(input, sizeof input, "{\"round\":%d}", 2);
  snprintf(type, sizeof type, "%s_new", "continues_as");
  snprintf(name, sizeof name, "%s", "from");
  snprintf(value, sizeof value, "\"%s\"", "the stack");
  snprintf(attribute, sizeof attribute, "%s", "customer");
  snprintf(text, sizeof text, "c-%d", 17);
  dacapo_memo_entry memo = {name, value};
  dacapo_search_attribute search = {.name = attribute, .kind = DACAPO_KEYWORD, .text = text};
  dacapo_continue_options options = {
      .workflow_type = type,
      .memo = &memo,
      .memo_length = 1,
      .search_attributes = &search,
      .search_attributes_length = 1,
  };
  return dacapo_continue_as_new(input, &options, failure);
}

const char *continues_as_new(const char *input, const dacapo_failure **failure) {
  if (dacapo_int(dacapo_get(input, "round"), 1) == 1) {
    go_on(failure);
    scribble();
    return NULL;
  }
  size_t count;
  const dacapo_search_attribute *search = dacapo_search_attributes(&count);
  return dacapo_format("{\"input\":%s,\"memo\":%s,\"search\":[%s,%s]}", input, dacapo_memo(),
                       dacapo_quote(search[0].name), dacapo_quote(search[0].text));
}

__attribute__((noinline)) static void refuse_from_the_stack(const dacapo_failure **failure) {
  char type[16], message[16], details[16], inner[16];
  snprintf(type, sizeof type, "%s", "Refused");
  snprintf(message, sizeof message, "not %d", 7);
  snprintf(details, sizeof details, "[%d]", 7);
  snprintf(inner, sizeof inner, "%s", "Inner");
  dacapo_failure cause = {.type = inner, .message = "the reason"};
  dacapo_fail_with(failure, (dacapo_failure){.type = type,
                                             .message = message,
                                             .details = details,
                                             .cause = &cause});
}

const char *fails_from_the_stack(const char *input, const dacapo_failure **failure) {
  (void)input;
  refuse_from_the_stack(failure);
  scribble();
  return NULL;
}

/* Takes `steps` times 4 KiB of the stack. Each has a pointer into the one before, or the compiler would
 * make a loop of it. */
__attribute__((noinline)) static int64_t dive(int64_t steps, const volatile char *above) {
  volatile char deep[4096];
  deep[0] = 1;
  int64_t below = steps <= 1 ? 0 : dive(steps - 1, deep);
  return below + *above;
}

const char *dives(const char *input, const dacapo_failure **failure) {
  (void)failure;
  char one = 1;
  return dacapo_format("%lld", (long long)dive(dacapo_int(dacapo_get(input, "steps"), 1), &one));
}

/* A failure that was dealt with is none, and neither is a cancellation that came too late. */
const char *deals_with_it(const char *input, const dacapo_failure **failure) {
  (void)input;
  const char *refusal = "{\"type\":\"No\",\"message\":\"no\",\"non_retryable\":true}";
  if (dacapo_activity("refuse", refusal, NULL, failure) != NULL) return "\"not refused\"";
  dacapo_activity_options options = {.cancellation = DACAPO_WAIT_CANCELLED};
  const dacapo_failure *of_wait = NULL;
  const char *done = dacapo_activity("finish_anyway", NULL, &options, &of_wait);
  return dacapo_format("[%s,%s]", done, of_wait == NULL ? "true" : "false");
}

static const char *take(const char *input, void *operation, const dacapo_failure **failure) {
  (void)input;
  return dacapo_wait(*(dacapo_operation *)operation, failure);
}

const char *waits_twice(const char *input, const dacapo_failure **failure) {
  dacapo_operation timer = dacapo_start_timer(millis_of(input));
  dacapo_on_update("take", NULL, take, &timer);
  return dacapo_wait(timer, failure) == NULL ? NULL : "null";
}

/* How something was refused that is no JSON. */
static const char *told(const dacapo_failure *failure) {
  return failure == NULL ? "null"
                         : dacapo_quote(dacapo_format("%s: %s", failure->type, failure->message));
}

const char *passes_no_json(const char *input, const dacapo_failure **failure) {
  (void)input, (void)failure;
  const dacapo_failure *activity = NULL, *child = NULL, *signal = NULL, *next = NULL, *deep = NULL;
  dacapo_operation refused[] = {dacapo_start_activity("echo", "{oops", NULL)};
  if (dacapo_wait_any(refused, 1, &activity) != 0) dacapo_bug("it has not ended");
  dacapo_wait(refused[0], &activity);
  dacapo_run_child("square", "", NULL, &child);
  dacapo_signal_external("nobody", NULL, "go", "[1,]", &signal);
  dacapo_continue_as_new("nul", NULL, &next);
  char nested[405] = {0};
  memset(nested, '[', 202);
  memset(nested + 202, ']', 202);
  dacapo_activity("echo", nested, NULL, &deep);
  memmove(nested + 201, nested + 202, 202);
  nested[402] = '\0';
  if (!dacapo_is_json(nested, 402)) dacapo_bug("201 lists are 200 deep");
  return dacapo_format("[%s,%s,%s,%s,%s]", told(activity), told(child), told(signal), told(next),
                       told(deep));
}

const char *returns_no_json(const char *input, const dacapo_failure **failure) {
  (void)input, (void)failure;
  return "Ada";
}

const char *fails_with_no_json(const char *input, const dacapo_failure **failure) {
  (void)input;
  return dacapo_fail_with(failure, (dacapo_failure){.type = "No", .details = "code 7"});
}

const char *shows_no_json(const char *input, const dacapo_failure **failure) {
  (void)input, (void)failure;
  dacapo_publish("status", "packing");
  return NULL;
}

const char *wants_too_much(const char *input, const dacapo_failure **failure) {
  (void)failure;
  size_t count = (size_t)dacapo_int(dacapo_get(input, "count"), 0);
  return dacapo_alloc_array(count, 16) == NULL ? "null" : "true";
}

/* What JSON is read as, by line: a bug tells which. */
#define IS(text, expected) \
  do { \
    const char *is_ = (text); \
    if (is_ == NULL || strcmp(is_, expected) != 0) \
      dacapo_bug("%s, and not %s", is_ == NULL ? "NULL" : is_, expected); \
  } while (0)

const char *reads_json(const char *input, const dacapo_failure **failure) {
  (void)input, (void)failure;
  const char *object = "{\"a\":1,\"\\u0061b\":[1, {\"x\" : null}],\"a\":\"\\ud83c\\udfbc\\n\",\"zero\":\"\\u0000\"}";
  IS(dacapo_get(object, "ab"), "[1, {\"x\" : null}]");
  IS(dacapo_at(dacapo_get(object, "ab"), 1), "{\"x\" : null}");
  IS(dacapo_text(dacapo_get(object, "a")), "\xF0\x9F\x8E\xBC\n");
  IS(dacapo_quote("\"\\\x01\n\xC3\xBC\xFF"), "\"\\\"\\\\\\u0001\\u000a\xC3\xBC\xEF\xBF\xBD\"");
  if (dacapo_text(dacapo_get(object, "zero")) != NULL) dacapo_bug("a text in C has no zero byte");
  dacapo_mark_t before = dacapo_mark();
  if (dacapo_get(object, "abc") != NULL || dacapo_get(object, "") != NULL) dacapo_bug("no such name");
  dacapo_mark_t after = dacapo_mark();
  if (before.chunk != after.chunk || before.used != after.used) dacapo_bug("looking takes no memory");
  static const char *const wrong[] = {"", "[1,]", "01", "{\"a\" 1}", "\"\xC3\"", "\"\\x\"", "nulll", "1 2", "\"a"};
  for (size_t index = 0; index < sizeof wrong / sizeof *wrong; index++)
    if (dacapo_is_json(wrong[index], strlen(wrong[index]))) dacapo_bug("%s", wrong[index]);
  return "true";
}

/* Takes as many signals, each of another name, once there is one that says so. */
const char *takes_all(const char *input, const dacapo_failure **failure) {
  if (dacapo_next_signal("begin", failure) == NULL) return NULL;
  int64_t count = dacapo_int(dacapo_get(input, "count"), 0), sum = 0;
  for (int64_t number = 0; number < count; number++)
    sum += dacapo_int(dacapo_try_signal(dacapo_format("n-%lld", (long long)number)), -1);
  return dacapo_format("%lld", (long long)sum);
}
