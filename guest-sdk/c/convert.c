/* Between the types of dacapo.h and those of the contract. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define CAUSES_MAX 16

wit_string_t dacapo_borrowed(const char *text) {
  if (text == NULL) text = "";
  return (wit_string_t){(uint8_t *)text, strlen(text)};
}

payload_t dacapo_to_payload(const char *value) {
  if (value == NULL) value = "";
  return (payload_t){(uint8_t *)value, strlen(value)};
}

const char *dacapo_from_string(wit_string_t text) {
  return dacapo_copied((const char *)text.ptr, text.len);
}

/* Sets a failure that says what of a value is no JSON. */
static const char *unfit(const dacapo_failure **failure, const char *type, const char *what,
                         const char *problem) {
  return dacapo_fail_with(failure, (dacapo_failure){
                                       .type = type,
                                       .message = dacapo_format("%s is not JSON: %s", what, problem),
                                       .non_retryable = true,
                                   });
}

const char *dacapo_from_payload(payload_t payload, const char *what, const char *type,
                                const dacapo_failure **failure) {
  /* No bytes at all is how a caller without an argument says null. */
  if (payload.len == 0) return "null";
  const char *problem = dacapo_json_problem((const char *)payload.ptr, payload.len);
  if (problem == NULL) return dacapo_copied((const char *)payload.ptr, payload.len);
  return unfit(failure, type, what, problem);
}

bool dacapo_is_fit(const char *value, const char *what, const char *name, const char *type,
                   const dacapo_failure **failure) {
  const char *problem = value == NULL ? NULL : dacapo_json_problem(value, strlen(value));
  if (problem == NULL) return true;
  unfit(failure, type, dacapo_format("%s `%s`", what, name), problem);
  return false;
}

void dacapo_require_json(const char *value, const char *what, const char *name) {
  const char *problem = value == NULL ? NULL : dacapo_json_problem(value, strlen(value));
  if (problem != NULL) dacapo_bug_at("dacapo", "%s `%s` is not JSON: %s", what, name, problem);
}

const char *dacapo_settled(const char *value, const char *what, const char *name,
                           const dacapo_failure **failure) {
  if (value == NULL) return NULL;
  *failure = NULL;
  return dacapo_is_fit(value, what, name, "InvalidResult", failure) ? value : NULL;
}

void dacapo_give_string(const char *text, wit_string_t *to) {
  size_t length = text == NULL ? 0 : strlen(text);
  to->ptr = length == 0 ? NULL : dacapo_kept(NULL, length);
  to->len = length;
  if (length > 0) memcpy(to->ptr, text, length);
}

void dacapo_give_payload(const char *value, payload_t *to) {
  wit_string_t text;
  dacapo_give_string(value == NULL ? "null" : value, &text);
  *to = (payload_t){text.ptr, text.len};
}

/* Failures. */

static dacapo_failure from_info(const wit_failure_info_t *info) {
  payload_t details = info->details.val;
  bool is_json = info->details.is_some && dacapo_is_json((const char *)details.ptr, details.len);
  return (dacapo_failure){
      .kind = (dacapo_failure_kind)info->kind,
      .type = dacapo_from_string(info->type_name),
      .message = dacapo_from_string(info->message),
      .non_retryable = info->non_retryable,
      .retry_after = info->next_retry_delay.is_some ? info->next_retry_delay.val : 0,
      .details = is_json ? dacapo_copied((const char *)details.ptr, details.len) : NULL,
  };
}

const dacapo_failure *dacapo_from_wit(const wit_failure_t *failure) {
  size_t count = failure->causes.len + 1;
  dacapo_failure *chain = dacapo_alloc_array(count, sizeof *chain);
  for (size_t index = 0; index < count; index++) {
    chain[index] = from_info(index == 0 ? &failure->info : &failure->causes.ptr[index - 1]);
    chain[index].cause = index + 1 < count ? &chain[index + 1] : NULL;
  }
  return chain;
}

static void to_info(const dacapo_failure *failure, wit_failure_info_t *to) {
  *to = (wit_failure_info_t){
      .kind = (dacapo_workflow_types_failure_kind_t)failure->kind,
      .non_retryable = failure->non_retryable,
      .next_retry_delay = {failure->retry_after != 0, failure->retry_after},
      .details = {.is_some = failure->details != NULL},
  };
  dacapo_give_string(failure->type, &to->type_name);
  dacapo_give_string(failure->message, &to->message);
  if (failure->details == NULL) return;
  bool is_json = dacapo_is_json(failure->details, strlen(failure->details));
  /* Whoever handles the failure gets it whatever becomes of its details. */
  dacapo_give_payload(is_json ? failure->details : dacapo_quote(failure->details),
                      &to->details.val);
}

void dacapo_to_wit(const dacapo_failure *failure, wit_failure_t *to) {
  static const dacapo_failure unsaid = {.type = "Unsaid", .message = "it failed and did not say why"};
  if (failure == NULL) failure = &unsaid;
  to_info(failure, &to->info);
  size_t count = 0;
  for (const dacapo_failure *it = failure->cause; it != NULL && count < CAUSES_MAX; it = it->cause)
    count++;
  to->causes.len = count;
  to->causes.ptr = count == 0 ? NULL : dacapo_kept(NULL, count * sizeof *to->causes.ptr);
  const dacapo_failure *cause = failure->cause;
  for (size_t index = 0; index < count; index++, cause = cause->cause)
    to_info(cause, &to->causes.ptr[index]);
}

static const char *copied_or(const char *text, const char *otherwise) {
  return text == NULL ? otherwise : dacapo_copied(text, strlen(text));
}

