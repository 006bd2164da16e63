/* Reading JSON where it is. */

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* Values in values. More is no JSON for us: each takes room on the stack. */
#define DEPTH_MAX 200

typedef struct {
  const char *at;
  const char *end;
  bool is_too_deep;
} reader;

static void skip_space(reader *in) {
  while (in->at < in->end && (*in->at == ' ' || *in->at == '\t' || *in->at == '\n' || *in->at == '\r'))
    in->at++;
}

static bool take(reader *in, char expected) {
  if (in->at == in->end || *in->at != expected) return false;
  in->at++;
  return true;
}

static bool take_word(reader *in, const char *word) {
  size_t length = strlen(word);
  if ((size_t)(in->end - in->at) < length || memcmp(in->at, word, length) != 0) return false;
  in->at += length;
  return true;
}

static bool take_digits(reader *in) {
  const char *start = in->at;
  while (in->at < in->end && isdigit((unsigned char)*in->at)) in->at++;
  return in->at > start;
}

static bool take_number(reader *in) {
  take(in, '-');
  if (!take(in, '0') && !take_digits(in)) return false;
  if (take(in, '.') && !take_digits(in)) return false;
  if (take(in, 'e') || take(in, 'E')) {
    if (!take(in, '+')) take(in, '-');
    return take_digits(in);
  }
  return true;
}

/* Of one letter in UTF-8: how many bytes it has, 0 if it is none. */
static size_t utf8_length(const unsigned char *text, size_t length) {
  if (text[0] < 0x80) return 1;
  size_t bytes = text[0] >= 0xF0 ? 4 : text[0] >= 0xE0 ? 3 : 2;
  if (text[0] < 0xC2 || text[0] > 0xF4 || bytes > length) return 0;
  for (size_t index = 1; index < bytes; index++)
    if ((text[index] & 0xC0) != 0x80) return 0;
  if (text[0] == 0xE0 && text[1] < 0xA0) return 0;
  if (text[0] == 0xED && text[1] > 0x9F) return 0;
  if (text[0] == 0xF0 && text[1] < 0x90) return 0;
  if (text[0] == 0xF4 && text[1] > 0x8F) return 0;
  return bytes;
}

static bool take_hex(reader *in, unsigned *value) {
  *value = 0;
  for (int digit = 0; digit < 4; digit++, in->at++) {
    if (in->at == in->end || !isxdigit((unsigned char)*in->at)) return false;
    char letter = (char)tolower((unsigned char)*in->at);
    *value = *value * 16 + (unsigned)(letter <= '9' ? letter - '0' : letter - 'a' + 10);
  }
  return true;
}

static bool take_text(reader *in) {
  if (!take(in, '"')) return false;
  while (in->at < in->end) {
    unsigned char letter = (unsigned char)*in->at;
    if (letter == '"') return take(in, '"');
    if (letter < 0x20) return false;
    if (letter == '\\') {
      in->at++;
      unsigned code;
      if (take(in, 'u')) {
        if (!take_hex(in, &code)) return false;
      } else if (in->at == in->end || *in->at == '\0' || strchr("\"\\/bfnrt", *in->at) == NULL) {
        return false;
      } else {
        in->at++;
      }
      continue;
    }
    size_t bytes = utf8_length((const unsigned char *)in->at, (size_t)(in->end - in->at));
    if (bytes == 0) return false;
    in->at += bytes;
  }
  return false;
}

static bool take_value(reader *in, int depth);

static bool take_items(reader *in, int depth, char end, bool are_fields) {
  skip_space(in);
  if (take(in, end)) return true;
  for (;;) {
    skip_space(in);
    if (are_fields) {
      if (!take_text(in)) return false;
      skip_space(in);
      if (!take(in, ':')) return false;
    }
    if (!take_value(in, depth + 1)) return false;
    skip_space(in);
    if (take(in, end)) return true;
    if (!take(in, ',')) return false;
  }
}

static bool take_value(reader *in, int depth) {
  if (depth > DEPTH_MAX) in->is_too_deep = true;
  if (in->is_too_deep) return false;
  skip_space(in);
  if (in->at == in->end) return false;
  switch (*in->at) {
    case '{':
      in->at++;
      return take_items(in, depth, '}', true);
    case '[':
      in->at++;
      return take_items(in, depth, ']', false);
    case '"':
      return take_text(in);
    case 't':
      return take_word(in, "true");
    case 'f':
      return take_word(in, "false");
    case 'n':
      return take_word(in, "null");
    default:
      return take_number(in);
  }
}

