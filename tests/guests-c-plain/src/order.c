/* A workflow and an activity without an SDK. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dacapo_wit.h"

typedef dacapo_workflow_types_payload_t payload;
typedef dacapo_workflow_types_failure_t failure;

/* What is handed over is allocated, as long as it is; the other side frees it. */
static payload text(const char *format, ...) {
  va_list first, second;
  va_start(first, format);
  va_copy(second, first);
  int length = vsnprintf(NULL, 0, format, first);
  va_end(first);
  char *json = length < 0 ? NULL : malloc((size_t)length + 1);
  if (json == NULL) abort();
  vsnprintf(json, (size_t)length + 1, format, second);
  va_end(second);
  return (payload){(uint8_t *)json, (size_t)length};
}

/* JSON in JSON, for "%.*s". What has no bytes is null. */
#define JSON(it) (it).len == 0 ? 4 : (int)(it).len, (it).len == 0 ? "null" : (char *)(it).ptr

static bool is(const dacapo_wit_string_t *name, const char *expected) {
  return name->len == strlen(expected) && memcmp(name->ptr, expected, name->len) == 0;
}

void exports_dacapo_workflow_definitions_definitions(
    exports_dacapo_workflow_definitions_module_definitions_t *ret) {
  ret->workflows.len = ret->activities.len = 1;
  ret->workflows.ptr = malloc(sizeof(dacapo_wit_string_t));
  ret->activities.ptr = malloc(sizeof(dacapo_wit_string_t));
  dacapo_wit_string_dup(ret->workflows.ptr, "plain_order");
  dacapo_wit_string_dup(ret->activities.ptr, "charge");
}

/* An activity, a timer and a signal, one after the other. */
static bool order(payload *input, payload *result, failure *failed) {
  dacapo_wit_string_t charge, approve;
  dacapo_wit_string_set(&charge, "charge");
  dacapo_wit_string_set(&approve, "approve");
  dacapo_workflow_operations_activity_options_t options = {0};
  payload receipt, approval;
  if (!dacapo_workflow_operations_execute_activity(&charge, input, &options, &receipt, failed))
    return false;
  if (!dacapo_workflow_operations_sleep(1000000, failed)) return false;
  if (!dacapo_workflow_operations_receive_signal(&approve, &approval, failed)) return false;
  *result = text("{\"receipt\":%.*s,\"approval\":%.*s}", JSON(receipt), JSON(approval));
  return true;
}

void exports_dacapo_workflow_workflow_run(dacapo_wit_string_t *workflow_type, payload *input,
                                          exports_dacapo_workflow_workflow_outcome_t *ret) {
  (void)workflow_type; /* There is one only. */
  bool is_done = order(input, &ret->val.completed, &ret->val.failed);
  ret->tag = is_done ? EXPORTS_DACAPO_WORKFLOW_WORKFLOW_OUTCOME_COMPLETED
                     : EXPORTS_DACAPO_WORKFLOW_WORKFLOW_OUTCOME_FAILED;
}

static void fail(failure *failed, const char *type, const char *message) {
  memset(failed, 0, sizeof *failed);
  failed->info.kind = DACAPO_WORKFLOW_TYPES_FAILURE_KIND_APPLICATION;
  dacapo_wit_string_dup(&failed->info.type_name, type);
  dacapo_wit_string_dup(&failed->info.message, message);
}

bool exports_dacapo_workflow_activity_execute(dacapo_wit_string_t *activity_type, payload *input,
                                              payload *ret, failure *err) {
  if (!is(activity_type, "charge")) {
    fail(err, "UnknownActivityType", "there is one activity: charge");
    return false;
  }
  *ret = text("{\"charged\":%.*s}", JSON(*input));
  return true;
}

bool exports_dacapo_workflow_after_end_answer_query(dacapo_wit_string_t *name, payload *input,
                                                    payload *ret, failure *err) {
  (void)name, (void)input, (void)ret;
  fail(err, "UnknownQuery", "it answers none");
  return false;
}
