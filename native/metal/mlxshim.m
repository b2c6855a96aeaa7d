/*
 * mlxshim.h on Metal: the device and its memory. kernels.m has libraries and pipelines, and commands.m has queues and
 * command buffers. A handle is the Metal object itself, unless mlxshim.h says otherwise. The caller owns one reference
 * to it, from the call that creates the object to the call of the matching _release function.
 *
 * Three compilers read these sources: Apple's with Apple's SDK, clang with the SDK in native/apple, and clang with
 * GNUstep. They therefore count references by hand, and use no literals, variadic calls, exceptions, dot syntax or
 * classes of their own. Apple's SDK must be that of macOS 15 or later. They look up at run time the classes and methods
 * that macOS 13 lacks.
 *
 * A thread of the JVM has no autorelease pool, so every object that Metal or Foundation autoreleases would leak. Each
 * function that sends a message therefore opens a pool.
 */
#import <objc/objc-sync.h>
#import <objc/runtime.h>

#include <unistd.h>

#include "shim.h"

_Static_assert(MLXSHIM_STORAGE_SHARED == MTLStorageModeShared && MLXSHIM_STORAGE_MANAGED == MTLStorageModeManaged &&
                   MLXSHIM_STORAGE_PRIVATE == MTLStorageModePrivate,
               "storage modes are passed to Metal as they come");
_Static_assert(MLXSHIM_CPU_CACHE_DEFAULT == MTLCPUCacheModeDefaultCache &&
                   MLXSHIM_CPU_CACHE_WRITE_COMBINED == MTLCPUCacheModeWriteCombined,
               "CPU cache modes are passed to Metal as they come");
_Static_assert(MLXSHIM_PURGEABLE_KEEP_CURRENT == MTLPurgeableStateKeepCurrent &&
                   MLXSHIM_PURGEABLE_NON_VOLATILE == MTLPurgeableStateNonVolatile &&
                   MLXSHIM_PURGEABLE_VOLATILE == MTLPurgeableStateVolatile &&
                   MLXSHIM_PURGEABLE_EMPTY == MTLPurgeableStateEmpty,
               "purgeable states are passed to Metal as they come");
_Static_assert(sizeof(NSUInteger) == sizeof(uint64_t), "a length must survive the way to Metal");

/* ---- the library ---- */

int32_t mlxshim_abi_version(void) {
    return MLXSHIM_ABI_VERSION;
}

int32_t mlxshim_backend_kind(void) {
    return MLXSHIM_BACKEND_METAL;
}

uint64_t mlxshim_page_size(void) {
    return (uint64_t)getpagesize();
}

/* ---- device ---- */

int32_t mlxshim_device_open(mlxshim_device_t *out_device, char *message, uint64_t message_capacity) {
    @autoreleasepool {
        struct text reason = text_in(message, message_capacity);
        if (out_device == NULL) {
            return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, &reason, "out_device is NULL");
        }
        id<MTLDevice> device = MTLCreateSystemDefaultDevice();
        if (device == nil) {
            return fail(MLXSHIM_ERROR_NO_DEVICE, &reason, "Metal has no default device on this machine");
        }
        *out_device = (mlxshim_device_t)device;
        return MLXSHIM_OK;
    }
}

void mlxshim_device_release(mlxshim_device_t device) {
    release_handle(device);
}

uint64_t mlxshim_device_name(mlxshim_device_t device, char *text, uint64_t text_capacity) {
    @autoreleasepool {
        return copy_string([(id<MTLDevice>)device name], text, text_capacity);
    }
}

uint64_t mlxshim_device_registry_id(mlxshim_device_t device) {
    @autoreleasepool {
        return [(id<MTLDevice>)device registryID];
    }
}

int32_t mlxshim_device_has_unified_memory(mlxshim_device_t device) {
    @autoreleasepool {
        return [(id<MTLDevice>)device hasUnifiedMemory] ? 1 : 0;
    }
}

uint64_t mlxshim_device_max_buffer_length(mlxshim_device_t device) {
    @autoreleasepool {
        return [(id<MTLDevice>)device maxBufferLength];
    }
}