static bool take_whole(reader *in) {
  if (!take_value(in, 0)) return false;
  skip_space(in);
  return in->at == in->end;
}

bool dacapo_is_json(const char *text, size_t length) {
  reader in = {.at = text, .end = text + length};
  return take_whole(&in);
}

const char *dacapo_json_problem(const char *text, size_t length) {
  reader in = {.at = text, .end = text + length};
  if (take_whole(&in)) return NULL;
  if (in.is_too_deep) return dacapo_format("it is nested more than %d deep", DEPTH_MAX);
  if (in.at == in.end) return length == 0 ? "it is empty" : "it ends too early";
  return dacapo_format("byte %zu does not fit", (size_t)(in.at - text));
}

/* At the first letter of the value; false if there is none. */
static bool reads(reader *in, const char *value) {
  if (value == NULL) return false;
  *in = (reader){.at = value, .end = value + strlen(value)};
  skip_space(in);
  return in->at < in->end;
}

/* Goes to the next item of a list or field of an object: to its name, if it has one. */
static bool next_item(reader *in, bool is_first, char end) {
  skip_space(in);
  if (!is_first && !take(in, ',')) return false;
  skip_space(in);
  return in->at < in->end && *in->at != end;
}

static size_t write_utf8(char *to, unsigned code) {
  if (code < 0x80) {
    to[0] = (char)code;
    return 1;
  }
  if (code < 0x800) {
    to[0] = (char)(0xC0 | code >> 6);
    to[1] = (char)(0x80 | (code & 0x3F));
    return 2;
  }
  if (code < 0x10000) {
    to[0] = (char)(0xE0 | code >> 12);
    to[1] = (char)(0x80 | (code >> 6 & 0x3F));
    to[2] = (char)(0x80 | (code & 0x3F));
    return 3;
  }
  to[0] = (char)(0xF0 | code >> 18);
  to[1] = (char)(0x80 | (code >> 12 & 0x3F));
  to[2] = (char)(0x80 | (code >> 6 & 0x3F));
  to[3] = (char)(0x80 | (code & 0x3F));
  return 4;
}

/* What follows `\u`, with the second half of a pair. */
static bool take_code(reader *in, unsigned *code) {
  if (!take_hex(in, code)) return false;
  if (*code < 0xD800 || *code > 0xDFFF) return *code != 0;
  unsigned second;
  if (*code > 0xDBFF || !take_word(in, "\\u") || !take_hex(in, &second)) return false;
  if (second < 0xDC00 || second > 0xDFFF) return false;
  *code = 0x10000 + ((*code - 0xD800) << 10) + (second - 0xDC00);
  return true;
}

/* Takes the next of a text that has been looked through, as UTF-8: how many bytes it has, 0 if a
 * text in C can't have it. */
static size_t take_letter(reader *in, char letter[4]) {
  if (!take(in, '\\')) {
    letter[0] = *in->at++;
    return 1;
  }
  unsigned code;
  if (take(in, 'u')) return take_code(in, &code) ? write_utf8(letter, code) : 0;
  static const char escaped[] = "bfnrt", meant[] = "\b\f\n\r\t";
  const char *found = strchr(escaped, *in->at);
  letter[0] = found == NULL ? *in->at : meant[found - escaped];
  in->at++;
  return 1;
}

static bool is_named(reader name, const char *expected) {
  char letter[4];
  for (name.at++; *name.at != '"';) {
    size_t bytes = take_letter(&name, letter);
    if (bytes == 0 || strncmp(expected, letter, bytes) != 0) return false;
    expected += bytes;
  }
  return *expected == '\0';
}

const char *dacapo_get(const char *object, const char *name) {
  reader in;
  if (!reads(&in, object) || !take(&in, '{')) return NULL;
  /* The last of those with the same name counts, as everywhere. */
  reader found = {0};
  for (bool is_first = true; next_item(&in, is_first, '}'); is_first = false) {
    reader field = {.at = in.at};
    if (!take_text(&in)) return NULL;
    field.end = in.at;
    skip_space(&in);
    if (!take(&in, ':')) return NULL;
    skip_space(&in);
    reader value = {.at = in.at};
    if (!take_value(&in, 0)) return NULL;
    value.end = in.at;
    if (is_named(field, name)) found = value;
  }
  return found.at == NULL ? NULL : dacapo_copied(found.at, (size_t)(found.end - found.at));
}

