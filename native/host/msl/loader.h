/* A compiled kernel in this process. */
#ifndef MLXSHIM_MSL_LOADER_H
#define MLXSHIM_MSL_LOADER_H

#include <stdint.h>

#include "kernel.h"
#include "text.h"

struct loaded_kernel {
    void *library;
    kernel_thread_function *thread;
    kernel_group_function *group;
    const struct kernel_runtime **runtime; /* NULL if the kernel asks the runtime for nothing */
    const struct kernel_parameter *parameters;
    uint32_t parameter_count;
    uint32_t max_threads;
    uint32_t threadgroup_bytes; /* of threadgroup variables */
    bool waits;
};

/* Loads the bytes of a shared library. Returns false, and appends why to `out_log`. */
bool loader_load(struct slice library, struct loaded_kernel *out_kernel, struct text *out_log);
void loader_unload(struct loaded_kernel *kernel);

#endif
