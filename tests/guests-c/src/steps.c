/* 1 to 9: steps and time. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "conformance.h"

const char *sequential(const char *input, const dacapo_failure **failure) {
  int64_t steps = dacapo_int(dacapo_get(input, "steps"), 0);
  for (int64_t step = 0; step < steps; step++) {
    dacapo_mark_t before = dacapo_mark();
    if (dacapo_activity("noop", NULL, NULL, failure) == NULL) return NULL;
    dacapo_release(before);
  }
  return dacapo_format("%lld", (long long)steps);
}

const char *fan_out(const char *input, const dacapo_failure **failure) {
  size_t steps = (size_t)dacapo_int(dacapo_get(input, "steps"), 0);
  dacapo_operation *started = dacapo_alloc(steps * sizeof *started);
  for (size_t step = 0; step < steps; step++)
    started[step] = dacapo_start_activity("double", dacapo_format("%zu", step), NULL);
  const char *doubles = "";
  for (size_t step = 0; step < steps; step++) {
    const char *result = dacapo_wait(started[step], failure);
    if (result == NULL) return NULL;
    doubles = dacapo_format("%s%s%s", doubles, step == 0 ? "" : ",", result);
  }
  return dacapo_format("[%s]", doubles);
}

const char *race(const char *input, const dacapo_failure **failure) {
  dacapo_operation racers[] = {dacapo_start_activity("wait_cancel", NULL, NULL),
                               dacapo_start_timer(millis_of(input))};
  int first = dacapo_wait_any(racers, 2, failure);
  if (first < 0) return NULL;
  dacapo_cancel(racers[1 - first]);
  return first == 0 ? "\"activity\"" : "\"timer\"";
}

static int64_t now_millis(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static const char *is_later(const char *input, int64_t before) {
  return now_millis() - before >= dacapo_int(dacapo_get(input, "millis"), 0) ? "true" : "false";
}

const char *timer(const char *input, const dacapo_failure **failure) {
  int64_t before = now_millis();
  if (!dacapo_sleep(millis_of(input), failure)) return NULL;
  return is_later(input, before);
}

const char *native_sleep(const char *input, const dacapo_failure **failure) {
  (void)failure;
  int64_t before = now_millis();
  usleep((useconds_t)(millis_of(input) / 1000));
  return is_later(input, before);
}

const char *native_timers(const char *input, const dacapo_failure **failure) {
  (void)input;
  static const int lengths[] = {300, 100, 200};
  dacapo_operation timers[3];
  int left[3], count = 3;
  for (int index = 0; index < 3; index++) {
    timers[index] = dacapo_start_timer(DACAPO_MILLIS(lengths[index]));
    left[index] = lengths[index];
  }
  const char *fired = "";
  while (count > 0) {
    int first = dacapo_wait_any(timers, (size_t)count, failure);
    if (first < 0 || dacapo_wait(timers[first], failure) == NULL) return NULL;
    fired = dacapo_format("%s%s%d", fired, count == 3 ? "" : ",", left[first]);
    count--;
    timers[first] = timers[count];
    left[first] = left[count];
  }
  return dacapo_format("[%s]", fired);
}

static const char *draw(void) {
  unsigned char bytes[24];
  getentropy(bytes, sizeof bytes);
  uint64_t number;
  memcpy(&number, bytes, sizeof number);
  const char *uuid = "";
  for (size_t index = 8; index < sizeof bytes; index++)
    uuid = dacapo_format("%s%02x", uuid, bytes[index]);
  return dacapo_format("{\"now\":%lld,\"random\":%llu,\"uuid\":%s}", (long long)now_millis(),
                       (unsigned long long)(number >> 12), dacapo_quote(uuid));
}

static const char *differs(const char *first, const char *second, const char *name) {
  return strcmp(dacapo_get(first, name), dacapo_get(second, name)) == 0 ? "false" : "true";
}

const char *clock_and_random(const char *input, const dacapo_failure **failure) {
  (void)input;
  const char *first = dacapo_activity("echo", draw(), NULL, failure);
  if (first == NULL || !dacapo_sleep(DACAPO_MILLIS(20), failure)) return NULL;
  const char *second = dacapo_activity("echo", draw(), NULL, failure);
  if (second == NULL) return NULL;
  bool is_later = dacapo_int(dacapo_get(second, "now"), 0) >= dacapo_int(dacapo_get(first, "now"), 0) + 20;
  return dacapo_format("{\"clock\":%s,\"random\":%s,\"uuid\":%s}", is_later ? "true" : "false",
                       differs(first, second, "random"), differs(first, second, "uuid"));
}

static void count_vote(const char *input, void *votes) {
  (void)input;
  ++*(int *)votes;
}

static bool are_two(void *votes) { return *(int *)votes >= 2; }

const char *condition(const char *input, const dacapo_failure **failure) {
  (void)input;
  int votes = 0;
  dacapo_on_signal("vote", count_vote, &votes);
  if (!dacapo_wait_until(are_two, &votes, failure)) return NULL;
  return dacapo_format("%d", votes);
}

const char *deadline(const char *input, const dacapo_failure **failure) {
  dacapo_operation both[] = {dacapo_start_activity("wait_cancel", NULL, NULL),
                             dacapo_start_timer(millis_of(input))};
  int first = dacapo_wait_any(both, 2, failure);
  if (first < 0) return NULL;
  dacapo_cancel(both[1 - first]);
  return first == 0 ? dacapo_wait(both[0], failure) : "\"elapsed\"";
}
