/* What the component exports, made of what the project defines. */

#include <string.h>

#include "internal.h"

static dacapo_wit_list_string_t names_of(const dacapo_definition *definitions) {
  size_t count = 0;
  while (definitions[count].type != NULL) count++;
  dacapo_wit_list_string_t list = {
      count == 0 ? NULL : dacapo_kept(NULL, count * sizeof *list.ptr), count};
  for (size_t index = 0; index < count; index++)
    dacapo_give_string(definitions[index].type, &list.ptr[index]);
  return list;
}

void exports_dacapo_workflow_definitions_definitions(
    exports_dacapo_workflow_definitions_module_definitions_t *ret) {
  ret->workflows = names_of(dacapo_workflows);
  ret->activities = names_of(dacapo_activities);
}

/* Calls what is defined under this type. */
static const char *call(const dacapo_definition *definitions, const char *kind,
                        const char *unknown, const char *type, payload_t payload,
                        const dacapo_failure **failure) {
  for (const dacapo_definition *each = definitions; each->type != NULL; each++) {
    if (strcmp(each->type, type) != 0) continue;
    const char *what = dacapo_format("the input of %s `%s`", kind, type);
    const char *input = dacapo_from_payload(payload, what, "InvalidInput", failure);
    if (input == NULL) return NULL;
    const char *result = each->function(input, failure);
    return dacapo_settled(result, dacapo_format("the result of %s", kind), type, failure);
  }
  const char *message = dacapo_format("this module defines no %s `%s`", kind, type);
  return dacapo_fail_with(failure, (dacapo_failure){.type = unknown,
                                                    .message = message,
                                                    .non_retryable = true});
}

/* What a failure that comes of a cancellation has to say about it. */
static const char *reason_of(const dacapo_failure *failure) {
  while (failure->kind != DACAPO_CANCELLED && failure->cause != NULL) failure = failure->cause;
  return failure->message;
}

void exports_dacapo_workflow_workflow_run(wit_string_t *workflow_type, payload_t *input,
                                          exports_dacapo_workflow_workflow_outcome_t *ret) {
  const char *type = dacapo_from_string(*workflow_type);
  const dacapo_failure *failure = NULL;
  dacapo_has_run = true;
  const char *result =
      call(dacapo_workflows, "workflow", "UnknownWorkflowType", type, *input, &failure);
  if (failure == NULL) {
    ret->tag = EXPORTS_DACAPO_WORKFLOW_WORKFLOW_OUTCOME_COMPLETED;
    dacapo_give_payload(result, &ret->val.completed);
  } else if (dacapo_continues(failure)) {
    dacapo_return_signals();
    ret->tag = EXPORTS_DACAPO_WORKFLOW_WORKFLOW_OUTCOME_CONTINUE_AS_NEW;
    dacapo_continuation(type, &ret->val.continue_as_new);
  } else if (failure->kind == DACAPO_CANCELLED ||
             (dacapo_is_cancelled(failure) && dacapo_is_run_cancelled())) {
    ret->tag = EXPORTS_DACAPO_WORKFLOW_WORKFLOW_OUTCOME_CANCELLED;
    dacapo_give_string(reason_of(failure), &ret->val.cancelled);
  } else {
    ret->tag = EXPORTS_DACAPO_WORKFLOW_WORKFLOW_OUTCOME_FAILED;
    dacapo_to_wit(failure, &ret->val.failed);
  }
}

bool exports_dacapo_workflow_after_end_answer_query(wit_string_t *name, payload_t *input,
                                                    payload_t *ret, wit_failure_t *err) {
  return dacapo_answer(dacapo_from_string(*name), *input, ret, err);
}

bool exports_dacapo_workflow_activity_execute(wit_string_t *activity_type, payload_t *input,
                                              payload_t *ret, wit_failure_t *err) {
  const char *type = dacapo_from_string(*activity_type);
  const dacapo_failure *failure = NULL;
  const char *result =
      call(dacapo_activities, "activity", "UnknownActivityType", type, *input, &failure);
  if (failure == NULL)
    dacapo_give_payload(result, ret);
  else
    dacapo_to_wit(failure, err);
  return failure == NULL;
}
