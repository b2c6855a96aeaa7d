/*
 * What a compiled kernel and the code that runs it agree on. A kernel is a shared library with these symbols:
 *
 *   msl_thread   kernel_thread_function: runs one thread of a threadgroup, on a fiber
 *   msl_group    kernel_group_function: runs all threads of a threadgroup in a loop; for kernels that never wait
 *   msl_waits    const uint32_t: 1 if a thread may wait for others (simdgroup functions and barriers), so that each
 *                thread needs a fiber
 *   msl_runtime  const struct kernel_runtime *: set before the first threadgroup
 *   msl_info     const struct kernel_info
 *
 * This header is plain C, and is also part of what kernels are compiled with.
 */
#ifndef MLXSHIM_KERNEL_H
#define MLXSHIM_KERNEL_H

#include <stdint.h>

#define KERNEL_SIMDGROUP_SIZE 32
#define KERNEL_MAX_THREADS 1024
#define KERNEL_BUFFERS 31
#define KERNEL_THREADGROUP_MEMORIES 31

/* A threadgroup and its place in the grid. */
struct kernel_group {
    void *const *buffers;            /* by index; an index without a buffer has readable zeros */
    void *const *threadgroup_memory; /* by index; NULL where none was set */
    uint32_t threads[3];             /* of this threadgroup, which is smaller at the edges of the grid */
    uint32_t threads_per_group[3];   /* as dispatched */
    uint32_t grid[3];                /* threads of the grid */
    uint32_t groups[3];              /* threadgroups of the grid */
    uint32_t position[3];            /* of the threadgroup in the grid */
};

/* A thread and its place in its threadgroup. */
struct kernel_thread {
    uint32_t position[3];
    uint32_t index;
};

typedef void kernel_thread_function(const struct kernel_group *group, const struct kernel_thread *thread);
typedef void kernel_group_function(const struct kernel_group *group);

/* Computes an operation of a simdgroup: reads in[lane] and writes out[lane] for each lane whose bit is set. */
typedef void kernel_combine(void *const *in, void *const *out, uint32_t lanes);

/* What a thread calls to wait for others. `site` tells call sites apart: lanes at one site take part together. */
struct kernel_runtime {
    void (*simd)(const void *in, void *out, kernel_combine *combine, const void *site);
    void (*barrier)(void);
    uint32_t (*lane)(void);
};

struct kernel_info {
    uint32_t max_threads;              /* of a threadgroup */
    uint32_t static_threadgroup_bytes; /* of threadgroup variables in the kernel's body */
    uint32_t argument_count;
    uint32_t reserved;
    uint64_t argument_bytes[64]; /* of what each argument points to, in the order of the declaration */
};

#endif
