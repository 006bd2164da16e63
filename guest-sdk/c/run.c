/* The one run that this instance executes: what it has started, and what is delivered to it. */

#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define BUCKETS 1024u

/* An operation that nobody has had the outcome of. */
typedef struct operation {
  struct operation *next;
  dacapo_operation id;
  dacapo_on_cancel on_cancel;
  uint64_t grace;
  enum { OPEN, SUCCEEDED, FAILED, GIVEN_UP } state;
  bool was_asked;
  union {
    payload_t result;
    wit_failure_t failure;
  } outcome;
} operation;

static operation *operations[BUCKETS];
/* Why the run is to be cancelled. */
static const char *cancel_reason;
static unsigned shields;
dacapo_wait_frame *dacapo_waiting;
bool dacapo_has_run;

static operation **find(dacapo_operation id) {
  operation **place = &operations[id % BUCKETS];
  while (*place != NULL && (*place)->id != id) place = &(*place)->next;
  return place;
}

dacapo_operation dacapo_opened(dacapo_operation id, dacapo_on_cancel on_cancel, uint64_t grace) {
  operation *fresh = dacapo_kept(NULL, sizeof *fresh);
  *fresh = (operation){.id = id, .on_cancel = on_cancel, .grace = grace, .state = OPEN};
  fresh->next = operations[id % BUCKETS];
  operations[id % BUCKETS] = fresh;
  return id;
}

dacapo_operation dacapo_refused(const dacapo_failure *failure) {
  /* The runtime counts from 1 upwards, and never gets here. */
  static dacapo_operation last = UINT32_MAX;
  dacapo_operation id = dacapo_opened(last--, LEAVE, 0);
  operation *it = *find(id);
  it->state = FAILED;
  dacapo_to_wit(failure, &it->outcome.failure);
  return id;
}

bool dacapo_is_run_cancelled(void) { return cancel_reason != NULL; }

bool dacapo_is_stopped(const dacapo_failure **failure) {
  if (!dacapo_has_run)
    dacapo_bug_at("dacapo",
                  "activities, timers, signals and children exist in workflows only; an activity "
                  "calls others as functions");
  if (cancel_reason == NULL || shields > 0) return false;
  dacapo_fail_cancelled(failure, cancel_reason);
  return true;
}

void dacapo_shield_begin(void) { shields++; }

void dacapo_shield_end(void) {
  if (shields == 0) dacapo_bug_at("dacapo_shield_end", "no shield has begun");
  shields--;
}

/* Cancels it in its own way. */
static void cancel(operation *it) {
  if (it->state != OPEN || it->was_asked) return;
  it->was_asked = true;
  switch (it->on_cancel) {
    case ASK_ACTIVITY:
      dacapo_workflow_activities_request_cancel(it->id, it->grace == 0 ? NULL : &it->grace);
      return;
    case ASK_CHILD:
      dacapo_workflow_operations_cancel(it->id);
      return;
    case GIVE_UP:
      dacapo_workflow_operations_cancel(it->id);
      break;
    case LEAVE:
      break;
  }
  it->state = GIVEN_UP;
}

void dacapo_cancel(dacapo_operation id) {
  operation *it = *find(id);
  if (it != NULL) cancel(it);
}

/* What is delivered. */

static void completed(dacapo_workflow_operations_completion_t *completion) {
  operation *it = *find(completion->operation);
  if (it == NULL || it->state != OPEN) return;
  bool has_failed = completion->outcome.is_err;
  it->state = has_failed ? FAILED : SUCCEEDED;
  if (has_failed)
    it->outcome.failure = completion->outcome.val.err;
  else
    it->outcome.result = completion->outcome.val.ok;
  /* It is ours now. */
  memset(&completion->outcome, 0, sizeof completion->outcome);
}

static void asked(dacapo_workflow_operations_query_t *query) {
  dacapo_workflow_queries_result_payload_failure_t answer = {0};
  dacapo_mark_t before = dacapo_mark();
  answer.is_err = !dacapo_answer(dacapo_from_string(query->name), query->input, &answer.val.ok,
                                 &answer.val.err);
  dacapo_workflow_queries_respond_query(&query->id, &answer);
  dacapo_workflow_queries_result_payload_failure_free(&answer);
  dacapo_release(before);
}