uint64_t mlxshim_device_recommended_max_working_set_size(mlxshim_device_t device) {
    @autoreleasepool {
        return [(id<MTLDevice>)device recommendedMaxWorkingSetSize];
    }
}

uint64_t mlxshim_device_current_allocated_size(mlxshim_device_t device) {
    @autoreleasepool {
        return [(id<MTLDevice>)device currentAllocatedSize];
    }
}

/* ---- buffer ---- */

/*
 * Checks the arguments that creating and wrapping have in common. Metal must not see a wrong length, because its
 * validation layer would end the process.
 */
static int32_t check_length(id<MTLDevice> device, uint64_t length, mlxshim_buffer_t *out_buffer, struct text *reason) {
    if (device == nil || out_buffer == NULL) {
        return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, reason, "device or out_buffer is NULL");
    }
    if (length == 0) {
        return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, reason, "a buffer has at least 1 byte, not 0");
    }
    uint64_t limit = [device maxBufferLength];
    if (length > limit) {
        append_number(reason, length);
        append(reason, " bytes are above the device's maximum buffer length, ");
        append_number(reason, limit);
        return fail(MLXSHIM_ERROR_TOO_LARGE, reason, " bytes");
    }
    return MLXSHIM_OK;
}

static int32_t check_modes(int32_t storage_mode, int32_t cpu_cache_mode, struct text *reason) {
    if (storage_mode < MLXSHIM_STORAGE_SHARED || storage_mode > MLXSHIM_STORAGE_PRIVATE) {
        append(reason, "unknown storage mode ");
        append_signed_number(reason, storage_mode);
        return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, reason, ": 0 is shared, 1 managed, 2 private");
    }
    if (cpu_cache_mode < MLXSHIM_CPU_CACHE_DEFAULT || cpu_cache_mode > MLXSHIM_CPU_CACHE_WRITE_COMBINED) {
        append(reason, "unknown CPU cache mode ");
        append_signed_number(reason, cpu_cache_mode);
        return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, reason, ": 0 is default, 1 write-combined");
    }
    return MLXSHIM_OK;
}

/*
 * Checks the buffer that Metal returned for valid arguments. The caller still owns the buffer, and releases it if this
 * fails. In virtual machines newBufferWithBytesNoCopy: can return a buffer of length 0 (actions/runner-images issue
 * 10663). Using that buffer kills the process, so it must not count as a success.
 */
static int32_t check_made(id<MTLDevice> device, id<MTLBuffer> buffer, uint64_t length, bool has_contents,
                          struct text *reason) {
    if (buffer == nil) {
        append(reason, "no memory left for a buffer of ");
        append_number(reason, length);
        append(reason, " bytes");
        return fail_out_of_memory(device, reason);
    }
    if ([buffer length] != length) {
        append(reason, "Metal made a buffer of ");
        append_number(reason, [buffer length]);
        append(reason, " bytes when asked for ");
        append_number(reason, length);
        return fail(MLXSHIM_ERROR_UNSUPPORTED, reason, ", as it does in virtual machines");
    }
    if (!has_contents) {
        append(reason, "Metal made a buffer of ");
        append_number(reason, length);
        return fail(MLXSHIM_ERROR_UNSUPPORTED, reason, " bytes that are not where the CPU must see them");
    }
    return MLXSHIM_OK;
}

/*
 * Clears a new buffer, because this ABI promises zeros. Apple documents that newBufferWithLength: clears the buffer,
 * but the Rust crate mlx-native measured stale bytes in recycled shared storage.
 */
static void clear(id<MTLBuffer> buffer, uint64_t length, int32_t storage_mode) {
    memset([buffer contents], 0, length);
    if (storage_mode == MLXSHIM_STORAGE_MANAGED) {
        /* The GPU has its own copy of managed storage. Metal updates the copy only after this call. */
        [buffer didModifyRange:NSMakeRange(0, length)];
    }
}

