/* Memory that is freed as a whole. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define CHUNK_BYTES 16384u
#define ALIGNMENT 16u

typedef struct chunk {
  struct chunk *before;
  size_t size;
  /* Aligned for everything, as is what follows. */
  _Alignas(ALIGNMENT) unsigned char bytes[];
} chunk;

static chunk *top;
static size_t used;

void *dacapo_kept(void *old, size_t size) {
  void *memory = realloc(old, size);
  if (memory == NULL) dacapo_bug_at("dacapo", "there is no more memory");
  return memory;
}

size_t dacapo_size(size_t count, size_t size, size_t more) {
  size_t product, sum;
  if (__builtin_mul_overflow(count, size, &product) || __builtin_add_overflow(product, more, &sum))
    dacapo_bug_at("dacapo", "no memory is as large as %zu times %zu bytes", count, size);
  return sum;
}

void *dacapo_alloc(size_t size) {
  /* Nothing that is added below makes half of the address space too much. */
  if (size > SIZE_MAX / 2) dacapo_bug_at("dacapo", "no memory is as large as %zu bytes", size);
  size_t rounded = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
  if (top == NULL || top->size - used < rounded) {
    size_t capacity = rounded > CHUNK_BYTES ? rounded : CHUNK_BYTES;
    chunk *fresh = dacapo_kept(NULL, sizeof(chunk) + capacity);
    fresh->before = top;
    fresh->size = capacity;
    top = fresh;
    used = 0;
  }
  void *memory = memset(top->bytes + used, 0, rounded);
  used += rounded;
  return memory;
}

void *dacapo_alloc_array(size_t count, size_t size) {
  return dacapo_alloc(dacapo_size(count, size, 0));
}

dacapo_mark_t dacapo_mark(void) { return (dacapo_mark_t){top, used}; }

void dacapo_release(dacapo_mark_t mark) {
  bool is_gone = top == mark.chunk && used < mark.used;
  while (top != mark.chunk && top != NULL) {
    chunk *before = top->before;
    free(top);
    top = before;
  }
  is_gone = is_gone || top != mark.chunk;
  if (is_gone) dacapo_bug_at("dacapo_release", "the mark is of what was released before");
  used = mark.used;
}

const char *dacapo_copied(const char *bytes, size_t length) {
  char *copy = dacapo_alloc(dacapo_size(length, 1, 1));
  if (length > 0) memcpy(copy, bytes, length);
  return copy;
}

const char *dacapo_format(const char *format, ...) {
  va_list arguments, once_more;
  va_start(arguments, format);
  va_copy(once_more, arguments);
  int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  if (length < 0) dacapo_bug_at("dacapo_format", "`%s` can't be filled in", format);
  char *text = dacapo_alloc((size_t)length + 1);
  vsnprintf(text, (size_t)length + 1, format, once_more);
  va_end(once_more);
  return text;
}
