/* Libraries, pipelines and queues of the host shim, whose kernels run on the CPU. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#endif

#include "mlxshim_host_compute.h"

#include <stdlib.h>
#include <string.h>

#include "msl/msl.h"

struct mlxshim_library {
    struct msl_library *library;
    char *names; /* of all kernels, one a line */
};

/* ---- library ---- */

int32_t mlxshim_configure_compiler(const char *compiler, const char *options, const char *cache) {
    return msl_configure(compiler, options, cache);
}

static char *join_names(const struct msl_library *library) {
    size_t count = msl_library_kernel_count(library);
    size_t bytes = 1;
    for (size_t i = 0; i < count; i++) {
        bytes += strlen(msl_library_kernel_name(library, i)) + 1;
    }
    char *names = malloc(bytes);
    if (names == NULL) {
        return NULL;
    }
    char *end = names;
    for (size_t i = 0; i < count; i++) {
        end = stpcpy(end, msl_library_kernel_name(library, i));
        *end++ = '\n';
    }
    *end = '\0';
    return names;
}

int32_t mlxshim_library_compile(mlxshim_device_t device, const char *source, const char *macros,
                                int32_t language_version, int32_t fast_math, mlxshim_library_t *out_library,
                                mlxshim_text_t *out_log) {
    if (device == NULL || source == NULL || out_library == NULL || !is_utf8(source) ||
        (macros != NULL && !is_utf8(macros))) {
        return fail_with_log(MLXSHIM_ERROR_INVALID_ARGUMENT,
                             "device, source or out_library is NULL, or the source or a macro is not UTF-8", out_log);
    }
    mlxshim_library_t library = handle_new(LIBRARIES, sizeof *library);
    if (library == NULL) {
        return fail_with_log(MLXSHIM_ERROR_OUT_OF_MEMORY, "no memory left for a library", out_log);
    }
    struct msl_options options = {.macros = macros, .language_version = language_version, .fast_math = fast_math != 0};
    char *log = NULL;
    int32_t status = msl_library_new(source, &options, &library->library, &log);
    if (status != MLXSHIM_OK) {
        handle_free(LIBRARIES, library);
        return finish_with_log(status, log, out_log);
    }
    library->names = join_names(library->library);
    if (library->names == NULL) {
        free(log);
        mlxshim_library_release(library);
        return fail_with_log(MLXSHIM_ERROR_OUT_OF_MEMORY, "no memory left for a library", out_log);
    }
    *out_library = library;
    return finish_with_log(MLXSHIM_OK, log, out_log);
}

int32_t mlxshim_library_load(mlxshim_device_t device, const char *path, mlxshim_library_t *out_library, char *message,
                             uint64_t message_capacity) {
    (void)device;
    (void)path;
    (void)out_library;
    return fail(MLXSHIM_ERROR_UNSUPPORTED, "only Metal loads .metallib files: compile the source instead", message,
                message_capacity);
}

void mlxshim_library_release(mlxshim_library_t library) {
    if (library != NULL) {
        msl_library_release(library->library);
        free(library->names);
        handle_free(LIBRARIES, library);
    }
}

uint64_t mlxshim_library_function_names(mlxshim_library_t library, char *text, uint64_t text_capacity) {
    return copy_text(library->names, text, text_capacity);
}

/* ---- pipeline ---- */

int32_t mlxshim_pipeline_create(mlxshim_library_t library, const char *name,
                                const struct mlxshim_function_constant *constants, uint64_t constant_count,
                                mlxshim_pipeline_t *out_pipeline, mlxshim_text_t *out_log) {
    if (library == NULL || name == NULL || out_pipeline == NULL || !is_utf8(name) ||
        (constants == NULL && constant_count > 0)) {
        return fail_with_log(MLXSHIM_ERROR_INVALID_ARGUMENT,
                             "library, name, constants or out_pipeline is NULL, or the name is not UTF-8", out_log);
    }
    mlxshim_pipeline_t pipeline = handle_new(PIPELINES, sizeof *pipeline);
    if (pipeline == NULL) {
        return fail_with_log(MLXSHIM_ERROR_OUT_OF_MEMORY, "no memory left for a pipeline", out_log);
    }
    char *log = NULL;
    int32_t status = msl_kernel_new(library->library, name, constants, constant_count, &pipeline->kernel, &log);
    if (status == MLXSHIM_OK) {
        *out_pipeline = pipeline;
    } else {
        handle_free(PIPELINES, pipeline);
    }
    return finish_with_log(status, log, out_log);
}

