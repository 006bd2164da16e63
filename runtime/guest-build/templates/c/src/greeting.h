/* What needs no server, so that a test calls it on this machine. */

#ifndef GREETING_H
#define GREETING_H

#include <stddef.h>

/* Writes what a guest is told, as snprintf does. */
int greeting_for(char *to, size_t room, const char *name);

#endif