int32_t mlxshim_buffer_create(mlxshim_device_t device, uint64_t length, int32_t storage_mode, int32_t cpu_cache_mode,
                              mlxshim_buffer_t *out_buffer, char *message, uint64_t message_capacity) {
    @autoreleasepool {
        struct text reason = text_in(message, message_capacity);
        id<MTLDevice> metal = (id<MTLDevice>)device;
        int32_t status = check_length(metal, length, out_buffer, &reason);
        if (status == MLXSHIM_OK) {
            status = check_modes(storage_mode, cpu_cache_mode, &reason);
        }
        if (status != MLXSHIM_OK) {
            return status;
        }
        MTLResourceOptions options = (MTLResourceOptions)((NSUInteger)storage_mode << MTLResourceStorageModeShift |
                                                          (NSUInteger)cpu_cache_mode << MTLResourceCPUCacheModeShift);
        id<MTLBuffer> buffer = [metal newBufferWithLength:length options:options];
        bool visible = storage_mode != MLXSHIM_STORAGE_PRIVATE;
        status = check_made(metal, buffer, length, !visible || [buffer contents] != NULL, &reason);
        if (status != MLXSHIM_OK) {
            [buffer release];
            return status;
        }
        if (visible) {
            clear(buffer, length, storage_mode);
        }
        *out_buffer = (mlxshim_buffer_t)buffer;
        return MLXSHIM_OK;
    }
}

int32_t mlxshim_buffer_wrap(mlxshim_device_t device, void *pages, uint64_t length, mlxshim_buffer_t *out_buffer,
                            char *message, uint64_t message_capacity) {
    @autoreleasepool {
        struct text reason = text_in(message, message_capacity);
        id<MTLDevice> metal = (id<MTLDevice>)device;
        int32_t status = check_length(metal, length, out_buffer, &reason);
        if (status != MLXSHIM_OK) {
            return status;
        }
        uint64_t page_size = mlxshim_page_size();
        if (pages == NULL || (uintptr_t)pages % page_size != 0 || length % page_size != 0) {
            append_number(&reason, length);
            append(&reason, " bytes at address ");
            append_number(&reason, (uintptr_t)pages);
            append(&reason, " are not whole pages of ");
            append_number(&reason, page_size);
            return fail(MLXSHIM_ERROR_MISALIGNED, &reason, " bytes");
        }
        /* No deallocator: the caller owns and unmaps the pages, and Metal may run a deallocator on any thread. */
        id<MTLBuffer> buffer = [metal newBufferWithBytesNoCopy:pages
                                                        length:length
                                                       options:MTLResourceStorageModeShared
                                                   deallocator:nil];
        status = check_made(metal, buffer, length, [buffer contents] == pages, &reason);
        if (status != MLXSHIM_OK) {
            [buffer release];
            return status;
        }
        *out_buffer = (mlxshim_buffer_t)buffer;
        return MLXSHIM_OK;
    }
}

void mlxshim_buffer_release(mlxshim_buffer_t buffer) {
    release_handle(buffer);
}

void *mlxshim_buffer_contents(mlxshim_buffer_t buffer) {
    @autoreleasepool {
        return [(id<MTLBuffer>)buffer contents];
    }
}

uint64_t mlxshim_buffer_length(mlxshim_buffer_t buffer) {
    @autoreleasepool {
        return [(id<MTLBuffer>)buffer length];
    }
}

int32_t mlxshim_buffer_set_label(mlxshim_buffer_t buffer, const char *label) {
    @autoreleasepool {
        NSString *name;
        if (!read_label(label, &name)) {
            return MLXSHIM_ERROR_INVALID_ARGUMENT;
        }
        [(id<MTLBuffer>)buffer setLabel:name];
        return MLXSHIM_OK;
    }
}

uint64_t mlxshim_buffer_label(mlxshim_buffer_t buffer, char *text, uint64_t text_capacity) {
    @autoreleasepool {
        return copy_string([(id<MTLBuffer>)buffer label], text, text_capacity);
    }
}

int32_t mlxshim_buffer_set_purgeable_state(mlxshim_buffer_t buffer, int32_t state, int32_t *out_previous) {
    if (out_previous == NULL || state < MLXSHIM_PURGEABLE_KEEP_CURRENT || state > MLXSHIM_PURGEABLE_EMPTY) {
        return MLXSHIM_ERROR_INVALID_ARGUMENT;
    }
    @autoreleasepool {
        int32_t previous = (int32_t)[(id<MTLBuffer>)buffer setPurgeableState:(MTLPurgeableState)state];
        // A state before that is none says that the device keeps no state.
        if (previous < MLXSHIM_PURGEABLE_NON_VOLATILE || previous > MLXSHIM_PURGEABLE_EMPTY) {
            return MLXSHIM_ERROR_UNSUPPORTED;
        }
        *out_previous = previous;
        return MLXSHIM_OK;
    }
}

