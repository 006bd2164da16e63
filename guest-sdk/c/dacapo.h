/* Workflows and activities in C. docs/c.md tells how to build and run them.
 *
 * Values are JSON, as texts that end in a zero byte. A null pointer instead of a value stands for
 * null; instead of an input, for none at all.
 *
 * Who frees what: nobody. All that a function of this file returns stays where it is until the run
 * or the attempt has ended, which frees it all; it must not be given to free(). A loop with many
 * rounds gives memory back with dacapo_mark and dacapo_release. What is passed to a function is
 * copied before it returns, except for handlers and their contexts, which must stay.
 *
 * What may fail takes the address of a failure as its last argument, which must not be null. If it
 * fails, it sets that, and returns NULL or false. So most code is
 *
 *     const char *receipt = dacapo_activity("charge", order, NULL, failure);
 *     if (receipt == NULL) return NULL;
 *
 * A value that is passed on and is no JSON is refused, as InvalidInput or InvalidResult; where
 * nothing fails it is a bug, as dacapo_bug is. Values in values are at most 200 deep.
 *
 * Lengths of time are in nanoseconds: DACAPO_SECONDS(5). */

#ifndef DACAPO_H
#define DACAPO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DACAPO_MILLIS(number) ((uint64_t)(number) * 1000000u)
#define DACAPO_SECONDS(number) ((uint64_t)(number) * 1000000000u)
#define DACAPO_DAYS(number) (DACAPO_SECONDS(number) * 86400u)

/* Where it is written, for those who look at what a run waits for. */
#define DACAPO_TEXT_(value) #value
#define DACAPO_LINE_(line) DACAPO_TEXT_(line)
#define DACAPO_HERE __FILE__ ":" DACAPO_LINE_(__LINE__)

/* Failures. */

typedef enum {
  DACAPO_APPLICATION,
  DACAPO_CANCELLED,
  DACAPO_TIMEOUT,
  DACAPO_TERMINATED,
  DACAPO_ACTIVITY,
  DACAPO_CHILD,
  DACAPO_NONDETERMINISM,
} dacapo_failure_kind;

typedef struct dacapo_failure {
  dacapo_failure_kind kind;
  /* A stable name for programs, such as CardDeclined. Retry policies match it exactly. */
  const char *type;
  /* A sentence for people. */
  const char *message;
  /* True if trying again can't help; no retry policy overrides it. */
  bool non_retryable;
  /* How long to wait before the next attempt; 0 for what the retry policy says. */
  uint64_t retry_after;
  /* A value for the program that handles the failure, or NULL. One that is no JSON is passed on as
   * a text. */
  const char *details;
  /* What led to it, or NULL. At most 16 are kept. */
  const struct dacapo_failure *cause;
} dacapo_failure;

/* Sets a failure of a type of one's own, and returns NULL: `return dacapo_fail(failure, "Declined",
 * "no funds for %s", name);` */
__attribute__((format(printf, 3, 4))) const char *dacapo_fail(const dacapo_failure **failure,
                                                              const char *type,
                                                              const char *message, ...);
/* The same with everything that a failure may have. */
const char *dacapo_fail_with(const dacapo_failure **failure, dacapo_failure content);
/* A failure of the kind `cancelled`. A workflow that fails so ends as cancelled. */
const char *dacapo_fail_cancelled(const dacapo_failure **failure, const char *message);
/* Whether it, or one of its causes, has this type: what an activity failed with is the cause of
 * what the workflow gets. */
bool dacapo_is_type(const dacapo_failure *failure, const char *type);
/* Whether it is the consequence of a cancellation. */
bool dacapo_is_cancelled(const dacapo_failure *failure);

/* Stops a run whose code has a fault, with a message and the line. The run is blocked, so that it
 * goes on once the code is fixed; an attempt of an activity fails. assert() does the same. */
#define dacapo_bug(...) dacapo_bug_at(DACAPO_HERE, __VA_ARGS__)
__attribute__((noreturn, format(printf, 2, 3))) void dacapo_bug_at(const char *place,
                                                                   const char *message, ...);

/* What a module is made of. */

/* Takes a value, and returns one. If that is NULL, it has failed with the failure that is set; if
 * none is, it returns null. With any other value it has not failed, whatever was set on the way. */
typedef const char *dacapo_function(const char *input, const dacapo_failure **failure);

typedef struct {
  const char *type;
  dacapo_function *function;
} dacapo_definition;

/* Every project defines both; each ends with {NULL, NULL}. */
extern const dacapo_definition dacapo_workflows[];
extern const dacapo_definition dacapo_activities[];

