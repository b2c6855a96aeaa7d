/*
 * Metal Shading Language for the CPU: libraries from source, and kernels that are ready to run.
 *
 * A library is preprocessed and its declarations are read at once; a kernel is compiled when it is asked for, and is
 * kept by its library for the same name and constants. Every function may be called from any thread. Texts that a
 * function writes through `out_log` are NUL-terminated UTF-8 that the caller frees; NULL if there is nothing to say.
 */
#ifndef MLXSHIM_MSL_H
#define MLXSHIM_MSL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel.h"
#include "mlxshim.h"

struct msl_library;
struct msl_kernel;

/* As the parameters of mlxshim_library_compile. */
struct msl_options {
    const char *macros;
    int32_t language_version;
    bool fast_math;
};

/* As mlxshim_configure_compiler; returns MLXSHIM_OK or MLXSHIM_ERROR_OUT_OF_MEMORY. */
int32_t msl_configure(const char *compiler, const char *options, const char *cache);

/* Returns MLXSHIM_OK, MLXSHIM_ERROR_COMPILATION, MLXSHIM_ERROR_UNSUPPORTED or MLXSHIM_ERROR_OUT_OF_MEMORY. */
int32_t msl_library_new(const char *source, const struct msl_options *options, struct msl_library **out_library,
                        char **out_log);
void msl_library_retain(struct msl_library *library);
void msl_library_release(struct msl_library *library);

size_t msl_library_kernel_count(const struct msl_library *library);
const char *msl_library_kernel_name(const struct msl_library *library, size_t position);

/* Also returns MLXSHIM_ERROR_NO_KERNEL. A kernel keeps its library alive. */
int32_t msl_kernel_new(struct msl_library *library, const char *name,
                       const struct mlxshim_function_constant *constants, size_t constant_count,
                       struct msl_kernel **out_kernel, char **out_log);
void msl_kernel_retain(struct msl_kernel *kernel);
void msl_kernel_release(struct msl_kernel *kernel);

const char *msl_kernel_name(const struct msl_kernel *kernel);
const struct kernel_info *msl_kernel_info(const struct msl_kernel *kernel);
size_t msl_kernel_argument_count(const struct msl_kernel *kernel);
struct mlxshim_argument msl_kernel_argument(const struct msl_kernel *kernel, size_t position, const char **out_name);

/* Sets what the kernel's threads call to wait; the same for all kernels of the process. */
void msl_kernel_set_runtime(struct msl_kernel *kernel, const struct kernel_runtime *runtime);
bool msl_kernel_waits(const struct msl_kernel *kernel);
kernel_thread_function *msl_kernel_thread_function(const struct msl_kernel *kernel);
kernel_group_function *msl_kernel_group_function(const struct msl_kernel *kernel);

#endif
