/*
 * Runs the threadgroups of a dispatch on the CPUs of this machine. The calling thread and helpers, which the process
 * starts when it first needs them, take threadgroups from one counter. A kernel that faults, or runs for too long, ends
 * its dispatch with a failure.
 */
#ifndef WORKERS_H
#define WORKERS_H

#include <stddef.h>
#include <stdint.h>

#include "mlxshim.h"
#include "threadgroup.h"

/* How long a dispatch may run. */
#define WORKERS_TIMEOUT_MILLIS 30000
/* An environment variable with another default, for machines on which correct kernels take longer. */
#define WORKERS_TIMEOUT_VARIABLE "MLXSHIM_KERNEL_TIMEOUT_MILLIS"

/* Of all threadgroup memories of a dispatch together. */
#define WORKERS_MAX_THREADGROUP_MEMORY 32768

struct dispatch {
    struct threadgroup_kernel kernel;
    void *const *buffers;
    uint64_t threadgroup_lengths[KERNEL_THREADGROUP_MEMORIES];
    uint32_t grid[3]; /* threads */
    uint32_t threads_per_group[3];
};

/* What a thread needs to run kernels: room for a threadgroup and its memory. */
struct worker;

struct worker *worker_new(void); /* NULL if memory runs out */
void worker_free(struct worker *worker);

/*
 * Runs a dispatch on a thread that thread_start has started, and on helpers. Returns MLXSHIM_FAILURE_*; unless that is
 * NONE, writes what happened.
 */
int32_t workers_run(struct worker *worker, const struct dispatch *dispatch, char *text, size_t text_capacity);

/* Sets how long a dispatch may run that begins from now on; 0 restores the default. */
void workers_set_timeout(uint64_t millis);

#endif