/* Memory. */

/* Zeroed, and aligned for everything. */
void *dacapo_alloc(size_t size);
/* For so many things of this size, which may be more than there can be: then it is a bug. */
void *dacapo_alloc_array(size_t count, size_t size);
/* Like printf, into memory of its own. */
__attribute__((format(printf, 1, 2))) const char *dacapo_format(const char *format, ...);

typedef struct {
  void *chunk;
  size_t used;
} dacapo_mark_t;

/* All that was returned between the two is gone after dacapo_release: failures too, and what
 * handlers that ran meanwhile were given or have made. What is kept for longer is copied into
 * memory of one's own. A handler must not release what was marked outside of it. */
dacapo_mark_t dacapo_mark(void);
void dacapo_release(dacapo_mark_t mark);

/* JSON. What is read from NULL, or from a value of another type, is NULL, 0 or what is to be there
 * instead; so dacapo_text(dacapo_get(input, "name")) is NULL unless there is such a text. */

const char *dacapo_get(const char *object, const char *name);
const char *dacapo_at(const char *list, size_t index);
/* Items of a list, or fields of an object. */
size_t dacapo_count(const char *value);
bool dacapo_is_null(const char *value);
bool dacapo_bool(const char *value, bool otherwise);
int64_t dacapo_int(const char *value, int64_t otherwise);
double dacapo_number(const char *value, double otherwise);
/* Without quotes and escapes. NULL if it has a zero byte, as C can't tell where it ends, or half of
 * a letter that takes two escapes. */
const char *dacapo_text(const char *value);
/* Quoted, for dacapo_format("{\"name\":%s}", dacapo_quote(name)). */
const char *dacapo_quote(const char *text);
/* Whether it is one whole value. */
bool dacapo_is_json(const char *text, size_t length);

/* Activities, as workflows call them. */

typedef struct {
  /* 0 for 1 s. */
  uint64_t initial_interval;
  /* 0 for 2. */
  double backoff_coefficient;
  /* 0 for 100 times the initial interval. */
  uint64_t maximum_interval;
  /* 0 for no limit. */
  uint32_t maximum_attempts;
  /* Ends with NULL. */
  const char *const *non_retryable_types;
} dacapo_retry_policy;

typedef enum {
  /* It is told, and the wait ends at once. */
  DACAPO_TRY_CANCEL,
  /* It is told, and its end is waited for. */
  DACAPO_WAIT_CANCELLED,
  /* It goes on, and the wait ends at once. */
  DACAPO_ABANDON,
  /* Of a child: it is told, and waited for until it has recorded that. */
  DACAPO_WAIT_REQUESTED,
} dacapo_cancellation;

/* What is 0 or NULL is as the server has it. */
typedef struct {
  uint64_t start_to_close, schedule_to_close, schedule_to_start, heartbeat;
  const dacapo_retry_policy *retry;
  /* The workers that run it. Without one it is an activity of a module. */
  const char *task_queue;
  uint8_t priority;
  const char *fairness_key;
  double fairness_weight;
  /* The module that defines it, if it is another one, and perhaps its version. */
  const char *module;
  uint32_t module_version;
  dacapo_cancellation cancellation;
  uint64_t cancellation_grace;
} dacapo_activity_options;

/* Runs an activity, and waits for its result. The options may be NULL. */
#define dacapo_activity(type, input, options, failure) \
  dacapo_wait(dacapo_start_activity(type, input, options), failure)

/* Something that was started, and may be waited for once. */
typedef uint32_t dacapo_operation;

dacapo_operation dacapo_start_activity(const char *type, const char *input,
                                       const dacapo_activity_options *options);
dacapo_operation dacapo_start_timer(uint64_t after);

/* Waits for its end, and returns the result. */
#define dacapo_wait(operation, failure) dacapo_wait_at(operation, failure, DACAPO_HERE)
const char *dacapo_wait_at(dacapo_operation operation, const dacapo_failure **failure,
                           const char *place);
/* Waits until one of them has ended, and returns its position; dacapo_wait tells how it was.
 * -1 if the run is asked to cancel before: then each of them is cancelled, as its options say. */
#define dacapo_wait_any(operations, count, failure) \
  dacapo_wait_any_at(operations, count, failure, DACAPO_HERE)
int dacapo_wait_any_at(const dacapo_operation *operations, size_t count,
                       const dacapo_failure **failure, const char *place);
/* Cancels it, as its options say. Whoever waits for it is told. */
void dacapo_cancel(dacapo_operation operation);

