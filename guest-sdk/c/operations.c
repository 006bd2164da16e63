/* Starting activities, timers and children, and telling other runs something.
 *
 * What is started after the run was asked to cancel is nothing: operation 0, which whoever waits
 * for it is told has been cancelled. */

#include "internal.h"

static bool is_stopped(void) {
  dacapo_mark_t before = dacapo_mark();
  const dacapo_failure *failure;
  bool is = dacapo_is_stopped(&failure);
  dacapo_release(before);
  return is;
}

dacapo_operation dacapo_start_timer(uint64_t after) {
  if (is_stopped()) return 0;
  return dacapo_opened(dacapo_workflow_operations_start_timer(after), GIVE_UP, 0);
}

static dacapo_workflow_operations_option_duration_t duration(uint64_t nanoseconds) {
  return (dacapo_workflow_operations_option_duration_t){nanoseconds != 0, nanoseconds};
}

static dacapo_operation start(const char *type, const char *value,
                              const dacapo_activity_options *chosen) {
  wit_string_t name = dacapo_borrowed(type);
  payload_t input = dacapo_to_payload(value);
  dacapo_workflow_operations_activity_options_t options = {
      .start_to_close_timeout = duration(chosen->start_to_close),
      .schedule_to_close_timeout = duration(chosen->schedule_to_close),
      .schedule_to_start_timeout = duration(chosen->schedule_to_start),
      .heartbeat_timeout = duration(chosen->heartbeat),
      .retry = {.is_some = chosen->retry != NULL},
      .task_queue = {chosen->task_queue != NULL, dacapo_borrowed(chosen->task_queue)},
  };
  if (chosen->retry != NULL) options.retry.val = dacapo_to_retry(chosen->retry);
  if (chosen->module != NULL) {
    dacapo_workflow_children_module_ref_t module = {
        .name = dacapo_borrowed(chosen->module),
        .version = {chosen->module_version != 0, chosen->module_version},
    };
    return dacapo_workflow_module_activities_start_activity(&name, &input, &options, &module);
  }
  bool is_placed =
      chosen->priority != 0 || chosen->fairness_key != NULL || chosen->fairness_weight != 0;
  if (!is_placed) return dacapo_workflow_operations_start_activity(&name, &input, &options);
  dacapo_workflow_task_queues_task_placement_t placement = {
      .queue = dacapo_borrowed(chosen->task_queue),
      .priority = {chosen->priority != 0, chosen->priority},
      .fairness_key = {chosen->fairness_key != NULL, dacapo_borrowed(chosen->fairness_key)},
      .fairness_weight = {chosen->fairness_weight != 0, chosen->fairness_weight},
  };
  return dacapo_workflow_task_queues_start_activity(&name, &input, &options, &placement);
}

dacapo_operation dacapo_start_activity(const char *type, const char *input,
                                       const dacapo_activity_options *options) {
  static const dacapo_activity_options none = {0};
  static const dacapo_on_cancel meant[] = {
      [DACAPO_TRY_CANCEL] = GIVE_UP,
      [DACAPO_WAIT_CANCELLED] = ASK_ACTIVITY,
      [DACAPO_ABANDON] = LEAVE,
      [DACAPO_WAIT_REQUESTED] = ASK_ACTIVITY,
  };
  if (is_stopped()) return 0;
  const dacapo_failure *refused;
  if (!dacapo_is_fit(input, "the input of activity", type, "InvalidInput", &refused))
    return dacapo_refused(refused);
  if (options == NULL) options = &none;
  dacapo_mark_t before = dacapo_mark();
  dacapo_operation operation = start(type, input, options);
  dacapo_release(before);
  return dacapo_opened(operation, meant[options->cancellation], options->cancellation_grace);
}

/* Children. */

