/* What an activity may ask about its attempt. */

#include "internal.h"

const dacapo_attempt_info *dacapo_attempt(void) {
  dacapo_workflow_activity_context_attempt_info_t from;
  dacapo_workflow_activity_context_info(&from);
  dacapo_attempt_info *info = dacapo_alloc(sizeof *info);
  *info = (dacapo_attempt_info){
      .namespace_name = dacapo_from_string(from.namespace_),
      .workflow_id = dacapo_from_string(from.workflow_id),
      .run_id = dacapo_from_string(from.run_id),
      .activity_type = dacapo_from_string(from.activity_type),
      .operation = from.operation,
      .attempt = from.attempt,
      .deadline = from.deadline,
  };
  info->idempotency_key = dacapo_format("%s-%u", info->run_id, info->operation);
  dacapo_workflow_activity_context_attempt_info_free(&from);
  return info;
}

static dacapo_attempt_signals from_wit(dacapo_workflow_activity_context_attempt_signals_t signals) {
  return (dacapo_attempt_signals){signals.cancel_requested, signals.paused};
}

dacapo_attempt_signals dacapo_heartbeat(const char *details) {
  dacapo_require_json(details, "the details of a heartbeat of", "dacapo_heartbeat");
  dacapo_workflow_activity_context_attempt_signals_t signals;
  payload_t payload = dacapo_to_payload(details);
  dacapo_workflow_activity_context_heartbeat(details == NULL ? NULL : &payload, &signals);
  return from_wit(signals);
}

const char *dacapo_heartbeat_details(void) {
  payload_t details;
  if (!dacapo_workflow_activity_context_heartbeat_details(&details)) return NULL;
  const char *copy = dacapo_copied((const char *)details.ptr, details.len);
  dacapo_workflow_types_payload_free(&details);
  return copy;
}

dacapo_attempt_signals dacapo_signals(void) {
  dacapo_workflow_activity_context_attempt_signals_t signals;
  dacapo_workflow_activity_context_signals(&signals);
  return from_wit(signals);
}

bool dacapo_wait_cancel_requested(uint64_t timeout) {
  return dacapo_workflow_activity_context_wait_cancel_requested(timeout);
}

const char *dacapo_complete_later(void) {
  wit_string_t token;
  dacapo_workflow_activity_context_complete_later(&token);
  const char *copy = dacapo_from_string(token);
  dacapo_wit_string_free(&token);
  return copy;
}