/* Waits for so long. */
#define dacapo_sleep(length, failure) \
  (dacapo_wait(dacapo_start_timer(length), failure) != NULL)
/* Waits until a function says true, which is asked whenever something has happened. */
#define dacapo_wait_until(holds, context, failure) \
  dacapo_wait_until_at(holds, context, failure, DACAPO_HERE)
bool dacapo_wait_until_at(bool (*holds)(void *context), void *context,
                          const dacapo_failure **failure, const char *place);

/* A run that was asked to cancel starts and waits for nothing more: all that would fails as
 * cancelled, but between these two, which may be nested. */
void dacapo_shield_begin(void);
void dacapo_shield_end(void);
bool dacapo_is_cancel_requested(void);

/* Messages. Handlers run while the workflow waits for something, on top of that wait: it ends only
 * when they have returned. */

/* The next signal of this name. One that is not JSON is set aside. All others are kept until they
 * are taken, also by a run that continues as new: how many a run may get is bounded by the server,
 * which refuses more. */
#define dacapo_next_signal(name, failure) dacapo_next_signal_at(name, failure, DACAPO_HERE)
const char *dacapo_next_signal_at(const char *name, const dacapo_failure **failure,
                                  const char *place);
/* The same if there is one already, else NULL. */
const char *dacapo_try_signal(const char *name);
/* Hands all signals of this name to a function, those that are kept now, too. */
void dacapo_on_signal(const char *name, void (*handle)(const char *input, void *context),
                      void *context);

/* Answers queries of this name, also after the end of the run. The handler changes nothing, and
 * starts nothing. */
typedef const char *dacapo_handler(const char *input, void *context,
                                   const dacapo_failure **failure);
void dacapo_on_query(const char *name, dacapo_handler *handle, void *context);
/* Shows a value to those who query this name, from now on. */
void dacapo_publish(const char *name, const char *value);
/* Does what callers ask for. `validate` may be NULL; it returns false to reject the update, changes
 * nothing and starts nothing. `handle` may wait. */
typedef bool dacapo_validator(const char *input, void *context, const dacapo_failure **failure);
void dacapo_on_update(const char *name, dacapo_validator *validate, dacapo_handler *handle,
                      void *context);

/* Other runs. */

typedef enum {
  DACAPO_REMOVED,
  DACAPO_BOOLEAN,
  DACAPO_DATETIME,
  DACAPO_DOUBLE,
  DACAPO_INTEGER,
  DACAPO_KEYWORD,
  DACAPO_FULL_TEXT,
  DACAPO_KEYWORD_LIST,
} dacapo_search_kind;

typedef struct {
  const char *name;
  dacapo_search_kind kind;
  bool boolean;
  /* Nanoseconds since 1970. */
  uint64_t datetime;
  double number;
  int64_t integer;
  /* Of a keyword and of a text. */
  const char *text;
  const char *const *list;
  size_t list_length;
} dacapo_search_attribute;

/* A value of the memo; NULL removes it. */
typedef struct {
  const char *name;
  const char *value;
} dacapo_memo_entry;

typedef enum {
  DACAPO_CLOSE_TERMINATE,
  DACAPO_CLOSE_ABANDON,
  DACAPO_CLOSE_REQUEST_CANCEL,
} dacapo_parent_close_policy;

typedef enum {
  DACAPO_ALLOW_DUPLICATE,
  DACAPO_ALLOW_DUPLICATE_FAILED_ONLY,
  DACAPO_REJECT_DUPLICATE,
} dacapo_id_reuse_policy;

/* What is 0 or NULL is as the server has it. The cancellation is DACAPO_WAIT_CANCELLED unless
 * `has_cancellation` says that another one was chosen. */
typedef struct {
  const char *workflow_id;
  dacapo_id_reuse_policy id_reuse_policy;
  dacapo_parent_close_policy parent_close_policy;
  bool has_cancellation;
  dacapo_cancellation cancellation;
  const char *module;
  uint32_t module_version;
  uint64_t run_timeout, execution_timeout, start_delay;
  const dacapo_retry_policy *retry;
  const dacapo_memo_entry *memo;
  size_t memo_length;
  const dacapo_search_attribute *search_attributes;
  size_t search_attributes_length;
} dacapo_child_options;

typedef struct {
  const char *workflow_id;
  const char *run_id;
  /* Its end; its result is that of the child. */
  dacapo_operation closed;
} dacapo_child;

/* Starts a child, and waits for its result. */
#define dacapo_run_child(type, input, options, failure) \
  dacapo_run_child_at(type, input, options, failure, DACAPO_HERE)
