#include "greeting.h"

#include <stdio.h>

int greeting_for(char *to, size_t room, const char *name) {
  return snprintf(to, room, "Hello, %s!", name);
}
