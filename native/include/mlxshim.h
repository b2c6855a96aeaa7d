/*
 * The C ABI between Java and the GPU memory of this machine.
 *
 * Conventions, for every function:
 *
 *   - Only pointers, int32_t and uint64_t cross the boundary. Lengths and sizes are bytes.
 *   - A function that can fail returns an MLXSHIM_OK or MLXSHIM_ERROR_* status and writes its result through an
 *     out-parameter, which is left untouched on failure. A plain getter returns its value.
 *   - `message` receives the reason for a failure as NUL-terminated UTF-8, cut at a character to fit
 *     `message_capacity` bytes; both may be NULL and 0. It is left untouched on success.
 *   - A function that copies text returns the length of the whole text in bytes, without the NUL, even if only a part
 *     of it fitted.
 *   - The caller releases each handle from a _create, _wrap or _open function exactly once, with the _release function
 *     of the same noun. NULL is not a handle: releasing it does nothing. Every other use of NULL, and every use of a
 *     handle after its release, is undefined.
 *   - A buffer, event or residency set keeps its device alive; the device's handle may be released first.
 *   - Every function may be called from any thread at any time. No function prints, aborts or exits.
 */
#ifndef MLXSHIM_H
#define MLXSHIM_H

#include <stdint.h>

#if defined(__cplusplus)
extern "C" {
#endif

#define MLXSHIM_API __attribute__((visibility("default")))

/* Raised with every change that is incompatible with older callers. */
#define MLXSHIM_ABI_VERSION 2

#define MLXSHIM_OK 0
/* An argument that can never be right: a length of 0, an unknown mode, an event value that goes backwards. */
#define MLXSHIM_ERROR_INVALID_ARGUMENT 1
/* This machine has no device of the library's backend. */
#define MLXSHIM_ERROR_NO_DEVICE 2
/* The length is above the device's maximum buffer length. */
#define MLXSHIM_ERROR_TOO_LARGE 3
/* The device has no memory left for the request. */
#define MLXSHIM_ERROR_OUT_OF_MEMORY 4
/* This system or this GPU, for instance a virtual one, does not support the request. */
#define MLXSHIM_ERROR_UNSUPPORTED 5
/* Pages to wrap do not start on a page, or are not whole pages. */
#define MLXSHIM_ERROR_MISALIGNED 6
/* The event did not reach the value in time. */
#define MLXSHIM_ERROR_TIMEOUT 7
/* The compiler refused the source of a library or of a kernel. */
#define MLXSHIM_ERROR_COMPILATION 8
/* The library has no kernel of the name. */
#define MLXSHIM_ERROR_NO_KERNEL 9

#define MLXSHIM_BACKEND_HOST 0
#define MLXSHIM_BACKEND_METAL 1

/* Values of MTLStorageMode. */
#define MLXSHIM_STORAGE_SHARED 0
#define MLXSHIM_STORAGE_MANAGED 1
#define MLXSHIM_STORAGE_PRIVATE 2

/* Values of MTLCPUCacheMode. */
#define MLXSHIM_CPU_CACHE_DEFAULT 0
#define MLXSHIM_CPU_CACHE_WRITE_COMBINED 1

/* Values of MTLPurgeableState. */
#define MLXSHIM_PURGEABLE_KEEP_CURRENT 1
#define MLXSHIM_PURGEABLE_NON_VOLATILE 2
#define MLXSHIM_PURGEABLE_VOLATILE 3
#define MLXSHIM_PURGEABLE_EMPTY 4

/* Values of MTLDataType: the types of function constants. */
#define MLXSHIM_TYPE_FLOAT 3
#define MLXSHIM_TYPE_HALF 16
#define MLXSHIM_TYPE_INT 29
#define MLXSHIM_TYPE_UINT 33
#define MLXSHIM_TYPE_SHORT 37
#define MLXSHIM_TYPE_USHORT 41
#define MLXSHIM_TYPE_CHAR 45
#define MLXSHIM_TYPE_UCHAR 49
#define MLXSHIM_TYPE_BOOL 53
#define MLXSHIM_TYPE_LONG 81
#define MLXSHIM_TYPE_ULONG 85
#define MLXSHIM_TYPE_BFLOAT 121

/* How a kernel uses an argument. */
#define MLXSHIM_ARGUMENT_BUFFER 0
/* In the constant address space. Metal's reflection does not tell, and says BUFFER. */
#define MLXSHIM_ARGUMENT_CONSTANT 1
#define MLXSHIM_ARGUMENT_THREADGROUP 2

/* Values of MTLCommandBufferStatus. A command buffer of this ABI is at least committed. */
#define MLXSHIM_STATUS_COMMITTED 2
#define MLXSHIM_STATUS_SCHEDULED 3
#define MLXSHIM_STATUS_COMPLETED 4
#define MLXSHIM_STATUS_ERROR 5

/* What ended a command buffer. */
#define MLXSHIM_FAILURE_NONE 0
/* A kernel used memory that it may not use, or did what no GPU can. */
#define MLXSHIM_FAILURE_FAULT 1
#define MLXSHIM_FAILURE_TIMEOUT 2
#define MLXSHIM_FAILURE_OUT_OF_MEMORY 3
#define MLXSHIM_FAILURE_OTHER 4

typedef struct mlxshim_device *mlxshim_device_t;
typedef struct mlxshim_buffer *mlxshim_buffer_t;
typedef struct mlxshim_event *mlxshim_event_t;
typedef struct mlxshim_residency_set *mlxshim_residency_set_t;
typedef struct mlxshim_text *mlxshim_text_t;
typedef struct mlxshim_library *mlxshim_library_t;
typedef struct mlxshim_pipeline *mlxshim_pipeline_t;
typedef struct mlxshim_queue *mlxshim_queue_t;
typedef struct mlxshim_command_buffer *mlxshim_command_buffer_t;

/* ---- the library ---- */

/* MLXSHIM_ABI_VERSION of the header that the library was built from. */
MLXSHIM_API int32_t mlxshim_abi_version(void);

/* MLXSHIM_BACKEND_*: the backend that this library implements the ABI with. */
MLXSHIM_API int32_t mlxshim_backend_kind(void);

/* The alignment and granularity that mlxshim_buffer_wrap requires of its pages. */
MLXSHIM_API uint64_t mlxshim_page_size(void);

/* ---- device ---- */

/* Opens the default device. On Metal the handle is the id<MTLDevice>. */
MLXSHIM_API int32_t mlxshim_device_open(mlxshim_device_t *out_device, char *message, uint64_t message_capacity);

MLXSHIM_API void mlxshim_device_release(mlxshim_device_t device);

/* Copies the name as NUL-terminated UTF-8, cut at a character to fit. */
MLXSHIM_API uint64_t mlxshim_device_name(mlxshim_device_t device, char *text, uint64_t text_capacity);

MLXSHIM_API uint64_t mlxshim_device_registry_id(mlxshim_device_t device);

/* 1 where CPU and GPU share one memory, else 0. */
MLXSHIM_API int32_t mlxshim_device_has_unified_memory(mlxshim_device_t device);

MLXSHIM_API uint64_t mlxshim_device_max_buffer_length(mlxshim_device_t device);

MLXSHIM_API uint64_t mlxshim_device_recommended_max_working_set_size(mlxshim_device_t device);

/* Bytes of every buffer that this process holds on the device, this library's and others'. */
MLXSHIM_API uint64_t mlxshim_device_current_allocated_size(mlxshim_device_t device);

/* ---- buffer ---- */

/*
 * Creates a buffer of exactly `length` bytes, at least 1, all of them zero where the CPU can see them
 * (shared and managed storage). On Metal the handle is the id<MTLBuffer>.
 */
MLXSHIM_API int32_t mlxshim_buffer_create(mlxshim_device_t device, uint64_t length, int32_t storage_mode,
                                          int32_t cpu_cache_mode, mlxshim_buffer_t *out_buffer, char *message,
                                          uint64_t message_capacity);

/*
 * Makes a shared-storage buffer of existing pages, without a copy. `pages` and `length` are multiples of
 * mlxshim_page_size(). The caller still owns the pages, and must keep them mapped until the buffer is released.
 */
MLXSHIM_API int32_t mlxshim_buffer_wrap(mlxshim_device_t device, void *pages, uint64_t length,
                                        mlxshim_buffer_t *out_buffer, char *message, uint64_t message_capacity);

MLXSHIM_API void mlxshim_buffer_release(mlxshim_buffer_t buffer);

/* The bytes as the CPU sees them; NULL for private storage. Valid until the buffer is released. */
MLXSHIM_API void *mlxshim_buffer_contents(mlxshim_buffer_t buffer);

MLXSHIM_API uint64_t mlxshim_buffer_length(mlxshim_buffer_t buffer);

/* Names the buffer for debuggers and captures. `label` is NUL-terminated UTF-8; NULL removes the label. */
MLXSHIM_API int32_t mlxshim_buffer_set_label(mlxshim_buffer_t buffer, const char *label);

/* Copies the label as NUL-terminated UTF-8, cut at a character to fit. A buffer without one has length 0. */
MLXSHIM_API uint64_t mlxshim_buffer_label(mlxshim_buffer_t buffer, char *text, uint64_t text_capacity);

/*
 * Sets the MLXSHIM_PURGEABLE_* state and writes the one before it; KEEP_CURRENT only reads it. The system may take the
 * contents of a volatile buffer at any time, which is EMPTY then. Contents that it took are undefined, also once the
 * buffer is non-volatile again. Host memory keeps its contents. MLXSHIM_ERROR_UNSUPPORTED if the device does not change
 * the state; nothing has changed then, and `*out_previous` is not written.
 */
MLXSHIM_API int32_t mlxshim_buffer_set_purgeable_state(mlxshim_buffer_t buffer, int32_t state, int32_t *out_previous);

/* ---- shared event: a counter that CPU and GPU both signal and wait for ---- */

/* Creates an event whose value is 0. On Metal the handle is the id<MTLSharedEvent>. */
MLXSHIM_API int32_t mlxshim_event_create(mlxshim_device_t device, mlxshim_event_t *out_event, char *message,
                                         uint64_t message_capacity);

MLXSHIM_API void mlxshim_event_release(mlxshim_event_t event);

MLXSHIM_API uint64_t mlxshim_event_signaled_value(mlxshim_event_t event);

/*
 * Raises the value to `value`. If `value` is below the current value, it returns MLXSHIM_ERROR_INVALID_ARGUMENT and
 * changes nothing.
 */
MLXSHIM_API int32_t mlxshim_event_signal(mlxshim_event_t event, uint64_t value);

/* Blocks until the value is at least `value`. Returns MLXSHIM_ERROR_TIMEOUT after `timeout_millis` milliseconds. */
MLXSHIM_API int32_t mlxshim_event_wait(mlxshim_event_t event, uint64_t value, uint64_t timeout_millis);

/* ---- residency set: buffers that stay resident for the GPU ---- */

/*
 * Creates an empty set. `label` may be NULL; `initial_capacity` is a hint. MLXSHIM_ERROR_UNSUPPORTED on macOS
 * before 15, and on GPUs below the family Apple6. On Metal the handle is the id<MTLResidencySet>.
 */
MLXSHIM_API int32_t mlxshim_residency_set_create(mlxshim_device_t device, const char *label, uint64_t initial_capacity,
                                                 mlxshim_residency_set_t *out_set, char *message,
                                                 uint64_t message_capacity);

MLXSHIM_API void mlxshim_residency_set_release(mlxshim_residency_set_t set);

/*
 * Stages a buffer, which the next commit adds or removes. Adding a member does nothing. The caller removes only
 * members. It removes a buffer, and commits, before it releases the buffer: whether a set keeps its members alive is
 * unspecified.
 */
MLXSHIM_API int32_t mlxshim_residency_set_add(mlxshim_residency_set_t set, mlxshim_buffer_t buffer);
MLXSHIM_API int32_t mlxshim_residency_set_remove(mlxshim_residency_set_t set, mlxshim_buffer_t buffer);

/* Applies the staged changes. */
MLXSHIM_API int32_t mlxshim_residency_set_commit(mlxshim_residency_set_t set);

/* Asks Metal to make the committed members resident (request), or no longer to keep them resident (end). */
MLXSHIM_API void mlxshim_residency_set_request(mlxshim_residency_set_t set);
MLXSHIM_API void mlxshim_residency_set_end(mlxshim_residency_set_t set);

/*
 * The number of members, and at least their bytes, after a commit. Whether they include staged changes before the
 * commit is unspecified.
 */
MLXSHIM_API uint64_t mlxshim_residency_set_count(mlxshim_residency_set_t set);
MLXSHIM_API uint64_t mlxshim_residency_set_allocated_size(mlxshim_residency_set_t set);

/* ---- text: a text of any length, such as a compiler's log ---- */

MLXSHIM_API void mlxshim_text_release(mlxshim_text_t text);

/* Copies the text as NUL-terminated UTF-8, cut at a character to fit. */
MLXSHIM_API uint64_t mlxshim_text_copy(mlxshim_text_t text, char *copy, uint64_t copy_capacity);

/* ---- library: compiled Metal Shading Language ---- */

/*
 * Settings for backends that run a compiler of this machine, which is clang; Metal ignores them. Each may be NULL.
 * `compiler` is a path or a name on the PATH (NULL: the first of clang-22, clang-19, clang-16 and clang), `options` are
 * further options of the compiler, separated by spaces, and `cache` is a folder that keeps compiled kernels from one
 * process to the next: about a gigabyte of them, those that were used last. They count for libraries that are compiled
 * afterwards.
 */
MLXSHIM_API int32_t mlxshim_configure_compiler(const char *compiler, const char *options, const char *cache);

/*
 * Compiles a source, NUL-terminated UTF-8. `macros` is NULL, or has a line NAME=VALUE for each macro to define, each
 * ended by a newline; a value has no newline. `language_version` is a value of MTLLanguageVersion (major << 16 | minor),
 * or 0 for the newest. `fast_math` is 1 or 0. On failure, and where the compiler warns, `*out_log` receives a text;
 * otherwise NULL. MLXSHIM_ERROR_UNSUPPORTED where there is no compiler: the text says what to install.
 * On Metal the handle is the id<MTLLibrary>.
 */
MLXSHIM_API int32_t mlxshim_library_compile(mlxshim_device_t device, const char *source, const char *macros,
                                            int32_t language_version, int32_t fast_math, mlxshim_library_t *out_library,
                                            mlxshim_text_t *out_log);

/* Loads a .metallib file. MLXSHIM_ERROR_UNSUPPORTED on every backend but Metal. */
MLXSHIM_API int32_t mlxshim_library_load(mlxshim_device_t device, const char *path, mlxshim_library_t *out_library,
                                         char *message, uint64_t message_capacity);

MLXSHIM_API void mlxshim_library_release(mlxshim_library_t library);

/* Copies the names of all functions, one a line, in no particular order, as mlxshim_text_copy does. */
MLXSHIM_API uint64_t mlxshim_library_function_names(mlxshim_library_t library, char *text, uint64_t text_capacity);

/* ---- pipeline: a kernel that is ready to run ---- */

/* A value for a function constant. */
struct mlxshim_function_constant {
    const char *name;  /* NULL if the constant is named by its index */
    uint64_t index;    /* ignored if there is a name */
    uint64_t type;     /* MLXSHIM_TYPE_* */
    uint64_t bits;     /* the value in the first bytes, as the type has it in memory */
};

/* An argument of a kernel. */
struct mlxshim_argument {
    int32_t kind;    /* MLXSHIM_ARGUMENT_* */
    int32_t index;   /* of the buffer, or of the threadgroup memory */
    int32_t written; /* 1 if the kernel may write it, else 0 */
    int32_t unused;  /* 1 if the kernel does not use it, so that it need not be bound, else 0 */
    uint64_t byte_size; /* bytes of what a buffer points to; 0 if unknown */
};

/*
 * Makes a kernel ready to run. The function's constants that `constants` does not name stay undefined. `*out_log` is as
 * in mlxshim_library_compile. The library's handle may be released first. On Metal the handle is an object that holds
 * the id<MTLComputePipelineState> and its reflection: see mlxshim_pipeline_state.
 */
MLXSHIM_API int32_t mlxshim_pipeline_create(mlxshim_library_t library, const char *name,
                                            const struct mlxshim_function_constant *constants, uint64_t constant_count,
                                            mlxshim_pipeline_t *out_pipeline, mlxshim_text_t *out_log);

MLXSHIM_API void mlxshim_pipeline_release(mlxshim_pipeline_t pipeline);

/* The id<MTLComputePipelineState> on Metal; NULL elsewhere. Valid until the pipeline is released. */
MLXSHIM_API void *mlxshim_pipeline_state(mlxshim_pipeline_t pipeline);

MLXSHIM_API uint64_t mlxshim_pipeline_thread_execution_width(mlxshim_pipeline_t pipeline);
MLXSHIM_API uint64_t mlxshim_pipeline_max_total_threads(mlxshim_pipeline_t pipeline);
MLXSHIM_API uint64_t mlxshim_pipeline_static_threadgroup_memory(mlxshim_pipeline_t pipeline);
MLXSHIM_API uint64_t mlxshim_pipeline_argument_count(mlxshim_pipeline_t pipeline);

/* Writes the argument at a position below the count, and copies its name as mlxshim_text_copy does. */
MLXSHIM_API uint64_t mlxshim_pipeline_argument(mlxshim_pipeline_t pipeline, uint64_t position,
                                               struct mlxshim_argument *out_argument, char *name,
                                               uint64_t name_capacity);

/* The bytes of threadgroup memory that a threadgroup may have on the device. */
MLXSHIM_API uint64_t mlxshim_device_max_threadgroup_memory(mlxshim_device_t device);

/* Writes the most threads that a threadgroup may have in each of the three dimensions. */
MLXSHIM_API void mlxshim_device_max_threads_per_threadgroup(mlxshim_device_t device, uint64_t *out_sizes);

/* ---- queue ---- */

/*
 * Creates a queue. `label` may be NULL. Creating a command buffer blocks while this many of the queue are not complete:
 * the caller counts, and submits no more. On Metal the handle is the id<MTLCommandQueue>.
 */
MLXSHIM_API int32_t mlxshim_queue_create(mlxshim_device_t device, const char *label, uint64_t max_command_buffers,
                                         mlxshim_queue_t *out_queue, char *message, uint64_t message_capacity);

/* Command buffers that were submitted run to their end also after this. */
MLXSHIM_API void mlxshim_queue_release(mlxshim_queue_t queue);

/* Keeps the members of a set resident while command buffers of the queue run, or no longer does. */
MLXSHIM_API int32_t mlxshim_queue_add_residency_set(mlxshim_queue_t queue, mlxshim_residency_set_t set);
MLXSHIM_API int32_t mlxshim_queue_remove_residency_set(mlxshim_queue_t queue, mlxshim_residency_set_t set);

/* ---- command buffer ---- */

/*
 * A command stream: commands one after the other, each a multiple of 8 bytes, in the byte order of the machine. The
 * first 8 bytes of a command are its opcode and its length in bytes, these 8 included. All other fields have 8 bytes.
 *
 *   DISPATCH     pipeline, unit (MLXSHIM_DISPATCH_*), grid[3], threadgroup[3], binding count, then the bindings
 *   COPY         source buffer, source offset, destination buffer, destination offset, length
 *   FILL         buffer, offset, length, byte
 *   SIGNAL       event, value
 *   WAIT         event, value
 *   BARRIER      nothing: in a concurrent part, what follows sees what was before
 *   CONCURRENT   1: the dispatches that follow may run at the same time; 0: each sees what those before it wrote, which
 *                is how a stream begins
 *
 * The ranges of a copy in one buffer do not overlap. A GPU of Metal that is not Apple's copies and fills only multiples
 * of 4 bytes, from multiples of 4 on, and older ones run only whole threadgroups: what a GPU cannot do is
 * MLXSHIM_ERROR_UNSUPPORTED.
 *
 * The first 8 bytes of a binding are its kind (MLXSHIM_BIND_*) and the index of the argument. Then come
 *
 *   BUFFER       buffer, offset
 *   BYTES        length (at most 4096), then the bytes, padded to a multiple of 8
 *   THREADGROUP  length, a multiple of 16; 0 if the kernel does not access the memory
 */
#define MLXSHIM_COMMAND_DISPATCH 1
#define MLXSHIM_COMMAND_COPY 2
#define MLXSHIM_COMMAND_FILL 3
#define MLXSHIM_COMMAND_SIGNAL 4
#define MLXSHIM_COMMAND_WAIT 5
#define MLXSHIM_COMMAND_BARRIER 6
#define MLXSHIM_COMMAND_CONCURRENT 7

#define MLXSHIM_BIND_BUFFER 1
#define MLXSHIM_BIND_BYTES 2
#define MLXSHIM_BIND_THREADGROUP 3

/* The grid counts threads; threadgroups at its edges have fewer threads. */
#define MLXSHIM_DISPATCH_THREADS 0
/* The grid counts threadgroups, all of them whole. */
#define MLXSHIM_DISPATCH_THREADGROUPS 1

/* Bounds of argument indices. */
#define MLXSHIM_BUFFER_ARGUMENTS 31
#define MLXSHIM_THREADGROUP_ARGUMENTS 31
#define MLXSHIM_MAX_BYTES 4096

/*
 * Encodes a command stream into a new command buffer of the queue and commits it. The handles in the stream are alive
 * during the call. Pipelines, events and buffers are kept alive by the command buffer until it is complete. `label` may
 * be NULL. Once the command buffer is complete, or has failed, `event` has at least `value`. A stream that is malformed
 * is MLXSHIM_ERROR_INVALID_ARGUMENT: nothing is committed, and the event stays as it is. The stream is checked for
 * lengths, opcodes, kinds, indices and ranges; handles are taken as they are.
 */
MLXSHIM_API int32_t mlxshim_queue_submit(mlxshim_queue_t queue, const char *label, const void *commands,
                                         uint64_t commands_length, mlxshim_event_t event, uint64_t value,
                                         mlxshim_command_buffer_t *out_command_buffer, mlxshim_text_t *out_log);

MLXSHIM_API void mlxshim_command_buffer_release(mlxshim_command_buffer_t command_buffer);

/* MLXSHIM_STATUS_*. A command buffer whose event has the value is COMPLETED or ERROR. */
MLXSHIM_API int32_t mlxshim_command_buffer_status(mlxshim_command_buffer_t command_buffer);

/* Writes when the GPU began and ended the command buffer, in nanoseconds of the system's uptime; 0 while it has not. */
MLXSHIM_API void mlxshim_command_buffer_gpu_times(mlxshim_command_buffer_t command_buffer, uint64_t *out_start,
                                                  uint64_t *out_end);

/* Writes MLXSHIM_FAILURE_*, and copies what the GPU reported as mlxshim_text_copy does. */
MLXSHIM_API uint64_t mlxshim_command_buffer_failure(mlxshim_command_buffer_t command_buffer, int32_t *out_failure,
                                                    char *text, uint64_t text_capacity);

/* ---- capture: a trace of the GPU's work for Xcode ---- */

/* Begins to record to a new file, `path`. MLXSHIM_ERROR_UNSUPPORTED unless Metal lets this process capture. */
MLXSHIM_API int32_t mlxshim_capture_start(mlxshim_device_t device, const char *path, char *message,
                                          uint64_t message_capacity);

/* Ends the recording, and completes the file. Does nothing if there is none. */
MLXSHIM_API void mlxshim_capture_stop(void);

#if defined(__cplusplus)
}
#endif

#endif