const char *dacapo_run_child_at(const char *type, const char *input,
                                const dacapo_child_options *options,
                                const dacapo_failure **failure, const char *place);
/* Starts a child, and waits until it has started. */
#define dacapo_start_child(type, input, options, failure) \
  dacapo_start_child_at(type, input, options, failure, DACAPO_HERE)
const dacapo_child *dacapo_start_child_at(const char *type, const char *input,
                                          const dacapo_child_options *options,
                                          const dacapo_failure **failure, const char *place);
/* Sends the open run of a workflow id, or one certain run, a signal, and waits until it has
 * recorded it. */
#define dacapo_signal_external(workflow_id, run_id, name, input, failure) \
  dacapo_signal_external_at(workflow_id, run_id, name, input, failure, DACAPO_HERE)
bool dacapo_signal_external_at(const char *workflow_id, const char *run_id, const char *name,
                               const char *input, const dacapo_failure **failure,
                               const char *place);
/* The same with a request to cancel. */
#define dacapo_cancel_external(workflow_id, run_id, reason, failure) \
  dacapo_cancel_external_at(workflow_id, run_id, reason, failure, DACAPO_HERE)
bool dacapo_cancel_external_at(const char *workflow_id, const char *run_id, const char *reason,
                               const dacapo_failure **failure, const char *place);

/* The run itself. */

typedef struct {
  const char *namespace_name, *workflow_id, *run_id, *workflow_type, *module_digest;
  uint64_t started_at;
  uint32_t attempt;
  const char *first_run_id;
  /* NULL and 0 if there is none. */
  const char *continued_from_run_id;
  uint64_t run_timeout, execution_timeout, execution_deadline;
} dacapo_run_info;

const dacapo_run_info *dacapo_info(void);
/* What the attempt before failed with, or NULL. */
const dacapo_failure *dacapo_continued_failure(void);
uint64_t dacapo_history_length(void);
uint64_t dacapo_history_bytes(void);
bool dacapo_continue_as_new_suggested(void);

typedef struct {
  /* NULL for the same workflow. */
  const char *workflow_type;
  /* 0 for as long as this one. */
  uint64_t run_timeout;
  uint64_t start_delay;
  const dacapo_memo_entry *memo;
  size_t memo_length;
  const dacapo_search_attribute *search_attributes;
  size_t search_attributes_length;
} dacapo_continue_options;

/* Ends this run, which goes on as a new one with an empty history, and with the signals that nobody
 * has taken: `return dacapo_continue_as_new(input, NULL, failure);` */
const char *dacapo_continue_as_new(const char *input, const dacapo_continue_options *options,
                                   const dacapo_failure **failure);

/* The version of a change that the code is to follow from here on; 0 is the code before it. */
uint32_t dacapo_version(const char *change_id, uint32_t min, uint32_t max);
/* A value as it was computed here the first time. */
const char *dacapo_side_effect(const char *name, const char *(*compute)(void *context),
                               void *context);
/* The same, and nothing is added to the history while it stays what it was. */
const char *dacapo_mutable_side_effect(const char *name, const char *(*compute)(void *context),
                                       void *context);

void dacapo_upsert_memo(const dacapo_memo_entry *entries, size_t count);
/* An object. */
const char *dacapo_memo(void);
void dacapo_upsert_search_attributes(const dacapo_search_attribute *attributes, size_t count);
/* By name. */
const dacapo_search_attribute *dacapo_search_attributes(size_t *count);

/* Activities only. */

typedef struct {
  const char *namespace_name, *workflow_id, *run_id, *activity_type;
  uint32_t operation;
  /* Counted from 1. */
  uint32_t attempt;
  uint64_t deadline;
  /* The same in each attempt. */
  const char *idempotency_key;
} dacapo_attempt_info;

typedef struct {
  bool cancel_requested;
  bool paused;
} dacapo_attempt_signals;

const dacapo_attempt_info *dacapo_attempt(void);
/* Says that the attempt is alive, and how far it has come. */
dacapo_attempt_signals dacapo_heartbeat(const char *details);
/* What the last heartbeat of an attempt before said, or NULL. */
const char *dacapo_heartbeat_details(void);
dacapo_attempt_signals dacapo_signals(void);
/* Waits until the activity is asked to cancel, and returns true; or for so long. */
bool dacapo_wait_cancel_requested(uint64_t timeout);
/* Leaves the attempt for somebody else to complete, and returns the token for that. */
const char *dacapo_complete_later(void);

#ifdef __cplusplus
}
#endif

#endif
