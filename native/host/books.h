/*
 * What is alive behind the ABI, by kind and in bytes, and in builds for tests the faults of mlxshim_faults.h. The host
 * shim and the stand-in for Metal keep the same books, so that one suite can ask both.
 */
#ifndef BOOKS_H
#define BOOKS_H

#include <stdbool.h>
#include <stdint.h>

enum kind { DEVICES, BUFFERS, EVENTS, RESIDENCY_SETS, KINDS };

/* Values of mlxshim_faults_set_no_residency_sets. */
enum { SYSTEM_TOO_OLD = 1, GPU_TOO_OLD = 2 };

/* Enters an object into the books before it is made; false when a fault forbids it. */
bool books_enter(enum kind kind, uint64_t bytes);

void books_leave(enum kind kind, uint64_t bytes);

/* The bytes of everything that is alive. */
uint64_t books_bytes(void);

/* The faults that a test has set; none in a library that is shipped. */
#if defined(MLXSHIM_FAULTS)
/* Why there are no residency sets; 0 where there are. */
int32_t books_no_residency_sets(void);
bool books_empty_create(void);
bool books_empty_wrap(void);
#else
static inline int32_t books_no_residency_sets(void) {
    return 0;
}

static inline bool books_empty_create(void) {
    return false;
}

static inline bool books_empty_wrap(void) {
    return false;
}
#endif

#endif
