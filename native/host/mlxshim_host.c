/*
 * mlxshim.h on host memory, for machines without Metal. Each buffer is a run of whole pages from the kernel. Its
 * release returns them, so the process uses less memory at once.
 */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#endif

#include "mlxshim_host.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The byte that fills contents that a fault has taken. */
#define PURGED 0xCD

struct member {
    mlxshim_buffer_t buffer;
    uint64_t length;
};

struct change {
    struct member member;
    bool added;
};

/*
 * A list of members and a list of staged changes, both searched linearly: the host shim only counts members, and a set
 * contains no more buffers than a model has weights.
 */
struct mlxshim_residency_set {
    pthread_mutex_t lock;
    struct member *members;
    uint64_t member_count;
    struct change *changes;
    uint64_t change_count;
    uint64_t change_capacity;
};

/* ---- the library ---- */

int32_t mlxshim_abi_version(void) {
    return MLXSHIM_ABI_VERSION;
}

int32_t mlxshim_backend_kind(void) {
    return MLXSHIM_BACKEND_HOST;
}

uint64_t mlxshim_page_size(void) {
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t whole_pages(uint64_t length) {
    uint64_t mask = mlxshim_page_size() - 1;
    return (length + mask) & ~mask;
}

/* ---- device ---- */

int32_t mlxshim_device_open(mlxshim_device_t *out_device, char *message, uint64_t message_capacity) {
    if (out_device == NULL) {
        return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, "out_device is NULL", message, message_capacity);
    }
    if (!faults_admit(DEVICES, 0)) {
        return fail(MLXSHIM_ERROR_NO_DEVICE, "there is no host device", message, message_capacity);
    }
    mlxshim_device_t device = malloc(sizeof *device);
    if (device == NULL) {
        live_objects_remove(DEVICES, 0);
        return fail(MLXSHIM_ERROR_OUT_OF_MEMORY, "no memory left for a device", message, message_capacity);
    }
    device->physical_memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * mlxshim_page_size();
    *out_device = device;
    return MLXSHIM_OK;
}

void mlxshim_device_release(mlxshim_device_t device) {
    if (device != NULL) {
        free(device);
        live_objects_remove(DEVICES, 0);
    }
}

uint64_t mlxshim_device_name(mlxshim_device_t device, char *text, uint64_t text_capacity) {
    (void)device;
    return copy_text("Host memory", text, text_capacity);
}

/* Always 0: the registry has entries only for GPU drivers. */
uint64_t mlxshim_device_registry_id(mlxshim_device_t device) {
    (void)device;
    return 0;
}

int32_t mlxshim_device_has_unified_memory(mlxshim_device_t device) {
    (void)device;
    return 1;
}

uint64_t mlxshim_device_max_buffer_length(mlxshim_device_t device) {
    return device->physical_memory;
}

/* Three quarters of the memory, as Metal recommends on the larger Apple machines. */
uint64_t mlxshim_device_recommended_max_working_set_size(mlxshim_device_t device) {
    return device->physical_memory / 4 * 3;
}

uint64_t mlxshim_device_current_allocated_size(mlxshim_device_t device) {
    (void)device;
    return live_objects_bytes();
}

/* ---- buffer ---- */

/* Creates the handle of a buffer. Caller has called faults_admit. */
static mlxshim_buffer_t buffer_new(void *pages, uint64_t length, int32_t storage_mode, struct page_run run) {
    mlxshim_buffer_t buffer = malloc(sizeof *buffer);
    if (buffer == NULL) {
        return NULL;
    }
    *buffer = (struct mlxshim_buffer){
        .pages = pages,
        .length = length,
        .run = run,
        .storage_mode = storage_mode,
        .purgeable_state = MLXSHIM_PURGEABLE_NON_VOLATILE,
        .references = 1,
    };
    pthread_mutex_init(&buffer->lock, NULL);
    return buffer;
}

static int32_t fail_out_of_memory(uint64_t length, char *message, uint64_t message_capacity) {
    char reason[MESSAGE_SIZE];
    snprintf(reason, sizeof reason, "no memory left for a buffer of %" PRIu64 " bytes", length);
    return fail(MLXSHIM_ERROR_OUT_OF_MEMORY, reason, message, message_capacity);
}

