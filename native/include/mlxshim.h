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
#define MLXSHIM_ABI_VERSION 1

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

typedef struct mlxshim_device *mlxshim_device_t;
typedef struct mlxshim_buffer *mlxshim_buffer_t;
typedef struct mlxshim_event *mlxshim_event_t;
typedef struct mlxshim_residency_set *mlxshim_residency_set_t;

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

/* Sets the MLXSHIM_PURGEABLE_* state and writes the one before it; KEEP_CURRENT only reads it. */
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

#if defined(__cplusplus)
}
#endif

#endif
