/*
 * Memory for the constants of a command buffer. It is no part of the heap, and a guard follows it, so that a kernel
 * that writes beyond a constant, or into one, harms constants alone.
 */
#ifndef CONSTANTS_H
#define CONSTANTS_H

#include <stdint.h>

struct constants_chunk;

/* Zeroed at first. */
struct constants {
    struct constants_chunk *chunks; /* the one that is filled is first */
};

/* Copies at most MLXSHIM_MAX_BYTES, aligned for every type of MSL. Returns NULL if memory runs out. */
void *constants_copy(struct constants *constants, const void *bytes, uint64_t length);

/* Gives all memory back. Other command buffers use it again. */
void constants_clear(struct constants *constants);

#endif
