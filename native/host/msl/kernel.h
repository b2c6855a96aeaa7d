/*
 * What a compiled kernel and the code that runs it agree on. A kernel is a shared library with these symbols:
 *
 *   msl_thread           kernel_thread_function: runs one thread of a threadgroup, on a fiber
 *   msl_group            kernel_group_function: runs all threads of a threadgroup in a loop; for kernels that never
 *                        wait
 *   msl_wait_simd, msl_wait_barrier
 *                        functions through which a thread waits for others; absent if no thread does
 *   msl_runtime          const struct kernel_runtime *: set before the first threadgroup
 *   msl_max_threads      const uint32_t: of a threadgroup
 *   msl_parameter_count  const uint32_t
 *   msl_parameters       const struct kernel_parameter[]: the function's parameters, in the order of the declaration
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

/* A parameter of a kernel's function. */
struct kernel_parameter {
    uint64_t bytes;  /* of what it points to; 0 if unknown */
    int32_t index;   /* of the argument; -1 if it is none, or if a function constant has taken it away */
    int32_t written; /* 1 if it points to something that is not const */
};

/* What a loaded kernel is, beside its functions. */
struct kernel_info {
    uint32_t max_threads;              /* of a threadgroup */
    uint32_t static_threadgroup_bytes; /* of threadgroup variables in the kernel's body */
    uint32_t argument_count;
    uint32_t reserved;
    uint64_t argument_bytes[64]; /* of what each argument points to, in the order of the declaration */
};

#endif