const char *dacapo_at(const char *list, size_t index) {
  reader in;
  if (!reads(&in, list) || !take(&in, '[')) return NULL;
  for (bool is_first = true; next_item(&in, is_first, ']'); is_first = false) {
    const char *start = in.at;
    if (!take_value(&in, 0)) return NULL;
    if (index-- == 0) return dacapo_copied(start, (size_t)(in.at - start));
  }
  return NULL;
}

size_t dacapo_count(const char *value) {
  reader in;
  if (!reads(&in, value)) return 0;
  bool are_fields = take(&in, '{');
  if (!are_fields && !take(&in, '[')) return 0;
  size_t count = 0;
  for (bool is_first = true; next_item(&in, is_first, are_fields ? '}' : ']'); is_first = false) {
    if (are_fields) {
      if (!take_text(&in)) break;
      skip_space(&in);
      if (!take(&in, ':')) break;
    }
    if (!take_value(&in, 0)) break;
    count++;
  }
  return count;
}

bool dacapo_is_null(const char *value) {
  reader in;
  return value == NULL || (reads(&in, value) && take_word(&in, "null"));
}

bool dacapo_bool(const char *value, bool otherwise) {
  reader in;
  if (!reads(&in, value)) return otherwise;
  if (take_word(&in, "true")) return true;
  return take_word(&in, "false") ? false : otherwise;
}

static bool is_number(const char *value) {
  reader in;
  return reads(&in, value) && take_number(&in);
}

int64_t dacapo_int(const char *value, int64_t otherwise) {
  if (!is_number(value)) return otherwise;
  char *end;
  errno = 0;
  long long whole = strtoll(value, &end, 10);
  if (errno != 0) return otherwise;
  if (*end != '.' && *end != 'e' && *end != 'E') return whole;
  double number = strtod(value, NULL);
  bool fits = number == trunc(number) && fabs(number) <= 9007199254740992.0;
  return fits ? (int64_t)number : otherwise;
}

double dacapo_number(const char *value, double otherwise) {
  return is_number(value) ? strtod(value, NULL) : otherwise;
}

const char *dacapo_text(const char *value) {
  reader in;
  if (!reads(&in, value)) return NULL;
  reader whole = in;
  if (!take_text(&whole)) return NULL;
  /* No escape is shorter than what it stands for. */
  char *text = dacapo_alloc((size_t)(whole.at - in.at)), *to = text;
  for (in.at++; *in.at != '"';) {
    char letter[4];
    size_t bytes = take_letter(&in, letter);
    if (bytes == 0) return NULL;
    memcpy(to, letter, bytes);
    to += bytes;
  }
  return text;
}

/* Writes the next letter as JSON has it in a text: how many bytes that are. */
static size_t quote_letter(const char **at, char to[6]) {
  unsigned char letter = (unsigned char)**at;
  if (letter == '"' || letter == '\\') {
    to[0] = '\\';
    to[1] = *(*at)++;
    return 2;
  }
  if (letter < 0x20) {
    static const char digits[] = "0123456789abcdef";
    memcpy(to, "\\u00", 4);
    to[4] = digits[letter >> 4];
    to[5] = digits[letter & 15];
    ++*at;
    return 6;
  }
  size_t bytes = utf8_length((const unsigned char *)*at, strnlen(*at, 4));
  if (bytes == 0) {
    /* What is no letter is shown as one that says so. */
    memcpy(to, "\xEF\xBF\xBD", 3);
    ++*at;
    return 3;
  }
  memcpy(to, *at, bytes);
  *at += bytes;
  return bytes;
}

const char *dacapo_quote(const char *text) {
  if (text == NULL) return "null";
  char letter[6];
  size_t length = 0;
  for (const char *at = text; *at != '\0';)
    length = dacapo_size(length, 1, quote_letter(&at, letter));
  char *quoted = dacapo_alloc(dacapo_size(length, 1, 3)), *to = quoted;
  *to++ = '"';
  for (const char *at = text; *at != '\0';) {
    size_t bytes = quote_letter(&at, letter);
    memcpy(to, letter, bytes);
    to += bytes;
  }
  *to = '"';
  return quoted;
}
