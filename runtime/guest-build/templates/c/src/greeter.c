/* A workflow that waits for a while, and greets. */

#include <dacapo.h>

#include "greeting.h"

/* Touches the world, and is tried again when it fails. */
static const char *greeting(const char *input, const dacapo_failure **failure) {
  const char *name = dacapo_text(input);
  if (name == NULL) return dacapo_fail(failure, "NoName", "a name is a text");
  int length = greeting_for(NULL, 0, name);
  char *text = dacapo_alloc((size_t)length + 1);
  greeting_for(text, (size_t)length + 1, name);
  return dacapo_quote(text);
}

/* Goes on where it was if the server dies while it sleeps. */
static const char *greet(const char *input, const dacapo_failure **failure) {
  int64_t patience = dacapo_int(dacapo_get(input, "patience_secs"), 5);
  if (!dacapo_sleep(DACAPO_SECONDS(patience), failure)) return NULL;
  return dacapo_activity("greeting", dacapo_get(input, "name"), NULL, failure);
}

const dacapo_definition dacapo_workflows[] = {
    {"greet", greet},
    {NULL, NULL},
};
const dacapo_definition dacapo_activities[] = {
    {"greeting", greeting},
    {NULL, NULL},
};
