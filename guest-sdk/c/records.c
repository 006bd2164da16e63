/* What the run knows about itself, and what is recorded beside steps. */

#include <string.h>

#include "internal.h"

static const char *optional(dacapo_wit_option_string_t text) {
  return text.is_some ? dacapo_from_string(text.val) : NULL;
}

const dacapo_run_info *dacapo_info(void) {
  dacapo_workflow_run_context_run_info_t from;
  dacapo_workflow_run_context_info(&from);
  dacapo_run_info *info = dacapo_alloc(sizeof *info);
  *info = (dacapo_run_info){
      .namespace_name = dacapo_from_string(from.namespace_),
      .workflow_id = dacapo_from_string(from.workflow_id),
      .run_id = dacapo_from_string(from.run_id),
      .workflow_type = dacapo_from_string(from.workflow_type),
      .module_digest = dacapo_from_string(from.module_digest),
      .started_at = from.started_at,
      .attempt = from.attempt,
      .first_run_id = dacapo_from_string(from.first_run_id),
      .continued_from_run_id = optional(from.continued_from_run_id),
      .run_timeout = from.run_timeout.is_some ? from.run_timeout.val : 0,
      .execution_timeout = from.execution_timeout.is_some ? from.execution_timeout.val : 0,
      .execution_deadline = from.execution_deadline.is_some ? from.execution_deadline.val : 0,
  };
  dacapo_workflow_run_context_run_info_free(&from);
  return info;
}

const dacapo_failure *dacapo_continued_failure(void) {
  wit_failure_t failure;
  if (!dacapo_workflow_run_context_continued_failure(&failure)) return NULL;
  const dacapo_failure *copy = dacapo_from_wit(&failure);
  dacapo_workflow_types_failure_free(&failure);
  return copy;
}

uint64_t dacapo_history_length(void) { return dacapo_workflow_run_context_history_length(); }

uint64_t dacapo_history_bytes(void) { return dacapo_workflow_run_context_history_bytes(); }

bool dacapo_continue_as_new_suggested(void) {
  return dacapo_workflow_run_context_continue_as_new_suggested();
}

bool dacapo_is_cancel_requested(void) {
  return dacapo_workflow_run_context_is_cancel_requested();
}

/* Continuing as new. */

/* What is handed over is freed one by one. */

static void *owned(const void *from, size_t size) {
  return size == 0 ? NULL : memcpy(dacapo_kept(NULL, size), from, size);
}

static void own_string(wit_string_t *text) { text->ptr = owned(text->ptr, text->len); }

static dacapo_workflow_attributes_list_memo_entry_t owned_memo(
    dacapo_workflow_attributes_list_memo_entry_t list) {
  list.ptr = owned(list.ptr, dacapo_size(list.len, sizeof *list.ptr, 0));
  for (size_t index = 0; index < list.len; index++) {
    own_string(&list.ptr[index].name);
    own_string(&list.ptr[index].value.val);
  }
  return list;
}

static dacapo_workflow_attributes_list_search_attribute_t owned_search(
    dacapo_workflow_attributes_list_search_attribute_t list) {
  list.ptr = owned(list.ptr, dacapo_size(list.len, sizeof *list.ptr, 0));
  for (size_t index = 0; index < list.len; index++) {
    own_string(&list.ptr[index].name);
    if (!list.ptr[index].value.is_some) continue;
    dacapo_workflow_attributes_search_value_t *value = &list.ptr[index].value.val;
    if (value->tag == DACAPO_WORKFLOW_ATTRIBUTES_SEARCH_VALUE_KEYWORD ||
        value->tag == DACAPO_WORKFLOW_ATTRIBUTES_SEARCH_VALUE_TEXT)
      own_string(&value->val.text);
    if (value->tag == DACAPO_WORKFLOW_ATTRIBUTES_SEARCH_VALUE_KEYWORD_LIST) {
      dacapo_wit_list_string_t *texts = &value->val.keyword_list;
      texts->ptr = owned(texts->ptr, dacapo_size(texts->len, sizeof *texts->ptr, 0));
      for (size_t text = 0; text < texts->len; text++) own_string(&texts->ptr[text]);
    }
  }
  return list;
}

