/* A workflow and an activity without an SDK. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dacapo_wit.h"

typedef dacapo_workflow_types_payload_t payload;
typedef dacapo_workflow_types_failure_t failure;

/* What is handed over is allocated; the other side frees it. */
static payload text(const char *json) { return (payload){(uint8_t *)strdup(json), strlen(json)}; }

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
  char json[256];
  snprintf(json, sizeof json, "{\"receipt\":%.*s,\"approval\":%.*s}", (int)receipt.len,
           (char *)receipt.ptr, (int)approval.len, (char *)approval.ptr);
  *result = text(json);
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
  char json[128];
  snprintf(json, sizeof json, "\"charged %.*s\"", (int)input->len, (char *)input->ptr);
  *ret = text(json);
  return true;
}

bool exports_dacapo_workflow_after_end_answer_query(dacapo_wit_string_t *name, payload *input,
                                                    payload *ret, failure *err) {
  (void)name, (void)input, (void)ret;
  fail(err, "UnknownQuery", "it answers none");
  return false;
}