static int32_t fail_out_of_maps(uint64_t length, char *message, uint64_t message_capacity) {
    char reason[MESSAGE_SIZE];
    snprintf(reason, sizeof reason,
             "no memory map left for a buffer of %" PRIu64 " bytes: buffers take at most half of the %" PRIu64
             " maps that vm.max_map_count allows the process",
             length, kernel_map_limit());
    return fail(MLXSHIM_ERROR_OUT_OF_MEMORY, reason, message, message_capacity);
}

/* Checks the arguments that creating and wrapping have in common. */
static int32_t check_length(mlxshim_device_t device, uint64_t length, mlxshim_buffer_t *out_buffer, char *message,
                            uint64_t message_capacity) {
    if (device == NULL || out_buffer == NULL) {
        return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, "device or out_buffer is NULL", message, message_capacity);
    }
    if (length == 0) {
        return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, "a buffer has at least 1 byte, not 0", message, message_capacity);
    }
    uint64_t limit = mlxshim_device_max_buffer_length(device);
    if (length > limit) {
        char reason[MESSAGE_SIZE];
        snprintf(reason, sizeof reason, "%" PRIu64 " bytes are above the maximum buffer length, %" PRIu64 " bytes",
                 length, limit);
        return fail(MLXSHIM_ERROR_TOO_LARGE, reason, message, message_capacity);
    }
    return MLXSHIM_OK;
}

int32_t mlxshim_buffer_create(mlxshim_device_t device, uint64_t length, int32_t storage_mode, int32_t cpu_cache_mode,
                              mlxshim_buffer_t *out_buffer, char *message, uint64_t message_capacity) {
    int32_t status = check_length(device, length, out_buffer, message, message_capacity);
    if (status != MLXSHIM_OK) {
        return status;
    }
    if (storage_mode < MLXSHIM_STORAGE_SHARED || storage_mode > MLXSHIM_STORAGE_PRIVATE ||
        cpu_cache_mode < MLXSHIM_CPU_CACHE_DEFAULT || cpu_cache_mode > MLXSHIM_CPU_CACHE_WRITE_COMBINED) {
        char reason[MESSAGE_SIZE];
        snprintf(reason, sizeof reason, "unknown storage mode %" PRId32 " or CPU cache mode %" PRId32, storage_mode,
                 cpu_cache_mode);
        return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, reason, message, message_capacity);
    }
    uint64_t bytes = whole_pages(length);
    if (!faults_admit(BUFFERS, bytes)) {
        return fail_out_of_memory(length, message, message_capacity);
    }
    if (faults_empty_create()) {
        live_objects_remove(BUFFERS, bytes);
        return fail(MLXSHIM_ERROR_UNSUPPORTED, "this machine cannot make buffers", message, message_capacity);
    }
    struct page_run run;
    enum pages_status pages = page_run_new(bytes, &run);
    if (pages != PAGES_OK) {
        live_objects_remove(BUFFERS, bytes);
        return pages == PAGES_NO_MAPS ? fail_out_of_maps(length, message, message_capacity)
                                      : fail_out_of_memory(length, message, message_capacity);
    }
    mlxshim_buffer_t buffer = buffer_new(run.start, length, storage_mode, run);
    if (buffer == NULL) {
        page_run_free(run);
        live_objects_remove(BUFFERS, bytes);
        return fail_out_of_memory(length, message, message_capacity);
    }
    *out_buffer = buffer;
    return MLXSHIM_OK;
}

int32_t mlxshim_buffer_wrap(mlxshim_device_t device, void *pages, uint64_t length, mlxshim_buffer_t *out_buffer,
                            char *message, uint64_t message_capacity) {
    int32_t status = check_length(device, length, out_buffer, message, message_capacity);
    if (status != MLXSHIM_OK) {
        return status;
    }
    if (pages == NULL || (uintptr_t)pages % mlxshim_page_size() != 0 || length % mlxshim_page_size() != 0) {
        char reason[MESSAGE_SIZE];
        snprintf(reason, sizeof reason,
                 "%" PRIu64 " bytes at 0x%" PRIxPTR " are not whole pages of %" PRIu64 " bytes", length,
                 (uintptr_t)pages, mlxshim_page_size());
        return fail(MLXSHIM_ERROR_MISALIGNED, reason, message, message_capacity);
    }
    if (!faults_admit(BUFFERS, 0)) {
        return fail_out_of_memory(length, message, message_capacity);
    }
    if (faults_empty_wrap()) {
        live_objects_remove(BUFFERS, 0);
        return fail(MLXSHIM_ERROR_UNSUPPORTED, "this machine cannot wrap pages", message, message_capacity);
    }
    mlxshim_buffer_t buffer = buffer_new(pages, length, MLXSHIM_STORAGE_SHARED, (struct page_run){0});
    if (buffer == NULL) {
        live_objects_remove(BUFFERS, 0);
        return fail_out_of_memory(length, message, message_capacity);
    }
    *out_buffer = buffer;
    return MLXSHIM_OK;
}

