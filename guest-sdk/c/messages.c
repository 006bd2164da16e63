/* Signals, queries and updates. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* Signals. */

typedef struct message {
  struct message *next;
  /* Which of all signals that the run got it is, counted from 1. */
  uint32_t nth;
  char *input;
} message;

typedef struct inbox {
  struct inbox *next;
  char *name;
  message *first, *last;
  size_t kept;
  size_t set_aside;
  void (*handle)(const char *input, void *context);
  void *context;
} inbox;

static inbox *inboxes;
static uint32_t signals;

static char *kept_copy(const char *text, size_t length) {
  char *copy = dacapo_kept(NULL, length + 1);
  if (length > 0) memcpy(copy, text, length);
  copy[length] = '\0';
  return copy;
}

static inbox *inbox_of(const char *name) {
  inbox **place = &inboxes;
  while (*place != NULL && strcmp((*place)->name, name) != 0) place = &(*place)->next;
  if (*place == NULL) {
    *place = dacapo_kept(NULL, sizeof **place);
    **place = (inbox){.name = kept_copy(name, strlen(name))};
  }
  return *place;
}

void dacapo_got_signal(const char *name, payload_t input) {
  signals++;
  inbox *to = inbox_of(name);
  payload_t content = input.len == 0 ? dacapo_to_payload("null") : input;
  const char *problem = dacapo_json_problem((const char *)content.ptr, content.len);
  if (problem != NULL) {
    /* A sender's mistake does not end the run. */
    fprintf(stderr, "a signal was set aside: the input of signal `%s` is not JSON: %s\n", name,
            problem);
    to->set_aside++;
    return;
  }
  if (to->handle != NULL) {
    to->handle(dacapo_copied((const char *)content.ptr, content.len), to->context);
    return;
  }
  message *fresh = dacapo_kept(NULL, sizeof *fresh);
  *fresh = (message){NULL, signals, kept_copy((const char *)content.ptr, content.len)};
  if (to->first == NULL)
    to->first = fresh;
  else
    to->last->next = fresh;
  to->last = fresh;
  to->kept++;
}

static const char *take_from(inbox *from) {
  message *taken = from->first;
  if (taken == NULL) return NULL;
  from->first = taken->next;
  from->kept--;
  const char *input = dacapo_copied(taken->input, strlen(taken->input));
  free(taken->input);
  free(taken);
  return input;
}

const char *dacapo_try_signal(const char *name) { return take_from(inbox_of(name)); }

static bool has_one(void *context) { return ((inbox *)context)->first != NULL; }

const char *dacapo_next_signal_at(const char *name, const dacapo_failure **failure,
                                  const char *place) {
  inbox *from = inbox_of(name);
  dacapo_wait_frame frame = {.kind = "signal", .signal = from->name, .place = place};
  return dacapo_wait_for(&frame, has_one, from, failure) ? take_from(from) : NULL;
}

void dacapo_on_signal(const char *name, void (*handle)(const char *input, void *context),
                      void *context) {
  inbox *to = inbox_of(name);
  to->handle = handle;
  to->context = context;
  for (const char *input; handle != NULL && (input = take_from(to)) != NULL;)
    handle(input, context);
}

void dacapo_return_signals(void) {
  for (inbox *each = inboxes; each != NULL; each = each->next)
    for (message *it = each->first; it != NULL; it = it->next)
      dacapo_workflow_operations_return_signal(it->nth);
}

void dacapo_each_inbox(void (*tell)(const char *, size_t, size_t, const char *, void *),
                       void *context) {
  for (inbox *each = inboxes; each != NULL; each = each->next)
    tell(each->name, each->kept, each->set_aside, "it is not JSON", context);
}

/* Queries and updates. */

typedef struct handler {
  struct handler *next;
  char *name;
  dacapo_validator *validate;
  dacapo_handler *handle;
  void *context;
} handler;

static handler *queries, *updates;

static handler *handler_of(handler *first, const char *name) {
  while (first != NULL && strcmp(first->name, name) != 0) first = first->next;
  return first;
}

