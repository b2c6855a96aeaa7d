/* Declarations of ISO C 7.22.3. */
#ifndef APPLE_STDLIB_H
#define APPLE_STDLIB_H

#include <stddef.h>

void *malloc(size_t length);
void free(void *bytes);

#endif