/* What was asked for last, as the contract has it. Nothing of it is in memory of the caller's. */
static exports_dacapo_workflow_workflow_continuation_t continuation;

/* Stands for a continuation where a failure is expected. */
static const dacapo_failure continues = {.type = "ContinueAsNew", .message = ""};

static exports_dacapo_workflow_workflow_continuation_t to_continuation(
    const char *input, const dacapo_continue_options *from) {
  exports_dacapo_workflow_workflow_continuation_t to = {
      .run_timeout = {from->run_timeout != 0, from->run_timeout},
      .backoff_start_interval = from->start_delay,
  };
  dacapo_give_string(from->workflow_type, &to.workflow_type);
  dacapo_give_payload(input, &to.input);
  dacapo_workflow_attributes_list_memo_entry_t memo =
      owned_memo(dacapo_to_memo(from->memo, from->memo_length));
  to.memo.ptr = memo.ptr;
  to.memo.len = memo.len;
  dacapo_workflow_attributes_list_search_attribute_t search =
      owned_search(dacapo_to_search(from->search_attributes, from->search_attributes_length));
  to.search_attributes.ptr = search.ptr;
  to.search_attributes.len = search.len;
  return to;
}

const char *dacapo_continue_as_new(const char *input, const dacapo_continue_options *options,
                                   const dacapo_failure **failure) {
  static const dacapo_continue_options none = {0};
  if (!dacapo_is_fit(input, "the input of", "dacapo_continue_as_new", "InvalidInput", failure))
    return NULL;
  exports_dacapo_workflow_workflow_continuation_free(&continuation);
  dacapo_mark_t before = dacapo_mark();
  continuation = to_continuation(input, options == NULL ? &none : options);
  dacapo_release(before);
  *failure = &continues;
  return NULL;
}

bool dacapo_continues(const dacapo_failure *failure) { return failure == &continues; }

void dacapo_continuation(const char *workflow_type,
                         exports_dacapo_workflow_workflow_continuation_t *to) {
  *to = continuation;
  if (to->workflow_type.len == 0) dacapo_give_string(workflow_type, &to->workflow_type);
}

/* Versions and values. */

uint32_t dacapo_version(const char *change_id, uint32_t min, uint32_t max) {
  wit_string_t id = dacapo_borrowed(change_id);
  return dacapo_workflow_versions_version(&id, min, max);
}

static const char *value(bool is_known, payload_t known, const char *name,
                         const char *(*compute)(void *), void *context) {
  if (is_known) {
    const char *copy = dacapo_copied((const char *)known.ptr, known.len);
    dacapo_workflow_types_payload_free(&known);
    return copy;
  }
  const char *fresh = compute(context);
  dacapo_require_json(fresh, "the value", name);
  payload_t payload = dacapo_to_payload(fresh == NULL ? "null" : fresh);
  wit_string_t named = dacapo_borrowed(name);
  dacapo_workflow_side_effects_record_value(&named, &payload);
  return dacapo_copied((const char *)payload.ptr, payload.len);
}

const char *dacapo_side_effect(const char *name, const char *(*compute)(void *), void *context) {
  wit_string_t named = dacapo_borrowed(name);
  payload_t known = {0};
  bool is_known = dacapo_workflow_side_effects_recorded_value(&named, &known);
  return value(is_known, known, name, compute, context);
}

const char *dacapo_mutable_side_effect(const char *name, const char *(*compute)(void *),
                                       void *context) {
  wit_string_t named = dacapo_borrowed(name);
  payload_t known = {0};
  bool is_known = dacapo_workflow_side_effects_latest_value(&named, &known);
  return value(is_known, known, name, compute, context);
}

/* Attributes. */

