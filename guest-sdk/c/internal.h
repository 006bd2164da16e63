/* What the files of the SDK share. */

#ifndef DACAPO_INTERNAL_H
#define DACAPO_INTERNAL_H

#include "dacapo.h"
#include "dacapo_wit.h"

typedef dacapo_workflow_types_payload_t payload_t;
typedef dacapo_workflow_types_failure_t wit_failure_t;
typedef dacapo_workflow_types_failure_info_t wit_failure_info_t;
typedef dacapo_workflow_types_retry_policy_t wit_retry_t;
typedef dacapo_wit_string_t wit_string_t;

/* memory.c */

/* Ends the run for want of memory, as every language does. */
void *dacapo_kept(void *old, size_t size);
const char *dacapo_copied(const char *bytes, size_t length);
/* count * size + more, if there can be so many bytes. */
size_t dacapo_size(size_t count, size_t size, size_t more);

/* json.c */

/* What is wrong with it, or NULL if it is one whole value. */
const char *dacapo_json_problem(const char *text, size_t length);

/* convert.c: to the contract and back. What goes there is borrowed until the call has returned. */

wit_string_t dacapo_borrowed(const char *text);
payload_t dacapo_to_payload(const char *value);
/* Checked; sets a failure of this type if it is not JSON. */
const char *dacapo_from_payload(payload_t payload, const char *what, const char *type,
                                const dacapo_failure **failure);
/* Whether a value may leave; if not, sets a failure of this type. */
bool dacapo_is_fit(const char *value, const char *what, const char *name, const char *type,
                   const dacapo_failure **failure);
/* The same of what is passed where nothing fails: it is a bug. */
void dacapo_require_json(const char *value, const char *what, const char *name);
/* What came of a function of the project. If it has returned a value, a failure that it set on the
 * way was dealt with. */
const char *dacapo_settled(const char *value, const char *what, const char *name,
                           const dacapo_failure **failure);
const char *dacapo_from_string(wit_string_t text);
const dacapo_failure *dacapo_from_wit(const wit_failure_t *failure);
/* Allocated as the contract wants it of what is handed over. */
void dacapo_to_wit(const dacapo_failure *failure, wit_failure_t *to);
void dacapo_give_payload(const char *value, payload_t *to);
void dacapo_give_string(const char *text, wit_string_t *to);
/* The retry policy, borrowed; the list of types is in `types`. */
wit_retry_t dacapo_to_retry(const dacapo_retry_policy *policy);
dacapo_workflow_attributes_list_memo_entry_t dacapo_to_memo(const dacapo_memo_entry *entries,
                                                            size_t count);
dacapo_workflow_attributes_list_search_attribute_t dacapo_to_search(
    const dacapo_search_attribute *attributes, size_t count);

/* run.c: what was started, what was delivered, and the loop between. */

/* What becomes of an operation that is cancelled. */
typedef enum { GIVE_UP, ASK_ACTIVITY, ASK_CHILD, LEAVE } dacapo_on_cancel;

/* Something that the run waits for now; those around it are below. */
typedef struct dacapo_wait_frame {
  struct dacapo_wait_frame *below;
  const char *kind;
  const dacapo_operation *operations;
  size_t count;
  const char *signal;
  const char *place;
} dacapo_wait_frame;

extern dacapo_wait_frame *dacapo_waiting;
/* False in an activity. */
extern bool dacapo_has_run;

/* Registers an operation that was just started. */
dacapo_operation dacapo_opened(dacapo_operation operation, dacapo_on_cancel on_cancel,
                               uint64_t grace);
/* An operation that was not started, and has failed so. */
dacapo_operation dacapo_refused(const dacapo_failure *failure);
/* Waits until `is_over` is true. False if the run is cancelled before, if that matters here. */
bool dacapo_wait_for(dacapo_wait_frame *frame, bool (*is_over)(void *), void *context,
                     const dacapo_failure **failure);
/* Whether what is started here is cancelled already; sets the failure. */
bool dacapo_is_stopped(const dacapo_failure **failure);
bool dacapo_is_run_cancelled(void);

/* messages.c */

void dacapo_got_signal(const char *name, payload_t input);
void dacapo_got_update(const char *id, const char *name, payload_t input);
bool dacapo_answer(const char *name, payload_t input, payload_t *answer, wit_failure_t *refused);
void dacapo_return_signals(void);
/* Calls `tell` for each name. */
void dacapo_each_inbox(void (*tell)(const char *name, size_t kept, size_t set_aside,
                                    const char *problem, void *context),
                       void *context);

/* records.c */

/* Whether this failure stands for what dacapo_continue_as_new has asked for. */
bool dacapo_continues(const dacapo_failure *failure);
void dacapo_continuation(const char *workflow_type,
                         exports_dacapo_workflow_workflow_continuation_t *to);

/* waits.c */

extern const char *const dacapo_waits_query;
const char *dacapo_waits_report(void);

#endif
