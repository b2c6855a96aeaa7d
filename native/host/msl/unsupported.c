/* msl.h where kernels do not run on the CPU, which is everywhere but on Linux. There, no library can be made. */
#if !defined(__linux__)

#include <stdlib.h>

#include "msl.h"
#include "text.h"

int32_t msl_configure(const char *compiler, const char *options, const char *cache) {
    (void)compiler;
    (void)options;
    (void)cache;
    return MLXSHIM_OK;
}

int32_t msl_library_new(const char *source, const struct msl_options *options, struct msl_library **out_library,
                        char **out_log) {
    (void)source;
    (void)options;
    (void)out_library;
    *out_log = slice_copy(slice_of("kernels run on the CPU only on Linux"));
    return MLXSHIM_ERROR_UNSUPPORTED;
}

/* The functions below need a library or a kernel, which there is none of. */

void msl_library_retain(struct msl_library *library) {
    (void)library;
}

void msl_library_release(struct msl_library *library) {
    (void)library;
}

size_t msl_library_kernel_count(const struct msl_library *library) {
    (void)library;
    return 0;
}

const char *msl_library_kernel_name(const struct msl_library *library, size_t position) {
    (void)library;
    (void)position;
    abort();
}

int32_t msl_kernel_new(struct msl_library *library, const char *name,
                       const struct mlxshim_function_constant *constants, size_t constant_count,
                       struct msl_kernel **out_kernel, char **out_log) {
    (void)library;
    (void)name;
    (void)constants;
    (void)constant_count;
    (void)out_kernel;
    *out_log = NULL;
    return MLXSHIM_ERROR_UNSUPPORTED;
}

void msl_kernel_retain(struct msl_kernel *kernel) {
    (void)kernel;
}

void msl_kernel_release(struct msl_kernel *kernel) {
    (void)kernel;
}

const char *msl_kernel_name(const struct msl_kernel *kernel) {
    (void)kernel;
    abort();
}

const struct kernel_info *msl_kernel_info(const struct msl_kernel *kernel) {
    (void)kernel;
    abort();
}

size_t msl_kernel_argument_count(const struct msl_kernel *kernel) {
    (void)kernel;
    return 0;
}

struct mlxshim_argument msl_kernel_argument(const struct msl_kernel *kernel, size_t position, const char **out_name) {
    (void)kernel;
    (void)position;
    (void)out_name;
    abort();
}

void msl_kernel_set_runtime(struct msl_kernel *kernel, const struct kernel_runtime *runtime) {
    (void)kernel;
    (void)runtime;
}

bool msl_kernel_waits(const struct msl_kernel *kernel) {
    (void)kernel;
    return false;
}

kernel_thread_function *msl_kernel_thread_function(const struct msl_kernel *kernel) {
    (void)kernel;
    abort();
}

kernel_group_function *msl_kernel_group_function(const struct msl_kernel *kernel) {
    (void)kernel;
    abort();
}

#endif