void dacapo_upsert_memo(const dacapo_memo_entry *entries, size_t count) {
  dacapo_mark_t before = dacapo_mark();
  dacapo_workflow_attributes_list_memo_entry_t list = dacapo_to_memo(entries, count);
  dacapo_workflow_attributes_upsert_memo(&list);
  dacapo_release(before);
}

/* Writes a field of an object, and a comma in front of all but the first. */
static char *put_field(char *to, bool is_first, const char *name, wit_string_t value) {
  if (!is_first) *to++ = ',';
  to = stpcpy(to, name);
  *to++ = ':';
  memcpy(to, value.ptr, value.len);
  return to + value.len;
}

const char *dacapo_memo(void) {
  dacapo_workflow_attributes_list_memo_entry_t list;
  dacapo_workflow_attributes_memo(&list);
  const char **names = dacapo_alloc_array(list.len, sizeof *names);
  size_t length = sizeof "{}";
  for (size_t index = 0; index < list.len; index++) {
    names[index] = dacapo_quote(dacapo_from_string(list.ptr[index].name));
    length = dacapo_size(strlen(names[index]), 1, length + sizeof ":,");
    length = dacapo_size(list.ptr[index].value.val.len, list.ptr[index].value.is_some, length);
  }
  char *memo = dacapo_alloc(length), *to = memo;
  *to++ = '{';
  for (size_t index = 0; index < list.len; index++)
    if (list.ptr[index].value.is_some)
      to = put_field(to, to == memo + 1, names[index], list.ptr[index].value.val);
  *to = '}';
  dacapo_workflow_attributes_list_memo_entry_free(&list);
  return memo;
}

void dacapo_upsert_search_attributes(const dacapo_search_attribute *attributes, size_t count) {
  dacapo_mark_t before = dacapo_mark();
  dacapo_workflow_attributes_list_search_attribute_t list = dacapo_to_search(attributes, count);
  dacapo_workflow_attributes_upsert_search_attributes(&list);
  dacapo_release(before);
}

static dacapo_search_attribute from_wit(
    const dacapo_workflow_attributes_search_attribute_t *from) {
  dacapo_search_attribute attribute = {.name = dacapo_from_string(from->name)};
  if (!from->value.is_some) return attribute;
  const dacapo_workflow_attributes_search_value_t *value = &from->value.val;
  attribute.kind = (dacapo_search_kind)(value->tag + DACAPO_BOOLEAN);
  switch (attribute.kind) {
    case DACAPO_REMOVED:
      break;
    case DACAPO_BOOLEAN:
      attribute.boolean = value->val.boolean;
      break;
    case DACAPO_DATETIME:
      attribute.datetime = value->val.datetime;
      break;
    case DACAPO_DOUBLE:
      attribute.number = value->val.double_;
      break;
    case DACAPO_INTEGER:
      attribute.integer = value->val.integer;
      break;
    case DACAPO_KEYWORD:
    case DACAPO_FULL_TEXT:
      attribute.text = dacapo_from_string(value->val.text);
      break;
    case DACAPO_KEYWORD_LIST: {
      attribute.list_length = value->val.keyword_list.len;
      const char **list = dacapo_alloc_array(attribute.list_length, sizeof *list);
      for (size_t index = 0; index < attribute.list_length; index++)
        list[index] = dacapo_from_string(value->val.keyword_list.ptr[index]);
      attribute.list = list;
      break;
    }
  }
  return attribute;
}

const dacapo_search_attribute *dacapo_search_attributes(size_t *count) {
  dacapo_workflow_attributes_list_search_attribute_t list;
  dacapo_workflow_attributes_search_attributes(&list);
  *count = list.len;
  dacapo_search_attribute *attributes = dacapo_alloc_array(list.len, sizeof *attributes);
  for (size_t index = 0; index < list.len; index++) attributes[index] = from_wit(&list.ptr[index]);
  dacapo_workflow_attributes_list_search_attribute_free(&list);
  return attributes;
}