void buffer_retain(mlxshim_buffer_t buffer) {
    pthread_mutex_lock(&buffer->lock);
    buffer->references++;
    pthread_mutex_unlock(&buffer->lock);
}

void mlxshim_buffer_release(mlxshim_buffer_t buffer) {
    if (buffer == NULL) {
        return;
    }
    pthread_mutex_lock(&buffer->lock);
    bool last = --buffer->references == 0;
    pthread_mutex_unlock(&buffer->lock);
    if (!last) {
        return;
    }
    struct page_run run = buffer->run;
    if (run.bytes > 0) {
        page_run_free(run);
    }
    pthread_mutex_destroy(&buffer->lock);
    free(buffer->label);
    free(buffer);
    live_objects_remove(BUFFERS, run.bytes);
}

void *mlxshim_buffer_contents(mlxshim_buffer_t buffer) {
    return buffer->storage_mode == MLXSHIM_STORAGE_PRIVATE ? NULL : buffer->pages;
}

uint64_t mlxshim_buffer_length(mlxshim_buffer_t buffer) {
    return buffer->length;
}

int32_t mlxshim_buffer_set_label(mlxshim_buffer_t buffer, const char *label) {
    if (label != NULL && !is_utf8(label)) {
        return MLXSHIM_ERROR_INVALID_ARGUMENT;
    }
    char *copy = label == NULL ? NULL : strdup(label);
    if (label != NULL && copy == NULL) {
        return MLXSHIM_ERROR_OUT_OF_MEMORY;
    }
    pthread_mutex_lock(&buffer->lock);
    char *replaced = buffer->label;
    buffer->label = copy;
    pthread_mutex_unlock(&buffer->lock);
    free(replaced);
    return MLXSHIM_OK;
}

uint64_t mlxshim_buffer_label(mlxshim_buffer_t buffer, char *text, uint64_t text_capacity) {
    pthread_mutex_lock(&buffer->lock);
    uint64_t length = copy_text(buffer->label == NULL ? "" : buffer->label, text, text_capacity);
    pthread_mutex_unlock(&buffer->lock);
    return length;
}

/*
 * Stores the state, and keeps the contents: the kernel swaps host memory out if it needs to. It could discard them
 * (MADV_FREE), but would not tell what it has discarded, and could do so until each page is written again.
 */
int32_t mlxshim_buffer_set_purgeable_state(mlxshim_buffer_t buffer, int32_t state, int32_t *out_previous) {
    if (out_previous == NULL || state < MLXSHIM_PURGEABLE_KEEP_CURRENT || state > MLXSHIM_PURGEABLE_EMPTY) {
        return MLXSHIM_ERROR_INVALID_ARGUMENT;
    }
    bool changes = state != MLXSHIM_PURGEABLE_KEEP_CURRENT;
    if (changes && faults_refuse_purgeable()) {
        return MLXSHIM_ERROR_UNSUPPORTED;
    }
    pthread_mutex_lock(&buffer->lock);
    *out_previous = buffer->purgeable_state;
    if (changes) {
        buffer->purgeable_state = state;
    }
    if (state == MLXSHIM_PURGEABLE_VOLATILE && faults_purge()) {
        buffer->purgeable_state = MLXSHIM_PURGEABLE_EMPTY;
        memset(buffer->pages, PURGED, buffer->run.bytes);
    }
    pthread_mutex_unlock(&buffer->lock);
    return MLXSHIM_OK;
}

/* ---- residency set ---- */