static void deliver(void) {
  dacapo_workflow_operations_delivery_t delivery;
  dacapo_workflow_operations_next(&delivery);
  switch (delivery.tag) {
    case DACAPO_WORKFLOW_OPERATIONS_DELIVERY_COMPLETED:
      completed(&delivery.val.completed);
      break;
    case DACAPO_WORKFLOW_OPERATIONS_DELIVERY_SIGNAL:
      dacapo_got_signal(dacapo_from_string(delivery.val.signal.name), delivery.val.signal.input);
      break;
    case DACAPO_WORKFLOW_OPERATIONS_DELIVERY_QUERY:
      asked(&delivery.val.query);
      break;
    case DACAPO_WORKFLOW_OPERATIONS_DELIVERY_UPDATE:
      dacapo_got_update(dacapo_from_string(delivery.val.update.id),
                        dacapo_from_string(delivery.val.update.name), delivery.val.update.input);
      break;
    case DACAPO_WORKFLOW_OPERATIONS_DELIVERY_CANCEL_REQUESTED: {
      wit_string_t reason = delivery.val.cancel_requested;
      char *kept = dacapo_kept(NULL, dacapo_size(reason.len, 1, 1));
      if (reason.len > 0) memcpy(kept, reason.ptr, reason.len);
      kept[reason.len] = '\0';
      cancel_reason = kept;
      break;
    }
  }
  dacapo_workflow_operations_delivery_free(&delivery);
}

bool dacapo_wait_for(dacapo_wait_frame *frame, bool (*is_over)(void *), void *context,
                     const dacapo_failure **failure) {
  frame->below = dacapo_waiting;
  dacapo_waiting = frame;
  bool is_waiting = true;
  while (is_waiting && !is_over(context)) {
    if (failure != NULL && dacapo_is_stopped(failure))
      is_waiting = false;
    else
      deliver();
  }
  dacapo_waiting = frame->below;
  return is_waiting;
}

/* Waiting. */

static bool has_ended(void *context) {
  operation *it = *find(*(dacapo_operation *)context);
  return it == NULL || it->state != OPEN;
}

/* Takes it out of the table, and says how it was. */
static const char *outcome_of(operation **place, const dacapo_failure **failure) {
  operation *it = *place;
  const char *result = NULL;
  switch (it->state) {
    case SUCCEEDED:
      result = dacapo_from_payload(it->outcome.result, "the result", "InvalidResult", failure);
      dacapo_workflow_types_payload_free(&it->outcome.result);
      break;
    case FAILED:
      *failure = dacapo_from_wit(&it->outcome.failure);
      dacapo_workflow_types_failure_free(&it->outcome.failure);
      break;
    case OPEN:
    case GIVEN_UP:
      dacapo_fail_cancelled(failure,
                            cancel_reason == NULL ? "the operation was cancelled" : cancel_reason);
      break;
  }
  *place = it->next;
  free(it);
  return result;
}

const char *dacapo_wait_at(dacapo_operation id, const dacapo_failure **failure, const char *place) {
  if (id == 0) {
    dacapo_fail_cancelled(failure, cancel_reason == NULL ? "it was not started" : cancel_reason);
    return NULL;
  }
  if (*find(id) == NULL)
    dacapo_bug_at(place, "operation %u was never started, or waited for before", id);
  dacapo_wait_frame frame = {.kind = "operation", .operations = &id, .count = 1, .place = place};
  const dacapo_failure *stopped;
  if (!dacapo_wait_for(&frame, has_ended, &id, &stopped)) {
    dacapo_cancel(id);
    /* One that is asked only is waited for. */
    dacapo_wait_for(&frame, has_ended, &id, NULL);
  }
  operation **ended = find(id);
  if (*ended == NULL)
    dacapo_bug_at(place, "a handler has waited for operation %u meanwhile, and got its outcome", id);
  return outcome_of(ended, failure);
}

typedef struct {
  const dacapo_operation *operations;
  size_t count;
  size_t found;
} several;

static bool has_one_ended(void *context) {
  several *all = context;
  for (all->found = 0; all->found < all->count; all->found++)
    if (has_ended((void *)&all->operations[all->found])) return true;
  return false;
}

int dacapo_wait_any_at(const dacapo_operation *ids, size_t count, const dacapo_failure **failure,
                       const char *place) {
  if (count == 0) dacapo_bug_at(place, "there is nothing to wait for");
  several all = {ids, count, 0};
  dacapo_wait_frame frame = {
      .kind = "operation", .operations = ids, .count = count, .place = place};
  if (dacapo_wait_for(&frame, has_one_ended, &all, failure)) return (int)all.found;
  for (size_t index = 0; index < count; index++) dacapo_cancel(ids[index]);
  return -1;
}

bool dacapo_wait_until_at(bool (*holds)(void *), void *context, const dacapo_failure **failure,
                          const char *place) {
  dacapo_wait_frame frame = {.kind = "condition", .place = place};
  return dacapo_wait_for(&frame, holds, context, failure);
}
