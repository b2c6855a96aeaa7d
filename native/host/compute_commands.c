#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#endif

#include "compute_commands.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* What arguments that are not bound point to: kernels may read them before they look whether they need them. */
#define ZERO_BYTES (64 * 1024)

static pthread_once_t zeros_once = PTHREAD_ONCE_INIT;
static void *zeros;

static void map_zeros(void) {
    void *map = mmap(NULL, ZERO_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANON, -1, 0);
    zeros = map == MAP_FAILED ? NULL : map;
}

struct compute_commands *compute_commands_new(void) {
    pthread_once(&zeros_once, map_zeros);
    struct compute_commands *commands = zeros == NULL ? NULL : calloc(1, sizeof *commands);
    if (commands != NULL) {
        pthread_mutex_init(&commands->lock, NULL);
        atomic_init(&commands->references, 1);
    }
    return commands;
}

void compute_commands_retain(struct compute_commands *commands) {
    atomic_fetch_add(&commands->references, 1);
}

void compute_commands_release(struct compute_commands *commands) {
    if (commands != NULL && atomic_fetch_sub(&commands->references, 1) == 1) {
        compute_commands_clear(commands);
        pthread_mutex_destroy(&commands->lock);
        free(commands);
    }
}

void compute_commands_clear(struct compute_commands *commands) {
    for (uint64_t i = 0; i < commands->count; i++) {
        if (commands->commands[i].kind == COMPUTE_DISPATCH) {
            msl_kernel_release(commands->commands[i].dispatch->kernel);
            free(commands->commands[i].dispatch);
        }
    }
    for (uint64_t i = 0; i < commands->object_count; i++) {
        commands->objects[i].release(commands->objects[i].object);
    }
    constants_clear(&commands->constants);
    free(commands->commands);
    free(commands->objects);
    commands->commands = NULL;
    commands->objects = NULL;
    commands->count = commands->capacity = 0;
    commands->object_count = commands->object_capacity = 0;
}

/* ---- filling ---- */

/* Makes room for one more command and some more objects, so that adding them cannot fail. */
static bool reserve(struct compute_commands *commands, uint64_t objects) {
    if (commands->count == commands->capacity) {
        uint64_t capacity = commands->capacity == 0 ? 8 : 2 * commands->capacity;
        struct compute_command *grown = realloc(commands->commands, capacity * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        commands->commands = grown;
        commands->capacity = capacity;
    }
    if (commands->object_count + objects > commands->object_capacity) {
        uint64_t capacity = 2 * commands->object_capacity + objects + 8;
        struct compute_object *grown = realloc(commands->objects, capacity * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        commands->objects = grown;
        commands->object_capacity = capacity;
    }
    return true;
}

static void add(struct compute_commands *commands, struct compute_command command) {
    commands->commands[commands->count++] = command;
}

static void keep(struct compute_commands *commands, struct compute_object object) {
    if (object.retain != NULL) {
        object.retain(object.object);
        commands->objects[commands->object_count++] = object;
    }
}

static bool fill_buffers(struct compute_commands *commands, const struct compute_arguments *arguments,
                         struct compute_dispatch *dispatch) {
    for (int i = 0; i < MLXSHIM_BUFFER_ARGUMENTS; i++) {
        const void *constant = arguments->constants[i].bytes;
        void *buffer = arguments->buffers[i].bytes;
        if (constant != NULL) {
            buffer = constants_copy(&commands->constants, constant, arguments->constants[i].length);
            if (buffer == NULL) {
                return false;
            }
        }
        dispatch->buffers[i] = buffer == NULL ? zeros : buffer;
    }
    return true;
}

bool compute_dispatch(struct compute_commands *commands, struct msl_kernel *kernel,
                      const struct compute_arguments *arguments, const uint64_t grid_threads[3],
                      const uint64_t threads_per_group[3]) {
    struct compute_dispatch *dispatch = malloc(sizeof *dispatch);
    if (dispatch == NULL || !reserve(commands, MLXSHIM_BUFFER_ARGUMENTS) ||
        !fill_buffers(commands, arguments, dispatch)) {
        free(dispatch);
        return false;
    }
    for (int i = 0; i < 3; i++) {
        dispatch->grid[i] = (uint32_t)grid_threads[i];
        dispatch->threads_per_group[i] = (uint32_t)threads_per_group[i];
    }
    memcpy(dispatch->threadgroup_lengths, arguments->threadgroup_lengths, sizeof dispatch->threadgroup_lengths);
    for (int i = 0; i < MLXSHIM_BUFFER_ARGUMENTS; i++) {
        if (arguments->constants[i].bytes == NULL && arguments->buffers[i].bytes != NULL) {
            keep(commands, arguments->buffers[i].owner);
        }
    }
    msl_kernel_retain(kernel);
    dispatch->kernel = kernel;
    add(commands, (struct compute_command){.kind = COMPUTE_DISPATCH, .dispatch = dispatch});
    return true;
}

bool compute_copy(struct compute_commands *commands, struct compute_range from, struct compute_range to) {
    if (!reserve(commands, 2)) {
        return false;
    }
    keep(commands, from.owner);
    keep(commands, to.owner);
    add(commands, (struct compute_command){.kind = COMPUTE_COPY, .copy = {from.bytes, to.bytes, from.length}});
    return true;
}

bool compute_fill(struct compute_commands *commands, struct compute_range range, uint8_t byte) {
    if (!reserve(commands, 1)) {
        return false;
    }
    keep(commands, range.owner);
    add(commands, (struct compute_command){.kind = COMPUTE_FILL, .fill = {range.bytes, range.length, byte}});
    return true;
}

static bool add_event(struct compute_commands *commands, struct compute_command command) {
    if (!reserve(commands, 1)) {
        return false;
    }
    keep(commands, command.event.event.owner);
    add(commands, command);
    return true;
}

bool compute_signal(struct compute_commands *commands, struct compute_event event, uint64_t value) {
    return add_event(commands, (struct compute_command){.kind = COMPUTE_SIGNAL, .event = {event, value}});
}

bool compute_wait(struct compute_commands *commands, struct compute_event event, uint64_t value) {
    return add_event(commands, (struct compute_command){.kind = COMPUTE_WAIT, .event = {event, value}});
}

/* ---- state ---- */

int32_t compute_status(struct compute_commands *commands) {
    pthread_mutex_lock(&commands->lock);
    int32_t status = commands->status;
    pthread_mutex_unlock(&commands->lock);
    return status;
}

int32_t compute_failure(struct compute_commands *commands, const char **out_text) {
    pthread_mutex_lock(&commands->lock);
    int32_t failure = commands->failure;
    pthread_mutex_unlock(&commands->lock);
    *out_text = failure == MLXSHIM_FAILURE_NONE ? "" : commands->text;
    return failure;
}

void compute_times(struct compute_commands *commands, uint64_t *out_start, uint64_t *out_end) {
    pthread_mutex_lock(&commands->lock);
    *out_start = commands->start;
    *out_end = commands->end;
    pthread_mutex_unlock(&commands->lock);
}