int32_t mlxshim_residency_set_create(mlxshim_device_t device, const char *label, uint64_t initial_capacity,
                                     mlxshim_residency_set_t *out_set, char *message, uint64_t message_capacity) {
    (void)initial_capacity;
    if (device == NULL || out_set == NULL || (label != NULL && !is_utf8(label))) {
        return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, "device or out_set is NULL, or the label is not UTF-8", message,
                    message_capacity);
    }
    if (faults_no_residency_sets() != 0) {
        return fail(MLXSHIM_ERROR_UNSUPPORTED, "this machine has no residency sets", message, message_capacity);
    }
    mlxshim_residency_set_t set = handle_new(RESIDENCY_SETS, sizeof *set);
    if (set == NULL) {
        return fail(MLXSHIM_ERROR_OUT_OF_MEMORY, "no memory left for a residency set", message, message_capacity);
    }
    pthread_mutex_init(&set->lock, NULL);
    *out_set = set;
    return MLXSHIM_OK;
}

void mlxshim_residency_set_release(mlxshim_residency_set_t set) {
    if (set != NULL) {
        pthread_mutex_destroy(&set->lock);
        free(set->members);
        free(set->changes);
        free(set);
        live_objects_remove(RESIDENCY_SETS, 0);
    }
}

static int32_t stage(mlxshim_residency_set_t set, mlxshim_buffer_t buffer, bool added) {
    if (buffer == NULL) {
        return MLXSHIM_ERROR_INVALID_ARGUMENT;
    }
    int32_t status = MLXSHIM_OK;
    pthread_mutex_lock(&set->lock);
    if (set->change_count == set->change_capacity) {
        uint64_t capacity = set->change_capacity == 0 ? 16 : 2 * set->change_capacity;
        struct change *grown = realloc(set->changes, capacity * sizeof *grown);
        if (grown == NULL) {
            status = MLXSHIM_ERROR_OUT_OF_MEMORY;
        } else {
            set->changes = grown;
            set->change_capacity = capacity;
        }
    }
    if (status == MLXSHIM_OK) {
        struct member member = {.buffer = buffer, .length = buffer->length};
        set->changes[set->change_count++] = (struct change){.member = member, .added = added};
    }
    pthread_mutex_unlock(&set->lock);
    return status;
}

int32_t mlxshim_residency_set_add(mlxshim_residency_set_t set, mlxshim_buffer_t buffer) {
    return stage(set, buffer, true);
}

int32_t mlxshim_residency_set_remove(mlxshim_residency_set_t set, mlxshim_buffer_t buffer) {
    return stage(set, buffer, false);
}

static void apply(mlxshim_residency_set_t set, struct change change) {
    uint64_t at = 0;
    while (at < set->member_count && set->members[at].buffer != change.member.buffer) {
        at++;
    }
    bool present = at < set->member_count;
    if (change.added && !present) {
        set->members[set->member_count++] = change.member;
    } else if (!change.added && present) {
        set->members[at] = set->members[--set->member_count];
    }
}

int32_t mlxshim_residency_set_commit(mlxshim_residency_set_t set) {
    pthread_mutex_lock(&set->lock);
    /* Allocate room for every change first, so that a commit applies all changes or none. */
    uint64_t most = set->member_count + set->change_count;
    struct member *grown = most == 0 ? NULL : realloc(set->members, most * sizeof *grown);
    bool whole = most == 0 || grown != NULL;
    if (whole && most > 0) {
        set->members = grown;
        for (uint64_t i = 0; i < set->change_count; i++) {
            apply(set, set->changes[i]);
        }
        set->change_count = 0;
    }
    pthread_mutex_unlock(&set->lock);
    return whole ? MLXSHIM_OK : MLXSHIM_ERROR_OUT_OF_MEMORY;
}

/* Nothing to do: the kernel makes host memory resident when the CPU accesses it. */
void mlxshim_residency_set_request(mlxshim_residency_set_t set) {
    (void)set;
}

void mlxshim_residency_set_end(mlxshim_residency_set_t set) {
    (void)set;
}

uint64_t mlxshim_residency_set_count(mlxshim_residency_set_t set) {
    pthread_mutex_lock(&set->lock);
    uint64_t count = set->member_count;
    pthread_mutex_unlock(&set->lock);
    return count;
}

uint64_t mlxshim_residency_set_allocated_size(mlxshim_residency_set_t set) {
    pthread_mutex_lock(&set->lock);
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < set->member_count; i++) {
        bytes += whole_pages(set->members[i].length);
    }
    pthread_mutex_unlock(&set->lock);
    return bytes;
}