/* ---- shared event ---- */

int32_t mlxshim_event_create(mlxshim_device_t device, mlxshim_event_t *out_event, char *message,
                             uint64_t message_capacity) {
    @autoreleasepool {
        struct text reason = text_in(message, message_capacity);
        if (device == NULL || out_event == NULL) {
            return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, &reason, "device or out_event is NULL");
        }
        id<MTLDevice> metal = (id<MTLDevice>)device;
        id<MTLSharedEvent> event = [metal newSharedEvent];
        if (event == nil) {
            append(&reason, "no memory left for a shared event");
            return fail_out_of_memory(metal, &reason);
        }
        *out_event = (mlxshim_event_t)event;
        return MLXSHIM_OK;
    }
}

void mlxshim_event_release(mlxshim_event_t event) {
    release_handle(event);
}

uint64_t mlxshim_event_signaled_value(mlxshim_event_t event) {
    @autoreleasepool {
        return [(id<MTLSharedEvent>)event signaledValue];
    }
}

int32_t mlxshim_event_signal(mlxshim_event_t event, uint64_t value) {
    @autoreleasepool {
        id<MTLSharedEvent> metal = (id<MTLSharedEvent>)event;
        if (value < [metal signaledValue]) {
            return MLXSHIM_ERROR_INVALID_ARGUMENT;
        }
        /* If another thread sets a larger value in between, that value stays: Metal ignores a smaller one. */
        [metal setSignaledValue:value];
        return MLXSHIM_OK;
    }
}

/* A year: longer than any real wait, and too short to overflow when converted to nanoseconds or clock ticks. */
#define LONGEST_WAIT_MILLIS (365ULL * 24 * 60 * 60 * 1000)

int32_t mlxshim_event_wait(mlxshim_event_t event, uint64_t value, uint64_t timeout_millis) {
    @autoreleasepool {
        id<MTLSharedEvent> metal = (id<MTLSharedEvent>)event;
        /* Most waits find the value reached. Apple does not document a timeout of 0, so Metal never gets one. */
        if ([metal signaledValue] >= value) {
            return MLXSHIM_OK;
        }
        if (timeout_millis == 0) {
            return MLXSHIM_ERROR_TIMEOUT;
        }
        uint64_t millis = timeout_millis < LONGEST_WAIT_MILLIS ? timeout_millis : LONGEST_WAIT_MILLIS;
        return [metal waitUntilSignaledValue:value timeoutMS:millis] ? MLXSHIM_OK : MLXSHIM_ERROR_TIMEOUT;
    }
}

/* ---- residency set ---- */

#pragma clang diagnostic push
/* The compiler does not see that mlxshim_residency_set_create looks up residency sets at run time. */
#pragma clang diagnostic ignored "-Wunguarded-availability-new"

/*
 * The largest hint that is passed to Metal, so that a hint cannot make it reserve too much memory. macOS does not
 * allow a process that many allocations.
 */
#define LARGEST_CAPACITY_HINT (1ULL << 20)

/*
 * The descriptor's class, or Nil if residency sets are unsupported. Metal's validation layer ends a process that
 * creates one on a GPU below the family Apple6.
 */
static Class residency_set_descriptor(id<MTLDevice> device) {
    bool supported = [device respondsToSelector:@selector(newResidencySetWithDescriptor:error:)] &&
                     [device supportsFamily:MTLGPUFamilyApple6];
    return supported ? objc_getClass("MTLResidencySetDescriptor") : Nil;
}