static dacapo_failure *copied_failure(const dacapo_failure *from) {
  dacapo_failure *copy = dacapo_alloc(sizeof *copy);
  *copy = *from;
  copy->type = copied_or(from->type, "Error");
  copy->message = copied_or(from->message, "");
  copy->details = copied_or(from->details, NULL);
  copy->cause = NULL;
  return copy;
}

const char *dacapo_fail_with(const dacapo_failure **failure, dacapo_failure content) {
  /* Any part of it may be in the memory of a function that is about to return. */
  dacapo_failure *first = copied_failure(&content), *last = first;
  const dacapo_failure *cause = content.cause;
  for (size_t causes = 0; cause != NULL && causes < CAUSES_MAX; cause = cause->cause, causes++) {
    dacapo_failure *copy = copied_failure(cause);
    last->cause = copy;
    last = copy;
  }
  *failure = first;
  return NULL;
}

const char *dacapo_fail(const dacapo_failure **failure, const char *type, const char *message,
                        ...) {
  va_list arguments, once_more;
  va_start(arguments, message);
  va_copy(once_more, arguments);
  int length = vsnprintf(NULL, 0, message, arguments);
  va_end(arguments);
  char *text = dacapo_alloc(length < 0 ? 1 : (size_t)length + 1);
  if (length > 0) vsnprintf(text, (size_t)length + 1, message, once_more);
  va_end(once_more);
  return dacapo_fail_with(failure, (dacapo_failure){.type = type, .message = text});
}

const char *dacapo_fail_cancelled(const dacapo_failure **failure, const char *message) {
  dacapo_failure content = {.kind = DACAPO_CANCELLED, .type = "Cancelled", .message = message};
  return dacapo_fail_with(failure, content);
}

bool dacapo_is_type(const dacapo_failure *failure, const char *type) {
  for (; failure != NULL; failure = failure->cause)
    if (failure->type != NULL && strcmp(failure->type, type) == 0) return true;
  return false;
}

bool dacapo_is_cancelled(const dacapo_failure *failure) {
  for (; failure != NULL; failure = failure->cause)
    if (failure->kind != DACAPO_ACTIVITY && failure->kind != DACAPO_CHILD)
      return failure->kind == DACAPO_CANCELLED;
  return false;
}

void dacapo_bug_at(const char *place, const char *message, ...) {
  va_list arguments;
  va_start(arguments, message);
  fprintf(stderr, "%s: ", place);
  vfprintf(stderr, message, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  abort();
}

/* Options. */

static dacapo_wit_list_string_t to_list(const char *const *texts, size_t count) {
  dacapo_wit_list_string_t list = {dacapo_alloc_array(count, sizeof *list.ptr), count};
  for (size_t index = 0; index < count; index++) list.ptr[index] = dacapo_borrowed(texts[index]);
  return list;
}

wit_retry_t dacapo_to_retry(const dacapo_retry_policy *policy) {
  size_t types = 0;
  while (policy->non_retryable_types != NULL && policy->non_retryable_types[types] != NULL) types++;
  return (wit_retry_t){
      .initial_interval = policy->initial_interval,
      .backoff_coefficient = policy->backoff_coefficient == 0 ? 2 : policy->backoff_coefficient,
      .maximum_interval = {policy->maximum_interval != 0, policy->maximum_interval},
      .maximum_attempts = policy->maximum_attempts,
      .non_retryable_types = to_list(policy->non_retryable_types, types),
  };
}

dacapo_workflow_attributes_list_memo_entry_t dacapo_to_memo(const dacapo_memo_entry *entries,
                                                            size_t count) {
  dacapo_workflow_attributes_list_memo_entry_t list = {
      dacapo_alloc_array(count, sizeof *list.ptr), count};
  for (size_t index = 0; index < count; index++) {
    dacapo_require_json(entries[index].value, "the memo", entries[index].name);
    list.ptr[index].name = dacapo_borrowed(entries[index].name);
    list.ptr[index].value.is_some = entries[index].value != NULL;
    list.ptr[index].value.val = dacapo_borrowed(entries[index].value);
  }
  return list;
}

static dacapo_workflow_attributes_search_value_t to_search_value(
    const dacapo_search_attribute *attribute) {
  dacapo_workflow_attributes_search_value_t value = {0};
  value.tag = (uint8_t)(attribute->kind - DACAPO_BOOLEAN);
  switch (attribute->kind) {
    case DACAPO_REMOVED:
      break;
    case DACAPO_BOOLEAN:
      value.val.boolean = attribute->boolean;
      break;
    case DACAPO_DATETIME:
      value.val.datetime = attribute->datetime;
      break;
    case DACAPO_DOUBLE:
      value.val.double_ = attribute->number;
      break;
    case DACAPO_INTEGER:
      value.val.integer = attribute->integer;
      break;
    case DACAPO_KEYWORD:
    case DACAPO_FULL_TEXT:
      value.val.text = dacapo_borrowed(attribute->text);
      break;
    case DACAPO_KEYWORD_LIST:
      value.val.keyword_list = to_list(attribute->list, attribute->list_length);
      break;
  }
  return value;
}

dacapo_workflow_attributes_list_search_attribute_t dacapo_to_search(
    const dacapo_search_attribute *attributes, size_t count) {
  dacapo_workflow_attributes_list_search_attribute_t list = {
      dacapo_alloc_array(count, sizeof *list.ptr), count};
  for (size_t index = 0; index < count; index++) {
    list.ptr[index].name = dacapo_borrowed(attributes[index].name);
    list.ptr[index].value.is_some = attributes[index].kind != DACAPO_REMOVED;
    if (list.ptr[index].value.is_some)
      list.ptr[index].value.val = to_search_value(&attributes[index]);
  }
  return list;
}
