/* 10 to 18: messages. */

#include <assert.h>
#include <string.h>

#include "conformance.h"

const char *next_signal(const char *input, const dacapo_failure **failure) {
  (void)input;
  return dacapo_next_signal("go", failure);
}

const char *buffered_signals(const char *input, const dacapo_failure **failure) {
  if (dacapo_next_signal("begin", failure) == NULL) return NULL;
  int64_t count = dacapo_int(dacapo_get(input, "count"), 0);
  const char *words = "";
  for (int64_t taken = 0; taken < count; taken++) {
    const char *word = dacapo_next_signal("word", failure);
    if (word == NULL) return NULL;
    words = dacapo_format("%s%s%s", words, taken == 0 ? "" : ",", word);
  }
  return dacapo_format("[%s]", words);
}

static const char *stage(const char *input, void *context, const dacapo_failure **failure) {
  (void)input, (void)failure;
  return dacapo_quote(*(const char **)context);
}

static const char *times(const char *input, void *context, const dacapo_failure **failure) {
  (void)context, (void)failure;
  return dacapo_format("%lld", 2 * (long long)dacapo_int(input, 0));
}

static const char *act(const char *input, void *context, const dacapo_failure **failure) {
  (void)input, (void)context, (void)failure;
  dacapo_start_timer(DACAPO_MILLIS(1));
  return NULL;
}

static const char *stumble(const char *input, void *context, const dacapo_failure **failure) {
  (void)input, (void)context, (void)failure;
  assert(!"a bug in the query");
  return NULL;
}

const char *stages(const char *input, const dacapo_failure **failure) {
  (void)input;
  /* Asked after the end, too. */
  static const char *now = "waiting";
  dacapo_on_query("stage", stage, &now);
  dacapo_on_query("times", times, NULL);
  dacapo_on_query("act", act, NULL);
  dacapo_on_query("crash", stumble, NULL);
  if (dacapo_next_signal("go", failure) == NULL) return NULL;
  now = "done";
  return "null";
}

typedef struct {
  const char *items;
  int count;
  bool is_closed;
} shopping;

static bool has_name(const char *input, void *context, const dacapo_failure **failure) {
  (void)context;
  const char *item = dacapo_text(input);
  if (item != NULL && *item != '\0') return true;
  dacapo_fail(failure, "NoItem", "an item has a name");
  return false;
}

static const char *add(const char *input, void *context, const dacapo_failure **failure) {
  (void)failure;
  shopping *cart = context;
  cart->items = cart->count == 0 ? input : dacapo_format("%s,%s", cart->items, input);
  return dacapo_format("%d", ++cart->count);
}

static const char *add_slowly(const char *input, void *context, const dacapo_failure **failure) {
  if (dacapo_activity("noop", NULL, NULL, failure) == NULL) return NULL;
  return add(input, context, failure);
}

static const char *check_out(const char *input, void *context, const dacapo_failure **failure) {
  (void)input, (void)failure;
  ((shopping *)context)->is_closed = true;
  return NULL;
}

static bool is_closed(void *context) { return ((shopping *)context)->is_closed; }

const char *cart(const char *input, const dacapo_failure **failure) {
  (void)input;
  shopping cart = {"", 0, false};
  dacapo_on_update("add", has_name, add, &cart);
  dacapo_on_update("add_slowly", NULL, add_slowly, &cart);
  dacapo_on_update("check_out", NULL, check_out, &cart);
  if (!dacapo_wait_until(is_closed, &cart, failure)) return NULL;
  return dacapo_format("[%s]", cart.items);
}

const char *publishes(const char *input, const dacapo_failure **failure) {
  (void)input;
  dacapo_publish("status", "\"packing\"");
  if (dacapo_next_signal("go", failure) == NULL) return NULL;
  dacapo_publish("status", "\"shipped\"");
  return "null";
}
