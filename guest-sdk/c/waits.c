/* What the run waits for, and where in its code: told to whoever looks at it. */

#include "internal.h"

#define WAITS_MAX 200
/* Names of signals that are told. */
#define SIGNALS_MAX 100

const char *const dacapo_waits_query = "__dacapo_waits";

typedef struct {
  const char *untaken, *invalid;
  size_t untaken_count, invalid_count;
} lists;

static const char *joined(const char *list, const char *item) {
  return list == NULL ? item : dacapo_format("%s,%s", list, item);
}

static void tell(const char *name, size_t kept, size_t set_aside, const char *problem,
                 void *context) {
  lists *of = context;
  const char *quoted = dacapo_quote(name);
  if (kept > 0 && of->untaken_count++ < SIGNALS_MAX)
    of->untaken =
        joined(of->untaken, dacapo_format("{\"name\":%s,\"count\":%zu}", quoted, kept));
  if (set_aside > 0 && of->invalid_count++ < SIGNALS_MAX)
    of->invalid = joined(of->invalid, dacapo_format("{\"name\":%s,\"count\":%zu,\"problem\":%s}",
                                                    quoted, set_aside, dacapo_quote(problem)));
}

const char *dacapo_waits_report(void) {
  const char *waits = NULL;
  size_t count = 0;
  for (dacapo_wait_frame *each = dacapo_waiting; each != NULL; each = each->below) {
    const char *at = dacapo_quote(each->place);
    if (each->count == 0 && count++ < WAITS_MAX) {
      const char *signal =
          each->signal == NULL ? "" : dacapo_format(",\"signal\":%s", dacapo_quote(each->signal));
      waits = joined(waits, dacapo_format("{\"kind\":\"%s\",\"at\":%s%s}", each->kind, at, signal));
    }
    for (size_t index = 0; index < each->count; index++)
      if (count++ < WAITS_MAX)
        waits = joined(waits, dacapo_format("{\"kind\":\"%s\",\"operation\":%u,\"at\":%s}",
                                            each->kind, each->operations[index], at));
  }
  lists of = {0};
  dacapo_each_inbox(tell, &of);
  return dacapo_format(
      "{\"waits\":[%s],\"more\":%zu,\"untaken_signals\":[%s],\"invalid_signals\":[%s]}",
      waits == NULL ? "" : waits, count > WAITS_MAX ? count - WAITS_MAX : 0,
      of.untaken == NULL ? "" : of.untaken, of.invalid == NULL ? "" : of.invalid);
}