static void handle_with(handler **first, const char *name, dacapo_validator *validate,
                        dacapo_handler *handle, void *context) {
  handler *known = handler_of(*first, name);
  if (known == NULL) {
    known = dacapo_kept(NULL, sizeof *known);
    *known = (handler){.next = *first, .name = kept_copy(name, strlen(name))};
    *first = known;
  }
  known->validate = validate;
  known->handle = handle;
  known->context = context;
}

void dacapo_on_query(const char *name, dacapo_handler *handle, void *context) {
  handle_with(&queries, name, NULL, handle, context);
}

void dacapo_on_update(const char *name, dacapo_validator *validate, dacapo_handler *handle,
                      void *context) {
  handle_with(&updates, name, validate, handle, context);
}

static handler *required(handler *first, const char *kind, const char *type, const char *name,
                         const dacapo_failure **failure) {
  handler *found = handler_of(first, name);
  if (found != NULL) return found;
  const char *names = "none";
  for (handler *each = first; each != NULL; each = each->next)
    names = each == first ? dacapo_format("`%s`", each->name)
                          : dacapo_format("%s, `%s`", names, each->name);
  const char *message =
      dacapo_format("the workflow has no %s `%s`; it has %s", kind, name, names);
  dacapo_fail_with(failure,
                   (dacapo_failure){.type = type, .message = message, .non_retryable = true});
  return NULL;
}

bool dacapo_answer(const char *name, payload_t bytes, payload_t *answer, wit_failure_t *refused) {
  if (strcmp(name, dacapo_waits_query) == 0) {
    dacapo_give_payload(dacapo_waits_report(), answer);
    return true;
  }
  const dacapo_failure *failure = NULL;
  const char *value = NULL;
  handler *asked = required(queries, "query", "UnknownQuery", name, &failure);
  if (asked != NULL) {
    const char *what = dacapo_format("the input of query `%s`", name);
    const char *input = dacapo_from_payload(bytes, what, "InvalidInput", &failure);
    if (input != NULL) value = asked->handle(input, asked->context, &failure);
    value = dacapo_settled(value, "the answer to query", name, &failure);
  }
  if (failure == NULL)
    dacapo_give_payload(value, answer);
  else
    dacapo_to_wit(failure, refused);
  return failure == NULL;
}

/* NULL if the update is refused. */
static const char *checked(handler *asked, const char *name, payload_t bytes,
                           const dacapo_failure **failure) {
  if (asked == NULL) return NULL;
  const char *what = dacapo_format("the input of update `%s`", name);
  const char *input = dacapo_from_payload(bytes, what, "InvalidInput", failure);
  if (input == NULL || asked->validate == NULL) return input;
  return asked->validate(input, asked->context, failure) ? input : NULL;
}

void dacapo_got_update(const char *id_text, const char *name, payload_t bytes) {
  wit_string_t id = dacapo_borrowed(id_text);
  const dacapo_failure *failure = NULL;
  handler *asked = required(updates, "update", "UnknownUpdate", name, &failure);
  const char *input = checked(asked, name, bytes, &failure);
  if (input == NULL) {
    wit_failure_t refused;
    dacapo_to_wit(failure, &refused);
    dacapo_workflow_updates_reject_update(&id, &refused);
    dacapo_workflow_types_failure_free(&refused);
    return;
  }
  dacapo_workflow_updates_accept_update(&id);
  failure = NULL;
  const char *value = asked->handle(input, asked->context, &failure);
  value = dacapo_settled(value, "the result of update", name, &failure);
  dacapo_workflow_updates_result_payload_failure_t outcome = {.is_err = failure != NULL};
  if (failure == NULL)
    dacapo_give_payload(value, &outcome.val.ok);
  else
    dacapo_to_wit(failure, &outcome.val.err);
  dacapo_workflow_updates_complete_update(&id, &outcome);
  dacapo_workflow_updates_result_payload_failure_free(&outcome);
}

void dacapo_publish(const char *name, const char *value) {
  dacapo_require_json(value, "the published value", name);
  wit_string_t shown = dacapo_borrowed(name);
  payload_t payload = dacapo_to_payload(value == NULL ? "null" : value);
  dacapo_workflow_queries_publish(&shown, &payload);
}
