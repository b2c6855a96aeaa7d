/*
 * The stand-in's account of what is alive and of which faults a test has set: mlxshim_faults.h from the inside. The
 * host shim keeps the same books, and one contract test holds both to the same count.
 */
#ifndef STANDIN_BOOKS_H
#define STANDIN_BOOKS_H

#include <stdbool.h>
#include <stdint.h>

enum kind { DEVICES, BUFFERS, EVENTS, RESIDENCY_SETS, KINDS };

/* Values of mlxshim_faults_set_no_residency_sets. */
enum { SYSTEM_TOO_OLD = 1, GPU_TOO_OLD = 2 };

/* Enters an object into the books before it is made; false when it may not be made. */
bool books_enter(enum kind kind, uint64_t bytes);

void books_leave(enum kind kind, uint64_t bytes);

/* The bytes of everything that is alive. */
uint64_t books_bytes(void);

/* Why there are no residency sets; 0 where there are. */
int32_t books_no_residency_sets(void);

bool books_empty_create(void);
bool books_empty_wrap(void);

#endif
