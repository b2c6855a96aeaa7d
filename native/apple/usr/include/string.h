/* Declarations of ISO C 7.24. */
#ifndef APPLE_STRING_H
#define APPLE_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t length);
void *memset(void *bytes, int value, size_t length);
char *strchr(const char *text, int character);
size_t strlen(const char *text);

#endif