static dacapo_workflow_children_child_t begin(const char *type, const char *value,
                                              const dacapo_child_options *chosen,
                                              dacapo_cancellation cancellation) {
  static const dacapo_workflow_children_child_cancellation_type_t meant[] = {
      [DACAPO_TRY_CANCEL] = DACAPO_WORKFLOW_CHILDREN_CHILD_CANCELLATION_TYPE_TRY_CANCEL,
      [DACAPO_WAIT_CANCELLED] =
          DACAPO_WORKFLOW_CHILDREN_CHILD_CANCELLATION_TYPE_WAIT_CANCELLATION_COMPLETED,
      [DACAPO_ABANDON] = DACAPO_WORKFLOW_CHILDREN_CHILD_CANCELLATION_TYPE_ABANDON,
      [DACAPO_WAIT_REQUESTED] =
          DACAPO_WORKFLOW_CHILDREN_CHILD_CANCELLATION_TYPE_WAIT_CANCELLATION_REQUESTED,
  };
  dacapo_mark_t before = dacapo_mark();
  dacapo_workflow_children_child_options_t options = {
      .workflow_id = {chosen->workflow_id != NULL, dacapo_borrowed(chosen->workflow_id)},
      .id_reuse_policy = (uint8_t)chosen->id_reuse_policy,
      .parent_close_policy = (uint8_t)chosen->parent_close_policy,
      .cancellation_type = meant[cancellation],
      .module = {.is_some = chosen->module != NULL},
      .run_timeout = {chosen->run_timeout != 0, chosen->run_timeout},
      .execution_timeout = {chosen->execution_timeout != 0, chosen->execution_timeout},
      .start_delay = chosen->start_delay,
      .retry = {.is_some = chosen->retry != NULL},
  };
  if (chosen->module != NULL) {
    options.module.val.name = dacapo_borrowed(chosen->module);
    options.module.val.version.is_some = chosen->module_version != 0;
    options.module.val.version.val = chosen->module_version;
  }
  if (chosen->retry != NULL) options.retry.val = dacapo_to_retry(chosen->retry);
  dacapo_workflow_attributes_list_memo_entry_t memo =
      dacapo_to_memo(chosen->memo, chosen->memo_length);
  options.memo.ptr = memo.ptr;
  options.memo.len = memo.len;
  dacapo_workflow_attributes_list_search_attribute_t search =
      dacapo_to_search(chosen->search_attributes, chosen->search_attributes_length);
  options.search_attributes.ptr = search.ptr;
  options.search_attributes.len = search.len;
  wit_string_t name = dacapo_borrowed(type);
  payload_t input = dacapo_to_payload(value);
  dacapo_workflow_children_child_t child;
  dacapo_workflow_children_start_child(&name, &input, &options, &child);
  dacapo_release(before);
  return child;
}

/* The operations `started` and `closed`; zeros if the run is cancelled. */
static dacapo_workflow_children_child_t start_child(const char *type, const char *input,
                                                    const dacapo_child_options *options) {
  static const dacapo_child_options none = {0};
  static const dacapo_on_cancel meant[] = {
      [DACAPO_TRY_CANCEL] = GIVE_UP,
      [DACAPO_WAIT_CANCELLED] = ASK_CHILD,
      [DACAPO_ABANDON] = GIVE_UP,
      [DACAPO_WAIT_REQUESTED] = ASK_CHILD,
  };
  if (is_stopped()) return (dacapo_workflow_children_child_t){0};
  if (options == NULL) options = &none;
  dacapo_cancellation cancellation =
      options->has_cancellation ? options->cancellation : DACAPO_WAIT_CANCELLED;
  dacapo_workflow_children_child_t child = begin(type, input, options, cancellation);
  dacapo_opened(child.closed, meant[cancellation], 0);
  return child;
}

const char *dacapo_run_child_at(const char *type, const char *input,
                                const dacapo_child_options *options,
                                const dacapo_failure **failure, const char *place) {
  if (!dacapo_is_fit(input, "the input of workflow", type, "InvalidInput", failure)) return NULL;
  return dacapo_wait_at(start_child(type, input, options).closed, failure, place);
}

const dacapo_child *dacapo_start_child_at(const char *type, const char *input,
                                          const dacapo_child_options *options,
                                          const dacapo_failure **failure, const char *place) {
  if (!dacapo_is_fit(input, "the input of workflow", type, "InvalidInput", failure)) return NULL;
  dacapo_workflow_children_child_t begun = start_child(type, input, options);
  if (begun.started != 0) dacapo_opened(begun.started, LEAVE, 0);
  const char *started = dacapo_wait_at(begun.started, failure, place);
  if (started == NULL) return NULL;
  dacapo_child *child = dacapo_alloc(sizeof *child);
  child->workflow_id = dacapo_text(dacapo_get(started, "workflow_id"));
  child->run_id = dacapo_text(dacapo_get(started, "run_id"));
  child->closed = begun.closed;
  return child;
}

/* Other runs. */

bool dacapo_signal_external_at(const char *workflow_id, const char *run_id, const char *name,
                               const char *value, const dacapo_failure **failure,
                               const char *place) {
  if (dacapo_is_stopped(failure)) return false;
  if (!dacapo_is_fit(value, "the input of signal", name, "InvalidInput", failure)) return false;
  wit_string_t id = dacapo_borrowed(workflow_id), run = dacapo_borrowed(run_id);
  wit_string_t signal = dacapo_borrowed(name);
  payload_t input = dacapo_to_payload(value);
  dacapo_operation operation =
      dacapo_workflow_external_signal_external(&id, run_id == NULL ? NULL : &run, &signal, &input);
  return dacapo_wait_at(dacapo_opened(operation, LEAVE, 0), failure, place) != NULL;
}

bool dacapo_cancel_external_at(const char *workflow_id, const char *run_id, const char *reason,
                               const dacapo_failure **failure, const char *place) {
  if (dacapo_is_stopped(failure)) return false;
  wit_string_t id = dacapo_borrowed(workflow_id), run = dacapo_borrowed(run_id);
  wit_string_t why = dacapo_borrowed(reason);
  dacapo_operation operation =
      dacapo_workflow_external_cancel_external(&id, run_id == NULL ? NULL : &run, &why);
  return dacapo_wait_at(dacapo_opened(operation, LEAVE, 0), failure, place) != NULL;
}
