/* Compiled for this machine: README.md says how. */

#include <stdio.h>
#include <string.h>

#include "greeting.h"

int main(void) {
  char text[32];
  greeting_for(text, sizeof text, "Ada");
  if (strcmp(text, "Hello, Ada!") != 0) {
    fprintf(stderr, "Ada is told \"%s\"\n", text);
    return 1;
  }
  puts("passed");
  return 0;
}
