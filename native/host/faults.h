/*
 * The faults of mlxshim_faults.h, for the host shim and the stand-in for Metal to act on. Only test builds define
 * MLXSHIM_FAULTS and compile faults.c. In a release the functions are inline, and there are no faults.
 */
#ifndef FAULTS_H
#define FAULTS_H

#include "live_objects.h"

/* Arguments of mlxshim_faults_set_no_residency_sets. */
enum { SYSTEM_TOO_OLD = 1, GPU_TOO_OLD = 2 };

#if defined(MLXSHIM_FAULTS)

/*
 * Adds an object to the live objects before it is created. Returns false, and adds nothing, if a fault forbids the
 * creation. The caller calls live_objects_remove when it frees the object, or when the creation fails after all.
 */
bool faults_admit(enum object_kind kind, uint64_t bytes);

/* Why residency sets are unsupported: SYSTEM_TOO_OLD or GPU_TOO_OLD, or 0 if they are supported. */
int32_t faults_no_residency_sets(void);

/* Whether creating a buffer makes one of length 0. */
bool faults_empty_create(void);

/* Whether wrapping pages makes a buffer of length 0. */
bool faults_empty_wrap(void);

/* Whether the system takes the contents of a buffer that becomes volatile. */
bool faults_purge(void);

/* Counts a change of a purgeable state, and returns whether it is to fail. */
bool faults_refuse_purgeable(void);

/* MLXSHIM_FAILURE_*: how a command buffer that is submitted now is to end after its commands have run. */
int32_t faults_command_buffer_failure(void);

/* Waits while queues are held. */
void faults_wait_while_held(void);

#else

static inline bool faults_admit(enum object_kind kind, uint64_t bytes) {
    return live_objects_add(kind, bytes, UINT64_MAX);
}

static inline int32_t faults_no_residency_sets(void) {
    return 0;
}

static inline bool faults_empty_create(void) {
    return false;
}

static inline bool faults_empty_wrap(void) {
    return false;
}

static inline bool faults_purge(void) {
    return false;
}

static inline bool faults_refuse_purgeable(void) {
    return false;
}

static inline int32_t faults_command_buffer_failure(void) {
    return 0;
}

static inline void faults_wait_while_held(void) {
}

#endif

#endif