int32_t mlxshim_residency_set_create(mlxshim_device_t device, const char *label, uint64_t initial_capacity,
                                     mlxshim_residency_set_t *out_set, char *message, uint64_t message_capacity) {
    @autoreleasepool {
        struct text reason = text_in(message, message_capacity);
        if (device == NULL || out_set == NULL) {
            return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, &reason, "device or out_set is NULL");
        }
        NSString *name;
        if (!read_label(label, &name)) {
            return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, &reason, "the label is not UTF-8");
        }
        id<MTLDevice> metal = (id<MTLDevice>)device;
        Class descriptor_class = residency_set_descriptor(metal);
        if (descriptor_class == Nil) {
            return fail(MLXSHIM_ERROR_UNSUPPORTED, &reason,
                        "residency sets need macOS 15 and a GPU of the family Apple6, or later ones");
        }
        MTLResidencySetDescriptor *descriptor = [[descriptor_class alloc] init];
        [descriptor setLabel:name];
        [descriptor setInitialCapacity:initial_capacity < LARGEST_CAPACITY_HINT ? initial_capacity
                                                                                : LARGEST_CAPACITY_HINT];
        NSError *error = nil;
        id<MTLResidencySet> set = [metal newResidencySetWithDescriptor:descriptor error:&error];
        [descriptor release];
        if (set == nil) {
            append(&reason, "Metal made no residency set");
            if (error != nil) {
                append(&reason, " (");
                append_string(&reason, [error localizedDescription]);
                append(&reason, ")");
            }
            return fail_out_of_memory(metal, &reason);
        }
        *out_set = (mlxshim_residency_set_t)set;
        return MLXSHIM_OK;
    }
}

void mlxshim_residency_set_release(mlxshim_residency_set_t set) {
    release_handle(set);
}

/*
 * Locks a set. This ABI is thread-safe, but Metal's residency sets are not, unlike every other object here: Apple's
 * Game Porting Toolkit says so, and the documentation is silent. objc_sync_enter takes a lock that the runtime has for
 * each object, so the handle can still be the object itself.
 */
static id<MTLResidencySet> lock(mlxshim_residency_set_t set) {
    objc_sync_enter((id)set);
    return (id<MTLResidencySet>)set;
}

static void unlock(id<MTLResidencySet> set) {
    objc_sync_exit(set);
}

int32_t mlxshim_residency_set_add(mlxshim_residency_set_t set, mlxshim_buffer_t buffer) {
    if (buffer == NULL) {
        return MLXSHIM_ERROR_INVALID_ARGUMENT;
    }
    @autoreleasepool {
        id<MTLResidencySet> metal = lock(set);
        [metal addAllocation:(id<MTLBuffer>)buffer];
        unlock(metal);
        return MLXSHIM_OK;
    }
}

int32_t mlxshim_residency_set_remove(mlxshim_residency_set_t set, mlxshim_buffer_t buffer) {
    if (buffer == NULL) {
        return MLXSHIM_ERROR_INVALID_ARGUMENT;
    }
    @autoreleasepool {
        id<MTLResidencySet> metal = lock(set);
        [metal removeAllocation:(id<MTLBuffer>)buffer];
        unlock(metal);
        return MLXSHIM_OK;
    }
}

int32_t mlxshim_residency_set_commit(mlxshim_residency_set_t set) {
    @autoreleasepool {
        id<MTLResidencySet> metal = lock(set);
        [metal commit];
        unlock(metal);
        return MLXSHIM_OK;
    }
}

void mlxshim_residency_set_request(mlxshim_residency_set_t set) {
    @autoreleasepool {
        id<MTLResidencySet> metal = lock(set);
        [metal requestResidency];
        unlock(metal);
    }
}

void mlxshim_residency_set_end(mlxshim_residency_set_t set) {
    @autoreleasepool {
        id<MTLResidencySet> metal = lock(set);
        [metal endResidency];
        unlock(metal);
    }
}

uint64_t mlxshim_residency_set_count(mlxshim_residency_set_t set) {
    @autoreleasepool {
        id<MTLResidencySet> metal = lock(set);
        uint64_t count = [metal allocationCount];
        unlock(metal);
        return count;
    }
}

uint64_t mlxshim_residency_set_allocated_size(mlxshim_residency_set_t set) {
    @autoreleasepool {
        id<MTLResidencySet> metal = lock(set);
        uint64_t bytes = [metal allocatedSize];
        unlock(metal);
        return bytes;
    }
}

#pragma clang diagnostic pop
