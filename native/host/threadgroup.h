/*
 * Runs the threads of a threadgroup on one thread of the CPU. Threads that may wait for others each have a fiber, and
 * 32 of them are a simdgroup.
 *
 * A simdgroup operation takes place when all live lanes of the simdgroup wait at one call site. Where they have
 * diverged and no thread of the threadgroup can run, the lanes at the lowest call site go on without the others: code
 * is laid out in program order, so lanes that are behind catch up. A barrier opens when all live threads wait at one. A
 * thread that has returned takes part in neither, so there is always a thread that can run: barriers cannot deadlock.
 */
#ifndef THREADGROUP_H
#define THREADGROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "fiber.h"
#include "msl/kernel.h"

#define THREADGROUP_NO_THREAD UINT32_MAX

/* What runs. */
struct threadgroup_kernel {
    const char *name;
    bool waits;
    kernel_thread_function *thread; /* used if it waits */
    kernel_group_function *group;   /* used if it does not */
};

/* Room for one threadgroup at a time. It belongs to one thread of the CPU. */
struct threadgroup;

/* What kernels call to wait. */
extern const struct kernel_runtime threadgroup_runtime;

struct threadgroup *threadgroup_new(void); /* NULL if memory runs out */
void threadgroup_free(struct threadgroup *threadgroup);

/*
 * Takes stacks for threadgroups of at most `threads` threads that the calling thread runs, until it calls
 * threadgroup_release_stacks. `wait` is as in fiber_stacks_take.
 */
bool threadgroup_take_stacks(struct threadgroup *threadgroup, uint32_t threads, bool wait);
void threadgroup_release_stacks(struct threadgroup *threadgroup);

/* Runs all threads of a group. The calling thread may leave it in the middle, and run another group then. */
void threadgroup_run(struct threadgroup *threadgroup, const struct threadgroup_kernel *kernel,
                     const struct kernel_group *group);

/*
 * The thread that ran when the last group was left; THREADGROUP_NO_THREAD if the kernel does not wait, because its loop
 * over the threads is its own.
 */
uint32_t threadgroup_current(const struct threadgroup *threadgroup);

/* Whether an address is below the stack of that thread. */
bool threadgroup_is_stack_overflow(const struct threadgroup *threadgroup, const void *address);

#endif