void mlxshim_pipeline_release(mlxshim_pipeline_t pipeline) {
    if (pipeline != NULL) {
        msl_kernel_release(pipeline->kernel);
        handle_free(PIPELINES, pipeline);
    }
}

void *mlxshim_pipeline_state(mlxshim_pipeline_t pipeline) {
    (void)pipeline;
    return NULL;
}

uint64_t mlxshim_pipeline_thread_execution_width(mlxshim_pipeline_t pipeline) {
    (void)pipeline;
    return KERNEL_SIMDGROUP_SIZE;
}

uint64_t mlxshim_pipeline_max_total_threads(mlxshim_pipeline_t pipeline) {
    return msl_kernel_info(pipeline->kernel)->max_threads;
}

uint64_t mlxshim_pipeline_static_threadgroup_memory(mlxshim_pipeline_t pipeline) {
    return msl_kernel_info(pipeline->kernel)->static_threadgroup_bytes;
}

uint64_t mlxshim_pipeline_argument_count(mlxshim_pipeline_t pipeline) {
    return msl_kernel_argument_count(pipeline->kernel);
}

uint64_t mlxshim_pipeline_argument(mlxshim_pipeline_t pipeline, uint64_t position,
                                   struct mlxshim_argument *out_argument, char *name, uint64_t name_capacity) {
    const char *argument_name;
    *out_argument = msl_kernel_argument(pipeline->kernel, position, &argument_name);
    return copy_text(argument_name, name, name_capacity);
}

uint64_t mlxshim_device_max_threadgroup_memory(mlxshim_device_t device) {
    (void)device;
    return HOST_MAX_THREADGROUP_MEMORY;
}

void mlxshim_device_max_threads_per_threadgroup(mlxshim_device_t device, uint64_t *out_sizes) {
    (void)device;
    for (int i = 0; i < 3; i++) {
        out_sizes[i] = KERNEL_MAX_THREADS;
    }
}

/* ---- queue ---- */

int32_t mlxshim_queue_create(mlxshim_device_t device, const char *label, uint64_t max_command_buffers,
                             mlxshim_queue_t *out_queue, char *message, uint64_t message_capacity) {
    if (device == NULL || out_queue == NULL || max_command_buffers == 0 || (label != NULL && !is_utf8(label))) {
        return fail(MLXSHIM_ERROR_INVALID_ARGUMENT,
                    "device or out_queue is NULL, the label is not UTF-8, or there may be 0 command buffers", message,
                    message_capacity);
    }
    mlxshim_queue_t queue = handle_new(QUEUES, sizeof *queue);
    if (queue != NULL) {
        queue->queue = compute_queue_new();
        if (queue->queue != NULL) {
            *out_queue = queue;
            return MLXSHIM_OK;
        }
        handle_free(QUEUES, queue);
    }
    return fail(MLXSHIM_ERROR_OUT_OF_MEMORY, "no memory, or no thread, left for a queue", message, message_capacity);
}

void mlxshim_queue_release(mlxshim_queue_t queue) {
    if (queue != NULL) {
        compute_queue_release(queue->queue);
        handle_free(QUEUES, queue);
    }
}

/* Nothing to do: the kernel makes host memory resident when the CPU accesses it. */
int32_t mlxshim_queue_add_residency_set(mlxshim_queue_t queue, mlxshim_residency_set_t set) {
    (void)queue;
    return set == NULL ? MLXSHIM_ERROR_INVALID_ARGUMENT : MLXSHIM_OK;
}

int32_t mlxshim_queue_remove_residency_set(mlxshim_queue_t queue, mlxshim_residency_set_t set) {
    (void)queue;
    return set == NULL ? MLXSHIM_ERROR_INVALID_ARGUMENT : MLXSHIM_OK;
}

/* ---- capture ---- */

int32_t mlxshim_capture_start(mlxshim_device_t device, const char *path, char *message, uint64_t message_capacity) {
    (void)device;
    (void)path;
    return fail(MLXSHIM_ERROR_UNSUPPORTED, "only Metal captures traces", message, message_capacity);
}

void mlxshim_capture_stop(void) {
}
